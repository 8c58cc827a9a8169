import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maglevPlacement } from '../../../lib/core/hashing/maglev.ts';
import { tableHash } from '../../../lib/core/hashing/table-hash.ts';

/** The hash of the table of these names, with ordinals from `first`. */
function hashOf(names: string, first = 0): number {
  const members = [...names].map((name, index) => ({ name, id: index + 1, ordinal: first + index }));
  const slots = new Uint16Array(1009);
  maglevPlacement(1009).build(members, slots);
  return tableHash(slots, members);
}

describe('the hash of a table', () => {
  it('is the same whatever the order of members and ordinals', () => {
    assert.equal(hashOf('abc'), hashOf('cab'));
    assert.equal(hashOf('abc'), hashOf('abc', 7));
  });

  it('is another for other members', () => {
    assert.equal(new Set(['', 'a', 'b', 'ab', 'abc', 'abd'].map((names) => hashOf(names))).size, 6);
  });
});
