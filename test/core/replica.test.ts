import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatEndpoint, isReplicaName, lowestFree } from '../../lib/core/replica.ts';

const longest = `a${'b'.repeat(62)}`;

for (const name of ['S1', 'a', '7', 'web_a', 'web-a.b_C', 'constructor', longest]) {
  test(`${name} is a name`, () => {
    assert.equal(isReplicaName(name), true);
  });
}

const NOT_NAMES: readonly unknown[] = [
  '',
  '_a',
  '-rf',
  '.a',
  'a b',
  'a\n',
  'a/b',
  'a:b',
  'a;b',
  '$(a)',
  'ä',
  'a\u0000',
  `${longest}b`,
  7,
  null,
  undefined,
  ['S1'],
  { toString: () => 'S1' },
];

for (const value of NOT_NAMES) {
  test(`${JSON.stringify(value) ?? value} is no name`, () => {
    assert.equal(isReplicaName(value), false);
  });
}

for (const [host, port, text] of [
  ['127.0.0.1', 5000, '127.0.0.1:5000'],
  ['replica.local', 80, 'replica.local:80'],
  ['::1', 5000, '[::1]:5000'],
] as const) {
  test(`${host} and ${port} are written ${text}`, () => {
    assert.equal(formatEndpoint({ host, port }), text);
  });
}

test('the lowest free number is not taken, all below it are', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 30 })), (numbers) => {
      const taken = new Set(numbers);
      const free = lowestFree(taken);
      assert.ok(free >= 1 && !taken.has(free));
      for (let below = 1; below < free; below++) assert.ok(taken.has(below));
    }),
  );
});
