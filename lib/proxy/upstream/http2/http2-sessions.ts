/**
 * The HTTP/2 sessions to one instance of a replica, and the sockets that share them.
 * Invariants: a socket counts as connected once the replica has sent its settings, so that a server of HTTP/1.1 is never
 * taken for one of HTTP/2; a session that was told to go away, or whose replica has gone silent, takes no new requests,
 * and closes after those it has.
 * Source: RFC 9113 sections 3.3 (prior knowledge), 3.4 (preface), 5.1.2 (concurrency), 5.2 (flow control), 6.8 (GOAWAY).
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTcp, type OnReadOpts, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { formatEndpoint } from '../../../core/replica.ts';
import { connectOverTls, type UpstreamTls } from '../../../platform/upstream-tls.ts';
import { keepSessionFor } from '../../io/node-internals.ts';
import type { Connect } from '../connection.ts';
import type { ReplicaSocket } from '../early-response.ts';
import { Http2Socket, type SocketSession } from './http2-socket.ts';
import type { StreamRequestHead } from './http2-text.ts';

/** Requests on one session at a time, where the replica takes more: they share the session's one TCP connection. */
const MOST_STREAMS = 100;
/** What a replica may send of one response before the client takes it. */
const STREAM_WINDOW_BYTES = 262_144;
/** It bounds nothing that is held, since Node.js gives it back as data comes in; the standard's 64 KiB would slow it down. */
const SESSION_WINDOW_BYTES = 4 * STREAM_WINDOW_BYTES;
/** In MiB: all streams with their windows full, and their heads. */
const MOST_SESSION_MEMORY_MIB = 64;

/**
 * A request that is given up ends its session for later ones where nothing at all has come on it for so long: the process
 * may be frozen, or a firewall may have forgotten the connection, and every request would run into its timeout. A PING
 * would tell sooner, but servers of gRPC close connections whose clients send more than a few. A replica that was only
 * slow loses nothing: what it has is waited for, and later requests cost it one more connection.
 */
const SILENT_MS = 5000;

const SESSION_OPTIONS = {
  settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
  maxSessionMemory: MOST_SESSION_MEMORY_MIB,
  // whether a field that came twice is in order is for the replica to say, as over HTTP/1.1
  strictSingleValueFields: false,
};

interface Target {
  readonly host: string;
  readonly port: number;
  /** Undefined for a replica that is spoken to in the clear. */
  readonly tls: UpstreamTls | undefined;
  /** Milliseconds that never go back; a coarse clock will do. */
  readonly nowMs: () => number;
}

/** One session, its TCP connection, and the sockets that use it. */
class Http2Session implements SocketSession {
  readonly scheme: 'http' | 'https';
  isClosing = false;
  readonly #client: ClientHttp2Session;
  readonly #transport: Socket;
  readonly #nowMs: () => number;
  readonly #sockets = new Set<Http2Socket>();
  #isConnected = false;
  #most = MOST_STREAMS;
  #error: Error | undefined;
  /** Bytes that had come when a request was sent or given up last, and since when they have been no more. */
  #receivedBytes = 0;
  #silentSinceMs = Number.NEGATIVE_INFINITY;

  constructor({ host, port, tls, nowMs }: Target) {
    this.scheme = tls === undefined ? 'http' : 'https';
    const transport =
      tls === undefined
        ? connectTcp({ host, port, noDelay: true })
        : connectOverTls({ host, port }, tls, { protocol: 'h2' });
    const client = connect(`${this.scheme}://${formatEndpoint({ host, port })}`, {
      createConnection: () => transport,
      ...SESSION_OPTIONS,
    });
    this.#client = client;
    this.#transport = transport;
    this.#nowMs = nowMs;
    client.on('connect', (_session, socket) => {
      if (tls !== undefined && (socket as TLSSocket).alpnProtocol !== 'h2')
        return client.destroy(new Error('The server does not offer HTTP/2 (ALPN)'));
      client.setLocalWindowSize(SESSION_WINDOW_BYTES);
    });
    client.once('remoteSettings', ({ maxConcurrentStreams = MOST_STREAMS }) => {
      this.#most = Math.max(1, Math.min(MOST_STREAMS, maxConcurrentStreams));
      this.#isConnected = true;
      for (const socket of [...this.#sockets]) this.#announce(socket);
    });
    client.on('goaway', () => this.#close());
    client.on('error', (error) => {
      this.#error = error;
    });
    client.on('close', () => this.#onClosed());
  }

  get hasRoom(): boolean {
    return !this.isClosing && this.#sockets.size < this.#most;
  }

  add(onRead: OnReadOpts | undefined): Http2Socket {
    const socket = new Http2Socket(this, onRead);
    this.#sockets.add(socket);
    if (this.#isConnected) process.nextTick(() => this.#announce(socket));
    return socket;
  }

  request({ fields, framing }: StreamRequestHead, signal: AbortSignal | undefined): ClientHttp2Stream {
    this.#noteReceived();
    const stream = this.#client.request(fields, {
      endStream: framing === 'none',
      waitForTrailers: framing === 'chunked',
      ...(signal && { signal }),
    });
    keepSessionFor(stream, this.#client);
    return stream;
  }

  onGivenUp(): void {
    this.#noteReceived();
    if (this.#nowMs() - this.#silentSinceMs >= SILENT_MS) this.#close();
  }

  #noteReceived(): void {
    const { bytesRead } = this.#transport;
    if (bytesRead === this.#receivedBytes) return;
    this.#receivedBytes = bytesRead;
    this.#silentSinceMs = this.#nowMs();
  }

  /** With its last socket the session ends, at once: to close in peace, a frozen replica would have to close as well. */
  remove(socket: Http2Socket): void {
    this.#sockets.delete(socket);
    if (this.#sockets.size > 0) return;
    this.isClosing = true;
    this.#client.destroy();
  }

  #announce(socket: Http2Socket): void {
    if (!socket.destroyed) socket.emit(this.scheme === 'https' ? 'secureConnect' : 'connect');
  }

  #close(): void {
    this.isClosing = true;
    for (const socket of [...this.#sockets]) socket.closeIfIdle();
  }

  #onClosed(): void {
    this.isClosing = true;
    const error = this.#isConnected ? undefined : (this.#error ?? new Error('It does not speak HTTP/2'));
    for (const socket of [...this.#sockets]) socket.destroy(error);
  }
}

/**
 * How connections to one instance are opened that speaks HTTP/2. `connectHttp1` opens those that become tunnels, since
 * HTTP/2 has no Upgrade. `nowMs` gives milliseconds that never go back.
 */
export function connectUpstreamHttp2(
  tls: UpstreamTls | undefined,
  connectHttp1: Connect,
  nowMs: () => number,
): Connect {
  const sessions = new Set<Http2Session>();
  return (options: TcpNetConnectOpts) => {
    if (options.allowHalfOpen === true) return connectHttp1(options);
    const { host = 'localhost', port, onread } = options;
    for (const session of sessions) if (session.isClosing) sessions.delete(session);
    let session = [...sessions].find(({ hasRoom }) => hasRoom);
    if (session === undefined) {
      session = new Http2Session({ host, port, tls, nowMs });
      sessions.add(session);
    }
    // of a socket, the pool uses what it has in common with any stream
    return session.add(onread) as unknown as ReplicaSocket;
  };
}
