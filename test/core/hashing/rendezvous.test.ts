import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashText, mix32 } from '../../../lib/core/hashing/hash.ts';
import { rendezvousPlacement } from '../../../lib/core/hashing/rendezvous.ts';
import { NO_OWNER } from '../../../lib/core/hashing/slot-table.ts';
import { type Member, weightOf } from '../../../lib/core/replica.ts';
import { anyFleet, fleetOf, movedSlots, shuffledFleet, slotCounts, tableOf, without } from '../fleets.ts';

const SLOTS = 512;
/** Repeated here, so that a change of it is seen. */
const NAME_SEED = 0x336;

/** The definition: the member with the smallest −ln(u) ÷ weight owns the slot, of several the lesser name. */
function bestOf(members: readonly Member[], slot: number): number {
  const scores = members
    .filter((member) => weightOf(member) > 0)
    .map(({ name, ordinal, weight = 1 }) => {
      const hash = mix32(hashText(name, NAME_SEED) ^ mix32(slot));
      return { name, ordinal, score: -Math.log((hash + 0.5) / 2 ** 32) / weight };
    });
  const [best] = scores.toSorted((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1));
  return best?.ordinal ?? NO_OWNER;
}

const definition = (members: readonly Member[]): number[] =>
  Array.from({ length: SLOTS }, (_, slot) => bestOf(members, slot));

/** Fleets with weights; some equal, some zero. */
const anyWeighted = anyFleet(8).chain((members) =>
  fc
    .array(fc.constantFrom(0, 1, 1, 1, 2, 5, 256), { minLength: members.length, maxLength: members.length })
    .map((weights) => members.map((member, index) => ({ ...member, weight: weights[index]! }))),
);

for (const slots of [0, -1, 2.5, Number.NaN]) {
  test(`rendezvousPlacement refuses ${slots} slots`, () => {
    assert.throws(() => rendezvousPlacement(slots), RangeError);
  });
}

test('every slot belongs to the member with the best score', () => {
  fc.assert(
    fc.property(anyWeighted, (members) => {
      assert.deepEqual([...tableOf(rendezvousPlacement(SLOTS), members)], definition(members));
    }),
    { numRuns: 60 },
  );
});

