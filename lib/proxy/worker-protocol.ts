/**
 * What the control plane and a data thread say to each other, beside what they share in memory: types only.
 */
import type { AccessLogOptions } from '../access-log/access-log.ts';
import type { HashKeySource } from '../core/hashing/hash-key.ts';
import type { Algorithm } from '../core/hashing/slot-table.ts';
import type { Loss, Settlement } from '../core/policy/poison.ts';
import type { Endpoint, UpstreamRecord } from '../core/replica.ts';
import type { Balance } from '../core/routing/load-picker.ts';
import type { RouteTableShape } from '../core/routing/table-memory.ts';
import type { ErrorCode } from '../platform/errors.ts';
import type { ClientLimitOptions, LimitMemory } from './downstream/client-limits.ts';
import type { DebugFor } from './headers/debug-headers.ts';

/** What a data thread runs with. Times in milliseconds. */
export interface WorkerOptions extends AccessLogOptions, ClientLimitOptions {
  readonly host: string;
  readonly port: number;
  /** Several sockets, of several threads, listen on the one port (SO_REUSEPORT). */
  readonly reusePort: boolean;
  /** The balancer runs the instances, and knows how they end. */
  readonly ownsInstances: boolean;
  /** `/rep`, `/add`, `/rm` and `/scale` are the control plane's; otherwise they go to replicas like any other path. */
  readonly publicAdmin: boolean;
  /** Where those are answered, and the secret by which it knows a data thread. */
  readonly admin: Endpoint & { readonly secret: string };
  readonly algorithm: Algorithm;
  readonly slots: number;
  readonly vnodes: number;
  readonly hashKey: readonly HashKeySource[];
  readonly balance: Balance;
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
  /** From a request's head to the end of its answer; 0 is off. */
  readonly requestTimeoutMs: number;
  /** What reads requests. */
  readonly parser: 'fast' | 'node';
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly maxTargetBytes: number;
  /** 0 is any. */
  readonly maxBodyBytes: number;
  /** Client connections of one thread. */
  readonly maxConnections: number;
  readonly trustedProxies: readonly string[];
  /** Connections from trusted proxies begin with a header of the PROXY protocol. */
  readonly proxyProtocol: boolean;
  /** Responses of replicas that are not quite HTTP are mended where that leaves no doubt. */
  readonly lenientReplicas: boolean;
  readonly forwarded: boolean;
  readonly via: boolean;
  readonly classic: boolean;
  /** Who is told by headers how a request went. */
  readonly debugFor: DebugFor;
}

/** What a data thread is started with. */
export interface WorkerStart {
  readonly worker: number;
  readonly table: SharedArrayBuffer;
  readonly shape: RouteTableShape;
  /** Where it counts (`metrics/layout.ts`). */
  readonly metrics: SharedArrayBuffer;
  readonly options: WorkerOptions;
  readonly limits: LimitMemory;
  readonly upstreams: readonly UpstreamRecord[];
}

/** What traffic says against a replica: one failure, or `eject-after` in a row over all threads. */
export type Evidence = ErrorCode | 'failures-in-a-row';

export type MessageToWorker =
  /** The whole list; what is not on it any more is let go. Answered with `seen`. */
  | { readonly kind: 'upstreams'; readonly sequence: number; readonly upstreams: readonly UpstreamRecord[] }
  /** Take no new connections, tell clients to close, and say `drained` when none is left. */
  | { readonly kind: 'drain' }
  /** Requests of these kinds (`core/policy/poison.ts`) are not to be repeated; the whole list. */
  | { readonly kind: 'poison'; readonly kinds: readonly string[] }
  /** The answer to `judge`. */
  | { readonly kind: 'verdict'; readonly sequence: number; readonly isPoison: boolean }
  /** So many bytes of its access log are written, or never will be. */
  | { readonly kind: 'logged'; readonly bytes: number };

export type MessageFromWorker =
  | { readonly kind: 'listening'; readonly port: number }
  /** It cannot listen, and ends. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'seen'; readonly sequence: number }
  /** Traffic found a replica wanting, when its state word was `word`. */
  | { readonly kind: 'report'; readonly ordinal: number; readonly word: number; readonly code: Evidence }
  /** A request was on an instance that was lost. */
  | { readonly kind: 'lost'; readonly loss: Loss }
  /** A request that had lost an instance is over. */
  | { readonly kind: 'settled'; readonly settlement: Settlement }
  /** Whether a request that was on these instances is to blame that they ended. Answered with `verdict`. */
  | { readonly kind: 'judge'; readonly sequence: number; readonly generations: readonly number[] }
  /** It began, or no longer has, to turn connections away. */
  | { readonly kind: 'shedding'; readonly isShedding: boolean; readonly connections: number }
  /** Whole lines of the access log, in ASCII. Answered with `logged`. */
  | { readonly kind: 'log'; readonly text: string; readonly lines: number }
  /** Node warns of something in it. */
  | { readonly kind: 'warning'; readonly cause: string }
  | { readonly kind: 'drained' };
