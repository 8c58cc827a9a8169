/**
 * One HTTP/2 connection of a client: each of its streams is one request, handled as one on a connection of its own.
 * Invariants: a stream that is reset ends its exchange; a drain tells the client (GOAWAY) which requests it may send
 * elsewhere; what floods is ended with its connection.
 * Source: RFC 9113; sections 6.8 (GOAWAY), 8.1 (a response before the whole request), 10.5 (denial of service).
 */
import { Buffer } from 'node:buffer';
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { BalancerError, isBalancerError } from '../../../platform/errors.ts';
import { finalFailureResponse } from '../../headers/failure-response.ts';
import type { ClientInfo } from '../../headers/request-headers.ts';
import { resetConnection } from '../../io/encrypted.ts';
import { queuedBytesOf } from '../../io/node-internals.ts';
import { ReadProgress } from '../../io/unsent-bytes.ts';
import { Listed, UnorderedList } from '../../unordered-list.ts';
import type { Connection } from '../../upstream/connection.ts';
import type { ConnectionPool } from '../../upstream/connection-pool.ts';
import { type PinnedConnection, pinConnection } from '../../upstream/pinned-connections.ts';
import type { WorkerOptions } from '../../worker-protocol.ts';
import type { ConnectionWorker } from '../client-connection.ts';
import type { ActiveExchange, ManagedConnection, RequestHandler, TimedConnection } from '../request.ts';
import { isWebSocketConnect, parseStreamHead } from './stream-head.ts';
import { StreamBody, StreamRequest, StreamResponse } from './stream-messages.ts';
import { StreamTunnel } from './stream-tunnel.ts';

/** Requests that a client may have open at once. */
const MOST_STREAMS = 128;
/** What a client may send of one body before the replica takes it. */
const STREAM_WINDOW_BYTES = 262_144;
/**
 * Node.js gives the connection's window back as data comes in, so it bounds nothing that is held; the 64 KiB of the standard
 * would slow uploads from afar.
 */
const CONNECTION_WINDOW_BYTES = 4 * STREAM_WINDOW_BYTES;
/** What a field counts in HTTP/2 beyond its name and its value (RFC 9113 section 6.5.2). */
const FIELD_BYTES = 32;
/** Streams that a client may reset at once, and each second (CVE-2023-44487); beyond it the connection ends. */
const RESET_BURST = 100;
const RESETS_A_SECOND = 10;
const NO_BYTES: Buffer = Buffer.alloc(0);
/** How long a client may take to close a connection that is over. */
const CLOSE_MS = 5000;

export class Http2Connection extends Listed implements TimedConnection {
  readonly info: ClientInfo;
  readonly socket: TLSSocket;
  readonly worker: ConnectionWorker;
  readonly #handler: RequestHandler;
  readonly #session: ServerHttp2Session;
  readonly #streams = new UnorderedList<StreamConnection>();
  #idleSinceMs: number;
  /** What the client was told; a request beyond it is reset, one beyond `max-head-bytes` gets a 431. */
  #maxHeaderListBytes: number;
  #hasRequested = false;
  /** Since when it is over for us; negative before that. Infinite and not -1, to begin as a double. */
  #endedMs = Number.NEGATIVE_INFINITY;
  #blockedMs = Number.NEGATIVE_INFINITY;
  /** Bytes that the kernel had not taken at the last tick, and since when neither it nor the client has taken any. */
  #queuedBytes = 0;
  #readMs = Number.NEGATIVE_INFINITY;
  #progress: ReadProgress | undefined;

