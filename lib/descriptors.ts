/**
 * How many connections the limit on open files has room for.
 * Must not hold: how many an operator wants (`options.ts`).
 */
import { readFileSync } from 'node:fs';

/** Descriptors that are not for clients and their requests: modules, logs, probes, the engine, the admin port. */
const OTHER_DESCRIPTORS = 80;
/** What each thread listens on. */
const LISTENING_DESCRIPTORS = 16;

/** Client connections of one of `workers` threads, each with one to a replica; without a known limit any number. */
export function connectionsInLimits(workers: number): number {
  const line = /^Max open files +(\d+)/m.exec(readIfThere('/proc/self/limits'));
  const descriptors = line === null ? Number.POSITIVE_INFINITY : Number(line[1]);
  const others = OTHER_DESCRIPTORS + workers * LISTENING_DESCRIPTORS;
  return Math.max(1, Math.floor((descriptors - others) / 2 / workers));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
