/**
 * What the experiments say about counts: how uneven they are, and how uneven a perfectly fair split is by chance.
 * Pure.
 */
import { percentile } from '../proxy/stats.ts';
import { type Random, seeded } from './random.ts';

export interface Spread {
  readonly total: number;
  readonly mean: number;
  readonly most: number;
  readonly least: number;
  /** Most ÷ mean; 1 is even. */
  readonly imbalance: number;
  /** Standard deviation of these very counts (the population's). */
  readonly deviation: number;
}

export function spreadOf(counts: ArrayLike<number>): Spread {
  const values = Array.from(counts);
  const total = values.reduce((sum, count) => sum + count, 0);
  const mean = total / values.length;
  const squares = values.reduce((sum, count) => sum + (count - mean) ** 2, 0);
  const most = values.reduce((high, count) => Math.max(high, count), Number.NEGATIVE_INFINITY);
  const least = values.reduce((low, count) => Math.min(low, count), Number.POSITIVE_INFINITY);
  return {
    total,
    mean,
    most,
    least,
    imbalance: most / mean,
    deviation: Math.sqrt(squares / values.length),
  };
}

/** What chance alone does to the most loaded of `bins` when every one of `balls` falls on each alike. */
export interface NoiseFloor {
  readonly runs: number;
  /** Most ÷ mean: its mean over the runs, and what 5 % and 95 % of them stay below. */
  readonly imbalance: number;
  readonly low: number;
  readonly high: number;
  /** √(mean · (1 − 1/bins)): the standard deviation of one bin's count. */
  readonly deviation: number;
  /** Every run's most ÷ mean, ascending. */
  readonly sorted: Float64Array;
}

export function noiseFloor(balls: number, bins: number, { seed = 1, runs = 1000 } = {}): NoiseFloor {
  const random = seeded(seed, 0xfa1);
  const sorted = Float64Array.from({ length: runs }, () => fairSplit(balls, bins, random)).sort();
  return {
    runs,
    imbalance: sorted.reduce((sum, value) => sum + value, 0) / runs,
    low: percentile(sorted, 0.05),
    high: percentile(sorted, 0.95),
    deviation: Math.sqrt((balls / bins) * (1 - 1 / bins)),
    sorted,
  };
}

/** Most ÷ mean of one fair split. */
function fairSplit(balls: number, bins: number, random: Random): number {
  const counts = new Uint32Array(bins);
  for (let ball = 0; ball < balls; ball++) {
    const bin = Math.floor(random() * bins);
    counts[bin] = counts[bin]! + 1;
  }
  return spreadOf(counts).imbalance;
}

/** The share of fair splits that are at least as uneven. */
export function shareAtLeast(floor: NoiseFloor, imbalance: number): number {
  const below = floor.sorted.findIndex((value) => value >= imbalance - 1e-12);
  return below === -1 ? 0 : (floor.runs - below) / floor.runs;
}

export interface Quantiles {
  readonly low: number;
  readonly median: number;
  readonly high: number;
  readonly mean: number;
}

/** What 5 %, a half and 95 % of the values do not exceed (nearest rank), and their mean. */
export function quantilesOf(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    low: percentile(sorted, 0.05),
    median: percentile(sorted, 0.5),
    high: percentile(sorted, 0.95),
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
  };
}

export interface Range {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Mean, least and most. */
export function rangeOf(values: readonly number[]): Range {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, low: Math.min(...values), high: Math.max(...values) };
}

/** How many of each of `bins`; owners outside are not counted. */
export function tally(owners: ArrayLike<number>, bins: number): Uint32Array {
  const counts = new Uint32Array(bins);
  for (let at = 0; at < owners.length; at++) {
    const owner = owners[at]!;
    if (owner < bins) counts[owner] = counts[owner]! + 1;
  }
  return counts;
}

/** The share of places at which the two differ. */
export function movedShare<T>(before: ArrayLike<T>, after: ArrayLike<T>): number {
  let moved = 0;
  for (let at = 0; at < before.length; at++) if (before[at] !== after[at]) moved++;
  return moved / before.length;
}
