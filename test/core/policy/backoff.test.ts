import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs, crashesAfter, restartDelayMs } from '../../../lib/core/policy/backoff.ts';
import { endingIn } from '../../helpers/fleet/endings.ts';

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
  test(`wait after ${failures} failures is ${waitMs} ms, from ${firstMs} to ${maxMs}`, () => {
    assert.equal(backoffMs(failures, firstMs, maxMs), waitMs);
  });
}

test('a crash loop backs off from one second to one minute', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 100].map(restartDelayMs),
    [0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000],
  );
});

/** How it lived and ended, and the crashes in a row after that where there were two before. */
const LIVES: readonly (readonly [boolean, number, string, number])[] = [
  [false, 0, 'exit 1', 3],
  [false, 0, 'SIGKILL', 3],
  [true, 9999, 'exit 1', 3],
  [true, 9999, 'exit 0', 3],
  // what it wrote last is nobody's judgement
  [true, 9999, 'exit 1: Error: lock file was removed', 3],
  [true, 9999, 'exit 1: the parent got SIGKILL, stopped', 3],
  [true, 10_000, 'exit 1', 0],
  [true, 1, 'SIGKILL', 0],
  [true, 1, 'SIGTERM', 0],
  [true, 1, 'SIGABRT', 3],
  [true, 1, 'SIGSEGV: removed', 3],
  [true, 1, 'out of memory', 3],
  [true, 10_000, 'out of memory', 0],
  [true, 1, 'removed', 0],
  [true, 3_600_000, 'SIGKILL', 0],
];

for (const [wasHealthy, healthyMs, text, crashes] of LIVES) {
  const before = wasHealthy ? `after ${healthyMs} ms of health` : 'before it was healthy';
  test(`an end by ${text} ${before} makes ${crashes} crashes of 2`, () => {
    assert.equal(crashesAfter(2, { wasHealthy, healthyMs, ending: endingIn(text) }), crashes);
  });
}

test('a start that came to no instance is one more crash', () => {
  assert.equal(crashesAfter(2, { wasHealthy: false, healthyMs: 0, ending: undefined }), 3);
});
