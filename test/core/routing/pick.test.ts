import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NO_KEY } from '../../../lib/core/hashing/hash-key.ts';
import { maglevPlacement } from '../../../lib/core/hashing/maglev.ts';
import { NO_OWNER } from '../../../lib/core/hashing/slot-table.ts';
import { NO_ORDINAL } from '../../../lib/core/replica.ts';
import { boundOf } from '../../../lib/core/routing/bounded-load.ts';
import { Picker } from '../../../lib/core/routing/pick.ts';
import { ALL_FULL, NONE_ELIGIBLE } from '../../../lib/core/routing/pick-codes.ts';
import { RouteTable, type RouteTableWriter } from '../../../lib/core/routing/route-table.ts';
import { fleetOf } from '../fleets.ts';
import { type AnyPick, anyPick, identityPlacement, writeTable } from './table.ts';

/** Slots, states (h healthy, u unhealthy, s starting, d draining), loads, load factor, cap, hash, tried, picked. */
const PICKS: readonly (readonly [
  string,
  readonly number[],
  string,
  readonly number[],
  number,
  number,
  number,
  readonly number[],
  number,
])[] = [
  ['the owner', [0, 1, 2], 'hhh', [0, 0, 0], 0, 4, 1, [], 1],
  ['the successor of an unhealthy owner', [0, 1, 2], 'huh', [0, 0, 0], 0, 4, 1, [], 2],
  ['the successor of a starting owner', [0, 1, 2], 'hsh', [0, 0, 0], 0, 4, 1, [], 2],
  ['the successor of a draining owner', [0, 1, 2], 'hdh', [0, 0, 0], 0, 4, 1, [], 2],
  ['the successor of one tried', [0, 1, 2], 'hhh', [0, 0, 0], 0, 4, 1, [1], 2],
  ['the next but one', [0, 1, 2], 'hhu', [0, 0, 0], 0, 4, 1, [1], 0],
  ['the first slot after the last', [0, 1, 1], 'hu', [0, 0], 0, 4, 2, [], 0],
  ['the successor of one at its cap', [0, 1, 2], 'hhh', [0, 4, 0], 0, 4, 1, [], 2],
  ['the successor of one at its bound', [0, 1, 2], 'hhh', [0, 2, 0], 1.25, 9, 1, [], 2],
  ['the owner just under its bound', [0, 1, 2], 'hhh', [2, 1, 0], 1.25, 9, 1, [], 1],
  ['the owner over its bound when no other may', [0, 1, 2], 'uhu', [9, 2, 9], 1.25, 9, 1, [], 1],
  ['the owner when all candidates are over the bound', [0, 1, 2], 'hhh', [0, 3, 3], 1, 9, 1, [0], 1],
  ['a whole one of an uneven ring', [0, 0, 0, 1], 'uh', [0, 0], 0, 4, 0, [], 1],
  ['none when none is eligible', [0, 1], 'us', [0, 0], 0, 4, 0, [], NONE_ELIGIBLE],
  ['none when all were tried', [0, 1], 'hh', [0, 0], 0, 4, 0, [1, 0], NONE_ELIGIBLE],
  ['none on an empty ring', [0xffff, 0xffff], 'hh', [0, 0], 0, 4, 0, [], NONE_ELIGIBLE],
  ['that all are full', [0, 1], 'hh', [4, 4], 0, 4, 0, [], ALL_FULL],
  ['that all are full, bound or not', [0, 1], 'hh', [4, 4], 1.25, 4, 0, [], ALL_FULL],
  ['that all left are full', [0, 1], 'hh', [0, 4], 0, 4, 0, [0], ALL_FULL],
];

const STATES = { h: 'healthy', u: 'unhealthy', s: 'starting', d: 'draining' } as const;

for (const [title, slots, states, loads, loadFactor, maxInFlight, hash, tried, picked] of PICKS) {
  test(`pick gives ${title}`, () => {
    const codes = [...states].map((letter) => STATES[letter as keyof typeof STATES]);
    const { table } = writeTable({ slots, states: codes, loads });
    const placement = identityPlacement(slots.length);
    assert.equal(
      new Picker(table, { placement, loadFactor, loadFloor: 0, maxInFlight }).pick(hash, tried),
      picked,
    );
  });
}

