/**
 * The public port of one worker: accepts client connections within their limits, makes their requests exchanges, and
 * drains. Invariant: every request becomes one exchange, or gets one response of the balancer's own.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { ACME_CHALLENGE, headWithPeer, isHandedOver } from '../../api/peer-header.ts';
import type { ParsedRequest } from '../../http1/request-head.ts';
import { BalancerError, type ErrorCode, isBalancerError } from '../../platform/errors.ts';
import { Exchange, type ExchangeWorker } from '../exchange/exchange.ts';
import { bodyTooLarge } from '../exchange/request-body.ts';
import { RoutingKey } from '../exchange/routing-key.ts';
import { finalFailureResponse } from '../headers/failure-response.ts';
import { buildRequestHead, type ClientInfo, type RequestHead } from '../headers/request-headers.ts';
import type { RequestIds } from '../headers/request-ids.ts';
import type { TrustedProxies } from '../headers/trusted-proxies.ts';
import { BareSocket } from '../io/bare-socket.ts';
import { UnorderedList } from '../unordered-list.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import type { PassedDescriptors } from '../worker-protocol.ts';
import { Acceptor, type AcceptorOwner } from './acceptor.ts';
import { ClientConnection, type ConnectionWorker } from './client-connection.ts';
import { type ClientLimits, RefusedConnections } from './client-limits.ts';
import type { ClientResponse } from './client-response.ts';
import { Http2Connection } from './http2/http2-connection.ts';
import { NodeServer } from './node-server.ts';
import { type ProxyHeaderOwner, ProxyHeaderReader } from './proxy-header.ts';
import type {
  ClientRequest,
  ManagedConnection,
  RequestContext,
  RequestHandler,
  TimedConnection,
} from './request.ts';
import { setAcceptPriority } from './request-reader.ts';
import { redirectToTls } from './tls/redirect.ts';
import { type TlsMaterial, type TlsOwner, TlsServer } from './tls/tls-server.ts';

/** How long a connection may still bring a request once draining has begun; then it is closed between requests. */
const DRAIN_IDLE_MS = 500;
/** What has come is read between two ticks: a thread that was kept from running sees first what came meanwhile. */
const DRAIN_IDLE_TICKS = 4;
/**
 * The same for a connection that has brought nothing yet, or whose PROXY header or handshake is not complete: its client is
 * about to send the first request, and is told of no reason to try another connection.
 */
const DRAIN_UNUSED_MS = 3000;
/** Connections are said to be accepted again when no more than this part of max-connections is left … */
const CALM_SHARE = 0.9;
/** … and none was refused for so long: a crowd comes and goes many times. */
const CALM_MS = 5000;

/** What a listener needs of its worker, for itself and for its connections and exchanges. */
export interface ListenerWorker extends ExchangeWorker, ConnectionWorker {
  readonly options: ExchangeWorker['options'];
  readonly recorder: ExchangeWorker['recorder'];
  readonly pools: ExchangeWorker['pools'] & { readonly admin: ConnectionPool };
  readonly clientLimits: ClientLimits;
  readonly tls: ExchangeWorker['tls'] & { readonly material: TlsMaterial | undefined };
}

/** Told when connections begin to be refused because there are too many, and when they no longer are. */
export type OnShedding = (isShedding: boolean, connections: number) => void;

export class Listener implements RequestHandler, ProxyHeaderOwner, TlsOwner {
  readonly #worker: ListenerWorker;
  readonly #trusted: TrustedProxies;
  readonly #ids: RequestIds;
  #routingKey: RoutingKey;
  readonly #onShedding: OnShedding;
  #isShedding = false;
  /** When a connection was refused last; `-0`, since a field that will hold fractions must begin as a double. */
  #refusedMs = -0;
  readonly #acceptors: Acceptor[] = [];
  /** Undefined where there is no TLS port. */
  readonly #tls: TlsServer | undefined;
  /** Serves all connections under `--parser node`. */
  readonly #nodeServer: NodeServer | undefined;
  /** Undefined where no proxy in front tells client addresses in the PROXY protocol. */
  readonly #proxyHeaders: ProxyHeaderReader | undefined;
  readonly #clients = new UnorderedList<TimedConnection>();
  readonly #refused: RefusedConnections;
  #drain: { readonly sinceMs: number; ticks: number; readonly onDrained: () => void } | undefined;

