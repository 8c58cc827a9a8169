/**
 * The public port of one data thread: takes client connections within their limit, makes their requests exchanges,
 * and drains. Invariant: every request becomes one exchange or one response of our own.
 */
import type { Socket } from 'node:net';
import { headWithPeer, isHandedOver } from '../../api/peer-header.ts';
import type { ParsedRequest } from '../../http1/request-head.ts';
import { BalancerError, isBalancerError } from '../../platform/errors.ts';
import { Exchange } from '../exchange/exchange.ts';
import { bodyTooLarge } from '../exchange/request-body.ts';
import { type ClientResponse, rawFailureResponse, sendFailure } from '../exchange/response-writer.ts';
import { RoutingKey } from '../exchange/routing-key.ts';
import type { WorkerContext } from '../exchange/worker-context.ts';
import { buildRequestHead, type RequestHead } from '../headers/request-headers.ts';
import type { RequestIds } from '../headers/request-ids.ts';
import type { TrustedProxies } from '../headers/trusted-proxies.ts';
import { Acceptor } from './acceptor.ts';
import { ClientConnection, setAcceptPriority } from './client-connection.ts';
import { NodeServer } from './node-server.ts';
import type { ClientRequest, ManagedConnection, RequestContext, RequestHandler } from './request.ts';

/** How long a connection may still bring a request once draining began; then it is closed between requests. */
const LINGER_MS = 500;
/** Connections are said to be taken again when no more than this part of them is left … */
const ROOM = 0.9;
/** … and none was turned away for so long: a crowd comes and goes many times. */
const CALM_MS = 5000;
export class Listener implements RequestHandler {
  readonly #worker: WorkerContext;
  readonly #trusted: TrustedProxies;
  readonly #ids: RequestIds;
  readonly #hasher: RoutingKey;
  readonly #onShedding: (isShedding: boolean, connections: number) => void;
  #isShedding = false;
  /** When a connection was turned away last; `-0`, since a field that will hold fractions must begin as a double. */
  #refusedMs = -0;
  readonly #acceptor: Acceptor;
  /** Has all connections where it is asked for. */
  readonly #nodeServer: NodeServer | undefined;
  readonly #clients = new Set<ManagedConnection>();
  #drain: { readonly sinceMs: number; readonly done: () => void } | undefined;

