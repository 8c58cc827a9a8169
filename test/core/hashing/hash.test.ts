import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { finishHash, hashBlocks, hashBytes, hashText, mix32 } from '../../../lib/core/hashing/hash.ts';

/** Published results of MurmurHash3_x86_32: SMHasher's own implementation, and the table of Wikipedia's article. */
const VECTORS: readonly (readonly [string, number, number])[] = [
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['', 0xffffffff, 0x81f16f39],
  ['test', 0, 0xba6bd213],
  ['test', 0x9747b28c, 0x704b81dc],
  ['Hello, world!', 0, 0xc0363e43],
  ['Hello, world!', 0x9747b28c, 0x24884cba],
  ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
  ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ['a', 0x9747b28c, 0x7fa09ea6],
  ['aa', 0x9747b28c, 0x5d211726],
  ['aaa', 0x9747b28c, 0x283e0130],
  ['hello', 0, 0x248bfa47],
];

for (const [text, seed, expected] of VECTORS) {
  test(`hashText gives the published murmur3 of "${text}" with seed ${seed}`, () => {
    assert.equal(hashText(text, seed), expected);
  });
}

test('hashText without a seed has seed 0', () => {
  assert.equal(hashText('user-1'), hashText('user-1', 0));
});

/** MurmurHash3_x86_32 over bytes as its author's C reads, the slow and plain way. */
function murmurOfBytes(bytes: Uint8Array, seed: number): number {
  const turn = (n: number, by: number) => (n << by) | (n >>> (32 - by));
  const mixIn = (word: number) => Math.imul(turn(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
  const blocks = Math.floor(bytes.length / 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let hash = seed;
  for (let block = 0; block < blocks; block++) {
    hash ^= mixIn(view.getInt32(block * 4, true));
    hash = Math.imul(turn(hash, 13), 5) + 0xe6546b64;
  }
  let last = 0;
  for (let at = bytes.length - 1; at >= blocks * 4; at--) last = (last << 8) | bytes[at]!;
  hash ^= mixIn(last) ^ bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

test('hashText of latin1 text is the murmur3 of its bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(0xffffffff), (bytes, seed) => {
      const text = String.fromCharCode(...bytes);
      assert.equal(hashText(text, seed), murmurOfBytes(Uint8Array.from(bytes), seed));
    }),
  );
});

test("hashBytes of any part of memory is its bytes' murmur3", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ maxLength: 9 }),
      fc.uint8Array({ maxLength: 9 }),
      (bytes, before, after) => {
        const memory = Uint8Array.of(...before, ...bytes, ...after);
        const view = new DataView(memory.buffer);
        const end = before.length + bytes.length;
        assert.equal(hashBytes(view, before.length, end), murmurOfBytes(bytes, 0));
      },
    ),
  );
});

test('finishHash continues from hashBlocks', () => {
  const unit = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(fc.array(unit), fc.array(unit, { minLength: 1, maxLength: 3 }), (units, rest) => {
      const beginning = String.fromCharCode(...units.slice(0, units.length & ~3));
      const block = rest.reduce((all, each, place) => all | (each << (8 * place)), 0);
      const text = beginning + String.fromCharCode(...rest);
      assert.equal(finishHash(hashBlocks(beginning), block, text.length), hashText(text));
    }),
  );
});

test('no bit of any code unit is without effect on hashText', () => {
  const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 24 });
  fc.assert(
    fc.property(units, fc.nat(), fc.integer({ min: 0, max: 15 }), (text, position, bit) => {
      const other = [...text];
      other[position % text.length]! ^= 1 << bit;
      assert.notEqual(hashText(String.fromCharCode(...text)), hashText(String.fromCharCode(...other)));
    }),
  );
});

test('each key bit flips each hashText bit about half the time', () => {
  const keys = Array.from({ length: 4000 }, (_, index) => `user-${index}`);
  for (let bit = 0; bit < 7; bit++) {
    const flips = new Uint32Array(32);
    for (const key of keys) {
      const last = String.fromCharCode(key.charCodeAt(key.length - 1) ^ (1 << bit));
      const difference = hashText(key) ^ hashText(key.slice(0, -1) + last);
      for (let out = 0; out < 32; out++) flips[out]! += (difference >>> out) & 1;
    }
    // 4000 fair coins stay within 5 standard deviations, 2000 ± 158
    for (const count of flips) assert.ok(Math.abs(count - 2000) < 158, `bit ${bit}: ${[...flips]}`);
  }
});

const REALISTIC: readonly (readonly [string, (index: number) => string])[] = [
  ['user-1, user-2…', (index) => `user-${index}`],
  ['short numbers', (index) => String(index)],
  ['six-digit numbers', (index) => String(100_000 + index)],
  ['zero-padded numbers', (index) => String(index).padStart(16, '0')],
  ['paths', (index) => `/api/items/${index}/details`],
  ['IPv4 addresses', (index) => `10.0.${index >> 8}.${index & 255}`],
  ['uuids', (index) => uuidOf(index)],
  ['ideographs', (index) => String.fromCharCode(0x4e00 + (index % 256), 0x4e00 + (index >> 8))],
];

function uuidOf(index: number): string {
  const hex = createHash('md5').update(String(index)).digest('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

for (const [name, keyOf] of REALISTIC) {
  test(`65,536 keys like ${name} fall evenly into 256 ranges of hashText`, () => {
    const counts = new Uint32Array(256);
    for (let index = 0; index < 65_536; index++) counts[hashText(keyOf(index)) >>> 24]!++;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 256) ** 2 / 256, 0);
    // 255 degrees of freedom: mean 255, standard deviation 22.6; five of them off is one in millions
    assert.ok(chiSquare < 368, `chi-square ${chiSquare}`);
  });
}

test('two seeds give independent hashes', () => {
  const counts = new Uint32Array(256);
  for (let index = 0; index < 65_536; index++) {
    const key = `S${index}`;
    counts[(hashText(key, 1) >>> 28) * 16 + (hashText(key, 2) >>> 28)]!++;
  }
  const chiSquare = counts.reduce((sum, count) => sum + (count - 256) ** 2 / 256, 0);
  assert.ok(chiSquare < 368, `chi-square ${chiSquare}`);
});

test('mix32 is the finaliser of murmur3', () => {
  fc.assert(fc.property(fc.nat(0xffffffff), (n) => assert.equal(mix32(n), hashText('', n))));
});

/** The inverse of an odd number mod 2^32, by Newton's method. */
function inverse(odd: number): number {
  let guess = odd;
  for (let round = 0; round < 5; round++) guess = Math.imul(guess, 2 - Math.imul(odd, guess));
  return guess;
}

test('mix32 can be undone, so different numbers never collide', () => {
  const undo = (hash: number) => {
    let n = hash ^ (hash >>> 16);
    n = Math.imul(n, inverse(0xc2b2ae35));
    n ^= (n >>> 13) ^ (n >>> 26);
    n = Math.imul(n, inverse(0x85ebca6b));
    return (n ^ (n >>> 16)) >>> 0;
  };
  fc.assert(fc.property(fc.nat(0xffffffff), (n) => assert.equal(undo(mix32(n)), n)));
});
