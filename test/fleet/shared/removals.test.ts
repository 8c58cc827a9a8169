import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Instance } from '../../../lib/drivers/driver.ts';
import { removalsIn } from '../../../lib/fleet/shared/removals.ts';

const listed = (instanceId: string, role: Instance['role'], name = 'S1'): Instance => ({
  name,
  id: 1,
  instanceId,
  status: 'running',
  endpoint: undefined,
  role,
  ending: undefined,
});

for (const [what, list, instanceId, withHealing, without] of [
  ['whose instance is current', [listed('a', 'current')], 'a', false, false],
  ['whose instance was removed', [listed('a', 'removed')], 'a', true, true],
  [
    'whose instance was removed and exchanged',
    [listed('a', 'removed'), listed('b', 'current')],
    'a',
    true,
    true,
  ],
  [
    'whose instance is drained for another',
    [listed('a', 'replaced'), listed('b', 'current')],
    'a',
    false,
    false,
  ],
  ['whose next instance was removed', [listed('a', 'replaced'), listed('b', 'removed')], 'a', true, true],
  ['whose instance has vanished', [listed('z', 'current', 'S2')], 'a', true, false],
  ['whose instance has vanished beside another', [listed('b', 'current')], 'a', false, false],
  ['without an instance whose last was removed', [listed('a', 'removed')], undefined, true, true],
  ['without an instance that has one elsewhere', [listed('b', 'current')], undefined, false, false],
] as const)
  it(`a replica ${what} is ${withHealing ? '' : 'not '}taken for removed`, () => {
    const replica = { name: 'S1', instance: instanceId && listed(instanceId, 'current') };
    const isRemoved = [true, false].map((heals) => removalsIn(list, heals)(replica));
    assert.deepEqual(isRemoved, [withHealing, without]);
  });
