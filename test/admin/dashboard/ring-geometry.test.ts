import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { arcPath, pointAt, runsOf, sharesAsArcs } from '../../../lib/admin/dashboard/ring/ring-geometry.js';

describe('a point on the ring', () => {
  for (const [turn, x, y] of [
    [0, 160, 60],
    [0.25, 260, 160],
    [0.5, 160, 260],
    [0.75, 60, 160],
  ] as const) {
    it(`is at ${x},${y} after ${turn} turns`, () => {
      const point = pointAt(100, turn);
      assert.deepEqual([Math.round(point.x), Math.round(point.y)], [x, y]);
    });
  }
});

describe('an arc', () => {
  it('goes clockwise: the short way below half a turn, long above', () => {
    assert.equal(arcPath(100, 0, 0.25), 'M160.00 60.00A100 100 0 0 1 260.00 160.00');
    assert.equal(arcPath(100, 0, 0.75), 'M160.00 60.00A100 100 0 1 1 60.00 160.00');
  });

  it('is two for a whole circle', () => {
    assert.equal(arcPath(100, 0, 1).match(/A/g)?.length, 2);
  });
});

describe('slots', () => {
  it('are drawn as runs of one owner, together the whole ring', () => {
    assert.deepEqual(runsOf([2, 2, 0, 2]), [
      { owner: 2, from: 0, to: 0.5 },
      { owner: 0, from: 0.5, to: 0.75 },
      { owner: 2, from: 0.75, to: 1 },
    ]);
    assert.deepEqual(runsOf([]), []);
  });
});

describe('shares', () => {
  it('lie end to end with a small gap between them', () => {
    const [first, second] = sharesAsArcs([0.25, 0.75]);
    assert.ok(first !== undefined && second !== undefined);
    assert.ok(first.from > 0 && first.from < 0.01 && first.to > 0.24 && first.to < 0.25);
    assert.ok(second.from > 0.25 && second.to < 1);
  });

  it('have no gap where there is one replica, or very many', () => {
    assert.deepEqual(sharesAsArcs([1]), [{ from: 0, to: 1 }]);
    assert.equal(sharesAsArcs(new Array(64).fill(1 / 64))[1]?.from, 1 / 64);
  });

  it('never run backwards, however small one is', () => {
    for (const { from, to } of sharesAsArcs([0.999, 0.001])) assert.ok(to >= from);
  });
});
