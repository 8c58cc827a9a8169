import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { axisEnd, Series } from '../../../lib/admin/dashboard/charts/series.js';
import type { History, Sample } from '../../../lib/api/snapshot.ts';

const sample = (requestsPerSecond: number | null): Sample => ({
  requestsPerSecond,
  byClass: [requestsPerSecond, 0, 0, 2],
  errorsPerSecond: 2,
  p50Ms: 1,
  p99Ms: null,
  inFlight: 3,
  queued: 4,
  desired: 2,
  ready: 2,
});

const history = (firstS: number, requests: readonly number[]): History => {
  const zeros = requests.map(() => 0);
  return {
    atMs: requests.map((_, second) => (firstS + second) * 1000),
    requestsPerSecond: requests,
    byClass: [requests, zeros, zeros, zeros],
    errorsPerSecond: zeros,
    p50Ms: zeros,
    p99Ms: zeros,
    inFlight: zeros,
    queued: zeros,
    desired: zeros,
    ready: zeros,
  };
};

describe('the last minutes of traffic', () => {
  it('forget what is older than their window', () => {
    const series = new Series(10);
    for (let second = 0; second <= 20; second++) series.push(second * 1000, sample(second));
    const values = series.column('requests');
    assert.deepEqual([series.times[0], series.times.at(-1), values[0]], [10, 20, 10]);
  });

  it('have a column for each number', () => {
    const series = new Series(10);
    series.push(1000, sample(1));
    series.push(2000, sample(null));
    const of = (field: Parameters<Series['column']>[0]) => series.column(field);
    assert.deepEqual(
      [series.times, of('2xx'), of('5xx'), of('p99'), of('queued')],
      [
        [1, 2],
        [1, null],
        [2, 2],
        [null, null],
        [4, 4],
      ],
    );
  });

  it('have a gap where broken off, nothing before their first value', () => {
    const series = new Series(10);
    series.breakOff();
    series.push(1000, sample(1));
    series.breakOff();
    series.push(5000, sample(2));
    assert.deepEqual(
      [series.times, series.column('requests')],
      [
        [1, 1.001, 5],
        [1, null, 2],
      ],
    );
  });

  it('begin anew where the clock went back', () => {
    const series = new Series(10);
    series.push(5000, sample(1));
    series.push(4000, sample(2));
    assert.deepEqual([series.times, series.column('requests')], [[4], [2]]);
  });

  it('take the history the balancer kept in place of their own', () => {
    const series = new Series(100);
    series.load(history(1, [10, 11, 12]));
    series.push(4000, sample(13));
    series.breakOff();
    series.load(history(3, [22, 23, 24, 25]));
    assert.deepEqual(series.column('requests'), [10, 11, null, 22, 23, 24, 25]);
    assert.deepEqual(series.times, [1, 2, 2.001, 3, 4, 5, 6]);
  });

  it('keep what an earlier balancer did, with a gap behind', () => {
    const series = new Series(100);
    series.push(1000, sample(1));
    series.load(history(5, [7]));
    assert.deepEqual(
      [series.times, series.column('requests')],
      [
        [1, 1.001, 5],
        [1, null, 7],
      ],
    );
  });

  it('say lowest, mean and highest of what is known', () => {
    const series = new Series(10);
    for (const [second, value] of [4, null, 8].entries()) series.push(second * 1000, sample(value));
    assert.deepEqual(series.range('requests'), { lowest: 4, mean: 6, highest: 8 });
    assert.equal(series.range('p99'), undefined);
  });
});

describe('the end of an axis', () => {
  for (const [highest, least, end] of [
    [0, 10, 10],
    [10, 10, 10],
    [11, 10, 20],
    [21, 10, 50],
    [999, 10, 1000],
    [1001, 10, 2000],
    [0, 0.5, 0.5],
  ] as const) {
    it(`is ${end} for ${highest}, where it is ${least} at least`, () => {
      assert.equal(axisEnd(highest, least), end);
    });
  }
});
