import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { familiesOf } from '../../lib/metrics/families.ts';
import { FleetCounts } from '../../lib/metrics/fleet-counts.ts';
import { MetricsReader } from '../../lib/metrics/reader.ts';

test('docs/observability.md names every metric, and no other', () => {
  const counts = new MetricsReader({ ordinals: 1, workers: 1 }, () => 0).read([]);
  const levels = {
    eligible: 0,
    waiting: 0,
    logDropped: 0,
    detail: 'full',
    hasRemoved: false,
    tableVersion: 0,
    fastPath: true,
    imbalance: 0,
  } as const;
  const families = familiesOf({ replicas: [], counts, fleet: new FleetCounts(), ...levels });
  const page = readFileSync(new URL('../../docs/observability.md', import.meta.url), 'utf8');
  const [section = ''] = page.slice(page.indexOf('## Metrics') + 3).split(/^## /m);
  const rows = section.split('\n').filter((line) => line.startsWith('| ') && line.includes('`'));
  const named = rows.flatMap((row) => [...row.matchAll(/`([a-z_]+)`/g)].map(([, word]) => word!));
  const names = families.map(({ name }) => name.replace('ringlb_', ''));
  const labels = [
    'class',
    'code',
    'reason',
    'connection',
    'reused',
    'new',
    'state',
    'cause',
    'thread',
    'name',
    'result',
    'by',
    'direction',
  ];
  assert.deepEqual(named.filter((word) => !labels.includes(word)).sort(), names.sort());
});

test('docs/observability.md tells when each event kind comes, and no others', () => {
  const types = readFileSync(new URL('../../lib/api/types.ts', import.meta.url), 'utf8');
  const [, union = ''] = /^export type EventKind =\n(.*?);/ms.exec(types) ?? [];
  const kinds = [...union.matchAll(/'([a-z-]+)'/g)].map(([, kind]) => kind!);
  const page = readFileSync(new URL('../../docs/observability.md', import.meta.url), 'utf8');
  const [section = ''] = page.slice(page.indexOf('## Events') + 3).split(/^## /m);
  const cells = section.split('\n').flatMap((line) => /^\| (`[^|]+) \|/.exec(line)?.[1] ?? []);
  const documented = cells.flatMap((cell) => [...cell.matchAll(/`([a-z-]+)`/g)].map(([, kind]) => kind!));
  assert.deepEqual(documented.sort(), kinds.sort());
});
