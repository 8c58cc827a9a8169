/**
 * Decides which client may do what on the control plane, for every route and both ports.
 * Invariants: a request that a data thread handed over from the public port gets only what that port offers, and is
 * judged by the address of its client; tokens are compared in constant time; no token is ever logged.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import {
  digestOf,
  guardsPublicPort,
  isPublicPath,
  PEER_HEADER,
  type PublicAccess,
  peerOf,
} from '../api/peer-header.ts';
import { quote } from '../config/suggest.ts';
import type { Clock } from '../platform/clock.ts';
import { BalancerError, type ErrorCode } from '../platform/errors.ts';
import { canonicalAddress, isLoopback, isPrivateAddress } from '../platform/ip-addresses.ts';
import type { Logger } from '../platform/log.ts';
import { isCrossSite, isFormLike, isFromBrowser, isKnownHost } from './cross-site.ts';
import { FailureLimit } from './failures.ts';
import { RefusalLog } from './refusal-log.ts';
import { failureOf, type WholeReply } from './reply.ts';
import type { Access } from './routes/fleet.ts';

export interface AccessOptions {
  /** The admin token; '' is none. */
  readonly token: string;
  /** False where the public port is as without a token. */
  readonly guardsPublicPort: boolean;
  /** The address that the admin port is bound to; '' is all interfaces. */
  readonly adminHost: string;
  /** Further names of the balancer in Host headers, in lower case. */
  readonly adminHosts: readonly string[];
  /** True for the address of a replica's instance. */
  readonly isReplica: (address: string) => boolean;
  /** The secret that data threads send with the requests that they hand over. */
  readonly secret: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The client of a request. */
interface AccessClient {
  readonly port: 'public' | 'admin';
  /** The peer address of its connection, whatever the request says. */
  readonly address: string;
}

/** Why a request is refused. */
interface Refusal {
  readonly code: ErrorCode;
  /** Where the code has no message of its own. */
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const PUBLIC_ONLY_PRIVATE =
  'Without a token only loopback and private addresses may do this here; start the balancer with --admin-token, or use its admin port';
const OF_A_REPLICA =
  'This is the address of a replica, and a replica may not change its own fleet without a token; start the balancer with --admin-token, or ask from another address';
const CROSS_SITE = 'A page of another site caused this request; use the pages of the balancer, or a program';
const FORM_LIKE = 'A browser must send this with Content-Type: application/json';

/** Warns where clients of the public port can change the fleet without a token. */
export function warnOfOpenAccess(access: PublicAccess, log: Logger): void {
  if (guardsPublicPort(access) || !access.publicAdmin) return;
  const paths = '/add, /rm and /scale on the public port';
  const clients = 'any client with a loopback or private address, and any behind a proxy that has one';
  const what = access.adminToken === '' ? 'admin-token' : 'admin-token-scope both';
  log.warn({}, `${paths} are open to ${clients}: set ${what}, or public-admin off`);
}

export class AccessControl {
  readonly #options: AccessOptions;
  readonly #expected: Buffer;
  readonly #names: ReadonlySet<string>;
  /** The admin port is bound wider than loopback. */
  readonly #isWide: boolean;
  readonly #failures: FailureLimit;
  readonly #refusals: RefusalLog;
  /** Connections of data threads: no request on them can be from a client of the admin port. */
  readonly #handedOver = new WeakSet<Socket>();

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#expected = digestOf(options.token);
    this.#names = new Set([...options.adminHosts, options.adminHost.toLowerCase()].filter(Boolean));
    this.#isWide = !isLoopback(options.adminHost);
    this.#failures = new FailureLimit(options.clock);
    this.#refusals = new RefusalLog(options.clock, options.log);
  }

  /** True where the port that the request came to has no such path. Throws as `refusalOf`. */
  isHidden(request: IncomingMessage, path: string): boolean {
    return this.#clientOf(request).port === 'public' && !isPublicPath(path);
  }

  /**
   * The refusal of a request to a route of this access; undefined where it is allowed. Throws BalancerError
   * `bad-request` where the request claims to be handed over and is not.
   */
  refusalOf(request: IncomingMessage, access: Access, path: string): WholeReply | undefined {
    const client = this.#clientOf(request);
    const refusal = this.#judge(request, access, client);
    if (refusal === undefined) return undefined;
    const { code, message, headers = {} } = refusal;
    this.#refusals.note({ ...client, cause: code, method: request.method, path });
    return failureOf(new BalancerError(code, message), headers);
  }

  /** The client of the request. One on a data thread's connection without its header was smuggled there. */
  #clientOf(request: IncomingMessage): AccessClient {
    const { socket } = request;
    const values = request.headersDistinct[PEER_HEADER];
    if (values === undefined && !this.#handedOver.has(socket)) {
      return { port: 'admin', address: canonicalAddress(socket.remoteAddress ?? '') };
    }
    const address = peerOf(values ?? [], this.#options.secret);
    if (address === undefined) throw new BalancerError('bad-request', `${PEER_HEADER} is not for clients`);
    this.#handedOver.add(socket);
    return { port: 'public', address: canonicalAddress(address) };
  }

  #judge({ headers }: IncomingMessage, access: Access, { port, address }: AccessClient): Refusal | undefined {
    const isPublic = port === 'public';
    const token = isPublic && !this.#options.guardsPublicPort ? '' : this.#options.token;
    if (access === 'open' || (isPublic && access === 'read')) return undefined;
    const isGuarded = access === 'steer' || access === 'watch';
    if (isGuarded && isCrossSite(headers)) return { code: 'forbidden', message: CROSS_SITE };
    const needsToken = token !== '' && (access === 'steer' || this.#isWide);
    // a request with the token is not from a page of an attacker; but changes and streams need a known Host anyway
    const judgesHost = isPublic ? !needsToken : isGuarded || !needsToken;
    if (judgesHost && !isKnownHost(headers.host ?? '', { names: this.#names, plain: isPublic })) {
      return { code: 'forbidden', message: unknownHost(headers.host ?? '') };
    }
    if (needsToken) {
      const refusal = this.#judgeToken(headers.authorization, address);
      if (refusal !== undefined) return refusal;
    } else if (isPublic && !isPrivateAddress(address)) {
      return { code: 'forbidden', message: PUBLIC_ONLY_PRIVATE };
    } else if (access === 'steer' && !isLoopback(address) && this.#options.isReplica(address)) {
      return { code: 'forbidden', message: OF_A_REPLICA };
    }
    if (access === 'steer' && isFromBrowser(headers) && isFormLike(headers)) {
      return { code: 'unsupported-media-type', message: FORM_LIKE };
    }
    return undefined;
  }

  #judgeToken(authorization: string | undefined, address: string): Refusal | undefined {
    const given = digestOf(/^Bearer +([^ ]+) *$/i.exec(authorization ?? '')?.[1] ?? '');
    const digest = given.toString('base64');
    const waitMs = this.#failures.waitMs(address, digest);
    if (waitMs > 0) {
      return { code: 'too-many-failures', headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } };
    }
    if (timingSafeEqual(given, this.#expected)) return undefined;
    this.#failures.recordFailure(address, digest);
    return { code: 'unauthorized', headers: { 'www-authenticate': 'Bearer' } };
  }
}

function unknownHost(host: string): string {
  return `The balancer is not known as ${quote(host)}; ask it by its address, or start it with --admin-hosts and that name`;
}
