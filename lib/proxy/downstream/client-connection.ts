/**
 * One client connection: reads its requests, one at a time, hands them over, and ends it in the way that is right.
 * Invariants: one request is answered before the next is looked at (RFC 9112 section 9.3.2); nothing is written in the
 * middle of a response, and nothing after one that said close; a client that is still sending is read on for a while,
 * so that its response is not lost to a reset.
 */
import type { Socket } from 'node:net';
import type { ParsedRequest } from '../../http1/request-head.ts';
import { RequestParser, type RequestSink } from '../../http1/request-parser.ts';
import { BalancerError, isBalancerError } from '../../platform/errors.ts';
import { type ClientResponse, rawFailureResponse, SocketResponse } from '../exchange/response-writer.ts';
import type { WorkerContext } from '../exchange/worker-context.ts';
import type { ClientInfo } from '../headers/request-headers.ts';
import { READ_INTO, readAsStream, readRaw, SCRATCH } from '../io/node-internals.ts';
import { PooledReads } from '../io/pooled-reads.ts';
import { writeHeld } from '../io/write-batcher.ts';
import type { Connection } from '../upstream/connection.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import { type PinnedConnection, pinConnection } from '../upstream/pinned-connections.ts';
import type { WorkerOptions } from '../worker-protocol.ts';
import { ClientWatch } from './client-watch.ts';
import {
  type ActiveExchange,
  ClientRequest,
  type ManagedConnection,
  type RequestHandler,
} from './request.ts';
import { RequestPacer } from './request-pacer.ts';
import { RequestStream } from './request-stream.ts';

/** What comes behind a request that is being answered is kept up to here; then the client is read no further. */
const MOST_AHEAD_BYTES = 65_536;
/** What is longer does not wait for its turn, so that a crowd that waits is no matter of memory. */
const MOST_WAITING_BYTES = 4096;
/** A body of which more is to come is read into blocks, which need not be copied. */
const LEAST_BLOCK_BYTES = 65_536;
/** Where a socket keeps its connection. */
const CONNECTION = Symbol('connection');
interface ClientSocket extends Socket {
  [CONNECTION]?: ClientConnection;
}

/** Shared by all connections: functions of each cost memory and time where connections are short. */
function onBytes(this: ClientSocket, bytes: number, buffer: Buffer): boolean {
  this[CONNECTION]?.read(buffer === READ_INTO ? SCRATCH : buffer, bytes);
  return true;
}

function onData(this: ClientSocket, chunk: Buffer): void {
  // the parser writes a byte behind what it reads
  const { length } = chunk;
  const copy = Buffer.allocUnsafe(length + 1);
  chunk.copy(copy);
  this[CONNECTION]?.read(copy, length);
}

function onError(this: Socket): void {
  this.destroy();
}

function onEnd(this: ClientSocket): void {
  this[CONNECTION]?.ended();
}

function onClose(this: ClientSocket): void {
  this[CONNECTION]?.closed();
}

const pacer = new RequestPacer<ClientConnection>((client) => client.processDeferred());

/** Takes fewer requests in a round, for those who have no connection yet; or as many as usual again. */
export function setAcceptPriority(must: boolean): void {
  pacer.setAcceptPriority(must);
}

export class ClientConnection implements ManagedConnection, RequestSink {
  readonly socket: Socket;
  readonly facts: ClientInfo;
  /** A response has said that the connection closes after it. */
  isClosing = false;
  /** The connection to a replica that has authenticated this client; it may have closed since. */
  pinned: PinnedConnection | undefined;

  readonly #worker: WorkerContext;
  readonly #taker: RequestHandler;
  readonly #parser: RequestParser;
  readonly #watch: ClientWatch;
  /** The request that is being answered. */
  #exchange: ActiveExchange | undefined;
  /** The request that is being read, or was read last. */
  #request: ClientRequest | undefined;
  #body: RequestStream | undefined;
  /** A request whose body lies behind its head is handed over with it. */
  #completeHead: ParsedRequest | undefined;
  /** What came behind the request at hand. */
  #pipelined: Buffer[] = [];
  #pipelinedBytes = 0;
  /** What came and waits for its turn, latin1. */
  #deferred: string | undefined;
  /** The response before is still being taken by the client. */
  #isFlushing = false;
  #isReadingPaused = false;
  /** It has sent something. */
  #hasReceived = false;
  /** Nothing that comes is looked at any more. */
  #ignoresInput = false;
  /** What to say of it after the response that is owed. */
  #pendingError: BalancerError | undefined;
  /** Since when part of a head has been there; negative while there is none. Infinite and not -1, to begin as a double. */
  #headSinceMs = Number.NEGATIVE_INFINITY;
  #pooledReads: PooledReads | undefined;

  constructor(socket: Socket, facts: ClientInfo, worker: WorkerContext, taker: RequestHandler) {
    this.socket = socket;
    this.facts = facts;
    this.#worker = worker;
    this.#taker = taker;
    this.#parser = new RequestParser(worker.options, this);
    this.#watch = new ClientWatch(socket, worker);
  }

