/** Fleets and tables for the tests of the placement algorithms. */
import fc from 'fast-check';
import type { Placement } from '../../lib/core/hashing/slot-table.ts';
import type { Member } from '../../lib/core/replica.ts';

/** Members of these names, with ids from 1 and ordinals from 0 in the order given. */
export function membersNamed(...names: readonly string[]): readonly Member[] {
  return names.map((name, ordinal) => ({ name, id: ordinal + 1, ordinal }));
}

/** `S1` to `S<count>`. */
export function fleetOf(count: number): readonly Member[] {
  return membersNamed(...Array.from({ length: count }, (_, index) => `S${index + 1}`));
}

/** The table that `placement` builds for `members`; a fresh one is full of rubbish, for `build` must not rely on it. */
export function tableOf(placement: Placement, members: readonly Member[]): Uint16Array {
  const table = new Uint16Array(placement.slots).fill(12_345);
  placement.build(members, table);
  return table;
}

/** How many slots each ordinal owns. */
export function slotCounts(table: Uint16Array): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const ordinal of table) counts.set(ordinal, (counts.get(ordinal) ?? 0) + 1);
  return counts;
}

/** The slots that differ between two tables. */
export function movedSlots(before: Uint16Array, after: Uint16Array): readonly number[] {
  return [...before.keys()].filter((slot) => before[slot] !== after[slot]);
}

/** Members without the one at `index`, counted round. */
export function without(members: readonly Member[], index: number): readonly Member[] {
  return members.filter((_, at) => at !== index % members.length);
}

/** Fleets of up to `max` replicas whose names, ids and ordinals have nothing to do with each other. */
export function anyFleet(max: number): fc.Arbitrary<readonly Member[]> {
  const member = fc.record({
    name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,20}$/),
    id: fc.integer({ min: 1, max: 200 }),
    ordinal: fc.integer({ min: 0, max: 1023 }),
  });
  return fc.uniqueArray(member, {
    minLength: 1,
    maxLength: max,
    comparator: (a, b) => a.name === b.name || a.id === b.id || a.ordinal === b.ordinal,
  });
}

/** A fleet and the same fleet in another order. */
export function shuffledFleet(max: number): fc.Arbitrary<readonly [readonly Member[], readonly Member[]]> {
  return anyFleet(max).chain((members) =>
    fc.tuple(
      fc.constant(members),
      fc.shuffledSubarray([...members], { minLength: members.length, maxLength: members.length }),
    ),
  );
}
