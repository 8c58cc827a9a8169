/**
 * What the checker keeps of each watched instance, and the time from one of its probes to the next.
 */

import { backoffMs } from '../../core/policy/backoff.ts';
import type { Endpoint } from '../../core/replica.ts';
import type { Timer } from '../../platform/clock.ts';
import type { Replica } from '../replica.ts';

/** Between two probes of a replica that is starting: from here … */
const QUICK_MS = 10;
/** … doubling to here, the most that a start may take longer for having just been missed … */
const LOOK_MS = 25;
/** … and after this many failures, about a second, doubling further to QUICK_MAX_MS. */
const QUICK_MISSES = 40;
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

/** From the end of a probe until the next; undefined for none. `chance` is from 0 to 1. */
export function nextProbeMs(
  check: Check,
  { tookMs, passed }: Probed,
  intervalMs: number,
  chance: number,
): number | undefined {
  if (check.mode === 'steady') {
    if (intervalMs === 0) return undefined;
    // replicas that became healthy together must not be probed together for ever
    const waitMs = check.isToSpread ? chance * intervalMs : intervalMs * (0.9 + 0.2 * chance);
    check.isToSpread = false;
    return Math.max(0, waitMs - tookMs);
  }
  if (intervalMs === 0) return SUSPECT_MS;
  if (passed) return QUICK_MS;
  return Math.min(intervalMs, quickMs(check.misses));
}

/** Time to the next look after `misses` failures in a row. */
function quickMs(misses: number): number {
  if (misses <= QUICK_MISSES) return backoffMs(misses, QUICK_MS, LOOK_MS);
  return backoffMs(misses - QUICK_MISSES, LOOK_MS, QUICK_MAX_MS);
}