/** The table, its picker, and who may be picked at all. */
function setUp(asked: AnyPick) {
  const { slots, suspects, tried, loadFactor, loadFloor, maxInFlight } = asked;
  const { table, writer } = writeTable(asked);
  const placement = identityPlacement(slots.length);
  const picker = new Picker(table, { placement, loadFactor, loadFloor, maxInFlight });
  for (const ordinal of suspects) picker.suspect(ordinal, table.stateWord(ordinal));
  const mayTake = (ordinal: number): boolean =>
    asked.states[ordinal] === 'healthy' && !tried.includes(ordinal) && !suspects.includes(ordinal);
  const loadOf = (ordinal: number): number => asked.loads[ordinal]!;
  const totalWeight = asked.states.reduce(
    (sum, state, at) => sum + (state === 'healthy' ? asked.weights[at]! : 0),
    0,
  );
  const mostOf = (ordinal: number): number => {
    const load = { totalInFlight: table.totalInFlight, weight: asked.weights[ordinal]!, totalWeight };
    return Math.min(maxInFlight, boundOf(loadFactor, loadFloor, load));
  };
  const isUnder = (ordinal: number): boolean => loadOf(ordinal) < mostOf(ordinal);
  const start = asked.hash % slots.length;
  const walk = [...slots.slice(start), ...slots.slice(0, start)].filter(mayTake);
  return { picker, table, writer, mayTake, loadOf, mostOf, isUnder, walk };
}

const always = (check: (asked: AnyPick) => void): void =>
  fc.assert(fc.property(anyPick, check), { numRuns: 500 });

test('pick never gives an ineligible, tried, suspect or full replica', () => {
  always((asked) => {
    const { picker, mayTake, loadOf } = setUp(asked);
    const picked = picker.pick(asked.hash, asked.tried);
    assert.ok(picked < 0 || (mayTake(picked) && loadOf(picked) < asked.maxInFlight));
  });
});

test('pick keeps the bound while a ring candidate is under it', () => {
  always((asked) => {
    const { picker, isUnder, walk } = setUp(asked);
    const picked = picker.pick(asked.hash, asked.tried);
    if (walk.some(isUnder)) assert.ok(isUnder(picked));
  });
});

test('pick gives any owner that is a candidate under its bound', () => {
  always((asked) => {
    const { picker, mayTake, isUnder } = setUp(asked);
    const owner = asked.slots[asked.hash % asked.slots.length]!;
    if (mayTake(owner) && isUnder(owner)) assert.equal(picker.pick(asked.hash, asked.tried), owner);
  });
});

test('pick gives an owner that is below the floor', () => {
  always((asked) => {
    const { picker, mayTake, loadOf } = setUp(asked);
    const owner = asked.slots[asked.hash % asked.slots.length]!;
    if (mayTake(owner) && loadOf(owner) < Math.min(asked.loadFloor, asked.maxInFlight))
      assert.equal(picker.pick(asked.hash, asked.tried), owner);
  });
});

test('every key gets a replica while a ring candidate has room', () => {
  always((asked) => {
    const { picker, loadOf, walk } = setUp(asked);
    const picked = picker.pick(asked.hash, asked.tried);
    const hasRoom = walk.some((ordinal) => loadOf(ordinal) < asked.maxInFlight);
    assert.equal(picked >= 0, hasRoom);
    if (!hasRoom && walk.length > 0) assert.equal(picked, ALL_FULL);
  });
});

test('pick gives the first successor under the bound, else the cap', () => {
  always((asked) => {
    const { picker, loadOf, isUnder, walk } = setUp(asked);
    const picked = picker.pick(asked.hash, asked.tried);
    const hasRoom = (ordinal: number): boolean => loadOf(ordinal) < asked.maxInFlight;
    if (picked >= 0) assert.equal(picked, walk.find(isUnder) ?? walk.find(hasRoom));
  });
});

test('a candidate without slots does not block the others', () => {
  const { table } = writeTable({
    slots: [0, 1],
    states: ['healthy', 'healthy', 'healthy'],
    loads: [5, 5, 0],
  });
  const picker = new Picker(table, {
    placement: identityPlacement(2),
    loadFactor: 1,
    loadFloor: 0,
    maxInFlight: 9,
  });
  assert.equal(picker.pick(1), 1);
});

