/**
 * Route tables as a test writes them: owners of slots, states and loads of ordinals, and a placement whose hash is the
 * slot.
 */
import fc from 'fast-check';
import type { Placement } from '../../../lib/core/hashing/slot-table.ts';
import {
  RouteTable,
  RouteTableWriter,
  STATE_CODES,
  type StateCode,
} from '../../../lib/core/routing/route-table.ts';

/** A table: who owns each slot, and of each ordinal its state and what it holds. */
export interface Written {
  readonly slots: readonly number[];
  readonly states: readonly StateCode[];
  readonly loads: readonly number[];
  /** 1 where they are absent. */
  readonly weights?: readonly number[];
}

/** The hash is the slot, counted round: the ring without its hash. */
export function identityPlacement(slots: number): Placement {
  return { algorithm: 'ring', slots, build: () => {}, slotOf: (hash) => hash % slots };
}

/** The table as `writer` wrote it, seen by the first of two threads; the second holds the loads. */
export function writeTable({ slots, states, loads, weights = [] }: Written): {
  readonly writer: RouteTableWriter;
  readonly table: RouteTable;
  readonly other: RouteTable;
} {
  const shape = { slots: slots.length, ordinals: states.length, workers: 2 };
  const writer = new RouteTableWriter(shape);
  const table = new RouteTable(writer.buffer, shape, 0);
  const other = new RouteTable(writer.buffer, shape, 1);
  for (const [ordinal, state] of states.entries()) writer.setState(ordinal, state);
  for (const [ordinal, weight] of weights.entries()) writer.setWeight(ordinal, weight);
  for (const [ordinal, load] of loads.entries())
    for (let count = 0; count < load; count++) other.acquire(ordinal, Number.POSITIVE_INFINITY);
  writer.publish((bank) => bank.set(slots));
  return { writer, table, other };
}

const ORDINALS = 6;

/** Tables of six ordinals, in which some may own no slot, and what a pick may be asked. */
export const anyPick = fc.record({
  slots: fc.array(fc.nat(ORDINALS - 1), { minLength: 1, maxLength: 24 }),
  states: fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant<StateCode>('healthy') },
      { weight: 1, arbitrary: fc.constantFrom(...(Object.keys(STATE_CODES) as StateCode[])) },
    ),
    { minLength: ORDINALS, maxLength: ORDINALS },
  ),
  loads: fc.array(fc.nat(6), { minLength: ORDINALS, maxLength: ORDINALS }),
  weights: fc.array(fc.constantFrom(1, 1, 1, 2, 5), { minLength: ORDINALS, maxLength: ORDINALS }),
  tried: fc.uniqueArray(fc.nat(ORDINALS - 1), { maxLength: 3 }),
  suspects: fc.uniqueArray(fc.nat(ORDINALS - 1), { maxLength: 2 }),
  loadFactor: fc.constantFrom(0, 1, 1.1, 1.25, 2),
  loadFloor: fc.constantFrom(0, 0, 2, 4),
  maxInFlight: fc.integer({ min: 1, max: 7 }),
  hash: fc.nat(0xffff_ffff),
});

export type AnyPick = typeof anyPick extends fc.Arbitrary<infer T> ? T : never;
