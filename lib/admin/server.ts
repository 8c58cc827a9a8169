/**
 * The admin port: accepts connections and requests, and limits what a client can use of the control plane.
 * Invariants: every request gets one response, whatever it was; nothing that a client does throws out of here.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Endpoint } from '../core/replica.ts';
import { BalancerError, errnoOf, isBalancerError, messageOf } from '../platform/errors.ts';
import { listenError } from '../platform/listen-error.ts';
import { createServer } from '../platform/node/http.ts';
import { AccessControl, type AccessOptions } from './access.ts';
import { type BodyLimits, readBody } from './body.ts';
import { failed, failureOf, type Reply, rawReply, sendReply, type WholeReply } from './reply.ts';
import { createRouter, type Router } from './router.ts';
import type { Route } from './routes/fleet.ts';
import { StreamLimit } from './stream-limit.ts';

export interface AdminLimits extends BodyLimits {
  /** The longest time to the end of a request's head. */
  readonly headerMs: number;
  /** The longest time a connection may be idle between two requests. */
  readonly keepAliveMs: number;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
}

export const ADMIN_LIMITS: AdminLimits = {
  maxBodyBytes: 64 * 1024,
  bodyIdleMs: 30_000,
  bodyTotalMs: 60_000,
  headerMs: 10_000,
  keepAliveMs: 65_000,
  maxHeaderBytes: 64 * 1024,
  maxConnections: 1024,
};

export interface AdminOptions extends AccessOptions {
  /** All routes; each path once. */
  readonly routes: readonly Route[];
  /** True once the balancer is shutting down: connections are not kept then. */
  readonly isDraining: () => boolean;
  /** Another balancer may listen on the port too, for as long as it takes to take over (SO_REUSEPORT). */
  readonly reusePort?: boolean;
  /** What differs from ADMIN_LIMITS. */
  readonly limits?: Partial<AdminLimits>;
}

export interface AdminServer {
  /**
   * Listens, on the open socket `fd` where one is given; '' is all interfaces, 0 any free port. Throws BalancerError
   * `port-in-use`.
   */
  listen(port: number, host: string, fd?: number): Promise<Endpoint>;
  /** Keeps to other limits from now on, as far as they are given; open connections stay. */
  configure(limits: Partial<AdminLimits>): void;
  /** Closes idle connections and resolves once the requests under way have got their responses. Safe to call again. */
  close(): Promise<void>;
}

/** The flags that say where it listens. */
export const ADMIN_PORT_FLAGS = { port: '--admin-port', host: '--admin-host' };
/** When a client that has too many streams may open another. */
const STREAM_RETRY_S = '5';
/** How long a response that is complete waits for its client to read it once the server closes. */
const LAST_READ_MS = 1000;
/** How often Node looks for connections that are over their time limit. */
const CHECK_MS = 500;

export function createAdminServer(options: AdminOptions): AdminServer {
  return new HttpAdminServer(options);
}

class HttpAdminServer implements AdminServer {
  readonly #options: AdminOptions;
  #limits: AdminLimits;
  readonly #router: Router;
  readonly #server: Server;
  /** Responses that are not finished, by open connection. */
  readonly #unanswered = new Map<Socket, Set<ServerResponse>>();
  /** Connections that are not read any further: what followed the last request was not HTTP. */
  readonly #broken = new WeakSet<Socket>();
  /** Open streams. */
  readonly #streams = new Set<ServerResponse>();
  readonly #streamLimit = new StreamLimit();
  #closed: Promise<void> | undefined;

  constructor(options: AdminOptions) {
    this.#options = options;
    this.#limits = { ...ADMIN_LIMITS, ...options.limits };
    this.#router = createRouter(options.routes, new AccessControl(options));
    this.#server = this.#createServer();
  }

