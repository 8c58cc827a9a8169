/**
 * Client connections whose requests Node's own HTTP server reads, through its public API: `--parser node`. It costs several
 * times as much; it is a way out for operators should our request parser have a fault, and what the tests compare it with.
 * A head is put together again and parsed by our parser, so that all that follows is the same.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { parseHeadText } from '../../http1/request-parser.ts';
import { BalancerError, errnoOf, isBalancerError } from '../../platform/errors.ts';
import { createServer } from '../../platform/node/http.ts';
import { finalFailureResponse } from '../headers/failure-response.ts';
import type { ClientInfo } from '../headers/request-headers.ts';
import { Listed } from '../unordered-list.ts';
import type { Connection } from '../upstream/connection.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import { type PinnedConnection, pinConnection } from '../upstream/pinned-connections.ts';
import type { WorkerOptions } from '../worker-protocol.ts';
import type { ConnectionWorker } from './client-connection.ts';
import { SocketResponse } from './client-response.ts';
import { ClientTimeouts, isEnding } from './client-timeouts.ts';
import { NodeBody, NodeResponse, type ParseError, parseFailure } from './node-messages.ts';
import {
  type ActiveExchange,
  ClientRequest,
  type ManagedConnection,
  type RefusedRequest,
  type RequestHandler,
  type TimedConnection,
} from './request.ts';

/** How often Node checks for requests whose head does not come. */
const HEAD_CHECK_MS = 500;
/** Pipelined requests held of one client; with more it is not read any more, until there are fewer than … */
const MAX_HELD = 64;
/** … this. */
const RESUME_HELD = 16;
/** What a client may send before its tunnel is open. */
const MAX_EARLY_BYTES = 65_536;

/** Where a socket keeps its connection. */
const CONNECTION = Symbol('connection');
interface NodeSocket extends Socket {
  [CONNECTION]?: NodeConnection;
}

export class NodeServer {
  readonly #worker: ConnectionWorker;
  readonly #handler: RequestHandler;
  readonly #server: Server;