test('the picker picks by the bound that it tells', () => {
  always((asked) => {
    const { picker, mostOf } = setUp(asked);
    for (const ordinal of asked.states.keys()) assert.equal(picker.boundOf(ordinal), mostOf(ordinal));
  });
});

test('keyless requests go to the less loaded, past owner and bound', () => {
  const { table } = writeTable({ slots: [0, 0], states: ['healthy', 'healthy'], loads: [5, 4] });
  const policy = { placement: identityPlacement(2), loadFactor: 1, loadFloor: 0, maxInFlight: 9 };
  const picker = new Picker(table, policy);
  assert.deepEqual([picker.pick(NO_KEY), picker.ownerOf(NO_KEY)], [1, NO_OWNER]);
  assert.equal(picker.overflowedFrom(NO_KEY, 1), NO_ORDINAL);
  assert.equal(picker.pick(NO_KEY, [1]), 0);
});

test('a candidate that is far from the owner is found too', () => {
  const slots = [...new Array<number>(1000).fill(0), 1];
  const { table } = writeTable({ slots, states: ['unhealthy', 'healthy'], loads: [0, 0] });
  const placement = identityPlacement(slots.length);
  const picker = new Picker(table, { placement, loadFactor: 1.25, loadFloor: 0, maxInFlight: 9 });
  assert.equal(picker.pick(1), 1);
});

test('a pick in large fleets with full owners examines few replicas', () => {
  const replicas = 1000;
  const placement = maglevPlacement(65_537);
  const { writer } = writeTable({
    slots: [...new Uint16Array(placement.slots)],
    states: new Array<'healthy'>(replicas).fill('healthy'),
    loads: Array.from({ length: replicas }, (_, ordinal) => (ordinal % 2 === 0 ? 21 : 11)),
  });
  writer.publish((slots) => placement.build(fleetOf(replicas), slots));
  let looks = 0;
  class Counted extends RouteTable {
    override inFlight(ordinal: number): number {
      looks++;
      return super.inFlight(ordinal);
    }
  }
  const table = new Counted(writer.buffer, writer.shape, 0);
  const picker = new Picker(table, { placement, loadFactor: 1.25, loadFloor: 0, maxInFlight: 256 });
  for (let key = 0; key < 1000; key++) assert.equal(picker.pick((key * 4_294_967) >>> 0) % 2, 1);
  assert.ok(looks < 5000, `${looks} looks of 1000 picks`);
});

test('lease counts the request in flight on the one it gives', () => {
  const { table } = writeTable({ slots: [0, 1], states: ['healthy', 'healthy'], loads: [1, 1] });
  const picker = new Picker(table, {
    placement: identityPlacement(2),
    loadFactor: 0,
    loadFloor: 0,
    maxInFlight: 9,
  });
  assert.equal(picker.lease(1), 1);
  assert.deepEqual([table.inFlight(0), table.inFlight(1), table.totalInFlight], [1, 2, 3]);
});

test('a lease that can give none counts nothing', () => {
  const { table } = writeTable({ slots: [0], states: ['healthy'], loads: [2] });
  const picker = new Picker(table, {
    placement: identityPlacement(1),
    loadFactor: 0,
    loadFloor: 0,
    maxInFlight: 2,
  });
  assert.equal(picker.lease(0), ALL_FULL);
  assert.deepEqual([table.inFlight(0), table.totalInFlight], [2, 2]);
});

test('leases fill every replica exactly to its cap', () => {
  const states = ['healthy', 'healthy', 'healthy'] as const;
  const { table } = writeTable({ slots: [0, 1, 2], states, loads: [0, 0, 0] });
  const picker = new Picker(table, {
    placement: identityPlacement(3),
    loadFactor: 1.25,
    loadFloor: 0,
    maxInFlight: 4,
  });
  const given = Array.from({ length: 13 }, () => picker.lease(0));
  assert.deepEqual(
    [0, 1, 2, ALL_FULL].map((ordinal) => given.filter((one) => one === ordinal).length),
    [4, 4, 4, 1],
  );
});

