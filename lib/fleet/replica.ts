/**
 * A replica as the control plane sees it: types only. The registry alone changes one.
 */
import type { Ending } from '../core/ending.ts';
import type { Place, ReplicaState } from '../core/replica.ts';
import type { Instance } from '../drivers/driver.ts';

/** What the probes of a replica have found. */
export interface ProbeCounts {
  passed: number;
  failed: number;
  /** What the last one found, in words; undefined before the first. */
  last: string | undefined;
  /** What the last twenty found, the oldest first: true for one that passed. */
  recent: readonly boolean[];
}

/** A replica, as the control plane knows it. Everything but the registry only reads it. */
export interface Replica extends Place {
  readonly ordinal: number;
  /** Its share of the keys in proportion to the others' weights; 0 for no requests. */
  readonly weight: number;
  readonly state: ReplicaState;
  readonly joined: boolean;
  /** An operator keeps requests away from it; its state goes on as if not. */
  readonly isDraining: boolean;
  /** While an operator drains it, it still gets requests of clients that have its sticky cookie. */
  readonly keepsSessions: boolean;
  /** The balancer chose its name, so autoscaling may remove it. */
  readonly isElastic: boolean;
  /** It gets requests although it is unhealthy, since most of the fleet is. */
  readonly isAdmitted: boolean;
  readonly instance: Instance | undefined;
  /** Of the instance that was placed last; no other has it. */
  readonly generation: number;
  /** When the state began, by the clock. */
  readonly sinceMs: number;
  /** When the instance in the place became healthy for the first time; undefined until then. */
  readonly firstHealthyMs: number | undefined;
  /** Why it is in this state. */
  readonly cause: string;
  /** Instances that were started in the place after the first; those of deploys do not count. */
  readonly restarts: number;
  /** How the last instance that ended in the place did; undefined while none has. */
  readonly ending: Ending | undefined;
  /** HAProxy-like score, see core/policy/rise-and-fall.ts. */
  readonly health: number;
  readonly probes: Readonly<ProbeCounts>;
}

/** One change of state, as followers are told of it. */
export interface Transition {
  readonly name: string;
  readonly from: ReplicaState;
  readonly to: ReplicaState;
  readonly cause: string;
  readonly instanceId: string | undefined;
  /** How long the state before lasted. */
  readonly ms: number;
}
