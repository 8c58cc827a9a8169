/** The data of figures, as rows and as CSV. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { csvOf, dataOf } from '../../bench/analyze/figure-data.ts';

describe('the data of a figure', () => {
  it('is what its series draw, by name, place and axis', () => {
    const option = {
      xAxis: { name: 'replicas', data: ['2', '3'] },
      yAxis: [{ name: 'share' }, { name: 'ms' }],
      series: [
        { name: 'a', data: [{ value: 1.5 }, 2] },
        { name: 'b', yAxisIndex: 1, data: [[7, 8]] },
      ],
    };
    assert.deepEqual(dataOf(option), {
      head: ['series', 'replicas', 'of', 'value'],
      rows: [
        ['a', '2', 'share', 1.5],
        ['a', '3', 'share', 2],
        ['b', 7, 'ms', 8],
      ],
    });
  });

  it('is CSV that every program reads', () => {
    assert.equal(csvOf({ head: ['a', 'b'], rows: [['x, "y"', 1]] }), 'a,b\r\n"x, ""y""",1\r\n');
  });

  it('is not called a logarithm where its axis is logarithmic', () => {
    const { head, rows } = dataOf({
      xAxis: { name: 'bins n (log)' },
      yAxis: { name: 'time, ms (log)' },
      series: [{ data: [[10, 100]] }],
    });
    assert.deepEqual(
      [head, rows],
      [['series', 'bins n', 'of', 'value'], [['time, ms', 10, 'time, ms', 100]]],
    );
  });

  it('is without the noise of binary fractions', () => {
    assert.equal(csvOf({ head: ['a', 'b'], rows: [[0.1 + 0.2, 1 / 3]] }), 'a,b\r\n0.3,0.3333333333\r\n');
  });
});
