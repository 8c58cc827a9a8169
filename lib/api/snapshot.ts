/**
 * What `/live` sends the dashboard once a second, as types: the server fills it (`live-numbers.ts`), the page reads it.
 */

import type { Ending } from '../core/ending.ts';
import type { ScaleView } from './scale.ts';
import type { Readiness, ReplicaView, RingView } from './types.ts';

/** Traffic over the last seconds; null where nothing is known or nothing happened that has a duration. */
export interface Numbers {
  readonly requestsPerSecond: number | null;
  /** In the totals, responses of 5xx; of a replica, failed attempts too, also where a retry made up for them. */
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
  /** Replicas there should be and replicas that may be given requests; null of one replica. */
  readonly desired: number | null;
  readonly ready: number | null;
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
  readonly desired: readonly (number | null)[];
  readonly ready: readonly (number | null)[];
}

/** A replica in the snapshot: what the page needs of what `/replicas` says of it, and its numbers. */
export interface ReplicaSnapshot
  extends Numbers,
    Omit<ReplicaView, 'draining' | 'ending' | 'instance' | 'probes'> {
  /** Its instance runs, but an operator keeps requests away from it. */
  readonly drained: boolean;
  /** Requests that wait for it first. */
  readonly queued: number;
  readonly probes: Pick<ReplicaView['probes'], 'last' | 'recent'>;
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
  /** New versions can be brought in the same names, see `/deploy`. */
  readonly canDeploy: boolean;
  /** What replicas print can be read at `/logs`. */
  readonly hasLogs: boolean;
  readonly readiness: Readiness;
  /** Replicas that may be given requests, of those there are to be. */
  readonly eligible: number;
  readonly desired: number;
  readonly limits: {
    readonly maxInFlight: number;
    readonly queueDepth: number;
    readonly maxReplicas: number;
  };
  /** How the size of the fleet comes about. */
  readonly scale: ScaleView;
  readonly totals: Sample;
  readonly ring: Omit<RingView, 'members' | 'sample' | 'hash'>;
  readonly replicas: readonly ReplicaSnapshot[];
}
