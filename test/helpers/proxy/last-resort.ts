/** A check that every test of the data path makes at its end. */
import type { MetricsReader } from '../../../lib/metrics/reader.ts';

/** Throws where other than `expected` requests were ended by their last resort alone. */
export function noLastResort(metrics: MetricsReader, expected = 0): void {
  const { lastResorts } = metrics.read([]).threads;
  if (lastResorts === expected) return;
  throw new Error(`${lastResorts} requests were ended by their last resort alone, not ${expected}`);
}
