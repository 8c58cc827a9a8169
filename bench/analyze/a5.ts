/** what the literature has published, reproduced on `core/` alone. */
import { percentile } from '../proxy/stats.ts';
import { type BoundedResult, studyBounded } from './a5-bounded.ts';
import { backends, type MaglevStudy, PAPER_SIZES, studyMaglev } from './a5-maglev.ts';
import type { Lab } from './lab.ts';
import { BOUNDED, LAMPING_VEACH } from './published.ts';
import { arcShares } from './rivals.ts';
import { spreadOf } from './statistics.ts';

export const A5_BINS: readonly number[] = [10, 30, 100, 300, 1000];
const BUCKETS = 1000;

/** The ring with so many points a bucket: how the sizes of buckets spread, as multiples of the mean. */
export interface StandardError {
  readonly points: number;
  readonly buckets: number;
  readonly draws: number;
  /** Standard deviation ÷ mean: mean, least and most of the draws. */
  readonly error: { readonly mean: number; readonly low: number; readonly high: number };
  /** √((n − 1) ÷ (n·points + 1)), what arithmetic says for n buckets. */
  readonly exact: number;
  /** What 0.5 % and 99.5 % of the buckets do not exceed. */
  readonly low: number;
  readonly high: number;
}

/** Few balls move at most updates and many at some, so the more updates the better; small fleets are cheap. */
const updatesFor = (bins: number) => Math.max(100, Math.min(400, Math.round(10_000 / bins)));

export interface A5 {
  readonly maglev: MaglevStudy;
  readonly bounded: readonly BoundedResult[];
  readonly errors: readonly StandardError[];
}

export function standardError(points: number, buckets: number, draws: number): StandardError {
  const shares = Array.from({ length: draws }, (_, draw) => arcShares(backends(draw, buckets), points));
  const errors = shares.map((each) => spreadOf(each).deviation * buckets);
  const sizes = Float64Array.from(shares.flatMap((each) => [...each])).sort();
  return {
    points,
    buckets,
    draws,
    error: {
      mean: errors.reduce((sum, error) => sum + error, 0) / draws,
      low: Math.min(...errors),
      high: Math.max(...errors),
    },
    exact: Math.sqrt((buckets - 1) / (buckets * points + 1)),
    low: percentile(sizes, 0.005) * buckets,
    high: percentile(sizes, 0.995) * buckets,
  };
}

export async function runA5(lab: Lab): Promise<A5> {
  const { seed } = lab.options;
  const report = async (share: number, doing: string): Promise<void> => {
    lab.progress(share, doing);
    // lets a signal in
    await new Promise((resolve) => setImmediate(resolve));
  };
  const maglev = await studyMaglev({ ...PAPER_SIZES, seed }, (share, doing) => report(share * 0.7, doing));
  const bounded: BoundedResult[] = [];
  for (const loadFactor of BOUNDED.loadFactors) {
    for (const bins of A5_BINS) {
      await report(0.7 + bounded.length / 100, `bounded load ${loadFactor} on ${bins}`);
      bounded.push(studyBounded(loadFactor, bins, { updates: updatesFor(bins), seed }));
    }
  }
  const errors: StandardError[] = [];
  for (const { points } of LAMPING_VEACH.rows) {
    await report(0.95, `${points} points a bucket`);
    errors.push(standardError(points, BUCKETS, points < 1000 ? 20 : 5));
  }
  return { maglev, bounded, errors };
}