  constructor(socket: TLSSocket, info: ClientInfo, worker: ConnectionWorker, handler: RequestHandler) {
    super();
    this.socket = socket;
    this.info = info;
    this.worker = worker;
    this.#handler = handler;
    this.#idleSinceMs = worker.nowMs;
    this.#maxHeaderListBytes = maxHeaderListBytesOf(worker.options);
    this.#session = performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: MOST_STREAMS,
        initialWindowSize: STREAM_WINDOW_BYTES,
        // WebSockets (RFC 8441)
        enableConnectProtocol: true,
        maxHeaderListSize: this.#maxHeaderListBytes,
      },
      // a replica's field that came twice goes on twice, as over HTTP/1.1
      strictSingleValueFields: false,
      maxHeaderListPairs: worker.options.maxHeaders,
      streamResetBurst: RESET_BURST,
      streamResetRate: RESETS_A_SECOND,
    });
    this.#session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    this.#session.on('stream', (stream, headers, _flags, raw) => this.#onStream(stream, headers, raw));
    this.#session.on('error', () => this.#session.destroy());
    this.#session.on('close', () => this.#handler.onConnectionClosed(this));
    // no half-closed connections in HTTP/2: whoever sends no more does not read either
    socket.on('end', () => this.#session.destroy());
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: string[]): void {
    this.#hasRequested = true;
    const connection = new StreamConnection(this, stream);
    this.#streams.add(connection);
    connection.open(headers, rawHeaders, this.#handler);
  }

  forget(stream: StreamConnection): void {
    this.#streams.remove(stream);
    this.#idleSinceMs = this.worker.nowMs;
  }

  /** When the kernel took no more for this client at the last tick that found it so: until then no stream of it is to blame. */
  get blockedMs(): number {
    return this.#blockedMs;
  }

  /**
   * The kernel takes nothing more for this client. Where the client does not read either, for `limitMs`, its connection is
   * reset: the reset of a stream could not be sent.
   */
  #isBlocked(nowMs: number, limitMs: number): boolean {
    const queuedBytes = queuedBytesOf(this.socket);
    if (queuedBytes > 0) this.#blockedMs = nowMs;
    if (queuedBytes === 0 || queuedBytes !== this.#queuedBytes) {
      this.#queuedBytes = queuedBytes;
      this.#readMs = nowMs;
      this.#progress = undefined;
      return queuedBytes > 0;
    }
    this.#progress ??= new ReadProgress(this.#readMs);
    const { unsentBytes } = this.worker;
    if (this.#progress.isCheckDue(nowMs, limitMs) && this.#progress.hasProgressed(this.socket, unsentBytes))
      this.#readMs = nowMs;
    if (nowMs - this.#readMs >= limitMs) {
      this.#session.destroy();
      resetConnection(this.socket);
    }
    return true;
  }

  /**
   * Tells the client which of its requests are served to their end; what is beyond them was not begun, and may be sent again.
   * An announcement before it (RFC 9113 section 6.8) is of no use: behind any GOAWAY of Node.js new streams are dropped.
   */
  closeIfIdle(): void {
    if (!this.#session.closed) this.#session.close();
  }

  /** Tells the client where a reload has changed the limit. */
  #announce(maxHeaderListBytes: number): void {
    if (maxHeaderListBytes === this.#maxHeaderListBytes || this.#session.closed) return;
    this.#maxHeaderListBytes = maxHeaderListBytes;
    this.#session.settings({ maxHeaderListSize: maxHeaderListBytes });
  }

  tick(nowMs: number, options: WorkerOptions): void {
    if (this.#session.destroyed) {
      // its client does not close its side
      if (this.#endedMs < 0) this.#endedMs = nowMs;
      else if (nowMs - this.#endedMs >= CLOSE_MS) this.socket.destroy();
      return;
    }
    if (this.#isBlocked(nowMs, options.sendTimeoutMs)) return;
    this.#announce(maxHeaderListBytesOf(options));
    for (const stream of this.#streams) stream.tick(nowMs, options);
    if (this.#streams.size > 0 || this.#session.closed) return;
    const limitMs = this.#hasRequested ? options.keepAliveTimeoutMs : options.headerTimeoutMs;
    if (nowMs - this.#idleSinceMs < limitMs) return;
    this.worker.recorder.thread.idleClosed();
    this.#session.close();
  }
}

/** The size of header list, as HTTP/2 counts it, that any head within the limits of HTTP/1.1 keeps to. */
function maxHeaderListBytesOf({ maxHeadBytes, maxHeaders }: WorkerOptions): number {
  return maxHeadBytes + maxHeaders * FIELD_BYTES;
}

/** A stream as the connection of its one request. */
class StreamConnection extends Listed implements ManagedConnection {
  readonly info: ClientInfo;
  isClosing = false;
  pinned: PinnedConnection | undefined;
  readonly #connection: Http2Connection;
  readonly #stream: ServerHttp2Stream;
  readonly #response: StreamResponse;
  /** Of a WebSocket. */
  #tunnel: StreamTunnel | undefined;
  #exchange: ActiveExchange | undefined;
  /** What the client had taken at the last look, and since when no more. */
  #takenBytes = 0;
  #stuckSinceMs = Number.NEGATIVE_INFINITY;

  constructor(connection: Http2Connection, stream: ServerHttp2Stream) {
    super();
    this.#connection = connection;
    this.info = connection.info;
    this.#stream = stream;
    this.#response = new StreamResponse(stream, connection.socket);
  }

  open(headers: IncomingHttpHeaders, rawHeaders: string[], handler: RequestHandler): void {
    const stream = this.#stream;
    // what failed is known by its close
    stream.on('error', ignore);
    stream.on('close', () => this.#onClosed());
    const { worker, socket } = this.#connection;
    const isWebSocket = isWebSocketConnect(headers);
    const hasBody = !isWebSocket && !stream.endAfterHeaders;
    try {
      const parsed = parseStreamHead(headers, rawHeaders, hasBody, worker.options);
      const length = parsed.framing === 'chunked' ? Number.NaN : parsed.bodyLength;
      const body = parsed.framing === 'none' ? undefined : new StreamBody(stream, length);
      // a tunnel needs no more of a socket than any stream has, and time limits
      if (isWebSocket) this.#tunnel = new StreamTunnel(stream);
      const end = { socket: (this.#tunnel as unknown as Socket | undefined) ?? socket };
      // a stream without a body is not read: Node.js ends it with its response, which costs less than when it has ended
      // before, since a stream that closes while its last write is being called back makes an error, stack and all
      handler.handleRequest(this, new StreamRequest(end, parsed, body), this.#response, parsed);
    } catch (error) {
      const isKnown = isBalancerError(error);
      const failure = isKnown ? error : new BalancerError('internal', undefined, { cause: error });
      const text = finalFailureResponse(failure);
      const { ':method': method = '', ':path': url = '' } = headers;
      worker.recordRefusal(failure.code, this.info, text.length, { method, url, httpVersion: '2.0' });
      this.#response.onFlushed(() => this.linger());
      this.#response.end(text);
      stream.resume();
    }
  }

  setExchange(exchange: ActiveExchange): void {
    this.#exchange = exchange;
  }

  pin(connection: Connection, pool: ConnectionPool): void {
    this.pinned = pinConnection(this.pinned, connection, pool);
  }

  release(exchange: object): void {
    if (this.#exchange === exchange) this.#exchange = undefined;
  }

  get hasUnsentBytes(): boolean {
    return !this.#stream.destroyed && this.#response.hasUnsentBytes;
  }

  /** A WebSocket's request is all in its head; what its client sends on the stream is behind it. */
  get hasPipelinedBytes(): boolean {
    return this.#tunnel !== undefined && !this.#stream.readableEnded;
  }

  /** The response is out, and the rest of the request is of no use (RFC 9113 section 8.1). */
  linger(): void {
    if (!this.#stream.readableEnded) this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  becomeTunnel(onReady: (early: Buffer) => void): void {
    onReady(NO_BYTES);
  }

  /** Ends a stream whose client takes nothing of its response: it opens no window, since its connection takes bytes. */
  tick(nowMs: number, { sendTimeoutMs }: WorkerOptions): void {
    const { takenBytes } = this.#tunnel ?? this.#response;
    if (!this.hasUnsentBytes || takenBytes !== this.#takenBytes || this.#stuckSinceMs < 0) {
      this.#takenBytes = takenBytes;
      this.#stuckSinceMs = nowMs;
    } else if (nowMs - Math.max(this.#stuckSinceMs, this.#connection.blockedMs) >= sendTimeoutMs) {
      this.#stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  #onClosed(): void {
    this.#connection.forget(this);
    this.#response.destroy();
    this.#exchange?.onClientGone();
    this.pinned?.close();
  }
}

function ignore(): void {}
