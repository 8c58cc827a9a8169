import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { boundOf } from '../../../lib/core/routing/bounded-load.ts';

/** The bound of each of `eligible` replicas of equal weight. */
function evenBound(loadFactor: number, totalInFlight: number, eligible: number, floor = 0): number {
  return boundOf(loadFactor, floor, { totalInFlight, weight: 1, totalWeight: eligible });
}

/** Load factor, in flight before, eligible, bound: ⌈c · (m + 1) ÷ n⌉. */
const BOUNDS: readonly (readonly [number, number, number, number])[] = [
  [1.25, 0, 3, 1],
  [1.25, 2, 3, 2],
  [1.25, 3, 3, 2],
  [1.25, 7, 3, 4],
  [1.25, 99, 10, 13],
  [1, 0, 1, 1],
  [1, 8, 3, 3],
  [1, 9, 3, 4],
  [2, 9, 10, 2],
  [1.1, 9, 1, 11],
  [1.1, 99, 10, 11],
  [1.000001, 999_999, 1, 1_000_001],
  [1.000007, 999_999, 1, 1_000_007],
  [1.15, 19, 1, 23],
];

for (const [loadFactor, inFlight, eligible, bound] of BOUNDS) {
  test(`load factor ${loadFactor}, ${inFlight} in flight on ${eligible}: bound ${bound}`, () => {
    assert.equal(evenBound(loadFactor, inFlight, eligible), bound);
  });
}

for (const [floor, inFlight, bound] of [
  [16, 0, 16],
  [16, 37, 16],
  [16, 38, 17],
  [16, 96, 41],
  [1, 0, 1],
  [0, 0, 1],
] as const) {
  test(`floor ${floor}, ${inFlight} in flight on three: bound ${bound}`, () => {
    assert.equal(evenBound(1.25, inFlight, 3, floor), bound);
  });
}

test('load factor 0 is no bound, with a floor as without', () => {
  assert.equal(evenBound(0, 5, 1, 16), Number.POSITIVE_INFINITY);
});

test('load factor 0 is no bound', () => {
  assert.equal(evenBound(0, 1_000_000, 1), Number.POSITIVE_INFINITY);
});

test('with no eligible replica there is no bound', () => {
  assert.equal(evenBound(1.25, 5, 0), Number.POSITIVE_INFINITY);
});

/** From 1 to 4, with the six decimals that options allow. */
const LOAD_FACTOR = fc
  .integer({ min: 1_000_000, max: 4_000_000 })
  .map((millionths) => millionths / 1_000_000);

test('the bound is the exact ceiling for every load factor', () => {
  const inFlight = fc.nat(1_000_000);
  fc.assert(
    fc.property(LOAD_FACTOR, inFlight, fc.integer({ min: 1, max: 1024 }), (loadFactor, total, eligible) => {
      const over = BigInt(Math.round(loadFactor * 1e6)) * BigInt(total + 1);
      const under = BigInt(eligible) * 1_000_000n;
      assert.equal(evenBound(loadFactor, total, eligible), Number((over + under - 1n) / under));
    }),
  );
});

/** Puts a request on the first replica from `owner` on that is under the bound; -1 where none is. */
function place(loads: number[], owner: number, loadFactor: number): number {
  const total = loads.reduce((sum, load) => sum + load, 0);
  const bound = evenBound(loadFactor, total, loads.length);
  for (let step = 0; step < loads.length; step++) {
    const at = (owner + step) % loads.length;
    if (loads[at]! >= bound) continue;
    loads[at]!++;
    return at;
  }
  return -1;
}

const REPLICAS = fc.integer({ min: 1, max: 20 });

test('whatever comes and goes, requests find a replica under the bound', () => {
  const event = fc.record({ leaves: fc.boolean(), replica: fc.nat(19) });
  fc.assert(
    fc.property(
      LOAD_FACTOR,
      REPLICAS,
      fc.array(event, { maxLength: 200 }),
      (loadFactor, replicas, events) => {
        const loads = new Array<number>(replicas).fill(0);
        for (const { leaves, replica } of events) {
          const at = replica % replicas;
          if (leaves) loads[at] = Math.max(loads[at]! - 1, 0);
          else assert.notEqual(place(loads, at, loadFactor), -1);
        }
      },
    ),
  );
});

test('no replica exceeds the bound while requests only arrive', () => {
  fc.assert(
    fc.property(LOAD_FACTOR, REPLICAS, fc.integer({ min: 1, max: 300 }), (loadFactor, replicas, requests) => {
      const loads = new Array<number>(replicas).fill(0);
      for (let request = 0; request < requests; request++) place(loads, 0, loadFactor);
      assert.equal(
        loads.reduce((sum, load) => sum + load, 0),
        requests,
      );
      assert.ok(Math.max(...loads) <= evenBound(loadFactor, requests - 1, replicas), `${loads}`);
    }),
  );
});

test('with load factor 1 the loads differ by at most one', () => {
  const loads = [0, 0, 0, 0, 0, 0, 0];
  for (let request = 0; request < 100; request++) place(loads, 3, 1);
  assert.deepEqual([Math.min(...loads), Math.max(...loads)], [14, 15]);
});

/** Weights of a fleet, in whole units. */
const WEIGHTS = fc.array(fc.integer({ min: 1, max: 25_600 }), { minLength: 1, maxLength: 20 });

test("all replicas' weighted bounds together exceed what is in flight", () => {
  fc.assert(
    fc.property(LOAD_FACTOR, fc.nat(100_000), WEIGHTS, (loadFactor, totalInFlight, weights) => {
      const totalWeight = weights.reduce((sum, weight) => sum + weight, 0);
      const bounds = weights.map((weight) => boundOf(loadFactor, 0, { totalInFlight, weight, totalWeight }));
      assert.ok(bounds.reduce((sum, bound) => sum + bound, 0) > totalInFlight);
    }),
  );
});

test('equal weights of any size have the unweighted bound', () => {
  fc.assert(
    fc.property(
      LOAD_FACTOR,
      fc.nat(100_000),
      WEIGHTS,
      (loadFactor, totalInFlight, [weight = 1, ...others]) => {
        const load = { totalInFlight, weight, totalWeight: weight * (others.length + 1) };
        assert.equal(boundOf(loadFactor, 0, load), evenBound(loadFactor, totalInFlight, others.length + 1));
      },
    ),
  );
});

test('a replica of triple weight has triple the bound', () => {
  const boundWith = (weight: number) => boundOf(1.25, 0, { totalInFlight: 99, weight, totalWeight: 4 });
  assert.deepEqual([boundWith(1), boundWith(3)], [32, 94]);
});
