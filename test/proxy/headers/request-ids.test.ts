import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashText } from '../../../lib/core/hashing/hash.ts';
import { isRequestId } from '../../../lib/core/hashing/hash-key.ts';
import { CountedIds, SixDigitIds } from '../../../lib/proxy/headers/request-ids.ts';

const COUNTED = /^[0-9a-f]{12}-[0-9a-z]{5}$/;
/** The ids that share a stem. */
const SHARED = 36 ** 2;

test('counted id has 48 random bits and count, and is valid', () => {
  const ids = new CountedIds();
  for (let count = 0; count < 3; count++) {
    const id = ids.next();
    assert.match(id, COUNTED);
    assert.ok(isRequestId(id));
    assert.equal(id.slice(12), `-0000${count}`);
  }
  assert.notEqual(new CountedIds().next().slice(0, 12), ids.next().slice(0, 12));
});

test('no two counted ids are the same', () => {
  const ids = [new CountedIds(), new CountedIds()];
  const seen = new Set<string>();
  for (let count = 0; count < 3 * SHARED; count++) for (const each of ids) seen.add(each.next());
  assert.equal(seen.size, 2 * 3 * SHARED);
});

test('the hash of a counted id is that of its text', () => {
  const ids = new CountedIds();
  for (let count = 0; count < 3 * SHARED; count++) {
    const id = ids.next();
    assert.equal(ids.last, id);
    assert.equal(ids.hashOfLast(), hashText(id));
  }
});

test('counted ids get new random bits when numbers are used up', () => {
  let drawn = 0;
  const ids = new CountedIds(() => `${drawn++}`.padStart(12, '0'));
  let id = '';
  for (let count = 0; count < 36 ** 5; count++) id = ids.next();
  assert.equal(id, '000000000000-zzzzz');
  assert.equal(ids.next(), '000000000001-00000');
  assert.equal(ids.hashOfLast(), hashText('000000000001-00000'));
});

test('a six-digit id hashes as the algorithm hashes numbers', () => {
  const ids = new SixDigitIds('classic');
  const others = new SixDigitIds('maglev');
  for (let count = 0; count < 100; count++) {
    assert.match(ids.next(), /^[1-9][0-9]{5}$/);
    assert.equal(ids.hashOfLast(), Number(ids.last));
    assert.equal(others.next(), others.last);
    assert.equal(others.hashOfLast(), hashText(others.last));
  }
});
