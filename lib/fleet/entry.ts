/**
 * What the registry keeps of one replica. Must not hold: what changes it (`registry.ts`).
 */
import { UNKNOWN_HEALTH } from '../core/policy/rise-and-fall.ts';
import type { Place } from '../core/replica.ts';
import type { StateCode } from '../core/routing/route-table.ts';
import type { ProbeCounts, Replica } from './replica.ts';

/** How many probes are kept one by one. */
const RECENT_PROBES = 20;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export interface Entry extends Mutable<Replica> {
  probes: ProbeCounts;
  /** When it was reserved, by the clock. */
  readonly bornMs: number;
  generation: number;
  /** Instances placed so far. */
  placed: number;
}

/** One that is starting, without an instance. */
export function newEntry({ name, id }: Place, ordinal: number, nowMs: number): Entry {
  return {
    name,
    id,
    ordinal,
    state: 'starting',
    joined: false,
    isDraining: false,
    isAdmitted: false,
    instance: undefined,
    bornMs: nowMs,
    sinceMs: nowMs,
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
export function addProbe(probes: ProbeCounts, passed: boolean, said: string): void {
  probes.last = said;
  probes.recent = [...probes.recent.slice(1 - RECENT_PROBES), passed];
  if (passed) probes.passed++;
  else probes.failed++;
}

/**
 * What data threads are shown. Who is not on the ring is not eligible: it would count in everybody's load bound. Who
 * an operator drains is not either, but its probes and its replacement go by its state.
 */
export function shownState({ state, joined, isDraining, isAdmitted }: Replica): StateCode {
  const given = state === 'unhealthy' && isAdmitted ? 'healthy' : state;
  if (given === 'gone') return 'free';
  if (given !== 'healthy') return given;
  if (isDraining) return 'draining';
  return joined ? 'healthy' : 'starting';
}
