import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPlacement } from '../../../lib/core/hashing/placement.ts';
import { ALGORITHMS } from '../../../lib/core/hashing/slot-table.ts';
import { explainPick } from '../../../lib/core/routing/explain.ts';
import { Picker, type PickPolicy } from '../../../lib/core/routing/pick.ts';
import { STATE_CODES, type StateCode } from '../../../lib/core/routing/route-table.ts';
import { anyPick, identityPlacement, type Written, writeTable } from './table.ts';

/** The table, explained for `hash`, and what the data path does with it then. */
function both(written: Written, policy: PickPolicy, hash: number) {
  const { table, writer } = writeTable(written);
  const explanation = explainPick(writer.snapshot(), policy, hash);
  const before = written.loads.map((_, ordinal) => table.inFlight(ordinal));
  const leased = new Picker(table, policy).lease(hash);
  return { explanation, leased, before, owner: writer.slots[policy.placement.slotOf(hash)]! };
}

const STATES = Object.keys(STATE_CODES) as readonly StateCode[];
const MEMBERS = 8;
/** A fleet on a real placement, with states and loads. */
const anyFleet = fc.record({
  algorithm: fc.constantFrom(...ALGORITHMS),
  members: fc.integer({ min: 0, max: MEMBERS }),
  states: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant<StateCode>('healthy') },
      { weight: 1, arbitrary: fc.constantFrom(...STATES) },
    ),
    { minLength: MEMBERS, maxLength: MEMBERS },
  ),
  loads: fc.array(fc.nat(6), { minLength: MEMBERS, maxLength: MEMBERS }),
  loadFactor: fc.constantFrom(0, 1, 1.25, 2),
  loadFloor: fc.constantFrom(0, 3),
  maxInFlight: fc.integer({ min: 1, max: 7 }),
  hash: fc.nat(0xffff_ffff),
});

test('an explanation agrees with the picker for every algorithm', () => {
  fc.assert(
    fc.property(anyFleet, ({ algorithm, members, states, loads, hash, ...limits }) => {
      const placement = createPlacement({ algorithm, slots: algorithm === 'maglev' ? 251 : 256, vnodes: 0 });
      const slots = new Uint16Array(placement.slots);
      const places = Array.from({ length: members }, (_, ordinal) => ({
        name: `S${ordinal + 1}`,
        id: ordinal + 1,
        ordinal,
      }));
      placement.build(places, slots);
      const written = { slots: [...slots], states, loads };
      const { explanation, leased, owner } = both(written, { ...limits, placement }, hash);
      assert.equal(explanation.taker ?? -1, Math.max(-1, leased));
      assert.equal(explanation.owner ?? 0xffff, owner);
      assert.equal(explanation.slot, placement.slotOf(hash));
      assert.equal(explanation.successors.length, members);
    }),
    { numRuns: 400 },
  );
});

test('an explanation agrees with the picker on tables of any form', () => {
  fc.assert(
    fc.property(anyPick, ({ hash, loadFactor, loadFloor, maxInFlight, ...written }) => {
      const placement = identityPlacement(written.slots.length);
      const policy = { placement, loadFactor, loadFloor, maxInFlight };
      const { explanation, leased } = both(written, policy, hash);
      assert.equal(explanation.taker ?? -1, Math.max(-1, leased));
    }),
    { numRuns: 500 },
  );
});

test('successors before the taker have a reason, later ones never take', () => {
  fc.assert(
    fc.property(anyPick, ({ hash, loadFactor, loadFloor, maxInFlight, ...written }) => {
      const placement = identityPlacement(written.slots.length);
      const policy = { placement, loadFactor, loadFloor, maxInFlight };
      const { successors, taker } = both(written, policy, hash).explanation;
      const at = successors.findIndex(({ ordinal }) => ordinal === taker);
      const before = at === -1 ? successors : successors.slice(0, at);
      for (const { verdict } of before)
        assert.ok(['not-eligible', 'over-bound', 'full'].includes(verdict), verdict);
      assert.equal(successors.filter(({ verdict }) => verdict === 'takes').length, at === -1 ? 0 : 1);
    }),
    { numRuns: 500 },
  );
});

test('an explanation counts nothing in flight', () => {
  fc.assert(
    fc.property(anyPick, ({ hash, loadFactor, loadFloor, maxInFlight, ...written }) => {
      const placement = identityPlacement(written.slots.length);
      const policy = { placement, loadFactor, loadFloor, maxInFlight };
      const { explanation, before } = both(written, policy, hash);
      assert.deepEqual(before, written.loads);
      for (const { ordinal, inFlight } of explanation.successors)
        assert.equal(inFlight, written.loads[ordinal]);
    }),
    { numRuns: 200 },
  );
});

const LETTERS = { h: 'healthy', u: 'unhealthy', d: 'draining' } as const;

for (const [reason, slots, states, loads, loadFactor, verdicts] of [
  ['owner', [0, 1, 2], 'hhh', [0, 0, 0], 0, 'takes next next'],
  ['owner-not-eligible', [0, 1, 2], 'uhh', [0, 0, 0], 0, 'not-eligible takes next'],
  ['owner-not-eligible', [0, 1, 2], 'dhh', [0, 0, 0], 0, 'not-eligible takes next'],
  ['owner-over-bound', [0, 1, 2], 'hhh', [3, 0, 0], 1, 'over-bound takes next'],
  ['owner-full', [0, 1, 2], 'hhh', [4, 0, 0], 0, 'full takes next'],
  ['all-over-bound', [0, 1], 'huh', [2, 0, 0], 1, 'takes not-eligible'],
  ['all-full', [0, 1], 'hh', [4, 4], 0, 'full full'],
  ['none-eligible', [0, 1], 'ud', [0, 0], 0, 'not-eligible not-eligible'],
  ['no-replicas', [0xffff, 0xffff], '', [], 0, ''],
] as const) {
  test(`an explanation of ${states || 'nobody'} with ${loads.join()} in flight is ${reason}`, () => {
    const codes = [...states].map((letter) => LETTERS[letter as keyof typeof LETTERS]);
    const { writer } = writeTable({ slots, states: codes, loads });
    const policy = { placement: identityPlacement(slots.length), loadFactor, loadFloor: 0, maxInFlight: 4 };
    const explanation = explainPick(writer.snapshot(), policy, 0);
    assert.equal(explanation.reason, reason);
    assert.equal(explanation.successors.map(({ verdict }) => verdict).join(' '), verdicts);
  });
}
