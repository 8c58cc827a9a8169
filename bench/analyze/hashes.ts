/**
 * Hash functions that only the study needs, each of a whole number from 0 below 2^32 to one.
 * Sources: xxHash32 (Y. Collet, xxhash specification, algorithm XXH32), FNV-1a (draft-eastlake-fnv), multiplicative
 * hashing (D. Knuth, The Art of Computer Programming, vol. 3, section 6.4).
 */
import { mix32 } from '../../lib/core/hashing/hash.ts';

export type Hash = (n: number) => number;

const PRIMES = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1] as const;

const rotateLeft = (n: number, bits: number): number => (n << bits) | (n >>> (32 - bits));

/** The four bytes of `n`, lowest first. */
const bytesOf = (n: number): Uint8Array => Uint8Array.of(n, n >>> 8, n >>> 16, n >>> 24);

/** XXH32 with seed 0 of any bytes. */
export function xxh32Bytes(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [p1, p2, p3, p4, p5] = PRIMES;
  let at = 0;
  let hash = p5 | 0;
  if (bytes.length >= 16) {
    const lanes = [(p1 + p2) | 0, p2 | 0, 0, -p1 | 0];
    for (; at + 16 <= bytes.length; at += 16) {
      for (let lane = 0; lane < 4; lane++) {
        const word = view.getUint32(at + lane * 4, true);
        lanes[lane] = Math.imul(rotateLeft((lanes[lane]! + Math.imul(word, p2)) | 0, 13), p1);
      }
    }
    hash = lanes.reduce((sum, lane, index) => (sum + rotateLeft(lane, [1, 7, 12, 18][index]!)) | 0, 0);
  }
  hash = (hash + bytes.length) | 0;
  for (; at + 4 <= bytes.length; at += 4)
    hash = Math.imul(rotateLeft((hash + Math.imul(view.getUint32(at, true), p3)) | 0, 17), p4);
  for (; at < bytes.length; at++)
    hash = Math.imul(rotateLeft((hash + Math.imul(bytes[at]!, p5)) | 0, 11), p1);
  hash = Math.imul(hash ^ (hash >>> 15), p2);
  hash = Math.imul(hash ^ (hash >>> 13), p3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** 32-bit FNV-1a of any bytes. */
export function fnv1aBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The number times the golden ratio of 2^32. Its upper bits are the good ones. */
export function multiplicative(n: number): number {
  return Math.imul(n, PRIMES[0]) >>> 0;
}

/** A hash function with the name by which the report calls it. */
export interface NamedHash {
  readonly name: string;
  readonly hash: Hash;
}

export const HASHES: readonly NamedHash[] = [
  { name: 'murmur finaliser', hash: mix32 },
  { name: 'xxh32', hash: (n) => xxh32Bytes(bytesOf(n)) },
  { name: 'FNV-1a', hash: (n) => fnv1aBytes(bytesOf(n)) },
  { name: 'multiplicative', hash: multiplicative },
];

/** A slot below `slots` from the upper bits of a hash, as core's placements take it. */
export function slotIn(slots: number, hash: number): number {
  return (hash * (slots / 2 ** 32)) >>> 0;
}
