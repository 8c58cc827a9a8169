import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maglevPlacement } from '../../../lib/core/hashing/maglev.ts';
import { rendezvousPlacement } from '../../../lib/core/hashing/rendezvous.ts';
import { holdBack } from '../../../lib/core/hashing/slow-start.ts';
import { fleetOf, movedSlots, slotCounts, tableOf } from '../fleets.ts';

const SLOW = 3;

/** The table of four replicas of which the last has this part of its slots, and the tables with all and none of them. */
function tables(share: number, placement = maglevPlacement(65_537)) {
  const [full, base] = [tableOf(placement, fleetOf(4)), tableOf(placement, fleetOf(3))];
  const table = full.slice();
  holdBack(table, base, [{ name: 'S4', ordinal: SLOW, share }]);
  return { table, full, base };
}

for (const share of [0.1, 0.5, 0.9]) {
  test(`share ${share} is that part of the replica's slots ±2 points`, () => {
    const { table, full } = tables(share);
    const part = slotCounts(table).get(SLOW)! / slotCounts(full).get(SLOW)!;
    assert.ok(Math.abs(part - share) < 0.02, String(part));
  });
}

test('share 0 is none of its slots, 1 all of them', () => {
  assert.equal(slotCounts(tables(0).table).get(SLOW), undefined);
  const { table, full } = tables(1);
  assert.deepEqual(table, full);
});

test('as the share grows a slot comes once and never leaves', () => {
  let before = tables(0).table;
  let moved = 0;
  for (let step = 1; step <= 10; step++) {
    const { table } = tables(step / 10);
    const slots = movedSlots(before, table);
    assert.ok(slots.every((slot) => before[slot] !== SLOW && table[slot] === SLOW));
    moved += slots.length;
    before = table;
  }
  assert.equal(moved, slotCounts(before).get(SLOW));
});

test('held-back slots belong to whoever owns them without the replica', () => {
  const { table, full, base } = tables(0.3, rendezvousPlacement(65_536));
  for (const slot of movedSlots(full, table)) assert.ok(full[slot] === SLOW && table[slot] === base[slot]);
});
