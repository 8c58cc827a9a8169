import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bucketOf,
  bucketStartMs,
  HISTOGRAM_BUCKETS,
  HISTOGRAM_CELLS,
  HistogramView,
  recordMs,
} from '../../../lib/core/policy/histogram.ts';

function histogramOf(...durationsMs: readonly number[]): HistogramView {
  const cells = new Float64Array(HISTOGRAM_CELLS);
  for (const ms of durationsMs) recordMs(cells, 0, ms);
  return new HistogramView(cells);
}

const DURATION = fc.double({ min: 0, max: 1_000_000, noNaN: true });

test('a duration lies in the bucket that it is counted in', () => {
  fc.assert(
    fc.property(DURATION, (ms) => {
      const bucket = bucketOf(ms);
      assert.ok(bucketStartMs(bucket) <= ms && ms < bucketStartMs(bucket + 1), `${ms} in ${bucket}`);
    }),
  );
});

test('bucket width is at most an eighth of the lower bound', () => {
  for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
    const startMs = bucketStartMs(bucket);
    const widthMs = bucketStartMs(bucket + 1) - startMs;
    assert.ok(widthMs > 0 && widthMs <= Math.max(startMs / 8, 1 / 128), `bucket ${bucket}`);
  }
});

test('every bucket is the one of its own beginning', () => {
  for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
    assert.equal(bucketOf(bucketStartMs(bucket)), bucket);
});

for (const [what, ms, bucket] of [
  ['nothing', 0, 0],
  ['a clock that went back', -1, 0],
  ['no number', Number.NaN, 0],
  ['an hour', 3_600_000, HISTOGRAM_BUCKETS - 1],
  ['for ever', Number.POSITIVE_INFINITY, HISTOGRAM_BUCKETS - 1],
] as const) {
  test(`${what} is counted in bucket ${bucket}`, () => assert.equal(bucketOf(ms), bucket));
}

test('a histogram in the middle of other cells touches none', () => {
  const cells = new Float64Array(HISTOGRAM_CELLS + 2);
  recordMs(cells, 1, 0);
  recordMs(cells, 1, Number.MAX_VALUE);
  assert.equal(cells[0], 0);
  assert.equal(cells.at(-1), 0);
  assert.equal(new HistogramView(cells.slice(1, -1)).count, 2);
});

test('count and sum are those of what was recorded', () => {
  const histogram = histogramOf(1, 2, 6);
  assert.equal(histogram.count, 3);
  assert.equal(histogram.sumMs, 9);
});

test('an empty histogram has a count and quantiles of zero', () => {
  const empty = histogramOf();
  assert.deepEqual([empty.count, empty.quantileMs(0.5)], [0, 0]);
});

test('two histograms together count what each has counted', () => {
  const both = histogramOf(1, 5).plus(histogramOf(5));
  assert.deepEqual([both.count, both.sumMs, both.countsBelow([4])], [3, 11, [1]]);
});

test('a later copy less an earlier one is what came between', () => {
  const between = histogramOf(1, 1, 100, 200).minus(histogramOf(1, 1));
  assert.equal(between.count, 2);
  assert.equal(between.sumMs, 300);
  assert.ok(between.quantileMs(0.01) > 90);
});

test('countsBelow is exact at powers of two of milliseconds', () => {
  const durations = [0.1, 0.4999, 0.5, 0.9999, 1, 1.0001, 3.9999, 4, 63.9, 64, 65_535.9, 65_536];
  const histogram = histogramOf(...durations);
  const limits = [0.25, 0.5, 1, 2, 4, 64, 65_536];
  assert.deepEqual(
    histogram.countsBelow(limits),
    limits.map((limitMs) => durations.filter((ms) => ms < limitMs).length),
  );
});

test('a quantile is within an eighth of the true one', () => {
  const ranks = fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1);
  fc.assert(
    fc.property(fc.array(DURATION, { minLength: 1, maxLength: 200 }), ranks, (durations, rank) => {
      const sorted = durations.toSorted((a, b) => a - b);
      const exact = sorted[Math.max(0, Math.ceil(rank * sorted.length) - 1)]!;
      const found = histogramOf(...durations).quantileMs(rank);
      const slack = exact / 8 + 1 / 128;
      assert.ok(found >= exact - slack && found <= exact + slack, `${found} is not ${exact}`);
    }),
  );
});
