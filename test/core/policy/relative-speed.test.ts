import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RelativeSpeeds } from '../../../lib/core/policy/relative-speed.ts';

/** Replicas whose responses are counted look by look. */
class Counted {
  readonly speeds = new RelativeSpeeds();
  readonly #totals = new Map<string, { count: number; octaves: number }>();

  /** One look after so many responses of so many ms each; gives the speeds in the order of the names. */
  look(responses: Readonly<Record<string, readonly [count: number, ms: number]>>): readonly number[] {
    for (const [id, [count, ms]] of Object.entries(responses)) {
      const before = this.#totals.get(id) ?? { count: 0, octaves: 0 };
      this.#totals.set(id, {
        count: before.count + count,
        octaves: before.octaves + count * Math.log2(ms),
      });
    }
    return [...this.speeds.look(new Map(this.#totals)).values()].map(
      (speed) => Math.round(speed * 100) / 100,
    );
  }

  looks(times: number, responses: Parameters<Counted['look']>[0]): readonly number[] {
    let speeds: readonly number[] = [];
    for (let look = 0; look < times; look++) speeds = this.look(responses);
    return speeds;
  }
}

test('a replica five times slower than the median has a fifth of the speed', () => {
  assert.deepEqual(new Counted().looks(10, { a: [2, 50], b: [9, 8], c: [9, 10] }), [0.2, 1, 1]);
});

test('of two replicas the slower one is slow', () => {
  assert.deepEqual(new Counted().looks(10, { a: [5, 5], b: [5, 20] }), [1, 0.25]);
});

test('a replica keeps a tenth of its speed, however slow', () => {
  assert.deepEqual(new Counted().looks(10, { a: [5, 5], b: [5, 9000] }), [1, 0.1]);
});

test('replicas that differ by less than three times are as fast as each other', () => {
  assert.deepEqual(new Counted().looks(40, { a: [5, 5], b: [5, 14], c: [5, 7] }), [1, 1, 1]);
});

test('one slow response in twenty makes no replica slow', () => {
  const counted = new Counted();
  for (let round = 0; round < 5; round++) {
    counted.looks(3, { a: [5, 5], b: [5, 5] });
    assert.deepEqual(counted.look({ a: [5, 5], b: [1, 30_000] }), [1, 1]);
  }
});

test('too few responses make no replica slow', () => {
  assert.deepEqual(new Counted().looks(4, { a: [9, 5], b: [1, 500] }), [1, 1]);
});

test('a slow replica is slow until it is below twice the median', () => {
  const counted = new Counted();
  counted.looks(10, { a: [5, 10], b: [5, 40] });
  const speeds = counted.looks(60, { a: [5, 10], b: [5, 22] });
  assert.deepEqual(speeds, [1, 0.45]);
  assert.deepEqual(counted.looks(60, { a: [5, 10], b: [5, 19] }), [1, 1]);
});

test('a slow replica without responses is tried again after some seconds', () => {
  const counted = new Counted();
  counted.looks(10, { a: [5, 10], b: [2, 100] });
  assert.deepEqual(counted.looks(20, { a: [5, 10], b: [0, 1] }), [1, 0.1]);
  assert.deepEqual(counted.looks(40, { a: [5, 10], b: [0, 1] }), [1, 1]);
});

test('what was counted before the first look is not judged', () => {
  const counted = new Counted();
  assert.deepEqual(counted.look({ a: [1000, 5], b: [1000, 500] }), [1, 1]);
  assert.deepEqual(counted.look({ a: [0, 5], b: [0, 500] }), [1, 1]);
});