  constructor(worker: ListenerWorker, trusted: TrustedProxies, ids: RequestIds, onShedding: OnShedding) {
    this.#worker = worker;
    this.#onShedding = onShedding;
    this.#trusted = trusted;
    this.#ids = ids;
    const { options } = worker;
    this.#refused = new RefusedConnections(options);
    this.#routingKey = this.#createRoutingKey();
    this.#nodeServer = options.parser === 'node' ? new NodeServer(worker, this) : undefined;
    this.#proxyHeaders = options.proxyProtocol ? new ProxyHeaderReader(this) : undefined;
    this.#acceptors.push(this.#createAcceptor(options.port, false));
    this.#tls = worker.tls.material && new TlsServer(options, worker.tls.material, this);
    if (this.#tls !== undefined) this.#acceptors.push(this.#createAcceptor(options.tlsPort, true));
  }

  /** The options have changed: the next request is placed and read by those of now. */
  configure(): void {
    this.#routingKey = this.#createRoutingKey();
    this.#nodeServer?.configure();
  }

  #createRoutingKey(): RoutingKey {
    const { hashKey, algorithm } = this.#worker.options;
    return new RoutingKey(hashKey, algorithm, this.#trusted, this.#ids);
  }

  #createAcceptor(port: number, isTls: boolean): Acceptor {
    const { host, reusePort, parser } = this.#worker.options;
    const owner: AcceptorOwner = {
      accept: (socket) => this.#accept(socket, isTls),
      capacity: () => this.#worker.options.maxConnections - this.#connectionCount,
      // new clients have waited longer than those that have a connection
      onRush: setAcceptPriority,
    };
    return new Acceptor({ host, port, reusePort, isBare: !isTls && parser === 'fast' }, owner);
  }

  /**
   * Listens, on the open sockets that were passed where there are some; resolves with the ports, that for TLS 0 where there
   * is none. Rejects with the system's error.
   */
  async listen(passed: PassedDescriptors): Promise<{ readonly port: number; readonly tlsPort: number }> {
    const [plain, tls] = this.#acceptors;
    const [port = 0, tlsPort = 0] = await Promise.all([
      plain?.listen(passed.port),
      tls?.listen(passed.tlsPort),
    ]);
    return { port, tlsPort };
  }

  /** New TLS connections get these certificates and keys. */
  setTlsMaterial(material: TlsMaterial): void {
    this.#tls?.setMaterial(material);
  }

