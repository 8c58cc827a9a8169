/**
 * How fast each replica responds, compared with the others: p2c gives a slow one less, since an idle slow replica still
 * makes whoever gets it wait. Pure; `look` is called at a fixed interval.
 * Compared are geometric means of the times to the first byte, so that a few polling requests or large uploads do not make
 * a replica slow. What was seen counts half after ten looks; a replica that is given too little to be judged by is taken
 * to be as fast as the others again, and so found out anew every ten seconds or so.
 * Sources: the weighing of latency by the load is that of Finagle's peak EWMA; its estimate is another.
 */

/** Responses, and the sum of the binary logarithms of their times in ms; both only grow. */
export interface ResponseTimes {
  readonly count: number;
  readonly octaves: number;
}

/** Between two looks. */
export const LOOK_MS = 250;
/** What is left of the weight of what was seen, after each look. */
const KEPT = 0.5 ** (1 / 10);
/** Responses that a judgement needs at first, and those to which it holds. */
const LEAST = 8;
const FORGOTTEN = 0.5;
/** A replica is slow from this many times the time of the median one on, until it is below that many. */
const SLOW_OCTAVES = Math.log2(3);
const FAST_OCTAVES = Math.log2(2);
/** A slow replica keeps a part of its weight, for when all others are busy. */
const LEAST_SPEED = 0.1;

interface Estimate {
  total: ResponseTimes;
  count: number;
  octaves: number;
  isJudged: boolean;
  isSlow: boolean;
}

export class RelativeSpeeds {
  /** By name. */
  readonly #estimates = new Map<string, Estimate>();

  /** Takes what each replica has counted until now; gives the speed of each, from 0.1 to 1. Others are forgotten. */
  look(times: ReadonlyMap<string, ResponseTimes>): ReadonlyMap<string, number> {
    for (const id of this.#estimates.keys()) if (!times.has(id)) this.#estimates.delete(id);
    for (const [id, total] of times) this.#record(id, total);
    const means = [...this.#estimates.values()].filter(({ isJudged }) => isJudged).map(meanOf);
    const median = means.sort((a, b) => a - b)[Math.floor((means.length - 1) / 2)];
    return new Map([...this.#estimates].map(([id, estimate]) => [id, speedOf(estimate, median)]));
  }

  #record(id: string, total: ResponseTimes): void {
    const estimate = this.#estimates.get(id);
    if (estimate === undefined) {
      this.#estimates.set(id, { total, count: -0, octaves: -0, isJudged: false, isSlow: false });
      return;
    }
    estimate.count = estimate.count * KEPT + total.count - estimate.total.count;
    estimate.octaves = estimate.octaves * KEPT + total.octaves - estimate.total.octaves;
    estimate.total = total;
    estimate.isJudged = estimate.count >= (estimate.isJudged ? FORGOTTEN : LEAST);
  }
}

function meanOf({ count, octaves }: Estimate): number {
  return octaves / count;
}

function speedOf(estimate: Estimate, median: number | undefined): number {
  const over = estimate.isJudged && median !== undefined ? meanOf(estimate) - median : 0;
  estimate.isSlow = over >= (estimate.isSlow ? FAST_OCTAVES : SLOW_OCTAVES);
  return estimate.isSlow ? Math.max(LEAST_SPEED, 2 ** -over) : 1;
}
