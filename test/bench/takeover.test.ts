/** The benchmark of take-overs: its judgements and its rows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemsOf, rowOf } from '../../bench/takeover/results.ts';
import type { RunOptions, RunResult } from '../../bench/takeover/run.ts';

const OPTIONS: RunOptions = { count: 20, rate: 500, kept: 50, migrate: false };

function resultOf(failed: number): RunResult {
  const failures = failed === 0 ? {} : { ECONNRESET: failed };
  return {
    opened: { requests: 12_000, failed, failures },
    kept: { requests: 8000, failed: 0, failures: {} },
    seconds: 40.4,
    badEnds: 0,
  };
}

test('without the sysctl one request in ten thousand may fail', () => {
  assert.deepEqual(problemsOf(OPTIONS, resultOf(2)), []);
  assert.match(problemsOf(OPTIONS, resultOf(3)).join(), /3 of 20000 requests failed, at most 2 may/);
});

test('with the sysctl no request may fail', () => {
  assert.deepEqual(problemsOf({ ...OPTIONS, migrate: true }, resultOf(0)), []);
  assert.equal(problemsOf({ ...OPTIONS, migrate: true }, resultOf(1)).length, 1);
});

test('every former balancer must end with status 0', () => {
  assert.match(problemsOf(OPTIONS, { ...resultOf(0), badEnds: 1 }).join(), /1 of 20 balancers/);
});

test('a row shows how many of how many failed', () => {
  assert.deepEqual(rowOf(OPTIONS, resultOf(2)), ['0', '20', '2 of 12,000', '0 of 8,000', '40']);
});
