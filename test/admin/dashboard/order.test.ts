import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  by,
  entriesOf,
  isTrouble,
  matches,
  pressed,
  sorted,
} from '../../../lib/admin/dashboard/replicas/order.js';
import { outliersOf } from '../../../lib/admin/dashboard/replicas/trouble.js';
import type { ReplicaSnapshot } from '../../../lib/api/snapshot.ts';
import { replicaShown } from './stage.ts';

const entries = (differs: readonly Partial<ReplicaSnapshot>[]) => {
  const replicas = differs.map((one, index) => replicaShown(index + 1, differs.length, one));
  return entriesOf(replicas, outliersOf(replicas));
};
const names = (list: ReturnType<typeof entries>) => list.map(({ replica }) => replica.name);

describe('the order of the table', () => {
  it('is trouble first, what leaves last', () => {
    const list = entries([
      {},
      { drained: true },
      { p50Ms: 140 },
      { state: 'starting' },
      { state: 'unhealthy' },
      { state: 'starting', nextStartInMs: 1000 },
      { state: 'draining' },
      {},
    ]);
    assert.deepEqual(names(sorted(list, by('state'))), ['S6', 'S5', 'S4', 'S3', 'S2', 'S1', 'S8', 'S7']);
    assert.deepEqual(names(list.filter(isTrouble)), ['S2', 'S3', 'S4', 'S5', 'S6']);
  });

  it('marks no instance that finishes beside the one that has its name now', () => {
    const list = entries([{}, {}, { p50Ms: 140 }, { name: 'S3', state: 'draining', p50Ms: null }]);
    assert.deepEqual(
      sorted(list, by('state')).map(({ outlier }) => outlier !== undefined),
      [true, false, false, false],
    );
  });

  it('has the largest number first, and what is not known last', () => {
    const list = entries([{ p99Ms: 5 }, { p99Ms: null }, { p99Ms: 50 }]);
    assert.deepEqual(names(sorted(list, by('p99'))), ['S3', 'S1', 'S2']);
    assert.deepEqual(names(sorted(list, pressed(by('p99'), 'p99'))), ['S1', 'S3', 'S2']);
  });

  it('has S2 before S10', () => {
    const list = entries([{ name: 'S10' }, { name: 'S2' }]);
    assert.deepEqual(names(sorted(list, by('name'))), ['S2', 'S10']);
  });

  it('reverses when its column is pressed again, else begins anew', () => {
    const again = pressed(by('share'), 'share');
    assert.deepEqual(again, { column: 'share', isDescending: false });
    assert.deepEqual(pressed(again, 'name'), { column: 'name', isDescending: false });
  });
});

describe('the filter of the table', () => {
  const [entry] = entries([{ name: 'web-a', state: 'unhealthy', cause: 'probe failed: 503' }]);
  for (const [text, isShown] of [
    ['', true],
    ['WEB', true],
    ['503 web', true],
    ['unhealthy', true],
    ['healthy 504', false],
  ] as const) {
    it(`${isShown ? 'shows' : 'hides'} it for "${text}"`, () => assert.equal(matches(entry!, text), isShown));
  }
});
