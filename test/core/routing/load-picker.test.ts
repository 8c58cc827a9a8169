import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Candidates } from '../../../lib/core/routing/candidates.ts';
import { type LoadBalance, LoadPicker } from '../../../lib/core/routing/load-picker.ts';
import { ALL_FULL, NONE_ELIGIBLE } from '../../../lib/core/routing/pick-codes.ts';
import type { StateCode } from '../../../lib/core/routing/route-table.ts';
import { writeTable } from './table.ts';

interface Fleet {
  readonly loads: readonly number[];
  readonly states?: readonly StateCode[];
  readonly weights?: readonly number[];
  readonly balance?: LoadBalance;
  readonly maxInFlight?: number;
  readonly seed?: number;
}

function setUp({ loads, states, weights = [], balance = 'p2c', maxInFlight = 99, seed = 7 }: Fleet) {
  const healthy = loads.map(() => 'healthy' as const);
  const { table, writer } = writeTable({ slots: loads.map((_, at) => at), states: states ?? healthy, loads });
  for (const [ordinal, weight] of weights.entries()) writer.setWeight(ordinal, weight);
  const candidates = new Candidates(table);
  const picker = new LoadPicker(table, candidates, { balance, maxInFlight }, seed);
  return { table, writer, candidates, picker };
}

/** How often each ordinal is picked, with nothing counted. */
function tally(picker: LoadPicker, ordinals: number, picks = 1000): readonly number[] {
  const counts = new Array<number>(ordinals).fill(0);
  for (let pick = 0; pick < picks; pick++) {
    const ordinal = picker.pick([]);
    counts[ordinal] = counts[ordinal]! + 1;
  }
  return counts;
}

test('p2c gives a slow replica nothing while others have little to do', () => {
  const { picker, writer } = setUp({ loads: [0, 3, 3, 3, 3] });
  writer.setSpeed(0, 0.1);
  assert.equal(tally(picker, 5)[0], 0);
});

test('p2c gives a slow replica requests when the others have more for their speed', () => {
  const { picker, writer } = setUp({ loads: [0, 30, 30, 30, 30] });
  writer.setSpeed(0, 0.1);
  assert.ok(tally(picker, 5)[0]! > 300);
});

test('least does not go by speeds', () => {
  const { picker, writer } = setUp({ loads: [0, 3, 3], balance: 'least' });
  writer.setSpeed(0, 0.1);
  assert.deepEqual(tally(picker, 3), [1000, 0, 0]);
});

test('a picker that becomes p2c goes by speeds', () => {
  const { picker, writer } = setUp({ loads: [0, 3, 3], balance: 'least' });
  writer.setSpeed(0, 0.1);
  picker.pick([]);
  picker.configure({ balance: 'p2c', maxInFlight: 99 });
  assert.equal(tally(picker, 3)[0], 0);
});

const BALANCES: readonly LoadBalance[] = ['p2c', 'least'];
const MOST = 6;
const anyFleet = fc.record({
  balance: fc.constantFrom(...BALANCES),
  loads: fc.array(fc.nat(5), { minLength: MOST, maxLength: MOST }),
  states: fc.array(fc.constantFrom<StateCode>('healthy', 'healthy', 'unhealthy', 'draining', 'free'), {
    minLength: MOST,
    maxLength: MOST,
  }),
  maxInFlight: fc.integer({ min: 1, max: 6 }),
  seed: fc.integer(),
});

test('a replica is found by load exactly while candidates have room', () => {
  fc.assert(
    fc.property(
      anyFleet,
      fc.uniqueArray(fc.nat(MOST - 1), { maxLength: 3 }),
      fc.nat(MOST - 1),
      (fleet, tried, suspect) => {
        const { picker, candidates, table } = setUp(fleet);
        candidates.suspect(suspect, table.stateWord(suspect));
        const isCandidate = (ordinal: number): boolean =>
          fleet.states[ordinal] === 'healthy' && !tried.includes(ordinal) && ordinal !== suspect;
        const open = fleet.loads.filter((load, at) => isCandidate(at) && load < fleet.maxInFlight);
        const picked = picker.pick(tried);
        if (open.length > 0) assert.ok(isCandidate(picked) && fleet.loads[picked]! < fleet.maxInFlight);
        else assert.equal(picked, fleet.loads.some((_, at) => isCandidate(at)) ? ALL_FULL : NONE_ELIGIBLE);
      },
    ),
    { numRuns: 500 },
  );
});

