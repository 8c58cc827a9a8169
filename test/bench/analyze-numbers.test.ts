/** Hash functions, statistics and chance of the study, against values that are known. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fnv1aBytes, HASHES, multiplicative, slotIn, xxh32Bytes } from '../../bench/analyze/hashes.ts';
import { requestIds, seeded, shuffled } from '../../bench/analyze/random.ts';
import {
  movedShare,
  noiseFloor,
  quantilesOf,
  shareAtLeast,
  spreadOf,
  tally,
} from '../../bench/analyze/statistics.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

for (const [text, hash] of [
  ['', 0x02cc5d05],
  ['a', 0x550d7456],
  ['abc', 0x32d153ff],
  ['Nobody inspects the spammish repetition', 0xe2293b2f],
] as const) {
  test(`xxh32 of "${text}" is the published ${hash.toString(16)}`, () => {
    assert.equal(xxh32Bytes(bytes(text)), hash);
  });
}

for (const [text, hash] of [
  ['', 0x811c9dc5],
  ['a', 0xe40c292c],
  ['foobar', 0xbf9cf968],
] as const) {
  test(`FNV-1a of "${text}" is the published ${hash.toString(16)}`, () => {
    assert.equal(fnv1aBytes(bytes(text)), hash);
  });
}

test('multiplicative hashing is the number times the golden ratio, mod 2^32', () => {
  assert.equal(multiplicative(3), Number((3n * 0x9e3779b1n) % 2n ** 32n));
});

test('every hash of a number is an unsigned 32-bit integer', () => {
  for (const { hash } of HASHES)
    for (const n of [0, 1, 0xffff, 0xffffffff]) {
      assert.equal(hash(n) >>> 0, hash(n));
      assert.ok(slotIn(512, hash(n)) < 512);
    }
  assert.deepEqual([slotIn(512, 0), slotIn(512, 0xffffffff)], [0, 511]);
});

test('a spread has mean, extremes, max ÷ mean and standard deviation', () => {
  assert.deepEqual(spreadOf([2, 4, 4, 4, 5, 5, 7, 9]), {
    total: 40,
    mean: 5,
    most: 9,
    least: 2,
    imbalance: 1.8,
    deviation: 2,
  });
});

test("two balls in two bins have two coins' noise floor", () => {
  const floor = noiseFloor(2, 2, { seed: 7, runs: 4000 });
  // both on one side is 2 ÷ 1, one each is 1; each happens to half of the splits
  assert.deepEqual([...new Set(floor.sorted)], [1, 2]);
  assert.ok(Math.abs(floor.imbalance - 1.5) < 0.03);
  assert.deepEqual([floor.low, floor.high], [1, 2]);
  assert.equal(floor.deviation, Math.sqrt(0.5));
});

test('with one bin there is no noise', () => {
  const { imbalance, low, high, deviation } = noiseFloor(10, 1, { runs: 3 });
  assert.deepEqual([imbalance, low, high, deviation], [1, 1, 1, 0]);
});

test('fair splits that are exactly as uneven are counted', () => {
  const floor = { ...noiseFloor(2, 2, { runs: 4 }), runs: 4, sorted: Float64Array.of(1, 1.1, 1.2, 1.3) };
  assert.deepEqual(
    [1, 1.1, 1.25, 1.3, 1.4].map((each) => shareAtLeast(floor, each)),
    [1, 0.75, 0.25, 0.25, 0],
  );
});

test('quantiles are values that are there', () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  assert.deepEqual(quantilesOf(values), { low: 5, median: 50, high: 95, mean: 50.5 });
});

test('counting and comparing owners', () => {
  assert.deepEqual([...tally([0, 2, 2, 7], 3)], [1, 0, 2]);
  assert.equal(movedShare(['a', 'b', 'c', 'd'], ['a', 'x', 'c', 'y']), 0.5);
});

test('one seed gives one sequence, another seed or stream another', () => {
  const first = (seed: number, stream?: number) => Array.from({ length: 3 }, seeded(seed, stream));
  assert.deepEqual(first(1), first(1));
  assert.notDeepEqual(first(1), first(2));
  assert.notDeepEqual(first(1, 0), first(1, 1));
});

test('request ids have six digits, and shuffling keeps them all', () => {
  const ids = requestIds(3, 1000);
  assert.ok(ids.every((id) => /^[1-9]\d{5}$/.test(id)));
  assert.deepEqual(shuffled(ids, seeded(9)).sort(), ids.toSorted());
  assert.notDeepEqual(shuffled(ids, seeded(9)), ids);
});
