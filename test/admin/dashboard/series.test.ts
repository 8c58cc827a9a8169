import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { axisEnd, Series } from '../../../lib/admin/dashboard/charts/series.js';

describe('the last minutes of some numbers', () => {
  it('forget what is older than their window', () => {
    const series = new Series(1, 10);
    for (let second = 0; second <= 20; second++) series.push(second * 1000, [second]);
    const [times, values] = series.table;
    assert.deepEqual([times[0], times.at(-1), values?.[0]], [10, 20, 10]);
  });

  it('have a column for each line', () => {
    const series = new Series(2, 10);
    series.push(1000, [1, null]);
    series.push(2000, [2, 5]);
    assert.deepEqual(series.table, [
      [1, 2],
      [1, 2],
      [null, 5],
    ]);
  });

  it('have a gap where they broke off, and nothing before their first value', () => {
    const series = new Series(1, 10);
    series.breakOff();
    series.push(1000, [1]);
    series.breakOff();
    series.push(5000, [2]);
    assert.deepEqual(series.table, [
      [1, 1.001, 5],
      [1, null, 2],
    ]);
  });

  it('begin anew where the clock went back', () => {
    const series = new Series(1, 10);
    series.push(5000, [1]);
    series.push(4000, [2]);
    assert.deepEqual(series.table, [[4], [2]]);
  });

  it('say lowest, mean and highest of what is known', () => {
    const series = new Series(2, 10);
    for (const [second, value] of [4, null, 8].entries()) series.push(second * 1000, [value, null]);
    assert.deepEqual(series.range(0), { lowest: 4, mean: 6, highest: 8 });
    assert.equal(series.range(1), undefined);
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
