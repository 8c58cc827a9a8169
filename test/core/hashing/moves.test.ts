import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { slotMoves } from '../../../lib/core/hashing/moves.ts';
import { NO_OWNER } from '../../../lib/core/hashing/slot-table.ts';

const anyTables = fc
  .array(fc.tuple(fc.nat(4), fc.nat(4)), { minLength: 1, maxLength: 40 })
  .map((pairs) => [
    Uint16Array.from(pairs, ([before]) => before),
    Uint16Array.from(pairs, ([, after]) => after),
  ]);

test('moves name every pair of owners and their share', () => {
  const moves = slotMoves(Uint16Array.of(0, 0, 1, 1), Uint16Array.of(2, 0, 2, 2));
  assert.deepEqual(moves, [
    { from: 1, to: 2, share: 0.5 },
    { from: 0, to: 2, share: 0.25 },
  ]);
});

test('moves include slots without an owner before or after', () => {
  assert.deepEqual(slotMoves(Uint16Array.of(NO_OWNER), Uint16Array.of(3)), [
    { from: NO_OWNER, to: 3, share: 1 },
  ]);
  assert.deepEqual(slotMoves(Uint16Array.of(3), Uint16Array.of(NO_OWNER)), [
    { from: 3, to: NO_OWNER, share: 1 },
  ]);
});

test('moves add up to the changed slots, largest first', () => {
  fc.assert(
    fc.property(anyTables, ([before, after]) => {
      const moves = slotMoves(before!, after!);
      const changed = before!.filter((owner, slot) => owner !== after![slot]).length / before!.length;
      const shares = moves.map(({ share }) => share);
      assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - changed) < 1e-9);
      assert.deepEqual(
        shares,
        shares.toSorted((a, b) => b - a),
      );
      assert.ok(moves.every(({ from, to }) => from !== to));
    }),
  );
});
