/**
 * The messages between the control plane and a worker, beside what they share in memory. Types only.
 */
import type { AccessLogOptions } from '../access-log/access-log.ts';
import type { HashKeySource } from '../core/hashing/hash-key.ts';
import type { Algorithm } from '../core/hashing/slot-table.ts';
import type { Loss, Settlement } from '../core/policy/poison.ts';
import type { Endpoint, UpstreamRecord } from '../core/replica.ts';
import type { Balance } from '../core/routing/load-picker.ts';
import type { RouteTableShape } from '../core/routing/table-memory.ts';
import type { ErrorCode } from '../platform/errors.ts';
import type { UpstreamTls } from '../platform/upstream-tls.ts';
import type { ClientLimitOptions, LimitMemory } from './downstream/client-limits.ts';
import type { TlsMaterial, TlsOptions } from './downstream/tls/tls-server.ts';
import type { DebugFor } from './headers/debug-headers.ts';

/** The options of a worker. Times in milliseconds. */
export interface WorkerOptions extends AccessLogOptions, ClientLimitOptions, TlsOptions {
  readonly tlsPort: number;
  /** Towards replicas whose endpoint says so. */
  readonly upstreamTls: UpstreamTls;
  /** Where there are any, an ACME server's challenges go to the control plane. */
  readonly acmeDomains: readonly string[];
  /** What replicas speak. */
  readonly upstreamProtocol: 'http1' | 'h2';
  /** Where plain requests are redirected to. */
  readonly tlsRedirect: 'on' | 'off' | number;
  /** max-age of Strict-Transport-Security in seconds; 0 sends none. */
  readonly hsts: number;
  readonly host: string;
  readonly port: number;
  /** Several sockets, of several workers, listen on the one port (SO_REUSEPORT). */
  readonly reusePort: boolean;
  /** The balancer runs the instances, and knows how they end. */
  readonly ownsInstances: boolean;
  /** `/rep`, `/add`, `/rm` and `/scale` are the control plane's; otherwise they go to replicas like any other path. */
  readonly publicAdmin: boolean;
  /** Where those go, and the secret by which the admin server knows requests of a worker. */
  readonly admin: Endpoint & { readonly secret: string };
  readonly algorithm: Algorithm;
  readonly slots: number;
  readonly vnodes: number;
  readonly hashKey: readonly HashKeySource[];
  readonly balance: Balance;
  /** Name of the sticky cookie; '' is off. */
  readonly sticky: string;
  /** 0 is until the client's browser is closed. */
  readonly stickyTtlMs: number;
  readonly stickyOnOutage: 'move' | 'keep';
  readonly loadFactor: number;
  readonly loadFloor: number;
  readonly maxInFlight: number;
  readonly queueDepth: number;
  readonly queueTimeoutMs: number;
  readonly retries: number;
  readonly retryBudget: number;
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly headerTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** Requests that fail in a row before a replica is ejected; 0 is off. */
  readonly ejectAfter: number;
  /** From a request's head to the end of its response; 0 is off. */
  readonly requestTimeoutMs: number;
  /** What reads requests. */
  readonly parser: 'fast' | 'node';
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly maxTargetBytes: number;
  /** 0 is any. */
  readonly maxBodyBytes: number;
  /** Client connections of one worker. */
  readonly maxConnections: number;
  readonly trustedProxies: readonly string[];
  /** Connections from trusted proxies begin with a header of the PROXY protocol. */
  readonly proxyProtocol: boolean;
  /** Responses of replicas that are not quite HTTP are mended where that leaves no doubt. */
  readonly lenientReplicas: boolean;
  readonly forwarded: boolean;
  readonly via: boolean;
  readonly classic: boolean;
  /** Threads serve themselves for a moment before they listen for the first time. */
  readonly rehearsal: boolean;
  /** Which clients may have debug headers. */
  readonly debugFor: DebugFor;
}

