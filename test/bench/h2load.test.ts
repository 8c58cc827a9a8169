import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseH2loadLog } from '../../bench/proxy/h2load.ts';

test('reads times and failures of the log of h2load', () => {
  const lines = Array.from({ length: 98 }, (_, at) => `17957279${at}\t200\t${(at + 1) * 1000}`);
  const report = parseH2loadLog(`${[...lines, '1\t503\t5', '2\t-1\t7'].join('\n')}\n`);
  assert.deepEqual(report, { requests: 100, errors: 2, p50Ms: 49, p99Ms: 98 });
});

test('refuses the log of a run without requests', () => {
  assert.throws(() => parseH2loadLog(''), /no request/);
});
