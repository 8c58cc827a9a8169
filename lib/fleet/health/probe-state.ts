/**
 * What the checker keeps of each watched instance, and the time from one of its probes to the next.
 */

import { backoffMs } from '../../core/policy/backoff.ts';
import type { Endpoint } from '../../core/replica.ts';
import type { Timer } from '../../platform/clock.ts';
import type { Replica } from '../replica.ts';

/** Between two probes of a replica that is starting: a millisecond for each that is watched, from here … */
const MIN_LOOK_MS = 5;
/** … to here, the most that a start may take longer for having just been missed … */
const LOOK_MS = 25;
/** … and after this time, doubling to QUICK_MAX_MS. A suspect is probed so as well, from QUICK_MS doubling to LOOK_MS. */
const LOOKS_FOR_MS = 1000;
const QUICK_MS = 10;
const QUICK_MAX_MS = 500;
/** Between two probes of a suspect while probing is off. */
const SUSPECT_MS = 1000;

export interface Check {
  readonly replica: Replica;
  readonly instanceId: string;
  readonly endpoint: Endpoint;
  /** `starting`: never passed yet. `suspect`: traffic says that it is down. `steady`: probed at the interval. */
  mode: 'starting' | 'suspect' | 'steady';
  /** Probes that failed in a row, in a quick mode. */
  misses: number;
  /** A probe has passed. */
  hasPassed: boolean;
  /** Probes that passed in a row. */
  passes: number;
  /** Probes without a response in a row, and all that was read from the replica before the first of them. */
  silent: number;
  readsBefore: number;
  /** When the first of them began. */
  silentSinceMs: number;
  /** Since when it has been down by its probes; undefined while it is not. */
  downSinceMs: number | undefined;
  /** The last probe got a response, whatever it was. */
  responds: boolean;
  timer: Timer | undefined;
  ejectionTimer: Timer | undefined;
  probing: boolean;
  /** The probe under way began before traffic said that the replica is down. */
  isOutdated: boolean;
  /** It has just become steady, perhaps together with others: its next probe is at a random time. */
  isToSpread: boolean;
}

/** A check of the instance in the replica's place; undefined where there is none that listens. */
export function newCheck(replica: Replica): Check | undefined {
  const { instance } = replica;
  if (instance?.endpoint === undefined) return undefined;
  // a deploy puts an instance in place once its probes have passed
  const isHealthy = replica.state === 'healthy';
  return {
    replica,
    instanceId: instance.instanceId,
    endpoint: instance.endpoint,
    mode: isHealthy ? 'steady' : 'starting',
    misses: 0,
    hasPassed: isHealthy,
    passes: 0,
    silent: 0,
    readsBefore: 0,
    silentSinceMs: 0,
    downSinceMs: undefined,
    responds: false,
    timer: undefined,
    ejectionTimer: undefined,
    probing: false,
    isOutdated: false,
    isToSpread: true,
  };
}

/** How long the last probe took, and what it found. */
export interface Probed {
  readonly tookMs: number;
  readonly passed: boolean;
}

export interface Schedule {
  /** 0 while probing is off. */
  readonly intervalMs: number;
  /** From 0 to 1. */
  readonly chance: number;
  /** How many replicas are watched. */
  readonly watched: number;
}

/** From the end of a probe until the next; undefined for none. */
export function nextProbeMs(
  check: Check,
  { tookMs, passed }: Probed,
  { intervalMs, chance, watched }: Schedule,
): number | undefined {
  if (check.mode === 'steady') {
    if (intervalMs === 0) return undefined;
    // replicas that became healthy together must not be probed together for ever
    const waitMs = check.isToSpread ? chance * intervalMs : intervalMs * (0.9 + 0.2 * chance);
    check.isToSpread = false;
    return Math.max(0, waitMs - tookMs);
  }
  if (intervalMs === 0) return SUSPECT_MS;
  const lookMs = check.mode === 'starting' ? Math.min(LOOK_MS, Math.max(MIN_LOOK_MS, watched)) : LOOK_MS;
  const firstMs = Math.min(QUICK_MS, lookMs);
  if (passed) return firstMs;
  return Math.min(intervalMs, quickMs(check.misses, firstMs, lookMs));
}

/** Time to the next look after `misses` failures in a row. */
function quickMs(misses: number, firstMs: number, lookMs: number): number {
  const looks = Math.round(LOOKS_FOR_MS / lookMs);
  if (misses <= looks) return backoffMs(misses, firstMs, lookMs);
  return backoffMs(misses - looks, lookMs, QUICK_MAX_MS);
}
