/**
 * What the dashboard is told once a second, as types: the server fills it (`live-numbers.ts`), the page reads it.
 * Must not hold: code, or imports of anything that a browser does not have.
 */

import type { Ending } from '../core/ending.ts';
import type { Algorithm } from '../core/hashing/slot-table.ts';
import type { ReplicaState } from '../core/replica.ts';

/** Traffic over the last seconds; null where nothing is known or nothing happened that has a duration. */
export interface Numbers {
  readonly requestsPerSecond: number | null;
  /** In all, answers of 5xx; of a replica, failed attempts too, though another may have made them good. */
  readonly errorsPerSecond: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** One second of traffic, of the whole balancer or of one replica; it is what charts show. */
export interface Sample extends Numbers {
  /** Responses of 2xx, 3xx, 4xx and 5xx a second. Requests have more: 101, and those whose client left before. */
  readonly byClass: readonly (number | null)[];
  readonly inFlight: number;
  readonly queued: number;
}

/** Samples of the last fifteen minutes at most: a list for each number, the oldest first, null where it is not known. */
export interface History {
  /** Milliseconds since the Unix epoch; they rise. */
  readonly atMs: readonly number[];
  readonly requestsPerSecond: readonly (number | null)[];
  /** Lists of 2xx, 3xx, 4xx and 5xx. */
  readonly byClass: readonly (readonly (number | null)[])[];
  readonly errorsPerSecond: readonly (number | null)[];
  readonly p50Ms: readonly (number | null)[];
  readonly p99Ms: readonly (number | null)[];
  readonly inFlight: readonly (number | null)[];
  readonly queued: readonly (number | null)[];
}

/** A replica in the snapshot; what `/replicas` says of it, and its numbers. */
export interface ReplicaSnapshot extends Numbers {
  readonly name: string;
  readonly id: number;
  readonly state: ReplicaState;
  /** Its instance runs, but an operator keeps requests away from it. */
  readonly drained: boolean;
  readonly endpoint: string | null;
  /** Name and short digest of the image it runs, or null. */
  readonly image: string | null;
  readonly inFlight: number;
  /** Requests that wait for it first. */
  readonly queued: number;
  readonly slots: number;
  /** Its slots as a part of all, 0 to 1. */
  readonly share: number;
  readonly restarts: number;
  /** `recent` are the last probes, the oldest first: true for one that passed. */
  readonly probes: { readonly last: string | null; readonly recent: readonly boolean[] };
  /** For how long it has been in its state. */
  readonly sinceMs: number;
  readonly cause: string | null;
  readonly nextStartInMs: number | null;
  /** How its last instance ended, less what that wrote; null where none has. */
  readonly ending: Pick<Ending, 'kind' | 'code' | 'signal'> | null;
}

export interface Snapshot {
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** When this balancer started, likewise; another value is another balancer. */
  readonly startedAtMs: number;
  readonly version: string;
  readonly driver: string;
  /** False over a fixed list of servers, which nobody adds to. */
  readonly canScale: boolean;
  readonly readiness: { readonly ready: boolean; readonly draining: boolean; readonly reason: string };
  /** Replicas that may be given requests, of those there are to be. */
  readonly eligible: number;
  readonly desired: number;
  readonly limits: {
    readonly maxInFlight: number;
    readonly queueDepth: number;
    readonly maxReplicas: number;
  };
  readonly totals: Sample;
  readonly ring: {
    readonly algorithm: Algorithm;
    readonly slots: number;
    /** For each member; 0 where the algorithm has none. */
    readonly vnodes: number;
    readonly version: number;
    readonly imbalance: number;
  };
  readonly replicas: readonly ReplicaSnapshot[];
}

/** Something that happened, as `/events` tells it. */
export interface EventLine {
  readonly id: string;
  /** ISO 8601. */
  readonly time: string;
  readonly kind: string;
  readonly replica: string | null;
  /** The image of the instance that was started or adopted. */
  readonly image: string | null;
  readonly cause: string | null;
  /** How long what it ends had lasted. */
  readonly ms: number | null;
  /** How often it happened, and when for the first time; with another count it is told anew. */
  readonly count: number;
  readonly since: string;
  /** What it did to requests. */
  readonly cost: { readonly retried: number; readonly held: number; readonly failed: number } | null;
}
