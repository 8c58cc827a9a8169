/**
 * Decides whether an instance of a new version does as well as the rest of the fleet. Pure: it compares what was counted
 * since the switch.
 */

/** How a deploy goes where its request does not say: batch size, watch per switch, and part of requests that may fail. */
export const DEPLOY_DEFAULTS = { batch: 1, watchMs: 10_000, maxErrorRate: 0.01 } as const;

/** What was counted of one instance or of several. */
export interface GateSample {
  /** Requests that have ended, and attempts that failed. */
  readonly requests: number;
  /** Responses of 5xx, and attempts that failed. */
  readonly errors: number;
  /** Requests that have a duration. */
  readonly timed: number;
  /** 0 while there are none. */
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** Fewer requests than these tell nothing of errors. */
export const LEAST_REQUESTS = 20;
/** Fewer than these tell nothing of the slowest percent. */
const LEAST_TIMED = 100;
/** Errors may be this many times those of the rest, in proportion … */
const ERROR_FACTOR = 2;
/** … and the slowest percent, or the half, may take this many times as long, … */
const LATENCY_FACTOR = 3;
/** … as long as it is not more than this above it: where responses take a millisecond, noise has any factor. */
const LATENCY_NOISE_MS = 20;

/**
 * Why errors fail the gate, in words; undefined while they do not. `rest` are the instances that nothing was changed of
 * since the same moment.
 */
export function judgeErrors(own: GateSample, rest: GateSample, maxErrorRate: number): string | undefined {
  if (own.requests < LEAST_REQUESTS) return undefined;
  const rate = own.errors / own.requests;
  const restRate = rest.requests === 0 ? 0 : rest.errors / rest.requests;
  const limit = Math.max(ERROR_FACTOR * restRate, maxErrorRate);
  if (rate <= limit) return undefined;
  return `${own.errors} of ${own.requests} requests failed (${percent(rate)}; at most ${percent(limit)} may)`;
}

/** True where there is enough to judge latency by. */
export function isTimed(own: GateSample, rest: GateSample): boolean {
  return own.timed >= LEAST_TIMED && rest.timed >= LEAST_TIMED;
}

/** Why latency fails the gate; as `judgeErrors`. */
export function judgeLatency(own: GateSample, rest: GateSample): string | undefined {
  if (!isTimed(own, rest)) return undefined;
  // a busy machine makes the p99 of all replicas long, and then the median alone tells which of them is slow
  return compareMs('p99', own.p99Ms, rest.p99Ms) ?? compareMs('median', own.medianMs, rest.medianMs);
}

/**
 * Why the median of all that was counted fails the gate at its end; as `judgeErrors`. Bounded load keeps requests from an
 * instance that is slow, so there may never be enough of them for the slowest percent.
 */
export function judgeMedian(own: GateSample, rest: GateSample): string | undefined {
  if (own.timed < LEAST_REQUESTS || rest.timed < LEAST_REQUESTS) return undefined;
  return compareMs('median', own.medianMs, rest.medianMs);
}

function compareMs(what: string, ownMs: number, restMs: number): string | undefined {
  const limitMs = Math.max(LATENCY_FACTOR * restMs, restMs + LATENCY_NOISE_MS);
  if (ownMs <= limitMs) return undefined;
  return `its ${what} is ${ownMs.toFixed(0)} ms, that of the other replicas ${restMs.toFixed(0)} ms`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
