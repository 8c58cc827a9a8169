import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs, crashesAfter, restartDelayMs } from '../../lib/core/backoff.ts';

/** Failures, first, most, wait. */
const WAITS: readonly (readonly [number, number, number, number])[] = [
  [0, 100, 1000, 0],
  [-1, 100, 1000, 0],
  [1, 100, 1000, 100],
  [2, 100, 1000, 200],
  [3, 100, 1000, 400],
  [4, 100, 1000, 800],
  [5, 100, 1000, 1000],
  [6, 100, 1000, 1000],
  [1, 2000, 1000, 1000],
  [1_000_000, 100, 1000, 1000],
];

for (const [failures, firstMs, maxMs, waitMs] of WAITS) {
  test(`after ${failures} failures the wait is ${waitMs} ms, from ${firstMs} to ${maxMs}`, () => {
    assert.equal(backoffMs(failures, firstMs, maxMs), waitMs);
  });
}

test('a crash loop is slowed down from one second, doubling, to one minute', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 100].map(restartDelayMs),
    [0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000],
  );
});

/** How it lived and ended, and the crashes in a row after that where there were two before. */
const LIVES: readonly (readonly [string, boolean, number, boolean, number])[] = [
  ['never healthy, by itself', false, 0, false, 3],
  ['never healthy, killed', false, 0, true, 3],
  ['healthy for a moment, by itself', true, 9999, false, 3],
  ['healthy for ten seconds, by itself', true, 10_000, false, 0],
  ['healthy for a moment, killed', true, 1, true, 0],
  ['healthy for an hour, killed', true, 3_600_000, true, 0],
];

for (const [title, wasHealthy, healthyMs, endedFromOutside, crashes] of LIVES) {
  test(`a life that ended ${title} makes ${crashes} crashes of 2`, () => {
    assert.equal(crashesAfter(2, { wasHealthy, healthyMs, endedFromOutside }), crashes);
  });
}
