/**
 * The public port of one data thread: its client connections and their limits, and the `node:http` server that has
 * those on which something is not plain.
 * Must not hold: what happens to a request once it is understood (`forward.ts`).
 * Invariants: every request becomes one exchange or one answer of our own; when a connection closes, every exchange
 * on it hears of it.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ZERO } from '../core/doubles.ts';
import { BalancerError, errnoOf, isBalancerError } from '../errors.ts';
import { headWithPeer, isHandedOver } from '../hand-over.ts';
import { Acceptor } from './acceptor.ts';
import { writeHeld } from './batched-writes.ts';
import { ClientConnection } from './client-connection.ts';
import { type ClientResponse, NodeResponse, rawFailure, sendFailure } from './client-response.ts';
import type { DataThread } from './data-thread.ts';
import { isLetGo, type TakeRequest, takeDirectly } from './direct-requests.ts';
import { Exchange } from './forward.ts';
import { plainRequestHead, type RequestHead, requestHead } from './headers.ts';
import type { ClientRequest, Incoming } from './incoming.ts';
import { takeLetGo } from './let-go.ts';
import { LeanRequest, type ParseError, parseFailure } from './node-request.ts';
import type { PlainHead } from './plain-head.ts';
import { giveWay, isTakenPlainly, type PlainTaker, takePlainly } from './plain-requests.ts';
import { letGoByParser, showToParser } from './raw-reads.ts';
import { tooLarge } from './request-body.ts';
import { RequestHasher } from './request-hash.ts';
import type { RequestIds } from './request-ids.ts';
import type { TrustedProxies } from './trusted-proxies.ts';
import type { EarlyData } from './tunnel.ts';

/** How long a connection may still bring a request once draining began; then it is closed between requests. */
const LINGER_MS = 500;
/** Connections are said to be taken again when no more than this part of them is left … */
const ROOM = 0.9;
/** … and none was turned away for so long: a crowd comes and goes many times. */
const CALM_MS = 5000;
/** How often Node looks for requests whose head does not come. */
const HEAD_LOOK_MS = 500;

/** Where a client's connection keeps what we know of it. */
const CLIENT = Symbol('client');
interface ClientSocket extends Socket {
  [CLIENT]?: ClientConnection;
}

export class Listener {
  readonly #thread: DataThread;
  readonly #trusted: TrustedProxies;
  readonly #ids: RequestIds;
  readonly #hasher: RequestHasher;
  readonly #onShedding: (isShedding: boolean, connections: number) => void;
  #isShedding = false;
  /** When a connection was turned away last. */
  #refusedMs = ZERO;
  readonly #server: Server<typeof LeanRequest>;
  readonly #acceptor: Acceptor;
  readonly #clients = new Set<ClientConnection>();
  /** Shared by all sockets: a function for each costs memory and time where connections are short. */
  readonly #onClose: (this: ClientSocket) => void;
  readonly #takeDirect: TakeRequest = (request, response) => this.#take(request, response, undefined);
  readonly #plain: PlainTaker;
  #drain: { readonly sinceMs: number; readonly done: () => void } | undefined;