  /** Begins to read. */
  open(): void {
    const socket = this.socket as ClientSocket;
    socket[CONNECTION] = this;
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.on('end', onEnd);
    if (!readRaw(socket, onBytes)) socket.on('data', onData);
  }

  // ---- bytes come

  /** Takes the first `bytes` of `memory`, which are good until it returns; the byte behind them may be overwritten. */
  read(memory: Buffer, bytes: number): void {
    this.#pooledReads?.recordRead(memory, bytes);
    this.#hasReceived = true;
    if (this.#ignoresInput || this.isClosing) {
      // the rest of a body that nobody wants is still looked for its end
      if (!this.#ignoresInput && this.#isInBody) this.#take(memory, 0, bytes);
      return;
    }
    if (this.#deferred !== undefined) this.#parseWithDeferred(memory, bytes);
    else if (this.#isInBody || this.#parser.isInHead) this.#take(memory, 0, bytes);
    else if (this.#isBusy) this.#bufferPipelined(memory, 0, bytes);
    else if (bytes > MOST_WAITING_BYTES || pacer.tryAdmit()) this.#take(memory, 0, bytes);
    else {
      this.#deferred = memory.toString('latin1', 0, bytes);
      pacer.wait(this);
    }
  }

  /** It is the turn of what waits. */
  processDeferred(): void {
    const text = this.#deferred;
    this.#deferred = undefined;
    // it has sent its last and gets no response
    if (text === undefined || !this.socket.writable) return;
    this.#take(SCRATCH, 0, SCRATCH.write(text, 'latin1'));
  }

  /** A client that sends on is not kept waiting: what it sends is bounded by what its request may be. */
  #parseWithDeferred(memory: Buffer, bytes: number): void {
    const text = this.#deferred! + memory.toString('latin1', 0, bytes);
    this.#deferred = undefined;
    const all = Buffer.allocUnsafe(text.length + 1);
    this.#take(all, 0, all.write(text, 'latin1'));
  }

  #take(memory: Buffer, from: number, to: number): void {
    try {
      let at = from;
      do at = this.#parser.take(memory, at, to);
      while (at < to && this.#parser.phase === 'head' && !this.isClosing);
      if (at < to) this.#bufferPipelined(memory, at, to);
    } catch (error) {
      this.#failed(error);
    }
    if (!this.#parser.isInHead) this.#headSinceMs = Number.NEGATIVE_INFINITY;
    else if (this.#headSinceMs < 0) this.#headSinceMs = this.#worker.nowMs;
  }

  #bufferPipelined(memory: Buffer, from: number, to: number): void {
    if (this.isClosing || this.#ignoresInput) return;
    this.#pipelined.push(Buffer.from(memory.subarray(from, to)));
    this.#pipelinedBytes += to - from;
    if (this.#pipelinedBytes > MOST_AHEAD_BYTES) this.pauseReading();
  }

  get #isInBody(): boolean {
    return this.#parser.phase === 'length' || this.#parser.phase === 'chunked';
  }

  /** A request is being answered; the next has to wait. */
  get #isBusy(): boolean {
    return this.#exchange !== undefined || this.#isFlushing || this.#parser.phase === 'ended';
  }

  // ---- what the parser tells

  onRequest(marks: ParsedRequest, bytesHere: number): void {
    const { framing, bodyLength } = marks;
    const length = framing === 'chunked' ? Number.NaN : bodyLength;
    this.#body = framing === 'none' ? undefined : new RequestStream(this, this.socket, length);
    const request = new ClientRequest(this.socket, marks, this.#body);
    this.#request = request;
    if (framing === 'length' && bodyLength > 0 && bytesHere >= bodyLength) {
      this.#completeHead = marks;
      return;
    }
    if (!(length - bytesHere < LEAST_BLOCK_BYTES) && framing !== 'none')
      this.#pooledReads = new PooledReads(this.socket);
    this.#handOver(marks);
  }

  onBody(piece: Buffer): void {
    this.#body?.push(piece, this.#pooledReads?.bufferOf(piece));
  }

  onRequestEnd(): void {
    this.#endPooledReads();
    this.#body?.end();
    const marks = this.#completeHead;
    this.#completeHead = undefined;
    if (marks !== undefined) this.#handOver(marks);
  }

  #handOver(marks: ParsedRequest): void {
    const response = new SocketResponse(this.socket, marks.keepAlive);
    this.#taker.take(this, this.#request!, response, marks);
  }

  #endPooledReads(): void {
    this.#pooledReads?.end();
    this.#pooledReads = undefined;
  }

  get contentBytes(): number {
    return this.#parser.contentBytes;
  }

  pauseReading(): void {
    this.#isReadingPaused = true;
    this.socket.pause();
  }

  resumeReading(): void {
    if (!this.#isReadingPaused) return;
    this.#isReadingPaused = false;
    this.socket.resume();
  }

  // ---- requests and responses

  add(exchange: ActiveExchange): void {
    this.#exchange = exchange;
  }

  pin(connection: Connection, pool: ConnectionPool): void {
    this.pinned = pinConnection(this.pinned, connection, pool);
  }

  /** The exchange has ended; `response` is about to. */
  remove(exchange: object, response: ClientResponse): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    this.#request = undefined;
    if (this.isClosing) return;
    if (this.#pipelinedBytes > 0 || this.socket.writableNeedDrain || this.#pendingError !== undefined) {
      this.#isFlushing = true;
      response.onFlushed(() => this.#next());
    } else this.#parser.next();
  }

  /** The response is out: what came meanwhile is looked at. */
  #next(): void {
    this.#isFlushing = false;
    this.#parser.next();
    if (this.#pipelinedBytes > 0 && this.#parser.phase === 'head') {
      const all = Buffer.concat(this.#pipelined, this.#pipelinedBytes + 1);
      const bytes = this.#pipelinedBytes;
      this.#pipelined = [];
      this.#pipelinedBytes = 0;
      this.#take(all, 0, bytes);
    }
    if (this.#pipelinedBytes <= MOST_AHEAD_BYTES && !this.#isInBody) this.resumeReading();
    this.refuse();
  }

  /** The client has ended its side. */
  ended(): void {
    if (this.#isInBody || this.#parser.isInHead)
      this.#failConnection(
        new BalancerError('bad-request', 'The request is not HTTP/1.1: it ended half-way'),
      );
    writeHeld(this.socket);
    this.socket.end();
  }

  closed(): void {
    this.#deferred = undefined;
    this.#pipelined = [];
    this.#pipelinedBytes = 0;
    this.#parser.stop();
    this.#body?.drop();
    this.#endPooledReads();
    this.#exchange?.onClientGone();
    this.pinned?.close();
    this.#taker.closed(this);
  }

  get hasUnsentBytes(): boolean {
    return !this.socket.destroyed && this.socket.writableLength > 0;
  }

  get hasPipelinedBytes(): boolean {
    return this.#pipelinedBytes > 0;
  }

  becomeTunnel(onReady: (early: Buffer) => void): void {
    // what was read with the end of the request is kept by then
    process.nextTick(() => this.#giveUpSocket(onReady));
  }

  #giveUpSocket(onReady: (early: Buffer) => void): void {
    const early = Buffer.concat(this.#pipelined);
    this.#pipelined = [];
    this.#pipelinedBytes = 0;
    this.#ignoresInput = true;
    this.#parser.stop();
    const { socket } = this;
    socket.off('data', onData);
    socket.off('end', onEnd);
    readAsStream(socket);
    this.resumeReading();
    onReady(early);
  }

  // ---- how it ends

  /** What came is not HTTP, or too long; the response that is owed goes first. */
  #failed(error: unknown): void {
    const failure = isBalancerError(error)
      ? error
      : new BalancerError('internal', undefined, { cause: error });
    this.#failConnection(failure);
  }

  #failConnection(error: BalancerError): void {
    if (this.#ignoresInput || this.isLingering) return;
    this.#ignoresInput = true;
    if (this.#exchange?.isRequestComplete === false) return this.#exchange.onBadBody(error);
    this.refuse(error);
  }

  /** Answers with `error` after the response that is owed, and closes. */
  refuse(error?: BalancerError): void {
    this.#pendingError ??= error;
    if (this.#pendingError === undefined || this.#exchange !== undefined || this.#isFlushing) return;
    // the response that said so closes it
    if (this.isClosing) return;
    this.isClosing = true;
    writeHeld(this.socket);
    if (!this.socket.writable) return this.socket.destroySoon();
    this.#worker.refused(this.#pendingError.code, this.facts);
    this.socket.write(rawFailureResponse(this.#pendingError));
    // who was too slow is not waited for
    if (this.#pendingError.code === 'request-timeout') this.socket.destroySoon();
    else this.linger(this.#worker.nowMs);
  }

  /** Its last response is out, and what it goes on sending is thrown away. */
  get isLingering(): boolean {
    return this.#watch.isLingering;
  }

  /** After the last response, to a client that may still be sending: ends our side, and reads on for a while. */
  linger(nowMs: number): void {
    this.#watch.startLingering(nowMs);
    this.#ignoresInput = true;
    this.#endPooledReads();
    writeHeld(this.socket);
    this.socket.end();
    this.#isReadingPaused = false;
    this.socket.resume();
  }

  /** Ends a connection on which nothing is owed. */
  closeIfIdle(): void {
    if (this.#isBusy || this.#deferred !== undefined) return;
    writeHeld(this.socket);
    this.socket.destroySoon();
  }

  tick(nowMs: number, options: WorkerOptions): void {
    // closed just now, or what it sent has not been looked at yet
    if (this.socket.destroyed || this.#deferred !== undefined) return;
    if (!this.isLingering) {
      // browsers open connections in advance: one that never asked for anything is owed no response
      if (!this.#hasReceived && this.#watch.idleMs(nowMs) >= options.headerTimeoutMs)
        return this.#watch.closeIdle();
      if (this.#headSinceMs >= 0 && nowMs - this.#headSinceMs >= options.headerTimeoutMs)
        return this.#failConnection(new BalancerError('request-timeout'));
    }
    this.#watch.look(nowMs, options, this.#exchange !== undefined);
  }
}
