/**
 * One client connection: its requests (read by `request-reader.ts`) are handled one at a time, and it is closed in the way
 * that is right.
 * Invariants: nothing is written in the middle of a response, and nothing after one that said close; a client that is
 * still sending is read on for a while after its last response, which a reset could take away (RFC 9112 section 9.6).
 */
import type { Socket } from 'node:net';
import type { ParsedRequest } from '../../http1/request-head.ts';
import { BalancerError, type ErrorCode, isBalancerError } from '../../platform/errors.ts';
import { finalFailureResponse } from '../headers/failure-response.ts';
import type { ClientInfo } from '../headers/request-headers.ts';
import { type BareOwner, BareSocket } from '../io/bare-socket.ts';
import { largeReadBudget } from '../io/large-reads.ts';
import { READ_INTO, readAsStream, readRaw, SCRATCH } from '../io/node-internals.ts';
import { writeBatcher } from '../io/write-batcher.ts';
import { Listed } from '../unordered-list.ts';
import type { Connection } from '../upstream/connection.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import { type PinnedConnection, pinConnection } from '../upstream/pinned-connections.ts';
import type { WorkerOptions } from '../worker-protocol.ts';
import { type ClientResponse, SocketResponse } from './client-response.ts';
import { ClientTimeouts, isEnding, type WatchWorker } from './client-timeouts.ts';
import type {
  ActiveExchange,
  ClientRequest,
  ManagedConnection,
  RefusedRequest,
  RequestHandler,
  TimedConnection,
} from './request.ts';
import { RequestReader, type RequestReaderOwner } from './request-reader.ts';

/** What a client connection needs of its worker. */
export interface ConnectionWorker extends WatchWorker {
  readonly options: WorkerOptions;
  /** Counts and logs a request that gets a failure before it is an exchange. */
  recordRefusal(code: ErrorCode, client: ClientInfo, bytesOut: number, request?: RefusedRequest): void;
}

/** Where a socket keeps its connection, and that its reader: functions shared by all cost less where connections are short. */
const CONNECTION = Symbol('connection');
const READER = Symbol('reader');
interface ClientSocket extends Socket {
  [CONNECTION]?: ClientConnection;
  [READER]?: RequestReader;
}

function onBytes(this: ClientSocket, bytes: number, buffer: Buffer): boolean {
  // the parser writes a byte behind what it reads
  const memory = buffer === READ_INTO ? SCRATCH : largeReadBudget.memory;
  return this[READER]?.read(memory, bytes, bytes === buffer.length) ?? true;
}

function onData(this: ClientSocket, chunk: Buffer): void {
  // the parser writes a byte behind what it reads
  const { length } = chunk;
  const copy = Buffer.allocUnsafe(length + 1);
  chunk.copy(copy);
  this[READER]?.read(copy, length, false);
}

function onError(this: Socket): void {
  this.destroy();
}

function onEnd(this: ClientSocket): void {
  this[CONNECTION]?.onClientEnd();
}

function onClose(this: ClientSocket): void {
  this[CONNECTION]?.onClosed();
}

