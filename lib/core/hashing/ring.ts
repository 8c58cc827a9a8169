/**
 * The hash ring: every member has points on a circle of 2^32, in proportion to its weight, and owns what lies between
 * each of its points and the point before it.
 * Invariants: names and weights alone decide placement, not ids, ordinals or the order in which members are given,
 * for where points fall together the lesser name has the slot; when a member is removed only its own slots move.
 * Source: Karger et al., "Consistent Hashing and Random Trees", STOC 1997, section 4.
 */

import { type Member, weightOf } from '../replica.ts';
import { hashText, mix32 } from './hash.ts';
import { NO_OWNER, type Placement } from './slot-table.ts';

/** Two seeds make two independent hashes of a name. They are part of the placement, and stay as they are. */
const START_SEED = 0x73746172;
const STRIDE_SEED = 0x73747269;

/**
 * Placement on a ring of `slots` slots, each member having `vnodes` points times its weight (both whole numbers from
 * 1, else a RangeError). `build` takes slots + members · vnodes steps.
 * The circle is cut into equal slots, each owned whole by the owner of its start, so a lookup needs no search. The
 * first points of a member are those that it has with less weight.
 */
export function ringPlacement(slots: number, vnodes: number): Placement {
  if (!Number.isInteger(slots) || slots < 1) throw new RangeError(`a ring needs slots, and ${slots} is none`);
  if (!Number.isInteger(vnodes) || vnodes < 1)
    throw new RangeError(`a ring needs vnodes, and ${vnodes} is none`);
  return new RingPlacement(slots, vnodes);
}

/** `slotOf` repeats that of `MaglevPlacement`; the reason is there. */
class RingPlacement implements Placement {
  readonly algorithm = 'ring';
  readonly slots: number;
  readonly #vnodes: number;
  #slotsPerHash = 0.5;

  constructor(slots: number, vnodes: number) {
    this.slots = slots;
    this.#slotsPerHash = slots / 2 ** 32;
    this.#vnodes = vnodes;
  }

  build(members: readonly Member[], table: Uint16Array): void {
    this.#claimFirst(members, table);
    ownClockwise(table);
  }

  slotOf(hash: number): number {
    return (hash * this.#slotsPerHash) >>> 0;
  }

  /** Gives each slot that contains points to the owner of the first of them; the other slots stay without an owner. */
  #claimFirst(members: readonly Member[], table: Uint16Array): void {
    table.fill(NO_OWNER);
    const firstPoint = new Uint32Array(table.length);
    const firstMember = new Uint16Array(table.length);
    for (let index = 0; index < members.length; index++) {
      const { name, ordinal } = members[index]!;
      for (const point of pointsOf(name, Math.round(this.#vnodes * weightOf(members[index]!)))) {
        const slot = this.slotOf(point);
        if (table[slot] !== NO_OWNER) {
          const first = firstPoint[slot]!;
          if (point > first || (point === first && name >= members[firstMember[slot]!]!.name)) continue;
        }
        table[slot] = ordinal;
        firstPoint[slot] = point;
        firstMember[slot] = index;
      }
    }
  }
}

/** Where the vnodes of `name` are on the circle: unsigned 32-bit integers, in no order. */
export function pointsOf(name: string, vnodes: number): Uint32Array {
  const start = hashText(name, START_SEED);
  // Both hashes of two names have to agree before the names share their points.
  const stride = hashText(name, STRIDE_SEED) | 1;
  const points = new Uint32Array(vnodes);
  for (let vnode = 0; vnode < vnodes; vnode++) points[vnode] = mix32(start + Math.imul(vnode, stride));
  return points;
}

/** Gives every slot without an owner to that of the next slot clockwise (upwards, round the end) which has one. */
export function ownClockwise(table: Uint16Array): void {
  let owner = table.find((ordinal) => ordinal !== NO_OWNER) ?? NO_OWNER;
  for (let slot = table.length - 1; slot >= 0; slot--) {
    if (table[slot] === NO_OWNER) table[slot] = owner;
    else owner = table[slot]!;
  }
}