  constructor(worker: ConnectionWorker, handler: RequestHandler) {
    this.#worker = worker;
    this.#handler = handler;
    this.#server = createServer({
      maxHeaderSize: worker.options.maxHeadBytes,
      headersTimeout: worker.options.headerTimeoutMs,
      // a body may take any time while it makes progress, which the exchange watches
      requestTimeout: 0,
      // limited in `tick`
      keepAliveTimeout: 0,
      connectionsCheckingInterval: HEAD_CHECK_MS,
      // checked with the other headers
      requireHostHeader: false,
      shouldUpgradeCallback: isUpgrade,
    });
    // headers beyond it would be dropped silently; their bytes are limited already
    this.#server.maxHeadersCount = 0;
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      connectionOf(request.socket)?.handle(request, new NodeResponse(response));
    this.#server.on('request', handle);
    this.#server.on('checkContinue', handle);
    this.#server.on('checkExpectation', handle);
    this.#server.on('upgrade', (request, socket, early) =>
      connectionOf(socket as Socket)?.handleUpgrade(request, early),
    );
    this.#server.on('connect', (request, socket) =>
      connectionOf(socket as Socket)?.refuse(
        new BalancerError('not-implemented', 'CONNECT is not supported'),
        request,
      ),
    );
    this.#server.on('clientError', (error, socket) => connectionOf(socket as Socket)?.onParseError(error));
    // makes it check for requests whose head does not come
    this.#server.emit('listening');
  }

  /** Takes over a connection that nobody reads yet. */
  accept(socket: Socket, info: ClientInfo): NodeConnection {
    const client = new NodeConnection(socket, info, this.#worker, this.#handler);
    (socket as NodeSocket)[CONNECTION] = client;
    socket.on('error', () => socket.destroy());
    socket.on('close', () => client.onClosed());
    this.#server.emit('connection', socket);
    return client;
  }

  configure(): void {
    const { headerTimeoutMs, maxHeadBytes } = this.#worker.options;
    this.#server.headersTimeout = headerTimeoutMs;
    // read for each new connection; not in Node's types
    Object.assign(this.#server, { maxHeaderSize: maxHeadBytes });
  }

  close(): void {
    this.#server.close();
  }
}

function connectionOf(socket: Socket): NodeConnection | undefined {
  return (socket as NodeSocket)[CONNECTION];
}

/** An upgrade request with a body is handled as an ordinary one: Node cannot do both. */
function isUpgrade({ headers, httpVersionMinor }: IncomingMessage): boolean {
  if (httpVersionMinor === 0 || /(?:^|,)[ \t]*h2c[ \t]*(?:,|$)/i.test(headers.upgrade ?? '')) return false;
  return headers['content-length'] === undefined && headers['transfer-encoding'] === undefined;
}

/** One client connection that Node's HTTP server reads. */
class NodeConnection extends Listed implements ManagedConnection, TimedConnection {
  readonly socket: Socket;
  readonly carrier: Socket;
  readonly info: ClientInfo;
  isClosing = false;
  pinned: PinnedConnection | undefined;
  readonly #worker: ConnectionWorker;
  readonly #handler: RequestHandler;
  #exchange: ActiveExchange | undefined;
  /** Requests of a pipelining client that wait for their turn. */
  #held: (() => void)[] = [];
  #isPaused = false;
  #hasReceived = false;
  #pendingError: BalancerError | undefined;
  /** The request that got it, where Node's parser made one of what came. */
  #refused: RefusedRequest | undefined;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  readonly #timeouts: ClientTimeouts;
  readonly #onEarly = (chunk: Buffer): void => {
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > MAX_EARLY_BYTES) this.socket.pause();
  };
  readonly #onEarlyEnd = (): void => {
    this.socket.destroy();
  };

  constructor(socket: Socket, info: ClientInfo, worker: ConnectionWorker, handler: RequestHandler) {
    super();
    this.socket = socket;
    this.carrier = socket;
    this.info = info;
    this.#worker = worker;
    this.#handler = handler;
    this.#timeouts = new ClientTimeouts(this, worker);
  }

  /** Handles a request in its turn: its response is written before the next is handled. */
  handle(message: IncomingMessage, response: NodeResponse): void {
    this.#hasReceived = true;
    response.client = this;
    this.#inTurn(() => this.#begin(message, new NodeBody(message), response));
  }

  /** Handles an upgrade request; Node has given up its socket, with what followed the head. */
  handleUpgrade(message: IncomingMessage, early: Buffer): void {
    this.#hasReceived = true;
    if (early.length > 0) this.#onEarly(early);
    this.socket.on('data', this.#onEarly);
    this.socket.on('end', this.#onEarlyEnd);
    this.#inTurn(() => this.#begin(message, undefined, new SocketResponse(this, false)));
  }

  #inTurn(handle: () => void): void {
    if (this.#exchange === undefined && this.#held.length === 0) return handle();
    this.#held.push(handle);
    if (this.#held.length < MAX_HELD) return;
    this.#isPaused = true;
    this.socket.pause();
  }

  #begin(
    message: IncomingMessage,
    source: NodeBody | undefined,
    response: NodeResponse | SocketResponse,
  ): void {
    // the connection has closed before its turn came, or is about to
    if (this.isClosing || this.socket.destroyed) return;
    try {
      // Node has limited how long it may be
      const limits = { ...this.#worker.options, maxHeadBytes: Number.MAX_SAFE_INTEGER };
      const parsed = parseHeadText(headText(message, source !== undefined), limits);
      const body = parsed.framing === 'none' ? undefined : source;
      this.#handler.handleRequest(this, new ClientRequest(this, parsed, body), response, parsed);
    } catch (error) {
      message.resume();
      if (!isBalancerError(error)) throw error;
      this.refuse(error, message);
    }
  }

  setExchange(exchange: ActiveExchange): void {
    this.#exchange = exchange;
  }

  pin(connection: Connection, pool: ConnectionPool): void {
    this.pinned = pinConnection(this.pinned, connection, pool);
  }

  release(exchange: object, response: NodeResponse | SocketResponse): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    if (this.#held.length > 0) response.onFlushed(() => this.#next());
    else if (this.#pendingError !== undefined) response.onFlushed(() => this.refuse());
  }

  #next(): void {
    while (this.#exchange === undefined && this.#held.length > 0) this.#held.shift()?.();
    if (this.#isPaused && this.#held.length < RESUME_HELD) {
      this.#isPaused = false;
      this.socket.resume();
    }
    this.refuse();
  }

  onClosed(): void {
    this.#held = [];
    this.#exchange?.onClientGone();
    this.pinned?.close();
    this.#handler.onConnectionClosed(this);
  }

  get hasUnsentBytes(): boolean {
    return !this.socket.destroyed && this.socket.writableLength > 0;
  }

  get hasPipelinedBytes(): boolean {
    return this.#earlyBytes > 0;
  }

  becomeTunnel(onReady: (early: Buffer) => void): void {
    this.socket.off('data', this.#onEarly);
    this.socket.off('end', this.#onEarlyEnd);
    onReady(Buffer.concat(this.#early));
  }

  /** What came is not HTTP, beyond a limit, or too late. */
  onParseError(error: ParseError): void {
    const { socket } = this;
    const isOver = this.#timeouts.isLingering ? socket.readableEnded : !socket.writable;
    if (isOver || errnoOf(error) === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    if (errnoOf(error) === 'ERR_HTTP_REQUEST_TIMEOUT' && !this.#hasReceived && socket.bytesRead === 0) {
      this.#timeouts.closeIdle();
      return;
    }
    const failure = parseFailure(error, this.#worker.options.maxTargetBytes);
    if (this.#exchange?.isRequestComplete === false) return this.#exchange.onBadBody(failure);
    this.refuse(failure);
  }

  /** Responds with `error`, or one that was given before, once all other responses are written; and closes. */
  refuse(error?: BalancerError, message?: IncomingMessage): void {
    if (this.#pendingError === undefined && message !== undefined) this.#refused = refusedOf(message);
    this.#pendingError ??= error;
    if (this.#pendingError === undefined || this.#exchange !== undefined || this.#held.length > 0) return;
    if (this.isClosing) return;
    this.isClosing = true;
    const text = finalFailureResponse(this.#pendingError);
    this.#worker.recordRefusal(this.#pendingError.code, this.info, text.length, this.#refused);
    this.socket.write(text);
    this.linger(this.#worker.nowMs);
  }

  /** Lingers by the worker's clock, which is not that of `performance`. */
  lingerNow(): void {
    this.linger(this.#worker.nowMs);
  }

  linger(nowMs: number): void {
    this.#timeouts.startLingering(nowMs);
    this.socket.end();
    this.socket.resume();
  }

  closeIfIdle(evenIfUnused: boolean): void {
    if (!evenIfUnused && this.socket.bytesRead === 0) return;
    const isBusy = this.#exchange !== undefined || this.#held.length > 0;
    if (!isBusy && !isEnding(this.socket)) this.socket.destroySoon();
  }

  tick(nowMs: number, options: WorkerOptions): void {
    if (!this.socket.destroyed) this.#timeouts.check(nowMs, options, this.#exchange !== undefined);
  }
}

function refusedOf({ method = '', url = '', httpVersion, rawHeaders }: IncomingMessage): RefusedRequest {
  return { method, url, httpVersion, rawHeaders };
}

/** The head that Node took apart, put together again; `isOrdinary` leaves Upgrade out. */
function headText(
  { method = '', url = '', httpVersionMajor, httpVersionMinor, rawHeaders }: IncomingMessage,
  isOrdinary: boolean,
): string {
  let text = `${method} ${url} HTTP/${httpVersionMajor}.${httpVersionMinor}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (isOrdinary && rawHeaders[at]!.toLowerCase() === 'upgrade') continue;
    text += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`;
  }
  return text;
}
