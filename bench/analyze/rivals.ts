/**
 * What the papers compare with and the balancer does not have: rendezvous hashing into a table, and the arcs of
 * Karger's circle without one. Pure.
 * Sources: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998; Karger et al., STOC 1997.
 */
import { hashText } from '../../lib/core/hashing/hash.ts';
import { pointsOf } from '../../lib/core/hashing/ring.ts';
import type { Member } from '../../lib/core/replica.ts';
import { multiplicative } from './hashes.ts';

/** Fills `table`: each slot goes to the member whose hash with the slot is the highest. */
export function buildRendezvous(members: readonly Member[], table: Uint16Array): void {
  const seeds = Int32Array.from(members, ({ name }) => hashText(name));
  const ordinals = Uint16Array.from(members, ({ ordinal }) => ordinal);
  for (let slot = 0; slot < table.length; slot++) {
    const key = multiplicative(slot + 1) | 0;
    let highest = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < seeds.length; at++) {
      // `mix32` of both, written out and left signed: 650 million of these make the larger table
      let score = seeds[at]! ^ key;
      score = Math.imul(score ^ (score >>> 16), 0x85ebca6b);
      score = Math.imul(score ^ (score >>> 13), 0xc2b2ae35);
      score ^= score >>> 16;
      if (score > highest) {
        highest = score;
        table[slot] = ordinals[at]!;
      }
    }
  }
}

/** The share of the circle that each member has, with `points` points of core's ring each; up to 1,024 members. */
export function arcShares(members: readonly Member[], points: number): Float64Array {
  const tagged = new Float64Array(members.length * points);
  let count = 0;
  for (const { name, ordinal } of members)
    for (const point of pointsOf(name, points)) tagged[count++] = point * TAGS + ordinal;
  tagged.sort();
  const shares = new Float64Array(members.length);
  let before = Math.floor(tagged[count - 1]! / TAGS) - CIRCLE;
  for (const each of tagged) {
    const point = Math.floor(each / TAGS);
    shares[each % TAGS] = shares[each % TAGS]! + (point - before) / CIRCLE;
    before = point;
  }
  return shares;
}

/** A point and its ordinal together are exact in a double. */
const TAGS = 1024;
const CIRCLE = 2 ** 32;