  /** `onShedding` hears when connections begin to be turned away, and when no longer. */
  constructor(
    worker: WorkerContext,
    trusted: TrustedProxies,
    ids: RequestIds,
    onShedding: (isShedding: boolean, connections: number) => void,
  ) {
    this.#worker = worker;
    this.#onShedding = onShedding;
    this.#trusted = trusted;
    this.#ids = ids;
    const { hashKey, algorithm } = worker.options;
    this.#hasher = new RoutingKey(hashKey, algorithm, trusted, ids);
    this.#nodeServer = worker.options.parser === 'node' ? new NodeServer(worker, this) : undefined;
    this.#acceptor = new Acceptor(worker.options, {
      accept: (socket) => this.#accept(socket),
      room: () => worker.options.maxConnections - this.#clients.size,
      // they have waited longer than whoever has a connection
      onRush: setAcceptPriority,
    });
  }

  /** Listens; resolves with the port. Rejects with the system's error. */
  listen(): Promise<number> {
    return this.#acceptor.listen();
  }

  /** Takes no more connections and closes those there are between two requests; resolves when none is left. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#drain = { sinceMs: this.#worker.nowMs, done: resolve };
      // idle connections are not cut at once, and with them requests on their way
      this.#acceptor.close();
      this.#nodeServer?.close();
    });
  }

  /** To be called with every tick of the thread. */
  tick(): void {
    for (const client of this.#clients) client.tick(this.#worker.nowMs, this.#worker.options);
    const { nowMs, options } = this.#worker;
    const hasRoom = this.#clients.size < options.maxConnections * ROOM;
    if (this.#isShedding && hasRoom && nowMs - this.#refusedMs >= CALM_MS) this.#shed(false);
    if (this.#drain === undefined) return;
    if (this.#worker.nowMs - this.#drain.sinceMs >= LINGER_MS) {
      for (const client of this.#clients) client.closeIfIdle();
    }
    if (this.#clients.size === 0) this.#drain.done();
  }

  #accept(socket: Socket): void {
    if (this.#clients.size >= this.#worker.options.maxConnections) {
      this.#refusedMs = this.#worker.nowMs;
      this.#shed(true);
      this.#worker.refused('too-many-connections', this.#trusted.factsOf(socket.remoteAddress ?? ''));
      refuse(socket, new BalancerError('too-many-connections'));
      return;
    }
    const facts = this.#trusted.factsOf(socket.remoteAddress ?? '');
    if (this.#worker.connectionLimit?.admit(socket, facts) === false) {
      this.#worker.refused('too-many-of-client', facts);
      refuse(socket, new BalancerError('too-many-of-client'));
      return;
    }
    this.#worker.recorder.thread.clientConnected();
    if (this.#nodeServer !== undefined) {
      this.#clients.add(this.#nodeServer.accept(socket, facts));
      return;
    }
    const client = new ClientConnection(socket, facts, this.#worker, this);
    this.#clients.add(client);
    client.open();
  }

  /** Says once that connections are turned away, and once that there is room again. */
  #shed(isShedding: boolean): void {
    if (this.#isShedding === isShedding) return;
    this.#isShedding = isShedding;
    this.#onShedding(isShedding, this.#clients.size);
  }

  /** There is no other request on its connection. `marks` are good until the call returns. */
  take(
    client: ManagedConnection,
    request: ClientRequest,
    response: ClientResponse,
    marks: ParsedRequest,
  ): void {
    try {
      const { options } = this.#worker;
      const own = { client: client.facts, policy: options, newRequestId: this.#ids.next() };
      const head = buildRequestHead(marks, own);
      const hash = this.#hasher.hashOf(client.facts, request, head, marks);
      const isUpgrade = marks.upgrade !== '';
      this.#start(client, { request, response, head, hash, isUpgrade, client }, marks);
    } catch (error) {
      this.#failed(client, request, response, error);
    }
  }

  closed(client: ManagedConnection): void {
    this.#clients.delete(client);
    this.#worker.recorder.thread.clientClosed();
  }

  /** Answers a request that became no exchange. */
  #failed(client: ManagedConnection, request: ClientRequest, response: ClientResponse, error: unknown): void {
    const failure = isBalancerError(error)
      ? error
      : new BalancerError('internal', undefined, { cause: error });
    if (response.isBegun) request.socket.destroy();
    else this.#respond(client, request, response, failure);
  }

  /** Answers a request that is no exchange, and closes. */
  #respond(
    client: ManagedConnection,
    request: ClientRequest,
    response: ClientResponse,
    failure: BalancerError,
  ): void {
    client.isClosing = true;
    this.#worker.refused(failure.code, client.facts, request);
    sendFailure(response, request.method === 'HEAD', failure, 'linger');
    response.onFlushed(() => client.linger(this.#worker.nowMs));
    request.body?.resume();
  }

  /** Makes it an exchange, or throws what it is to be answered. */
  #start(client: ManagedConnection, context: RequestContext, marks: ParsedRequest): void {
    const { maxBodyBytes, publicAdmin } = this.#worker.options;
    const { head, request } = context;
    if (maxBodyBytes > 0 && request.body !== undefined && request.body.length > maxBodyBytes)
      throw bodyTooLarge(maxBodyBytes);
    const isForAdmin = publicAdmin && isHandedOver(head.target);
    const exchange = new Exchange(
      this.#worker,
      isForAdmin ? { ...context, head: this.#marked(client, head) } : context,
    );
    client.add(exchange);
    // before it can wait for a replica; who steers the balancer is not held up by a crowd
    const excess = isForAdmin ? undefined : this.#worker.rates?.excess(client.facts, request, marks);
    if (excess !== undefined) return exchange.refuse(excess);
    exchange.start(isForAdmin ? this.#worker.admin : undefined);
  }

  /** The head for the control plane, which is told whom the request is from. */
  #marked({ facts }: ManagedConnection, head: RequestHead): RequestHead {
    return { ...head, text: headWithPeer(head.text, this.#worker.options.admin.secret, facts.ip) };
  }
}

function destroyThis(this: Socket): void {
  this.destroy();
}

/** Answers on the bare socket, and closes it. */
function refuse(socket: Socket, error: BalancerError): void {
  socket.on('error', destroyThis);
  socket.write(rawFailureResponse(error));
  socket.destroySoon();
}
