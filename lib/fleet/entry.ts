/**
 * What the registry keeps of one replica, and the state that the data threads see of it.
 */
import type { EventKind } from '../api/types.ts';
import { UNKNOWN_HEALTH } from '../core/policy/rise-and-fall.ts';
import type { Place, ReplicaState } from '../core/replica.ts';
import type { StateCode } from '../core/routing/route-table.ts';
import type { ProbeCounts, Replica } from './replica.ts';

/** How many probes are kept one by one. */
const RECENT_PROBES = 20;

/** A change of state to be made, with its kind in the journal where it is an event. */
export interface StateChange {
  readonly to: ReplicaState;
  readonly cause: string;
  readonly kind?: EventKind;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export interface Entry extends Mutable<Replica> {
  probes: ProbeCounts;
  /** When it was reserved, by the clock. */
  readonly bornMs: number;
  generation: number;
  /** Instances placed so far, but for those of deploys. */
  placed: number;
}

/** A replica that is starting and has no instance yet. */
export function newEntry({ name, id }: Place, ordinal: number, weight: number, nowMs: number): Entry {
  return {
    name,
    id,
    ordinal,
    weight,
    state: 'starting',
    joined: false,
    isDraining: false,
    keepsSessions: false,
    isElastic: false,
    isAdmitted: false,
    instance: undefined,
    bornMs: nowMs,
    sinceMs: nowMs,
    firstHealthyMs: undefined,
    cause: 'new',
    restarts: 0,
    ending: undefined,
    health: UNKNOWN_HEALTH,
    probes: { passed: 0, failed: 0, last: undefined, recent: [] },
    generation: 0,
    placed: 0,
  };
}

/** Adds what a probe found. */
export function addProbe(probes: ProbeCounts, passed: boolean, detail: string): void {
  probes.last = detail;
  probes.recent = [...probes.recent.slice(1 - RECENT_PROBES), passed];
  if (passed) probes.passed++;
  else probes.failed++;
}

/**
 * The state that the data threads see. A replica that is not on the ring is not eligible, since it would count in the
 * load bound of all others. One that an operator drains, or whose weight is 0, is not either, but its probes and its replacement go by its
 * own state.
 */
export function publishedState(replica: Replica): StateCode {
  const { state, joined, isDraining, keepsSessions, isAdmitted, weight } = replica;
  const given = state === 'unhealthy' && isAdmitted ? 'healthy' : state;
  if (given === 'gone') return 'free';
  if (given !== 'healthy') return given;
  if (weight === 0) return 'draining';
  if (isDraining) return keepsSessions ? 'sessions-only' : 'draining';
  return joined ? 'healthy' : 'starting';
}
