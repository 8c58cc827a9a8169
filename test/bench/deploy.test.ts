/** The benchmark of deploys: its judgements and its table, and a short run of it on processes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployReport, deployTable, problemsOf } from '../../bench/deploy/results.ts';
import { type CaseResult, runCase, type Version } from '../../bench/deploy/run-case.ts';

const RESULT: CaseResult = {
  version: 'good',
  replicas: 3,
  requests: 20_000,
  lost: 0,
  failures: {},
  beforeP99Ms: 2.04,
  p99Ms: 5.5,
  seconds: 17.23,
  state: 'done',
  reason: null,
  isAsItShould: true,
};

test('a good version may lose nothing', () => {
  assert.deepEqual(problemsOf(RESULT), []);
  assert.match(problemsOf({ ...RESULT, lost: 1 }).join(), /1 of 20000 requests lost/);
});

test('a bad version may lose a thousandth, and must be taken back', () => {
  const bad: CaseResult = { ...RESULT, version: 'errors', state: 'rolled-back', lost: 20 };
  assert.deepEqual(problemsOf(bad), []);
  assert.equal(problemsOf({ ...bad, lost: 21 }).length, 1);
  assert.match(problemsOf({ ...bad, state: 'done' }).join(), /done instead of rolled-back/);
  assert.match(problemsOf({ ...bad, isAsItShould: false }).join(), /other versions/);
});

test('the table of deploys has a row for each case', () => {
  assert.equal(
    deployTable([RESULT]),
    [
      '| new version | replicas | requests | lost | p99 ms before | added p99 ms | seconds | ends |',
      '|-------------|---------:|---------:|-----:|--------------:|-------------:|--------:|-----:|',
      '| a good one  |        3 |   20,000 |    0 |           2.0 |          3.5 |    17.2 | done |',
    ].join('\n'),
  );
});

test('the report of deploys names its circumstances', () => {
  const report = deployReport({
    date: '2026-01-31',
    machine: 'Z80',
    rate: 1000,
    watchMs: 5000,
    cases: [RESULT],
  });
  assert.match(report, /\n\n1,000 requests a second, watched for 5 s; Z80; 2026-01-31\.$/);
});

/** A few seconds of it; a bad version is watched until it is found out, however busy the machine is. */
const runShort = (version: Version): Promise<CaseResult> => {
  const watchMs = version === 'good' ? 300 : 60_000;
  const times = { watchMs, beforeMs: 300, periodMs: 500, startTimeoutMs: 60_000 };
  return runCase({ version, replicas: 3, batch: 3, rate: 100, ...times });
};

test('a short run with a good version loses nothing', async () => {
  assert.deepEqual(problemsOf(await runShort('good')), []);
});

test('a short run with a version that fails requests ends with the old one', async () => {
  const { state, isAsItShould, lost } = await runShort('errors');
  assert.deepEqual([state, isAsItShould], ['rolled-back', true]);
  assert.ok(lost > 0, 'some requests failed');
});
