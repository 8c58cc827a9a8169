import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashText } from '../../../lib/core/hashing/hash.ts';
import { isPrime, maglevPlacement, populate } from '../../../lib/core/hashing/maglev.ts';
import { NO_OWNER } from '../../../lib/core/hashing/slot-table.ts';
import { anyFleet, fleetOf, movedSlots, shuffledFleet, slotCounts, tableOf, without } from '../fleets.ts';

const [B0, B1, B2] = [
  { owner: 0, offset: 3, skip: 4 },
  { owner: 1, offset: 0, skip: 2 },
  { owner: 2, offset: 3, skip: 1 },
];

test('populate gives the table of the paper (table 1)', () => {
  const table = new Uint16Array(7);
  populate([B0, B1, B2], table);
  assert.deepEqual([...table], [1, 0, 1, 0, 2, 2, 0]);
});

test('populate gives the table of the paper without B1', () => {
  const table = new Uint16Array(7);
  populate([B0, B2], table);
  assert.deepEqual([...table], [0, 0, 0, 0, 2, 2, 2]);
});

for (const slots of [0, 1, 4, 65_536, 2.5, -3, Number.NaN]) {
  test(`maglevPlacement refuses ${slots} slots`, () => {
    assert.throws(() => maglevPlacement(slots), RangeError);
  });
}

const PRIMES = fc.constantFrom(2, 3, 7, 251, 1021, 65_537);

test('with no member no slot has an owner', () => {
  assert.deepEqual(slotCounts(tableOf(maglevPlacement(251), [])), new Map([[NO_OWNER, 251]]));
});

test('members own the same number of slots to within one', () => {
  fc.assert(
    fc.property(PRIMES, anyFleet(12), (slots, members) => {
      const counts = slotCounts(tableOf(maglevPlacement(slots), members));
      for (const { ordinal } of members) {
        const count = counts.get(ordinal) ?? 0;
        assert.ok(Math.abs(count - slots / members.length) < 1, `${count} of ${slots} for ${members.length}`);
      }
      assert.equal(counts.get(NO_OWNER), undefined);
    }),
  );
});

test('the order of the members does not matter', () => {
  const placement = maglevPlacement(1021);
  fc.assert(
    fc.property(shuffledFleet(12), ([members, shuffled]) => {
      assert.deepEqual(tableOf(placement, shuffled), tableOf(placement, members));
    }),
  );
});

test('placement does not depend on ids or ordinals', () => {
  const placement = maglevPlacement(1021);
  const members = fleetOf(5);
  const others = members.map(({ name, id, ordinal }) => ({ name, id: 9 - id, ordinal: 100 - ordinal }));
  const table = tableOf(placement, members).map((ordinal) => 100 - ordinal);
  assert.deepEqual(tableOf(placement, others), table);
});

// Measured over 40 fleets of each size: at most 0.31, 0.63, 0.61 and 0.66 % of the other slots.
for (const count of [3, 10, 50, 100]) {
  test(`removing one of ${count} moves under 1 % of other slots`, () => {
    const placement = maglevPlacement(65_537);
    const before = tableOf(placement, fleetOf(count));
    for (const gone of [0, Math.floor(count / 2), count - 1]) {
      const moved = movedSlots(before, tableOf(placement, without(fleetOf(count), gone)));
      const own = slotCounts(before).get(gone)!;
      assert.equal(moved.filter((slot) => before[slot] === gone).length, own);
      assert.ok(moved.length - own < 0.01 * (65_537 - own), `${moved.length - own} others`);
    }
  });
}

test('a member that returns gets its slots back', () => {
  const placement = maglevPlacement(1021);
  const members = fleetOf(6);
  const back = [...without(members, 2), members[2]!];
  assert.deepEqual(tableOf(placement, back), tableOf(placement, members));
});

test('slotOf is ⌊hash·slots÷2^32⌋ for up to 2^21 slots', () => {
  const some = fc.constantFrom(2, 7, 251, 65_537, 2_097_143);
  fc.assert(
    fc.property(fc.nat(0xffffffff), some, (hash, slots) => {
      const expected = Number((BigInt(hash) * BigInt(slots)) >> 32n);
      assert.equal(maglevPlacement(slots).slotOf(hash), expected);
    }),
  );
});