test('a table after any changes is that of a first build', () => {
  fc.assert(
    fc.property(
      anyWeighted,
      fc.array(fc.tuple(fc.nat(7), fc.constantFrom(0, 1, 3, 7))),
      (members, changes) => {
        const placement = rendezvousPlacement(SLOTS);
        let now: readonly Member[] = members;
        for (const [index, weight] of changes) {
          now =
            weight === 7 && now.length > 1
              ? without(now, index)
              : now.map((member, at) => (at === index % now.length ? { ...member, weight } : member));
          assert.deepEqual([...tableOf(placement, now)], definition(now));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a placement used for other members builds the same table', () => {
  fc.assert(
    fc.property(anyFleet(8), anyFleet(8), (first, second) => {
      const used = rendezvousPlacement(SLOTS);
      tableOf(used, first);
      assert.deepEqual([...tableOf(used, second)], definition(second));
    }),
    { numRuns: 60 },
  );
});

test('equal weights of any size build one table', () => {
  const plain = tableOf(rendezvousPlacement(4096), fleetOf(10));
  for (const weight of [1, 3, 256]) {
    const members = fleetOf(10).map((member) => ({ ...member, weight }));
    assert.deepEqual([...tableOf(rendezvousPlacement(4096), members)], [...plain]);
  }
});

test('with no member no slot has an owner', () => {
  assert.deepEqual([...slotCounts(tableOf(rendezvousPlacement(SLOTS), []))], [[NO_OWNER, SLOTS]]);
});

test('a member of weight 0 owns no slot', () => {
  const members = fleetOf(3).map((member) => ({ ...member, weight: member.id === 2 ? 0 : 1 }));
  assert.deepEqual([...slotCounts(tableOf(rendezvousPlacement(SLOTS), members)).keys()].sort(), [0, 2]);
});

test('the order of the members does not matter', () => {
  fc.assert(
    fc.property(shuffledFleet(8), ([members, shuffled]) => {
      assert.deepEqual(
        [...tableOf(rendezvousPlacement(SLOTS), members)],
        [...tableOf(rendezvousPlacement(SLOTS), shuffled)],
      );
    }),
    { numRuns: 60 },
  );
});

test('removing a member moves exactly its own slots', () => {
  fc.assert(
    fc.property(anyFleet(8), fc.nat(), (members, index) => {
      fc.pre(members.length > 1);
      const placement = rendezvousPlacement(SLOTS);
      const before = tableOf(placement, members);
      const { ordinal } = members[index % members.length]!;
      const moved = movedSlots(before, tableOf(placement, without(members, index)));
      assert.equal(moved.length, slotCounts(before).get(ordinal) ?? 0);
      assert.ok(moved.every((slot) => before[slot] === ordinal));
    }),
    { numRuns: 60 },
  );
});

test('a heavier member gains slots from others and loses none', () => {
  const placement = rendezvousPlacement(4096);
  const before = tableOf(placement, fleetOf(6));
  const after = tableOf(
    placement,
    fleetOf(6).map((member) => ({ ...member, weight: member.id === 3 ? 2 : 1 })),
  );
  assert.ok(movedSlots(before, after).length > 0);
  assert.ok(movedSlots(before, after).every((slot) => after[slot] === 2));
});

for (const [count, limit] of [
  [3, 1.006],
  [10, 1.013],
  [100, 1.08],
] as const) {
  test(`the largest of ${count} shares is at most ${limit} · mean`, () => {
    const counts = [...slotCounts(tableOf(rendezvousPlacement(65_536), fleetOf(count))).values()];
    assert.ok((Math.max(...counts) * count) / 65_536 <= limit);
  });
}

/** The largest relative error of the shares of S1, S2, … with these weights. */
function errorOf(weights: readonly number[]): number {
  const members = fleetOf(weights.length).map((member, at) => ({ ...member, weight: weights[at]! }));
  const counts = slotCounts(tableOf(rendezvousPlacement(65_536), members));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const errors = weights.map((weight, at) => Math.abs((counts.get(at)! * total) / (65_536 * weight) - 1));
  return Math.max(...errors);
}

for (const weights of [
  [1, 2, 5],
  [1, 5, 2],
  [2, 1, 5],
  [2, 5, 1],
  [5, 1, 2],
  [5, 2, 1],
  [1, 1, 2],
  [1, 3],
  [1, 10],
]) {
  test(`default names with weights ${weights.join(':')} get shares within 1.2 %`, () => {
    assert.ok(errorOf(weights) <= 0.012, `${errorOf(weights)}`);
  });
}

/** Placement is the same in every release; a change here moves the keys of every fleet there is. */
const DIGESTS: readonly (readonly [number, string])[] = [
  [3, '2887bc44d60f13c7'],
  [10, 'df34003e0c73f88e'],
  [100, 'c4e49c68890c680c'],
];

for (const [count, digest] of DIGESTS) {
  test(`the table of ${count} members is that of every release`, () => {
    const table = tableOf(rendezvousPlacement(65_536), fleetOf(count));
    assert.equal(createHash('sha256').update(table).digest('hex').slice(0, 16), digest);
  });
}

/** Two names of one 32-bit hash, so that they have the same score for every slot; the lesser first. */
function collidingNames(): readonly [string, string] {
  const seen = new Map<number, string>();
  for (let index = 0; ; index++) {
    const name = `collision-${index}`;
    const hash = hashText(name, NAME_SEED);
    const other = seen.get(hash);
    if (other !== undefined) return name < other ? [name, other] : [other, name];
    seen.set(hash, name);
  }
}

test('the lesser of two names with equal scores owns every slot', () => {
  const [lesser, greater] = collidingNames();
  for (const weight of [1, 2]) {
    const members = [
      { name: greater, id: 1, ordinal: 0, weight },
      { name: lesser, id: 2, ordinal: 1, weight },
    ];
    const light = { name: 'light', id: 3, ordinal: 2, weight: 0.001 };
    for (const fleet of [members, members.toReversed(), [...members, light]]) {
      const counts = slotCounts(tableOf(rendezvousPlacement(SLOTS), fleet));
      assert.equal(counts.get(0), undefined);
    }
    const placement = rendezvousPlacement(SLOTS);
    tableOf(placement, members.slice(0, 1));
    assert.equal(slotCounts(tableOf(placement, members)).get(1), SLOTS);
  }
});
