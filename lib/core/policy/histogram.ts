/**
 * A histogram of durations with fixed log-linear buckets, in cells of a typed array that the caller owns. Below 16 units
 * every unit has a bucket of its own; above, every octave has eight, so that a bucket is never wider than an eighth of
 * its lower bound. A unit is 1/128 ms, and every power of two of milliseconds is a bucket boundary.
 * Source: HdrHistogram's bucket layout (G. Tene).
 * Invariant: the layout is the same everywhere, so histograms can be added cell by cell.
 */

/** Eight buckets an octave. */
const SUB_BITS = 3;
const SUBS = 1 << SUB_BITS;
const UNITS_PER_MS = 128;
/** 2^27 units, 17 minutes: anything longer is counted in the last bucket. */
const TOP_BITS = 27;
const MAX_UNITS = 2 ** TOP_BITS - 1;

export const HISTOGRAM_BUCKETS = (TOP_BITS - SUB_BITS + 1) * SUBS;
/** The buckets, and a cell for the sum of what was recorded, in milliseconds. */
export const HISTOGRAM_CELLS = HISTOGRAM_BUCKETS + 1;

/** Counts one duration in the histogram whose cells begin at `start`. Cost: some ten instructions. */
export function recordMs(cells: Float64Array, start: number, ms: number): void {
  const bucket = start + bucketOf(ms);
  cells[bucket] = cells[bucket]! + 1;
  const sum = start + HISTOGRAM_BUCKETS;
  cells[sum] = cells[sum]! + ms;
}

/** The bucket of a duration; negative values and NaN are counted in the first. */
export function bucketOf(ms: number): number {
  const scaled = ms * UNITS_PER_MS;
  const units = scaled < MAX_UNITS ? (scaled > 0 ? scaled | 0 : 0) : scaled >= MAX_UNITS ? MAX_UNITS : 0;
  if (units < 2 * SUBS) return units;
  const shift = 31 - Math.clz32(units) - SUB_BITS;
  return shift * SUBS + (units >> shift);
}

/** Where the bucket begins, in milliseconds; the bucket after the last begins where that ends. */
export function bucketStartMs(bucket: number): number {
  if (bucket < 2 * SUBS) return bucket / UNITS_PER_MS;
  const shift = Math.floor(bucket / SUBS) - 1;
  return ((bucket - shift * SUBS) * 2 ** shift) / UNITS_PER_MS;
}

/** A read-only histogram: a copy of cells, or the difference of two copies. */
export class HistogramView {
  readonly #cells: Float64Array;

  /** `cells` are HISTOGRAM_CELLS cells that are no longer written. */
  constructor(cells: Float64Array = new Float64Array(HISTOGRAM_CELLS)) {
    this.#cells = cells;
  }

  get count(): number {
    let count = 0;
    for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) count += this.#cells[bucket]!;
    return count;
  }

  get sumMs(): number {
    return this.#cells[HISTOGRAM_BUCKETS]!;
  }

  /** The sum of both. */
  plus(other: HistogramView): HistogramView {
    return new HistogramView(this.#cells.map((cell, index) => cell + other.#cells[index]!));
  }

  /** What was recorded since `earlier`, which is a copy of the same histogram. */
  minus(earlier: HistogramView): HistogramView {
    return new HistogramView(this.#cells.map((cell, index) => cell - earlier.#cells[index]!));
  }

  /** For each of `limitsMs`, in ascending order, the count of shorter durations; exact at powers of two of milliseconds. */
  countsBelow(limitsMs: readonly number[]): readonly number[] {
    let bucket = 0;
    let count = 0;
    return limitsMs.map((limitMs) => {
      for (const end = bucketOf(limitMs); bucket < end; bucket++) count += this.#cells[bucket]!;
      return count;
    });
  }

  /** The quantile of `rank` (0 to 1), to within an eighth; 0 for an empty histogram. */
  quantileMs(rank: number): number {
    const { count } = this;
    if (count === 0) return 0;
    const targetCount = Math.max(rank * count, Number.MIN_VALUE);
    let seen = 0;
    for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
      const here = this.#cells[bucket]!;
      if (here > 0 && seen + here >= targetCount) {
        const startMs = bucketStartMs(bucket);
        return startMs + ((targetCount - seen) / here) * (bucketStartMs(bucket + 1) - startMs);
      }
      seen += here;
    }
    return bucketStartMs(HISTOGRAM_BUCKETS);
  }
}
