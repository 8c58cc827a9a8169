import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ClassicRing,
  classicPlacement,
  placeVnodes,
  requestSlot,
  vnodeSlot,
} from '../../../lib/core/hashing/classic.ts';
import { NO_OWNER } from '../../../lib/core/hashing/slot-table.ts';
import { fleetOf, movedSlots, slotCounts, tableOf, without } from '../fleets.ts';

const TEXTBOOK: ClassicRing = { slots: 512, vnodes: 9, probing: 'linear' };

function slotsOf(ids: readonly number[], id: number, ring = TEXTBOOK): readonly number[] {
  return placeVnodes(ids, ring)
    .filter((vnode) => vnode.id === id)
    .map(({ slot }) => slot);
}

test('ids 1 to 3 hold the slots of the textbook', () => {
  assert.deepEqual(slotsOf([1, 2, 3], 1), [26, 29, 34, 41, 50, 61, 74, 89, 106]);
  assert.deepEqual(slotsOf([1, 2, 3], 2), [30, 32, 37, 44, 53, 64, 77, 92, 109]);
  assert.deepEqual(slotsOf([1, 2, 3], 3), [35, 38, 42, 49, 58, 69, 82, 97, 114]);
});

test('ids 1 to 3 have three vnodes displaced by one slot', () => {
  assert.deepEqual(
    placeVnodes([1, 2, 3], TEXTBOOK).filter(({ displacement }) => displacement > 0),
    [
      { id: 2, vnode: 0, home: 29, slot: 30, displacement: 1 },
      { id: 3, vnode: 0, home: 34, slot: 35, displacement: 1 },
      { id: 3, vnode: 1, home: 37, slot: 38, displacement: 1 },
    ],
  );
});

test('request ids 1 to 10000 fall 8435, 470 and 1095', () => {
  const placement = classicPlacement(512, 9);
  const table = tableOf(placement, fleetOf(3));
  const counts = [0, 0, 0];
  for (let i = 1; i <= 10_000; i++) counts[table[placement.slotOf(i)]!]!++;
  assert.deepEqual(counts, [8435, 470, 1095]);
});

test('another Φ decides the home slots, and probing starts there', () => {
  const placement = classicPlacement(8, 2, { home: (id, j) => (id + 4 * j) % 8 });
  // 1 holds 1 and 5; 2 holds 2 and 6; 9 is at home in 1 and 5, and is moved on to 3 and 7
  const table = tableOf(
    placement,
    [1, 2, 9].map((id, ordinal) => ({ name: `S${id}`, id, ordinal })),
  );
  assert.deepEqual([...table], [0, 0, 1, 2, 0, 0, 1, 2]);
});

test('requestSlot is i²+2i+17 mod slots for any unsigned 32-bit i', () => {
  const anyNumber = fc.integer({ min: 1, max: 2 ** 26 });
  const powerOfTwo = fc.nat(26).map((bits) => 2 ** bits);
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.oneof(anyNumber, powerOfTwo), (i, slots) => {
      const n = BigInt(i);
      assert.equal(requestSlot(i, slots), Number((n * n + 2n * n + 17n) % BigInt(slots)));
    }),
  );
});

test('vnodeSlot is id² + j² + 2j + 25 mod slots', () => {
  const vnode = fc.integer({ min: 0, max: 10_000 });
  fc.assert(
    fc.property(fc.nat(2 ** 31), vnode, fc.integer({ min: 1, max: 2 ** 24 }), (id, j, slots) => {
      const expected = (BigInt(id) ** 2n + BigInt(j * j + 2 * j + 25)) % BigInt(slots);
      assert.equal(vnodeSlot(id, j, slots), Number(expected));
    }),
  );
});

test('quadratic probing passes a taken slot by 1, 4, 9…', () => {
  const ring: ClassicRing = { slots: 100, vnodes: 1, probing: 'quadratic' };
  const placed = placeVnodes([10, 20, 30, 40], ring);
  assert.deepEqual(
    placed.map(({ home }) => home),
    [25, 25, 25, 25],
  );
  assert.deepEqual(
    placed.map(({ slot }) => slot),
    [25, 26, 29, 34],
  );
});

test('quadratic probing falls back to linear probing', () => {
  // squares mod 4 are 0 and 1, so the third of four vnodes at home in slot 1 reaches no free slot
  const placed = placeVnodes([2, 4, 6, 8], { slots: 4, vnodes: 1, probing: 'quadratic' });
  assert.deepEqual(
    placed.map(({ slot }) => slot),
    [1, 2, 3, 0],
  );
});

test('a ring can be filled to the last slot', () => {
  for (const probing of ['linear', 'quadratic'] as const) {
    const slots = placeVnodes(
      fleetOf(64).map(({ id }) => id),
      { slots: 512, vnodes: 8, probing },
    );
    assert.equal(new Set(slots.map(({ slot }) => slot)).size, 512);
  }
});

test('probing is linear where nothing is said', () => {
  const tables = [{}, { probing: 'linear' }, { probing: 'quadratic' }] as const;
  const [unsaid, linear, quadratic] = tables.map((how) =>
    tableOf(classicPlacement(512, 9, how), fleetOf(20)),
  );
  assert.deepEqual(unsaid, linear);
  assert.notDeepEqual(unsaid, quadratic);
});

test('more vnodes than slots are a RangeError', () => {
  const placement = classicPlacement(512, 9);
  assert.equal(slotCounts(tableOf(placement, fleetOf(56))).size, 56);
  assert.throws(() => tableOf(placement, fleetOf(57)), RangeError);
});