export class ClientConnection
  extends Listed
  implements ManagedConnection, TimedConnection, RequestReaderOwner, BareOwner
{
  /** What carries the bytes: of a plain connection no socket is made before something needs one. */
  carrier: Socket | BareSocket;
  readonly info: ClientInfo;
  isClosing = false;
  /** The connection to a replica that has authenticated this client; it may have closed since. */
  pinned: PinnedConnection | undefined;

  readonly #worker: ConnectionWorker;
  readonly #handler: RequestHandler;
  readonly #reader: RequestReader;
  readonly #timeouts: ClientTimeouts;
  /** The exchange of the request at hand. */
  #exchange: ActiveExchange | undefined;
  /** The last response is still being taken by the client. */
  #isFlushing = false;
  /** The failure that the client gets, and with which the connection closes, once the response at hand is written. */
  #pendingError: BalancerError | undefined;
  /** The request line of what got it. */
  #refused: RefusedRequest | undefined;

  constructor(
    carrier: Socket | BareSocket,
    info: ClientInfo,
    worker: ConnectionWorker,
    handler: RequestHandler,
  ) {
    super();
    this.carrier = carrier;
    this.info = info;
    this.#worker = worker;
    this.#handler = handler;
    this.#reader = new RequestReader(this, worker.options, worker);
    this.#timeouts = new ClientTimeouts(this, worker);
  }

  /** Begins to read, with what the stream of a socket has read before. `carrier` is what carries the bytes from now on. */
  open(carrier = this.carrier): void {
    if (carrier instanceof BareSocket) return carrier.open(this, this.#reader);
    this.carrier = carrier;
    const socket: ClientSocket = carrier;
    socket[CONNECTION] = this;
    socket[READER] = this.#reader;
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.on('end', onEnd);
    const chunk = socket.readableLength > 0 ? (socket.read() as Buffer | null) : null;
    if (!readRaw(socket, onBytes)) socket.on('data', onData);
    if (chunk !== null) onData.call(socket, chunk);
  }

  get socket(): Socket {
    const { carrier } = this;
    return carrier instanceof BareSocket ? carrier.socket : carrier;
  }

  // ---- requests and responses

  onRequest(request: ClientRequest, parsed: ParsedRequest): void {
    const response = new SocketResponse(this, parsed.keepAlive);
    this.#handler.handleRequest(this, request, response, parsed);
  }

  get isResponding(): boolean {
    return this.#exchange !== undefined || this.#isFlushing;
  }

  setExchange(exchange: ActiveExchange): void {
    this.#exchange = exchange;
  }

  pin(connection: Connection, pool: ConnectionPool): void {
    this.pinned = pinConnection(this.pinned, connection, pool);
  }

  release(exchange: object, response: ClientResponse): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    this.#timeouts.markActive();
    if (this.isClosing) return;
    const mustFlush = this.#reader.hasPipelinedBytes || this.carrier.writableNeedDrain;
    if (mustFlush || this.#pendingError !== undefined) {
      this.#isFlushing = true;
      response.onFlushed(() => this.#onFlushed());
    } else this.#reader.startNext();
  }

  #onFlushed(): void {
    this.#isFlushing = false;
    this.#reader.startNext();
    this.#reader.readPipelined();
    this.#refuse();
  }

  get hasUnsentBytes(): boolean {
    return !this.carrier.destroyed && this.carrier.writableLength > 0;
  }

  get hasPipelinedBytes(): boolean {
    return this.#reader.hasPipelinedBytes;
  }

  becomeTunnel(onReady: (early: Buffer) => void): void {
    // what was read together with the end of the request is kept by then
    process.nextTick(() => {
      const early = this.#reader.stop();
      const { socket } = this;
      socket.off('data', onData);
      socket.off('end', onEnd);
      readAsStream(socket);
      this.#reader.resumeReading();
      onReady(early);
    });
  }

  // ---- how it ends

  /** The client has ended its side. */
  onClientEnd(): void {
    if (this.#reader.isInRequest)
      this.#failConnection(
        new BalancerError('bad-request', 'The request is not HTTP/1.1: it ended half-way'),
      );
    writeBatcher.flush(this.socket);
    this.socket.end();
  }

  onClosed(): void {
    this.#reader.stop();
    this.#exchange?.onClientGone();
    this.pinned?.close();
    this.#handler.onConnectionClosed(this);
  }

  onParseError(error: unknown): void {
    const isKnown = isBalancerError(error);
    this.#failConnection(isKnown ? error : new BalancerError('internal', undefined, { cause: error }));
  }

  /** What came is not a request that can be understood; the response at hand is written first. */
  #failConnection(error: BalancerError): void {
    if (this.#reader.ignoresInput || this.#timeouts.isLingering) return;
    const line = this.#reader.ignoreInput();
    if (this.#exchange?.isRequestComplete === false) return this.#exchange.onBadBody(error);
    this.#refused ??= line;
    this.#refuse(error);
  }

  /** Responds with `error`, or one that was given before, once no other response is being written; and closes. */
  #refuse(error?: BalancerError): void {
    this.#pendingError ??= error;
    const pending = this.#pendingError;
    if (pending === undefined || this.isResponding) return;
    // the response that said so closes it
    if (this.isClosing) return;
    this.isClosing = true;
    writeBatcher.flush(this.socket);
    if (!this.socket.writable) return this.socket.destroySoon();
    const text = finalFailureResponse(pending);
    this.#worker.recordRefusal(pending.code, this.info, text.length, this.#refused);
    this.socket.write(text);
    // a client that was too slow is not waited for
    if (pending.code === 'request-timeout') this.socket.destroySoon();
    else this.linger(this.#worker.nowMs);
  }

  linger(nowMs: number): void {
    this.#timeouts.startLingering(nowMs);
    writeBatcher.flush(this.socket);
    this.socket.end();
    this.#reader.discardInput();
  }

  closeIfIdle(evenIfUnused: boolean): void {
    if (!evenIfUnused && !this.#reader.hasReceived) return;
    if (this.#reader.isBusy || this.#reader.hasDeferred || isEnding(this.socket)) return;
    writeBatcher.flush(this.socket);
    this.socket.destroySoon();
  }

  tick(nowMs: number, options: WorkerOptions): void {
    // closed just now, or what the client sent has not been parsed yet
    if (this.carrier.destroyed || this.#reader.hasDeferred) return;
    if (!this.#timeouts.isLingering) {
      // browsers open connections in advance: one that never brought a request is closed without a response
      if (!this.#reader.hasReceived && this.#timeouts.idleMs(nowMs) >= options.headerTimeoutMs)
        return this.#timeouts.closeIdle();
      if (this.#reader.headAgeMs(nowMs) >= options.headerTimeoutMs)
        return this.#failConnection(new BalancerError('request-timeout'));
    }
    this.#timeouts.check(nowMs, options, this.#exchange !== undefined);
  }
}