  /** `onShedding` hears when connections begin to be turned away, and when no longer. */
  constructor(
    thread: DataThread,
    trusted: TrustedProxies,
    ids: RequestIds,
    onShedding: (isShedding: boolean, connections: number) => void,
  ) {
    this.#thread = thread;
    this.#onShedding = onShedding;
    this.#trusted = trusted;
    this.#ids = ids;
    const { hashKey, algorithm } = thread.options;
    this.#hasher = new RequestHasher(hashKey, algorithm, trusted, ids);
    const clients = this.#clients;
    this.#onClose = function () {
      const client = this[CLIENT];
      if (client === undefined) return;
      clients.delete(client);
      thread.recorder.clientClosed();
      client.gone();
    };
    this.#plain = {
      maxHeadBytes: thread.options.maxHeadBytes,
      hears: (socket) => (socket as ClientSocket)[CLIENT]?.hears() === true,
      take: (request, response, head) => this.#takePlain(request, response, head),
      leave: (socket) => this.#leave(socket),
    };
    this.#server = createServer({
      IncomingMessage: LeanRequest,
      maxHeaderSize: thread.options.maxHeadBytes,
      headersTimeout: thread.options.headerTimeoutMs,
      // a body may take as long as it likes while it makes progress, which the exchange watches
      requestTimeout: 0,
      // looked at in `tick`: a timer for each connection costs 1 µs a request
      keepAliveTimeout: 0,
      connectionsCheckingInterval: HEAD_LOOK_MS,
      // checked with the other headers
      requireHostHeader: false,
      // spares a request without a body the life of a stream, 2 µs
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: isLetGo,
    });
    // headers beyond it would be dropped without a word; their bytes are bounded already
    this.#server.maxHeadersCount = 0;
    this.#acceptor = new Acceptor(thread.options, {
      accept: (socket) => this.#accept(socket),
      room: () => thread.options.maxConnections - clients.size,
      // they have waited longer than whoever has a connection
      onRush: giveWay,
    });
    const take = (request: LeanRequest, response: ServerResponse) =>
      this.#take(request, new NodeResponse(response), undefined);
    this.#server.on('request', take);
    this.#server.on('checkContinue', take);
    this.#server.on('checkExpectation', take);
    this.#server.on('upgrade', (request, socket: Socket, first: Buffer) =>
      this.#takeLetGo(request, socket, first),
    );
    this.#server.on('connect', (_request, socket: ClientSocket) =>
      socket[CLIENT]?.refuse(new BalancerError('not-implemented', 'CONNECT is not supported')),
    );
    this.#server.on('clientError', (error, socket) => this.#clientError(error, socket as ClientSocket));
  }

  /** Listens; resolves with the port. Rejects with the system's error. */
  async listen(): Promise<number> {
    const port = await this.#acceptor.listen();
    // from here on it looks for requests whose head does not come
    this.#server.emit('listening');
    return port;
  }

  /** Takes no more connections and closes those there are between two requests; resolves when none is left. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#drain = { sinceMs: this.#thread.nowMs, done: resolve };
      // not the HTTP server's own close: it cuts idle connections at once, and with them requests on their way
      this.#acceptor.close();
    });
  }

  /** To be called with every tick of the thread. */
  tick(): void {
    for (const client of this.#clients) client.tick(this.#thread.nowMs, this.#thread.options);
    const { nowMs, options } = this.#thread;
    const hasRoom = this.#clients.size < options.maxConnections * ROOM;
    if (this.#isShedding && hasRoom && nowMs - this.#refusedMs >= CALM_MS) this.#shed(false);
    if (this.#drain === undefined) return;
    if (this.#thread.nowMs - this.#drain.sinceMs >= LINGER_MS) {
      for (const client of this.#clients) client.closeIfIdle();
    }
    if (this.#clients.size === 0) this.#drain.done();
  }

  #accept(socket: ClientSocket): void {
    if (this.#clients.size >= this.#thread.options.maxConnections) {
      this.#refusedMs = this.#thread.nowMs;
      this.#shed(true);
      this.#thread.refused('too-many-connections', this.#trusted.factsOf(socket.remoteAddress ?? ''));
      refuse(socket, new BalancerError('too-many-connections'));
      return;
    }
    const facts = this.#trusted.factsOf(socket.remoteAddress ?? '');
    const client = new ClientConnection(socket, facts, this.#thread);
    this.#thread.recorder.clientConnected();
    socket[CLIENT] = client;
    this.#clients.add(client);
    socket.on('error', destroyThis);
    socket.on('close', this.#onClose);
    socket.on('end', endThis);
    if (!takePlainly(socket, this.#plain)) this.#leave(socket);
  }

  /** Node's server has the connection from now on. */
  #leave(socket: ClientSocket): void {
    // the server looks itself whether a head comes
    socket[CLIENT]?.hears();
    this.#server.emit('connection', socket);
    takeDirectly(socket, this.#takeDirect);
  }

  /** Says once that connections are turned away, and once that there is room again. */
  #shed(isShedding: boolean): void {
    if (this.#isShedding === isShedding) return;
    this.#isShedding = isShedding;
    this.#onShedding(isShedding, this.#clients.size);
  }

  /** Takes a request in its turn: one is answered before the next is looked at, whatever it is. */
  #take(request: ClientRequest, response: ClientResponse, early: EarlyData | undefined): void {
    const client = (request.socket as ClientSocket)[CLIENT];
    // its connection closed before its turn came, or is about to
    if (client === undefined || client.isClosing || request.socket.destroyed) return;
    if (client.isBusy) return client.hold(request, () => this.#take(request, response, early));
    try {
      this.#begin(client, request, response, early);
    } catch (error) {
      this.#failed(client, request, response, error);
    }
  }

  /** There is no other request on its connection. */
  #takePlain(request: ClientRequest, response: ClientResponse, plain: PlainHead): void {
    const client = (request.socket as ClientSocket)[CLIENT];
    if (client === undefined) return;
    try {
      const { options } = this.#thread;
      const own = { client: client.facts, policy: options, newRequestId: this.#ids.next() };
      const head = plainRequestHead(plain, own);
      const hash = this.#hasher.hashOf(client.facts, request, head, plain);
      this.#start(client, { request, response, head, hash, early: undefined, client });
    } catch (error) {
      this.#failed(client, request, response, error);
    }
  }

  /** Answers a request that became no exchange. */
  #failed(client: ClientConnection, request: ClientRequest, response: ClientResponse, error: unknown): void {
    const failure = isBalancerError(error)
      ? error
      : new BalancerError('internal', undefined, { cause: error });
    if (response.isBegun) request.socket.destroy();
    else this.#answer(client, request, response, failure);
  }

  /** Answers a request that is no exchange, and closes. */
  #answer(
    client: ClientConnection,
    request: ClientRequest,
    response: ClientResponse,
    failure: BalancerError,
  ): void {
    client.isClosing = true;
    this.#thread.refused(failure.code, client.facts, request);
    sendFailure(response, request.method === 'HEAD', failure, 'linger');
    response.whenOut(() => client.linger(this.#thread.nowMs));
    request.body?.resume();
  }

  #begin(
    client: ClientConnection,
    request: ClientRequest,
    response: ClientResponse,
    early: EarlyData | undefined,
  ): void {
    if (request.httpVersionMajor !== 1 || request.httpVersionMinor > 1)
      throw new BalancerError('http-version');
    const head = requestHead({
      method: request.method ?? '',
      target: request.url ?? '',
      rawHeaders: request.rawHeaders,
      client: client.facts,
      policy: this.#thread.options,
      newRequestId: this.#ids.next(),
      isOldHttp: request.httpVersionMinor === 0,
      upgrade: early?.protocol ?? '',
    });
    const hash = this.#hasher.hashOf(client.facts, request, head, undefined);
    this.#start(client, { request, response, head, hash, early, client });
  }

  /** Makes it an exchange, or throws what it is to be answered. */
  #start(client: ClientConnection, incoming: Incoming): void {
    const { maxBodyBytes, publicAdmin } = this.#thread.options;
    const { head, request } = incoming;
    if (maxBodyBytes > 0 && request.body !== undefined && request.body.length > maxBodyBytes)
      throw tooLarge(maxBodyBytes);
    const isForAdmin = publicAdmin && isHandedOver(head.target);
    const exchange = new Exchange(
      this.#thread,
      isForAdmin ? { ...incoming, head: this.#marked(client, head) } : incoming,
    );
    client.add(exchange);
    exchange.start(isForAdmin ? this.#thread.admin : undefined);
  }

  /** The head for the control plane, which is told whom the request is from. */
  #marked({ facts }: ClientConnection, head: RequestHead): RequestHead {
    return { ...head, text: headWithPeer(head.text, this.#thread.options.admin.secret, facts.ip) };
  }

  /** The parser has let go of the socket behind this head. */
  #takeLetGo(asked: LeanRequest, socket: ClientSocket, first: Buffer): void {
    const client = socket[CLIENT];
    if (client === undefined) return void socket.destroy();
    takeLetGo(asked, socket, first, {
      take: (request, response, early) => this.#take(request, response, early),
      takeBack: (came) => this.#takeBack(client, came),
      onBodyFault: (error) => client.parseFailed(error),
    });
  }

  /** Reads requests again on a connection that nobody reads; `came` is what begins the next. */
  #takeBack(client: ClientConnection, came: Buffer): void {
    const { socket } = client;
    if (client.isClosing || socket.destroyed) return void socket.resume();
    letGoByParser(socket);
    if (came.length > 0 || !takePlainly(socket, this.#plain)) {
      this.#leave(socket);
      showToParser(socket, came);
    }
    socket.resume();
  }

  /** What came is not HTTP, too long, or too late. */
  #clientError(error: ParseError, socket: ClientSocket): void {
    const client = socket[CLIENT];
    const isOver = client?.isLingering === true ? socket.readableEnded : !socket.writable;
    if (client === undefined || isOver || errnoOf(error) === 'ECONNRESET') socket.destroy();
    else client.parseFailed(parseFailure(error, this.#thread.options.maxTargetBytes));
  }
}

/** The client has ended its side; what Node's server has it ends itself. */
function endThis(this: Socket): void {
  writeHeld(this);
  if (isTakenPlainly(this)) this.end();
}

function destroyThis(this: Socket): void {
  this.destroy();
}

/** Answers on the bare socket, and closes it. */
function refuse(socket: Socket, error: BalancerError): void {
  socket.on('error', destroyThis);
  socket.write(rawFailure(error));
  socket.destroySoon();
}
