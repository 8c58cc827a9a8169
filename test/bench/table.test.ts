/** The tables of the benchmarks, from rows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allFacts, comparisonTable, facts, fullReport, shortTable } from '../../bench/proxy/docs-tables.ts';
import type { Result } from '../../bench/proxy/results.ts';
import { formatMetric, renderRows } from '../../bench/proxy/table.ts';

const RESULT: Result = {
  case: 'small',
  title: 'small answers',
  date: '2026-01-31',
  machine: { cpu: 'Z80', cores: 2, memoryGiB: 4, kernel: '6.1', node: 'v26', wrk: '4.1.0' },
  rounds: 5,
  seconds: 1.25,
  versions: { nginx: '1.22.1' },
  rows: [
    { peer: 'nginx', rounds: 5, values: { cpuUs: 21.04, perSecond: 47_000.4, toNginx: 1 } },
    { peer: 'caddy', rounds: 5, values: { cpuUs: 65, toNginx: 3.095 } },
  ],
};

test('thousands are grouped, fractions are not', () => {
  assert.equal(formatMetric('perSecond', 1_234_567.8), '1,234,568');
  assert.equal(formatMetric('cpuUs', 1971.04), '1,971.0');
  assert.equal(formatMetric('p50Ms', 0.125_678), '0.13');
  assert.equal(formatMetric('busy', 0.876), '88 %');
});

test('a value that is not there is a dash', () => {
  assert.equal(formatMetric('cpuUs', undefined), '–');
  assert.equal(formatMetric('cpuUs', Number.NaN), '–');
});

test('a table has the columns that some row fills, aligned', () => {
  assert.equal(
    renderRows(RESULT.rows),
    [
      '|       | CPU µs/request | × nginx | requests/s |',
      '|-------|---------------:|--------:|-----------:|',
      '| nginx |           21.0 |    1.00 |     47,000 |',
      '| caddy |           65.0 |    3.10 |          – |',
    ].join('\n'),
  );
});

test('the short table names versions, each column from its case', () => {
  const close: Result = {
    ...RESULT,
    case: 'close',
    rows: [{ peer: 'caddy', rounds: 5, values: { cpuUs: 99 } }],
  };
  const [head, , nginx, caddy] = shortTable([RESULT, close]).split('\n');
  const cells = (line: string | undefined) => line?.split('|').map((cell) => cell.trim());
  assert.deepEqual(cells(head), [
    '',
    'CPU µs per request',
    'small',
    '× nginx',
    'requests/s',
    'new connection',
    'resident MiB',
    '',
  ]);
  assert.deepEqual(cells(nginx), ['', 'nginx 1.22.1', '21.0', '1.00', '47,000', '–', '–', '']);
  assert.deepEqual(cells(caddy), ['', 'caddy', '65.0', '3.10', '–', '99.0', '–', '']);
});

test('the full report has a table and facts for every case', () => {
  const report = fullReport([RESULT]);
  assert.ok(report.includes('## small: small answers'));
  assert.ok(report.includes(renderRows(RESULT.rows)));
  assert.ok(report.includes(facts(RESULT)));
});

test('the comparison has five peers by four columns', () => {
  const [head, , ...rows] = comparisonTable([RESULT]).split('\n');
  assert.equal(head!.split('|').length - 3, 4);
  assert.deepEqual(
    rows.map((row) => row.split('|')[1]!.trim()),
    ['ringlb', 'nginx 1.22.1', 'haproxy', 'caddy', 'http-proxy'],
  );
});

test('each machine is named with the cases that were measured on it', () => {
  const elsewhere = { ...RESULT, case: 'cold', machine: { ...RESULT.machine, cpu: 'another' } };
  assert.equal(allFacts([RESULT]), facts(RESULT));
  assert.equal(
    allFacts([RESULT, elsewhere, { ...RESULT, case: 'close' }]),
    `- ${RESULT.case}, close: ${facts(RESULT)}\n- cold: ${facts(elsewhere)}`,
  );
});
