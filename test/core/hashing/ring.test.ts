import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ownClockwise, pointsOf, ringPlacement } from '../../../lib/core/hashing/ring.ts';
import { NO_OWNER } from '../../../lib/core/hashing/slot-table.ts';
import type { Member } from '../../../lib/core/replica.ts';
import {
  anyFleet,
  fleetOf,
  membersNamed,
  movedSlots,
  shuffledFleet,
  slotCounts,
  tableOf,
  without,
} from '../fleets.ts';

for (const [slots, vnodes] of [
  [0, 160],
  [1.5, 160],
  [-1, 160],
  [Number.NaN, 160],
  [512, 0],
  [512, 0.5],
  [512, Number.NaN],
] as const) {
  test(`ringPlacement refuses ${slots} slots with ${vnodes} vnodes`, () => {
    assert.throws(() => ringPlacement(slots, vnodes), RangeError);
  });
}

test('ownClockwise gives a slot to the next owner upwards, wrapping round', () => {
  const table = Uint16Array.of(NO_OWNER, 7, NO_OWNER, NO_OWNER, 3, 5, NO_OWNER);
  ownClockwise(table);
  assert.deepEqual([...table], [7, 7, 3, 3, 3, 5, 7]);
});

test('ownClockwise leaves a table without any owner as it is', () => {
  const table = new Uint16Array(3).fill(NO_OWNER);
  ownClockwise(table);
  assert.deepEqual([...table], [NO_OWNER, NO_OWNER, NO_OWNER]);
});

test('with no member no slot has an owner', () => {
  assert.deepEqual(slotCounts(tableOf(ringPlacement(512, 9), [])), new Map([[NO_OWNER, 512]]));
});

const SHAPES = fc.constantFrom([1, 1], [7, 40], [512, 9], [1000, 3], [65_536, 160]) as fc.Arbitrary<
  [number, number]
>;

test('every slot is owned by a member', () => {
  fc.assert(
    fc.property(SHAPES, anyFleet(12), ([slots, vnodes], members) => {
      const ordinals = new Set(members.map(({ ordinal }) => ordinal));
      for (const owner of tableOf(ringPlacement(slots, vnodes), members)) assert.ok(ordinals.has(owner));
    }),
  );
});

/** Karger's rule as it is said: sort the points of all, and search for the first at or after the slot's start. */
function searchedTable(slots: number, vnodes: number, members: readonly Member[]): Uint16Array {
  const points = members.flatMap((member) =>
    [...pointsOf(member.name, vnodes)].map((at) => ({ at, member })),
  );
  points.sort((a, b) => a.at - b.at || (a.member.name < b.member.name ? -1 : 1));
  return Uint16Array.from({ length: slots }, (_, slot) => {
    const start = (slot * 2 ** 32) / slots;
    return (points.find(({ at }) => at >= start) ?? points[0]!).member.ordinal;
  });
}

test('a slot belongs to the first point from its start on', () => {
  const shapes = fc.constantFrom([1, 1], [7, 40], [512, 9], [1000, 3]) as fc.Arbitrary<[number, number]>;
  fc.assert(
    fc.property(shapes, anyFleet(8), ([slots, vnodes], members) => {
      assert.deepEqual(tableOf(ringPlacement(slots, vnodes), members), searchedTable(slots, vnodes, members));
    }),
  );
});

/** Two names with a common point: 320,000 points in 2^32 have some ten. */
function namesThatMeet(vnodes: number): readonly [string, string, number] {
  const seen = new Map<number, string>();
  for (const { name } of fleetOf(2000)) {
    for (const point of pointsOf(name, vnodes)) {
      const other = seen.get(point);
      if (other !== undefined) return [other, name, point];
      seen.set(point, name);
    }
  }
  throw new Error('no two points fall together');
}

test('where points fall together the lesser name has the slot', () => {
  const [one, other, point] = namesThatMeet(160);
  const placement = ringPlacement(2 ** 22, 160);
  const [lesser] = [one, other].toSorted();
  for (const names of [
    [one, other],
    [other, one],
  ]) {
    const table = tableOf(placement, membersNamed(...names));
    assert.equal(names[table[placement.slotOf(point)]!], lesser);
  }
});

test('the order of the members does not matter', () => {
  fc.assert(
    fc.property(SHAPES, shuffledFleet(12), ([slots, vnodes], [members, shuffled]) => {
      const placement = ringPlacement(slots, vnodes);
      assert.deepEqual(tableOf(placement, shuffled), tableOf(placement, members));
    }),
  );
});