for (const slots of [2, 7, 65_537, 16_777_213]) {
  test(`slotOf covers exactly the ${slots} slots`, () => {
    const placement = maglevPlacement(slots);
    assert.equal(placement.slotOf(0), 0);
    assert.equal(placement.slotOf(0xffffffff), slots - 1);
  });
}

/** Placement is the same in every release; a change here moves the keys of every fleet there is. */
const DIGESTS: readonly (readonly [number, string])[] = [
  [2, '11b2d21a7f616e4b'],
  [3, 'fe4a49476ada5e6c'],
  [10, '821bc2263f3444c8'],
  [1000, 'e49b2fcc264baa64'],
];

for (const [count, digest] of DIGESTS) {
  test(`the table of ${count} members is that of every release`, () => {
    const table = tableOf(maglevPlacement(65_537), fleetOf(count));
    assert.equal(createHash('sha256').update(table).digest('hex').slice(0, 16), digest);
  });
}

test('isPrime knows the primes', () => {
  const primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29];
  assert.deepEqual([...Array(30).keys()].filter(isPrime), primes);
  for (const prime of [65_537, 131_071, 16_777_213]) assert.ok(isPrime(prime), String(prime));
  for (const other of [65_536, 65_537 * 257, 4093 ** 2, -7, 2.5, Number.NaN])
    assert.ok(!isPrime(other), String(other));
});

/** A fleet with these weights. */
const weighted = (...weights: readonly number[]) =>
  fleetOf(weights.length).map((member, at) => ({ ...member, weight: weights[at]! }));

for (const weights of [
  [1, 1, 2],
  [1, 2, 4],
  [10, 9, 10],
  [1, 256, 256],
]) {
  test(`members of weights ${weights.join()} have proportional slot shares within 1 %`, () => {
    const counts = slotCounts(tableOf(maglevPlacement(65_537), weighted(...weights)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [ordinal, weight] of weights.entries())
      assert.ok(Math.abs(counts.get(ordinal)! / ((65_537 * weight) / total) - 1) < 0.01);
  });
}

test("a weighted fleet's keys fall by weight (chi-square, p = 0.01)", () => {
  const weights = [1, 2, 4];
  const placement = maglevPlacement(65_537);
  const table = tableOf(placement, weighted(...weights));
  const counts = [0, 0, 0];
  for (let key = 0; key < 100_000; key++) counts[table[placement.slotOf(hashText(`key-${key}`))]!]!++;
  const terms = counts.map(
    (count, at) => (count - (100_000 * weights[at]!) / 7) ** 2 / ((100_000 * weights[at]!) / 7),
  );
  assert.ok(terms[0]! + terms[1]! + terms[2]! < 9.21, counts.join());
});

test('equal weights of any size build the unweighted table', () => {
  const plain = tableOf(maglevPlacement(65_537), fleetOf(5));
  for (const weight of [1, 3, 256])
    assert.deepEqual(
      tableOf(maglevPlacement(65_537), weighted(weight, weight, weight, weight, weight)),
      plain,
    );
});

test('a member of weight 0 owns no slot, as if gone', () => {
  const table = tableOf(maglevPlacement(251), weighted(1, 0, 1));
  assert.deepEqual(table, tableOf(maglevPlacement(251), without(fleetOf(3), 1)));
});

test('a weight that changes moves few slots of bystanders', () => {
  const before = tableOf(maglevPlacement(65_537), weighted(100, 100, 100, 100, 100, 100));
  const after = tableOf(maglevPlacement(65_537), weighted(100, 100, 50, 100, 100, 100));
  const moved = movedSlots(before, after);
  const ofBystanders = moved.filter((slot) => before[slot] !== 2 && after[slot] !== 2);
  assert.ok(
    moved.length / 65_537 < 0.08 && ofBystanders.length / 65_537 < 0.01,
    `${moved.length} ${ofBystanders.length}`,
  );
});
