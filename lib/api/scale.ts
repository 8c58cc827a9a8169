/** The JSON of `/scale`, as types. Durations are in milliseconds. Types only. */
import type { ScaleLimit, ScaleReason } from '../core/policy/autoscale.ts';

/**
 * `GET /scale`: the size of the fleet, and how autoscaling comes by it. `PUT /scale` of bounds, the target or `paused`
 * responds with what it has become; with `?dry-run` with what it would be.
 */
export interface ScaleView {
  /** Replicas, those that start included and those that leave not. */
  readonly n: number;
  /** Those that may be given requests. */
  readonly ready: number;
  /** How many there should be: by the last decision, `n` where autoscaling is off. */
  readonly desired: number;
  /** `blocked`: replicas that it added have not become healthy, so it adds none for a while. */
  readonly state: 'off' | 'on' | 'paused' | 'blocked';
  readonly min: number;
  /** 0 where autoscaling is off. */
  readonly max: number;
  /** Requests in flight and waiting for each replica. */
  readonly target: number;
  /** The last decision in a sentence with its numbers. */
  readonly why: string;
  /** Null where autoscaling is off, and before the first. */
  readonly decision: ScaleDecision | null;
  /** The last change that autoscaling made; null before the first. */
  readonly changed: (ScaleChange & { readonly time: string }) | null;
  /** Of several balancers of the pool the one that adds and removes; null where there are no others, and none scales. */
  readonly acting: ActingBalancer | null;
  /** Present where nothing was changed. */
  readonly dryRun?: true;
}

/** The balancer that acts for all of its pool. */
export interface ActingBalancer {
  readonly id: string;
  /** Where it runs, for people. */
  readonly title: string;
  /** Where its admin port listens; '' where the system picked the port. */
  readonly admin: string;
  /** It is the one that responds. */
  readonly isSelf: boolean;
}

/** The decision of a second. */
export interface ScaleDecision {
  readonly from: number;
  readonly to: number;
  readonly reason: ScaleReason;
  /** What kept it from what the load alone would have; null where nothing did. */
  readonly limitedBy: ScaleLimit | null;
  /** Requests in flight and waiting: in the last second, and the means of `--scale-window` and `--scale-up-window`. */
  readonly load: number;
  readonly stable: number;
  readonly recent: number;
  /** Replicas that the means need at the target. */
  readonly stableNeeds: number;
  readonly recentNeeds: number;
  readonly panic: boolean;
}

/** A change of the size: `L` is the load, `T` the target. */
export interface ScaleChange {
  readonly from: number;
  readonly to: number;
  readonly reason: ScaleReason;
  readonly L: number;
  readonly T: number;
}