/** Descriptors of open sockets to listen on, of each port; where there are none the worker opens sockets of its own. */
export interface PassedDescriptors {
  readonly port: readonly number[];
  readonly tlsPort: readonly number[];
}

/** What a worker is started with. */
export interface WorkerStart {
  readonly worker: number;
  readonly table: SharedArrayBuffer;
  readonly shape: RouteTableShape;
  /** Where it counts (`metrics/layout.ts`). */
  readonly metrics: SharedArrayBuffer;
  readonly options: WorkerOptions;
  readonly limits: LimitMemory;
  /** Undefined where there is no TLS port. */
  readonly tls: TlsMaterial | undefined;
  readonly descriptors: PassedDescriptors;
  readonly upstreams: readonly UpstreamRecord[];
  /** It serves itself for a moment before it listens (`rehearsal/`). */
  readonly isRehearsed: boolean;
}

/** What traffic shows against a replica: one failure, or `eject-after` in a row over all workers. */
export type Evidence = ErrorCode | 'failures-in-a-row';

export type MessageToWorker =
  /** The whole list of instances; what is not on it is not used any more. The reply is `applied`. */
  | { readonly kind: 'upstreams'; readonly sequence: number; readonly upstreams: readonly UpstreamRecord[] }
  /** Everything that it runs with, where live options may have changed. The reply is `applied`. */
  | {
      readonly kind: 'options';
      readonly sequence: number;
      readonly options: WorkerOptions;
      readonly limits: LimitMemory;
    }
  /** The replica of this ordinal goes: close what tunnels there are to it, each at some moment of `withinMs`. */
  | { readonly kind: 'close-tunnels'; readonly ordinal: number; readonly withinMs: number }
  /** Accept no new connections. The reply is `applied`, when the sockets are closed. */
  | { readonly kind: 'stop-accepting'; readonly sequence: number }
  /** The same, and close the connections there are between requests. The reply is `drained`, when none is left. */
  | { readonly kind: 'drain' }
  /** New TLS connections get these certificates and keys. */
  | { readonly kind: 'tls'; readonly material: TlsMaterial }
  /** Requests of these kinds (`core/policy/poison.ts`) are not to be repeated; the whole list. */
  | { readonly kind: 'poison'; readonly kinds: readonly string[] }
  /** The reply to `judge`. */
  | { readonly kind: 'verdict'; readonly sequence: number; readonly isPoison: boolean }
  /** So many bytes of the worker's access log are written, or never will be. */
  | { readonly kind: 'logged'; readonly bytes: number };

/** What came of a worker's rehearsal. */
export interface RehearsalReport {
  readonly kind: 'rehearsed';
  readonly requests: number;
  readonly ms: number;
  /** Why it could not be held, which costs no more than the speed of the first requests; '' where it was. */
  readonly cause: string;
}

export type MessageFromWorker =
  | RehearsalReport
  | { readonly kind: 'listening'; readonly port: number }
  /** The worker cannot listen on the port, and ends. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly port: number }
  | { readonly kind: 'applied'; readonly sequence: number }
  /** A request failed on a replica, when its state word was `word`. */
  | { readonly kind: 'report'; readonly ordinal: number; readonly word: number; readonly code: Evidence }
  /** An instance was lost with a request on it. */
  | { readonly kind: 'lost'; readonly loss: Loss }
  /** A request that had lost an instance is over. */
  | { readonly kind: 'settled'; readonly settlement: Settlement }
  /** Whether a request that was on these instances is to blame that they ended. The reply is `verdict`. */
  | { readonly kind: 'judge'; readonly sequence: number; readonly generations: readonly number[] }
  /** The worker begins, or no longer has, to refuse connections. */
  | { readonly kind: 'shedding'; readonly isShedding: boolean; readonly connections: number }
  /** Whole lines of the access log, in ASCII. The reply is `logged`. */
  | { readonly kind: 'log'; readonly text: string; readonly lines: number }
  /** A warning of Node.js. */
  | { readonly kind: 'warning'; readonly cause: string }
  | { readonly kind: 'drained' };
