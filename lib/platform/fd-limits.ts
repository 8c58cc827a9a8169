/** How many connections and probes fit within the limit on open files. */
import { readFileSync } from 'node:fs';

/** Descriptors for everything but clients, upstreams and probes: modules, logs, the engine, the admin port. */
const OTHER_DESCRIPTORS = 64;
/** Enough to probe a thousand replicas at once, but a small share of the limit. */
const MOST_PROBES = 1024;
const LEAST_PROBES = 16;
const PROBES_SHARE = 1 / 16;
/** Listening sockets and event-loop descriptors of each thread. */
const LISTENING_DESCRIPTORS = 16;

/** Client connections per thread, each with one to a replica; infinite where the limit is unknown. */
export function connectionsInLimits(workers: number): number {
  const descriptors = limit();
  const others = OTHER_DESCRIPTORS + probesIn(descriptors) + workers * LISTENING_DESCRIPTORS;
  return Math.max(1, Math.floor((descriptors - others) / 2 / workers));
}

/** Maximum of concurrent probes. */
export function probesInLimits(): number {
  return probesIn(limit());
}

function probesIn(descriptors: number): number {
  return Math.min(MOST_PROBES, Math.max(LEAST_PROBES, Math.floor(descriptors * PROBES_SHARE)));
}

/** The limit on open files of this process; infinite where unknown. */
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
