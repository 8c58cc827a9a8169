import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classicPlacement } from '../../../lib/core/hashing/classic.ts';
import { maglevPlacement } from '../../../lib/core/hashing/maglev.ts';
import {
  createPlacement,
  DEFAULT_SLOTS,
  DEFAULT_VNODES,
  defaultSlots,
  isPrime,
} from '../../../lib/core/hashing/placement.ts';
import { rendezvousPlacement } from '../../../lib/core/hashing/rendezvous.ts';
import { ringPlacement } from '../../../lib/core/hashing/ring.ts';
import { ALGORITHMS, type Placement } from '../../../lib/core/hashing/slot-table.ts';
import { fleetOf, tableOf } from '../fleets.ts';

const HASHES = [0, 1, 17, 132_574, 0x7fffffff, 0x80000000, 0xffffffff];

function assertSame(one: Placement, other: Placement): void {
  assert.equal(one.algorithm, other.algorithm);
  assert.equal(one.slots, other.slots);
  assert.deepEqual(tableOf(one, fleetOf(5)), tableOf(other, fleetOf(5)));
  for (const hash of HASHES) assert.equal(one.slotOf(hash), other.slotOf(hash));
}

test('createPlacement makes each algorithm with the numbers it is given', () => {
  assertSame(createPlacement({ algorithm: 'maglev', slots: 251, vnodes: 0 }), maglevPlacement(251));
  assertSame(createPlacement({ algorithm: 'rendezvous', slots: 100, vnodes: 0 }), rendezvousPlacement(100));
  assertSame(createPlacement({ algorithm: 'ring', slots: 1000, vnodes: 40 }), ringPlacement(1000, 40));
  assertSame(createPlacement({ algorithm: 'classic', slots: 1000, vnodes: 8 }), classicPlacement(1000, 8));
});

test('createPlacement takes 0 for the defaults of the algorithm', () => {
  assertSame(createPlacement({ algorithm: 'maglev', slots: 0, vnodes: 0 }), maglevPlacement(65_537));
  assertSame(createPlacement({ algorithm: 'rendezvous', slots: 0, vnodes: 0 }), rendezvousPlacement(65_536));
  assertSame(createPlacement({ algorithm: 'ring', slots: 0, vnodes: 0 }), ringPlacement(65_536, 160));
  assertSame(createPlacement({ algorithm: 'classic', slots: 0, vnodes: 0 }), classicPlacement(512, 9));
});

test('createPlacement passes on that the numbers will not do', () => {
  assert.throws(() => createPlacement({ algorithm: 'maglev', slots: 65_536, vnodes: 0 }), RangeError);
  assert.throws(() => createPlacement({ algorithm: 'ring', slots: -1, vnodes: 1 }), RangeError);
});

test('defaults are valid for every algorithm', () => {
  assert.ok(isPrime(DEFAULT_SLOTS.maglev));
  assert.equal(Math.floor(DEFAULT_SLOTS.classic / DEFAULT_VNODES.classic), 56);
});

test('rendezvous has twice the slots for more than 64 replicas', () => {
  assert.deepEqual(
    [64, 65, 1000].map((replicas) => defaultSlots('rendezvous', replicas)),
    [65_536, 131_072, 131_072],
  );
  assert.equal(defaultSlots('maglev', 1000), 65_537);
});

for (const algorithm of ALGORITHMS) {
  test(`${algorithm} maps every hash to a slot there is`, () => {
    const placement = createPlacement({ algorithm, slots: 0, vnodes: 0 });
    for (const hash of HASHES) {
      const slot = placement.slotOf(hash);
      assert.ok(Number.isInteger(slot) && slot >= 0 && slot < placement.slots, `${hash} to ${slot}`);
    }
  });

  test(`${algorithm} builds the same table in shared memory`, () => {
    const placement = createPlacement({ algorithm, slots: 0, vnodes: 0 });
    const shared = new Uint16Array(new SharedArrayBuffer(placement.slots * 2));
    placement.build(fleetOf(5), shared);
    assert.deepEqual([...shared], [...tableOf(placement, fleetOf(5))]);
  });
}