test('a lease picks again when another thread took the last place', () => {
  const states = ['healthy', 'healthy'] as const;
  const { writer, other } = writeTable({ slots: [0, 1], states, loads: [1, 0] });
  let hasRaced = false;
  class Raced extends RouteTable {
    override acquire(ordinal: number, bound: number): boolean {
      if (!hasRaced) other.acquire(ordinal, bound);
      hasRaced = true;
      return super.acquire(ordinal, bound);
    }
  }
  const table = new Raced(writer.buffer, writer.shape, 0);
  const picker = new Picker(table, {
    placement: identityPlacement(2),
    loadFactor: 0,
    loadFloor: 0,
    maxInFlight: 2,
  });
  assert.equal(picker.lease(0), 1);
  assert.deepEqual([table.inFlight(0), table.inFlight(1)], [2, 1]);
});

test('a pick during publication is repeated', () => {
  const states = ['healthy', 'healthy', 'healthy'] as const;
  const { writer } = writeTable({ slots: [0, 0], states, loads: [0, 0, 0] });
  let reads = 0;
  class Overwritten extends RouteTable {
    override bankOf(version: number): Uint16Array {
      if (reads++ === 0) for (const owner of [1, 2]) writer.publish((slots) => slots.fill(owner));
      return super.bankOf(version);
    }
  }
  const table = new Overwritten(writer.buffer, writer.shape, 0);
  const picker = new Picker(table, {
    placement: identityPlacement(2),
    loadFactor: 0,
    loadFloor: 0,
    maxInFlight: 2,
  });
  assert.equal(picker.pick(0), 2);
  assert.equal(reads, 2);
});

test('a suspect is skipped by its thread until its state changes', () => {
  const states = ['healthy', 'healthy'] as const;
  const { writer, table, other } = writeTable({ slots: [0, 1], states, loads: [0, 0] });
  const policy = { placement: identityPlacement(2), loadFactor: 0, loadFloor: 0, maxInFlight: 2 };
  const [mine, theirs] = [new Picker(table, policy), new Picker(other, policy)];
  mine.suspect(0, table.stateWord(0));
  assert.deepEqual([mine.pick(0), theirs.pick(0)], [1, 0]);
  writer.setState(1, 'unhealthy');
  assert.deepEqual([mine.pick(0), theirs.pick(0)], [NONE_ELIGIBLE, 0]);
  writer.setState(0, 'healthy');
  assert.deepEqual([mine.pick(0), theirs.pick(0)], [0, 0]);
});

test('a suspicion ends with the state word it was about', () => {
  const { writer, table } = writeTable({ slots: [0], states: ['healthy'], loads: [0] });
  const picker = new Picker(table, {
    placement: identityPlacement(1),
    loadFactor: 0,
    loadFloor: 0,
    maxInFlight: 2,
  });
  const earlier = table.stateWord(0);
  writer.setState(0, 'healthy');
  picker.suspect(0, earlier);
  assert.equal(picker.pick(0), 0);
});

/** Where a thousand keys go. */
function picksOf(writer: RouteTableWriter, placement: ReturnType<typeof maglevPlacement>): readonly number[] {
  const table = new RouteTable(writer.buffer, writer.shape, 0);
  const picker = new Picker(table, { placement, loadFactor: 0, loadFloor: 0, maxInFlight: 9 });
  return Array.from({ length: 1000 }, (_, key) => picker.pick((key * 4_294_967) >>> 0));
}

test('a replica that recovers gets its own keys back', () => {
  const placement = maglevPlacement(1009);
  const { writer } = writeTable({
    slots: new Array<number>(1009).fill(0),
    states: new Array<'healthy'>(8).fill('healthy'),
    loads: [],
  });
  writer.publish((slots) => placement.build(fleetOf(8), slots));
  fc.assert(
    fc.property(fc.nat(7), (down) => {
      const before = picksOf(writer, placement);
      writer.setState(down, 'unhealthy');
      const during = picksOf(writer, placement);
      writer.setState(down, 'healthy');
      assert.ok(before.includes(down) && !during.includes(down));
      assert.deepEqual(
        during.filter((_, key) => before[key] !== down),
        before.filter((owner) => owner !== down),
      );
      assert.deepEqual(picksOf(writer, placement), before);
    }),
    { numRuns: 8 },
  );
});
