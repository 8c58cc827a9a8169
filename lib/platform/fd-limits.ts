/**
 * How many connections the limit on open files has room for.
 * Must not hold: how many an operator wants (`options.ts`).
 */
import { readFileSync } from 'node:fs';

/** Descriptors that are not for clients, their requests or probes: modules, logs, the engine, the admin port. */
const OTHER_DESCRIPTORS = 64;
/** So many that a thousand replicas are all probed at once, and a small part of what there is. */
const MOST_PROBES = 1024;
const LEAST_PROBES = 16;
const PROBES_SHARE = 1 / 16;
/** What each thread listens on. */
const LISTENING_DESCRIPTORS = 16;

/** Client connections of one of `workers` threads, each with one to a replica; without a known limit any number. */
export function connectionsInLimits(workers: number): number {
  const descriptors = limit();
  const others = OTHER_DESCRIPTORS + probesIn(descriptors) + workers * LISTENING_DESCRIPTORS;
  return Math.max(1, Math.floor((descriptors - others) / 2 / workers));
}

/** Probes under way at a time. */
export function probesInLimits(): number {
  return probesIn(limit());
}

function probesIn(descriptors: number): number {
  return Math.min(MOST_PROBES, Math.max(LEAST_PROBES, Math.floor(descriptors * PROBES_SHARE)));
}

/** Open files that this process may have; without a known limit any number. */
function limit(): number {
  const line = /^Max open files +(\d+)/m.exec(readIfThere('/proc/self/limits'));
  return line === null ? Number.POSITIVE_INFINITY : Number(line[1]);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