  /** Accepts no more connections; resolves when what was queued is accepted. Safe to call again. */
  async stopAccepting(): Promise<void> {
    await Promise.all(this.#acceptors.map((acceptor) => acceptor.close()));
  }

  /** The same, and closes the connections there are between two requests; resolves when none is left. */
  async drain(): Promise<void> {
    await this.stopAccepting();
    await new Promise<void>((resolve) => {
      // idle connections are not closed at once, since requests may be on their way on them
      this.#drain = { sinceMs: this.#worker.nowMs, ticks: 0, onDrained: resolve };
    });
  }

  /** To be called at every tick of the worker. */
  tick(): void {
    const { nowMs, options } = this.#worker;
    for (const client of this.#clients) client.tick(nowMs, options);
    this.#proxyHeaders?.tick(nowMs, options.headerTimeoutMs);
    this.#tls?.tick(nowMs, options.headerTimeoutMs);
    this.#refused.tick(nowMs);
    const hasRoom = this.#connectionCount < options.maxConnections * CALM_SHARE;
    if (this.#isShedding && hasRoom && nowMs - this.#refusedMs >= CALM_MS) this.#setShedding(false);
    if (this.#drain === undefined) return;
    const drainMs = nowMs - this.#drain.sinceMs;
    this.#drain.ticks++;
    const isUnusedTooLong = drainMs >= DRAIN_UNUSED_MS;
    if (isUnusedTooLong) {
      this.#tls?.close();
      this.#proxyHeaders?.close();
    }
    if (drainMs >= DRAIN_IDLE_MS && this.#drain.ticks >= DRAIN_IDLE_TICKS)
      for (const client of this.#clients) client.closeIfIdle(isUnusedTooLong);
    if (this.#connectionCount > 0) return;
    this.#refused.close();
    // not sooner: it closes connections that have brought nothing yet
    this.#nodeServer?.close();
    this.#drain.onDrained();
  }

  #accept(carrier: Socket | BareSocket, isTls: boolean): void {
    const worker = this.#worker;
    const info = this.#trusted.infoOf(carrier.remoteAddress ?? '', isTls);
    if (this.#connectionCount >= worker.options.maxConnections) {
      this.#refusedMs = worker.nowMs;
      this.#setShedding(true);
      return this.#refuse(socketOf(carrier), info, 'too-many-connections');
    }
    if (this.#proxyHeaders !== undefined && info.trusted)
      this.#proxyHeaders.read(socketOf(carrier), worker.nowMs, isTls);
    else this.#admit(carrier, info);
  }

  onProxyHeader(socket: Socket, source: string | undefined, isTls: boolean): void {
    this.#admit(socket, this.#trusted.infoOf(source ?? socket.remoteAddress ?? '', isTls));
  }

  onBadProxyHeader(socket: Socket): void {
    this.#worker.recordRefusal('bad-proxy-header', this.#trusted.infoOf(socket.remoteAddress ?? ''), 0);
  }

  /** Connections that are served, and those whose PROXY header or handshake is not complete. */
  get #connectionCount(): number {
    return this.#clients.size + (this.#proxyHeaders?.size ?? 0) + (this.#tls?.size ?? 0);
  }

  #admit(carrier: Socket | BareSocket, info: ClientInfo): void {
    const { clientLimits, nowMs } = this.#worker;
    if (clientLimits.connections?.admit(socketOf(carrier), info) === false)
      return this.#refuse(socketOf(carrier), info, 'too-many-of-client');
    if (info.isTls) this.#tls?.accept(socketOf(carrier), info, nowMs);
    else this.#serve(carrier, info);
  }

  onSecure(socket: TLSSocket, info: ClientInfo, isResumed: boolean): void {
    this.#worker.recorder.thread.handshake(isResumed ? 'resumed' : 'full');
    if (socket.alpnProtocol === 'h2') return this.#serveHttp2(socket, info);
    this.#serve(socket, info);
    socket.resume();
  }

  #serveHttp2(socket: TLSSocket, info: ClientInfo): void {
    this.#worker.recorder.thread.clientConnected();
    this.#clients.add(new Http2Connection(socket, info, this.#worker, this));
  }

  onHandshakeFailed(): void {
    this.#worker.recorder.thread.handshake('failed');
  }

  #serve(carrier: Socket | BareSocket, info: ClientInfo): void {
    this.#worker.recorder.thread.clientConnected();
    if (this.#nodeServer !== undefined) {
      this.#clients.add(this.#nodeServer.accept(socketOf(carrier), info));
      return;
    }
    const client = new ClientConnection(carrier, info, this.#worker, this);
    this.#clients.add(client);
    client.open();
  }

  /** Responds on the bare socket, and closes it; nothing can be said before a handshake. */
  #refuse(socket: Socket, info: ClientInfo, code: ErrorCode): void {
    const text = info.isTls ? '' : finalFailureResponse(new BalancerError(code));
    this.#worker.recordRefusal(code, info, text.length);
    if (info.isTls) return void socket.destroy();
    this.#refused.end(socket, text, this.#worker.nowMs);
  }

  #setShedding(isShedding: boolean): void {
    if (this.#isShedding === isShedding) return;
    this.#isShedding = isShedding;
    this.#onShedding(isShedding, this.#connectionCount);
  }

  onConnectionClosed(client: TimedConnection): void {
    this.#clients.remove(client);
    this.#worker.recorder.thread.clientClosed();
  }

  handleRequest(
    client: ManagedConnection,
    request: ClientRequest,
    response: ClientResponse,
    parsed: ParsedRequest,
  ): void {
    try {
      const head = buildRequestHead(parsed, client.info, this.#worker.options, this.#ids.next());
      const context: RequestContext = {
        method: request.method,
        upgrade: parsed.upgrade !== '',
        rawChunks: request.minorVersion === 1 && !response.framesChunks,
        request,
        response,
        head,
        hash: this.#routingKey.hashOf(client.info, request, head, parsed),
        client,
      };
      this.#startExchange(client, context, parsed);
    } catch (error) {
      const isKnown = isBalancerError(error);
      const failure = isKnown ? error : new BalancerError('internal', undefined, { cause: error });
      if (response.hasStarted) response.cut(false);
      else this.#respondFailure(client, request, response, failure);
    }
  }

  /** Makes the request an exchange, or throws the failure that it gets instead. */
  #startExchange(client: ManagedConnection, context: RequestContext, parsed: ParsedRequest): void {
    const worker = this.#worker;
    const { maxBodyBytes, publicAdmin, acmeDomains } = worker.options;
    const { head, request } = context;
    if (maxBodyBytes > 0 && request.body !== undefined && request.body.length > maxBodyBytes)
      throw bodyTooLarge(maxBodyBytes);
    const isForAdmin =
      (publicAdmin && isHandedOver(head.target)) ||
      (acmeDomains.length > 0 && head.target.startsWith(ACME_CHALLENGE));
    const exchange = new Exchange(
      worker,
      isForAdmin ? { ...context, head: this.#withPeer(client, head) } : context,
    );
    client.setExchange(exchange);
    const redirect = redirectToTls(worker.options, client.info, parsed, head.target);
    if (redirect !== undefined) return exchange.refuse(redirect);
    // before the request can wait for a replica; an operator is not held up by a crowd
    const excess = isForAdmin ? undefined : worker.clientLimits.rates?.excess(client.info, request, parsed);
    if (excess !== undefined) return exchange.refuse(excess);
    exchange.start(isForAdmin ? worker.pools.admin : undefined);
  }

  /** The head for the control plane, which is told whom the request is from. */
  #withPeer({ info }: ManagedConnection, head: RequestHead): RequestHead {
    return { ...head, text: headWithPeer(head.text, this.#worker.options.admin.secret, info.ip) };
  }

  /** Responds to a request that became no exchange, and closes its connection. */
  #respondFailure(
    client: ManagedConnection,
    request: ClientRequest,
    response: ClientResponse,
    failure: BalancerError,
  ): void {
    client.isClosing = true;
    const text = finalFailureResponse(failure, request.method === 'HEAD');
    this.#worker.recordRefusal(failure.code, client.info, text.length, request);
    response.start('linger');
    response.end(text);
    response.onFlushed(() => client.linger(this.#worker.nowMs));
    request.body?.resume();
  }
}

function socketOf(carrier: Socket | BareSocket): Socket {
  return carrier instanceof BareSocket ? carrier.socket : carrier;
}