test('p2c draws every pair of replicas', () => {
  const { picker } = setUp({ loads: [1, 1, 1, 1] });
  const pairs = new Set<string>();
  for (let pick = 0; pick < 500; pick++) {
    picker.pick([]);
    assert.equal(new Set(picker.drawn).size, 2);
    pairs.add(picker.drawn.join());
  }
  assert.equal(pairs.size, 12);
});

test('p2c takes the less loaded of its two', () => {
  const { picker } = setUp({ loads: [1, 2, 3, 9] });
  for (let pick = 0; pick < 500; pick++) {
    const picked = picker.pick([]);
    assert.equal(picked, Math.min(...picker.drawn));
  }
});

test('p2c of a small fleet finds the idle one behind two busy', () => {
  const { picker } = setUp({ loads: [3, 3, 3, 0, 3] });
  assert.equal(tally(picker, 5)[3], 1000);
});

test('p2c of a large fleet draws again behind two busy', () => {
  const loads = Array.from({ length: 20 }, (_, ordinal) => (ordinal < 10 ? 4 : 0));
  const counts = tally(setUp({ loads }).picker, 20, 10_000);
  const busy = counts.slice(0, 10).reduce((sum, count) => sum + count);
  // one draw finds two busy ones in 24 of 100, two draws in 6
  assert.ok(busy > 300 && busy < 900, String(busy));
});

test('p2c never picks the most loaded of a fleet', () => {
  const { picker } = setUp({ loads: [3, 9, 3, 3] });
  assert.equal(tally(picker, 4)[1], 0);
});

test('p2c takes the lighter of its two for its weight', () => {
  const { picker } = setUp({ loads: [5, 2], weights: [3, 1] });
  assert.deepEqual(tally(picker, 2, 100), [100, 0]);
});

test('p2c of equal loads spreads evenly', () => {
  const counts = tally(setUp({ loads: [1, 1, 1, 1, 1] }).picker, 5, 10_000);
  for (const count of counts) assert.ok(count > 1800 && count < 2200, counts.join());
});

test('least takes the least loaded of all for its weight', () => {
  const { picker } = setUp({ loads: [5, 4, 8], weights: [1, 1, 2], balance: 'least' });
  assert.deepEqual(tally(picker, 3, 10), [0, 0, 10]);
});

test('least takes equal replicas in turn', () => {
  const { picker } = setUp({ loads: [1, 1, 1], balance: 'least' });
  assert.deepEqual(tally(picker, 3, 9), [3, 3, 3]);
});

for (const [balance, above] of [
  ['p2c', 3],
  ['least', 0],
] as const) {
  test(`by ${balance} no load is more than ${above} above the mean`, () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { picker, table } = setUp({ loads: new Array<number>(10).fill(0), balance, seed });
      for (let request = 0; request < 100; request++) table.acquire(picker.pick([]), 99);
      for (let ordinal = 0; ordinal < 10; ordinal++) assert.ok(table.inFlight(ordinal) <= 10 + above);
    }
  });
}

test('a replica is picked once eligible, and not once lost', () => {
  const { picker, writer } = setUp({ loads: [0, 0], states: ['healthy', 'starting'] });
  assert.deepEqual(tally(picker, 2, 10), [10, 0]);
  writer.setState(1, 'healthy');
  assert.ok(tally(picker, 2, 100)[1]! > 0);
  writer.setState(0, 'unhealthy');
  assert.deepEqual(tally(picker, 2, 10), [0, 10]);
});

test('two seeds draw other pairs', () => {
  const sequenceOf = (seed: number) => {
    const { picker } = setUp({ loads: new Array<number>(50).fill(0), seed });
    return Array.from({ length: 20 }, () => picker.pick([]));
  };
  assert.notDeepEqual(sequenceOf(1), sequenceOf(2));
});

test('a seed of 0 draws like any other', () => {
  const counts = tally(setUp({ loads: [0, 0, 0], seed: 0 }).picker, 3, 300);
  assert.ok(counts.every((count) => count > 50));
});