for (const [slots, vnodes] of [
  [0, 9],
  [5.5, 9],
  [512, 0],
  [512, 1.5],
] as const) {
  test(`classicPlacement refuses ${slots} slots with ${vnodes} vnodes`, () => {
    assert.throws(() => classicPlacement(slots, vnodes), RangeError);
  });
}

test('the owner of a slot is the first vnode clockwise', () => {
  const table = tableOf(classicPlacement(512, 9), fleetOf(3));
  const owners = [0, 26, 27, 29, 30, 31, 35, 36, 106, 107, 109, 110, 114, 115, 511].map(
    (slot) => table[slot]! + 1,
  );
  assert.deepEqual(owners, [1, 1, 1, 1, 2, 2, 3, 2, 1, 2, 2, 3, 3, 1, 1]);
});

test('with no member no slot has an owner', () => {
  assert.deepEqual(slotCounts(tableOf(classicPlacement(512, 9), [])), new Map([[NO_OWNER, 512]]));
});

/** A ring and the ids on it, in ascending order. */
const RINGS = fc.record({
  ring: fc.record({
    slots: fc.constantFrom(90, 512, 1000, 1021),
    vnodes: fc.constantFrom(1, 3, 9),
    probing: fc.constantFrom('linear', 'quadratic') as fc.Arbitrary<'linear' | 'quadratic'>,
  }),
  ids: fc
    .uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 2, maxLength: 10 })
    .map((ids) => ids.toSorted((a, b) => a - b)),
});

const membersWith = (ids: readonly number[]) => ids.map((id) => ({ name: `S${id}`, id, ordinal: id }));

test('the order of members does not matter', () => {
  fc.assert(
    fc.property(RINGS, ({ ring, ids }) => {
      const placement = classicPlacement(ring.slots, ring.vnodes, ring);
      const table = tableOf(placement, membersWith(ids));
      assert.deepEqual(tableOf(placement, membersWith(ids.toReversed())), table);
      for (const owner of new Set(table)) assert.ok(ids.includes(owner));
    }),
  );
});

test('names do not matter', () => {
  const placement = classicPlacement(512, 9);
  const renamed = fleetOf(5).map((member) => ({ ...member, name: `other-${9 - member.id}` }));
  assert.deepEqual(tableOf(placement, renamed), tableOf(placement, fleetOf(5)));
});

// What "only its own keys move" comes to here: see the head of classic.ts.
interface Removal {
  readonly ring: ClassicRing;
  readonly ids: readonly number[];
  readonly gone: number;
}

const REMOVALS: fc.Arbitrary<Removal> = RINGS.chain(({ ring, ids }) =>
  fc.constantFrom(...ids).map((gone) => ({ ring, ids, gone })),
);

/** For each slot that moves though the replica that goes did not own it, who lost it and through which slot. */
function lostByOthers({
  ring,
  ids,
  gone,
}: Removal): readonly { readonly id: number; readonly through: number }[] {
  const placement = classicPlacement(ring.slots, ring.vnodes, ring);
  const before = tableOf(placement, membersWith(ids));
  const after = tableOf(placement, membersWith(ids.filter((id) => id !== gone)));
  const occupied = new Set(placeVnodes(ids, ring).map(({ slot }) => slot));
  return movedSlots(before, after)
    .filter((slot) => before[slot] !== gone)
    .map((slot) => {
      let through = slot;
      while (!occupied.has(through)) through = (through + 1) % ring.slots;
      return { id: before[slot]!, through };
    });
}

test('removing a replica takes no slot from lower ids', () => {
  fc.assert(
    fc.property(REMOVALS, (removal) => {
      for (const { id } of lostByOthers(removal)) assert.ok(id > removal.gone);
    }),
  );
});

test('removing a replica takes only displaced slots from higher ids', () => {
  fc.assert(
    fc.property(REMOVALS, (removal) => {
      const displaced = placeVnodes(removal.ids, removal.ring).filter(({ displacement }) => displacement > 0);
      const slots = new Set(displaced.map(({ slot }) => slot));
      for (const { through } of lostByOthers(removal)) assert.ok(slots.has(through));
    }),
  );
});

test('removing a replica occupies no new slot', () => {
  fc.assert(
    fc.property(REMOVALS, ({ ring, ids, gone }) => {
      const slotsWith = (some: readonly number[]) => placeVnodes(some, ring).map(({ slot }) => slot);
      const before = new Set(slotsWith(ids));
      for (const slot of slotsWith(ids.filter((id) => id !== gone))) assert.ok(before.has(slot));
    }),
  );
});

test('removing the highest id moves its own slots alone', () => {
  fc.assert(
    fc.property(RINGS, ({ ring, ids }) => {
      assert.deepEqual(lostByOthers({ ring, ids, gone: ids.at(-1)! }), []);
    }),
  );
});

// Their displaced vnodes go home: from 35 to 34, which replica 1 held, and from 38 to 37, which replica 2 held.
for (const [gone, slot, heir] of [
  [1, 35, 2],
  [2, 38, 1],
] as const) {
  test(`replica ${gone} of 3 leaving moves 3's slot ${slot} to ${heir}`, () => {
    const placement = classicPlacement(512, 9);
    const before = tableOf(placement, fleetOf(3));
    const after = tableOf(placement, without(fleetOf(3), gone - 1));
    const others = movedSlots(before, after).filter((moved) => before[moved] !== gone - 1);
    assert.deepEqual(others, [slot]);
    assert.deepEqual([before[slot]! + 1, after[slot]! + 1], [3, heir]);
  });
}