  listen(port: number, host: string, fd?: number): Promise<Endpoint> {
    const { promise, resolve, reject } = Promise.withResolvers<Endpoint>();
    const server = this.#server;
    const onError = (error: Error) => reject(listenError(error, { host, port }, ADMIN_PORT_FLAGS));
    server.once('error', onError);
    const { reusePort = false } = this.#options;
    const where = fd === undefined ? { port, reusePort, ...(host !== '' && { host }) } : { fd };
    server.listen(where, () => {
      server.off('error', onError);
      server.on('error', (error) => this.#options.log.error({ cause: error.message }, 'admin server failed'));
      const address = server.address();
      if (address !== null && typeof address === 'object')
        resolve({ host: address.address, port: address.port });
    });
    return promise;
  }

  configure(limits: Partial<AdminLimits>): void {
    this.#limits = { ...this.#limits, ...limits };
    const { headerMs, bodyTotalMs, keepAliveMs } = this.#limits;
    this.#server.headersTimeout = headerMs;
    this.#server.requestTimeout = headerMs + bodyTotalMs;
    this.#server.keepAliveTimeout = keepAliveMs;
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      // Node counts a connection that has sent nothing yet as busy, and would wait for it
      for (const [socket, unanswered] of this.#unanswered) if (unanswered.size === 0) socket.destroy();
      for (const response of this.#streams) response.end();
      this.#cutUnread();
    });
    return this.#closed;
  }

  /** Ends connections whose clients do not read what they were sent: Node would wait for them for ever. */
  #cutUnread(): void {
    if (this.#unanswered.size === 0) return;
    this.#options.clock.after(LAST_READ_MS, () => {
      for (const [socket, unanswered] of this.#unanswered)
        if ([...unanswered].every(({ writableEnded }) => writableEnded)) socket.destroy();
      this.#cutUnread();
    });
  }

  #createServer(): Server {
    const { headerMs, bodyTotalMs, keepAliveMs, maxHeaderBytes, maxConnections } = this.#limits;
    const server = createServer({
      headersTimeout: headerMs,
      // a body has a time limit of its own; this is for one that no route reads
      requestTimeout: headerMs + bodyTotalMs,
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: CHECK_MS,
      maxHeaderSize: maxHeaderBytes,
      requireHostHeader: false,
      noDelay: true,
    });
    server.maxConnections = maxConnections;
    server.on('connection', (socket: Socket) => {
      this.#unanswered.set(socket, new Set());
      socket.once('close', () => this.#unanswered.delete(socket));
    });
    server.on('request', (request, response) => this.#serve(request, response, undefined));
    server.on('checkContinue', (request, response) =>
      this.#serve(request, response, () => response.writeContinue()),
    );
    server.on('checkExpectation', (request, response) =>
      this.#send(request, response, failureOf(new BalancerError('expectation-failed'))),
    );
    server.on('clientError', (error, socket) => this.#refuse(error, socket as Socket));
    return server;
  }

  /** Serves one request; `askForBody` sends the 100 that a client waits for before it sends the body. */
  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    askForBody: (() => void) | undefined,
  ): Promise<void> {
    const unanswered = this.#unanswered.get(request.socket);
    unanswered?.add(response);
    response.once('close', () => unanswered?.delete(response));
    const body = () => readBody(request, this.#limits, this.#options.clock, askForBody);
    try {
      this.#send(request, response, await this.#router.route(request, body));
    } catch (error) {
      if (!isBalancerError(error)) {
        this.#options.log.error({ cause: messageOf(error), path: request.url }, 'admin request failed');
      }
      this.#send(request, response, failureOf(error));
    }
  }

  #send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
    if (request.socket.destroyed) return;
    const { clock, isDraining } = this.#options;
    const isLast = this.#closed !== undefined || this.#broken.has(request.socket) || isDraining();
    const goesOn = 'begin' in reply && request.method !== 'HEAD';
    if (goesOn && !this.#streamLimit.acquire(request.socket)) {
      const refusal = failureOf(new BalancerError('too-many-streams'), { 'retry-after': STREAM_RETRY_S });
      sendReply(request, response, refusal, { isLast, clock });
      return;
    }
    if (goesOn) {
      this.#streams.add(response);
      response.once('close', () => this.#streams.delete(response));
    }
    sendReply(request, response, reply, { isLast, clock });
  }

  /** Refuses bytes that are not HTTP, or did not arrive in time. */
  #refuse(error: Error, socket: Socket): void {
    const unanswered = [...(this.#unanswered.get(socket) ?? [])];
    if (unanswered.some((response) => response.req.complete && !response.headersSent)) {
      // a response written now would be taken for that of the request before
      this.#broken.add(socket);
      return;
    }
    if (!socket.writable || unanswered.some((response) => response.headersSent)) {
      socket.destroy();
      return;
    }
    socket.end(rawReply(refusalOf(error), this.#options.clock));
    socket.destroySoon();
  }
}

/** The response to bytes that Node's parser refused; `error.code` says why. */
function refusalOf(error: Error): WholeReply {
  switch (errnoOf(error)) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return failureOf(new BalancerError('request-timeout'));
    case 'HPE_HEADER_OVERFLOW':
      return failed(431, 'The request head is too large');
    default:
      return failed(400, 'The request is not HTTP/1.1');
  }
}