test('placement does not depend on ids or ordinals', () => {
  const placement = ringPlacement(512, 9);
  const members = fleetOf(5);
  const others = members.map(({ name, id, ordinal }) => ({ name, id: 9 - id, ordinal: 100 - ordinal }));
  const table = tableOf(placement, members).map((ordinal) => 100 - ordinal);
  assert.deepEqual(tableOf(placement, others), table);
});

test('removing a member moves exactly its own slots', () => {
  fc.assert(
    fc.property(SHAPES, anyFleet(12), fc.nat(), ([slots, vnodes], members, pick) => {
      fc.pre(members.length > 1);
      const placement = ringPlacement(slots, vnodes);
      const gone = members[pick % members.length]!.ordinal;
      const before = tableOf(placement, members);
      const moved = movedSlots(before, tableOf(placement, without(members, pick)));
      const own = [...before.keys()].filter((slot) => before[slot] === gone);
      assert.deepEqual(moved, own);
    }),
  );
});

// With v points a share varies by about 1/√v of itself: 8 % for 160, and a thousand fleets are not all average.
for (const count of [3, 10, 100]) {
  test(`each share of ${count} members is half to twice the mean`, () => {
    const counts = slotCounts(tableOf(ringPlacement(65_536, 160), fleetOf(count)));
    assert.equal(counts.size, count);
    for (const slots of counts.values()) {
      const share = slots / (65_536 / count);
      assert.ok(share > 0.5 && share < 2, `${share}`);
    }
  });
}

test('with more points than slots every member still owns some', () => {
  assert.equal(slotCounts(tableOf(ringPlacement(65_536, 160), fleetOf(1000))).size, 1000);
});

test('slots of another ring size are the same arcs, cut finer', () => {
  const coarse = tableOf(ringPlacement(256, 9), fleetOf(3));
  const fine = tableOf(ringPlacement(1024, 9), fleetOf(3));
  assert.deepEqual(
    [...coarse],
    [...coarse.keys()].map((slot) => fine[slot * 4]),
  );
});

test('names that differ in one letter have unlike slots', () => {
  const [a, b] = [membersNamed('S1', 'T1'), membersNamed('S1', 'T2')];
  const placement = ringPlacement(65_536, 160);
  const moved = movedSlots(tableOf(placement, a), tableOf(placement, b));
  assert.ok(moved.length > 16_384, `${moved.length}`);
});

test('slotOf is ⌊hash·slots÷2^32⌋ for up to 2^21 slots', () => {
  const some = fc.constantFrom(1, 2, 7, 1000, 65_536, 2 ** 21);
  fc.assert(
    fc.property(fc.nat(0xffffffff), some, (hash, slots) => {
      const expected = Number((BigInt(hash) * BigInt(slots)) >> 32n);
      assert.equal(ringPlacement(slots, 1).slotOf(hash), expected);
    }),
  );
});

for (const slots of [1, 1000, 65_536, 2 ** 24]) {
  test(`slotOf covers exactly the ${slots} slots`, () => {
    const placement = ringPlacement(slots, 1);
    assert.equal(placement.slotOf(0), 0);
    assert.equal(placement.slotOf(0xffffffff), slots - 1);
  });
}

/** Placement is the same in every release; a change here moves the keys of every fleet there is. */
const DIGESTS: readonly (readonly [number, string])[] = [
  [2, '86d16ad22280faac'],
  [3, '30397294e84159d9'],
  [10, 'f6e9aa96a0d7cf7a'],
  [1000, 'e0ef0ef9575af3a2'],
];

for (const [count, digest] of DIGESTS) {
  test(`the table of ${count} members is that of every release`, () => {
    const table = tableOf(ringPlacement(65_536, 160), fleetOf(count));
    assert.equal(createHash('sha256').update(table).digest('hex').slice(0, 16), digest);
  });
}

test('a member has points, and so slots, proportional to its weight', () => {
  const members = fleetOf(3).map((member, at) => ({ ...member, weight: [1, 2, 5][at]! }));
  const counts = slotCounts(tableOf(ringPlacement(65_536, 160), members));
  for (const [ordinal, weight] of [1, 2, 5].entries())
    assert.ok(Math.abs(counts.get(ordinal)! / ((65_536 * weight) / 8) - 1) < 0.2);
});

test('a heavier member takes slots, and none move between two others', () => {
  const before = tableOf(ringPlacement(65_536, 40), fleetOf(5));
  const heavier = fleetOf(5).map((member) => ({ ...member, weight: member.id === 2 ? 3 : 1 }));
  const after = tableOf(ringPlacement(65_536, 40), heavier);
  assert.ok(movedSlots(before, after).length > 0);
  assert.ok(movedSlots(before, after).every((slot) => after[slot] === 1));
});
