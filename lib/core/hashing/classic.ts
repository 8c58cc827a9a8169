/**
 * The textbook ring, to compare the others with: few slots, quadratic hash functions, and probing for a virtual node
 * whose slot is taken.
 * Invariants: the ids alone decide placement, in ascending order, never the names; lookups wrap clockwise, a slot's
 * own vnode first; a removal may move more than the keys of the one removed (`classicPlacement`).
 */
import type { Member } from '../replica.ts';
import { ownClockwise } from './ring.ts';
import { NO_OWNER, type Placement } from './slot-table.ts';

/**
 * How a collision is resolved: `linear` tries the following slots, `quadratic` those 1, 4, 9… after the home slot.
 * The squares repeat after half the slots and miss many, so when all that they reach are taken it falls back to
 * linear probing from the home slot.
 */
export type Probing = 'linear' | 'quadratic';

/** One vnode of one replica: the slot it has, and the slot it would have on an empty ring. */
export interface ClassicVnode {
  readonly id: number;
  readonly vnode: number;
  readonly home: number;
  readonly slot: number;
  /** Slots clockwise from home; above 0 where a collision moved it. */
  readonly displacement: number;
}

/** The slot of request `i`: i² + 2i + 17 mod slots, exact for any unsigned 32-bit i and slots up to 2^26. */
export function requestSlot(i: number, slots: number): number {
  const mask = slots - 1;
  // Powers of two divide 2^32, so arithmetic mod 2^32 is exact for them; it takes 3 ns, and the general form 35.
  if ((slots & mask) === 0) return (Math.imul(i, i + 2) + 17) & mask;
  const n = i % slots;
  return (n * n + 2 * n + 17) % slots;
}

/** The home slot of vnode `j` (from 0) of replica `id`: id² + j² + 2j + 25 mod slots. */
export function vnodeSlot(id: number, j: number, slots: number): number {
  const n = id % slots;
  return (n * n + j * j + 2 * j + 25) % slots;
}

/** Gives the home slot of vnode `j` (from 0) of replica `id`: from 0, below `slots`. */
export type VnodeHome = (id: number, j: number, slots: number) => number;

/** What `placeVnodes` places on. */
export interface ClassicRing {
  readonly slots: number;
  readonly vnodes: number;
  readonly probing: Probing;
  /** `vnodeSlot` where it is absent. */
  readonly home?: VnodeHome;
}

/**
 * The vnodes of the replicas `ids`, placed in the order given, the vnodes of one after another.
 * A RangeError where they are more than the slots.
 */
export function placeVnodes(ids: readonly number[], ring: ClassicRing): readonly ClassicVnode[] {
  const { slots, vnodes, probing, home: homeOf = vnodeSlot } = ring;
  if (ids.length * vnodes > slots)
    throw new RangeError(`${slots} slots cannot hold ${ids.length} replicas of ${vnodes} vnodes each`);
  const taken = new Uint8Array(slots);
  return ids.flatMap((id) =>
    Array.from({ length: vnodes }, (_, vnode) => {
      const home = homeOf(id, vnode, slots);
      const slot = firstFree(taken, home, probing);
      taken[slot] = 1;
      return { id, vnode, home, slot, displacement: (slot - home + slots) % slots };
    }),
  );
}

/** The caller has made sure that there is a free slot. */
function firstFree(taken: Uint8Array, home: number, probing: Probing): number {
  const slots = taken.length;
  if (probing === 'quadratic') {
    for (let step = 0; step <= slots / 2; step++) {
      const slot = (home + step * step) % slots;
      if (taken[slot] === 0) return slot;
    }
  }
  let slot = home;
  while (taken[slot] !== 0) slot = (slot + 1) % slots;
  return slot;
}

/**
 * Placement on the textbook ring, both numbers whole and from 1, else a RangeError; so does `build` end where
 * members · vnodes are more than the slots. With another `home` it is the same ring under another Φ.
 * Probing displaces vnodes, so more than its own keys may move when a replica is removed:
 * - Every other vnode stays or moves back to a slot that a vnode held before; no new slot becomes occupied.
 * - Replicas with a lower id keep every slot. So removing the replica with the highest id moves only its own slots.
 * - A slot that a higher id owned through a displaced vnode may move as well, for that vnode may move back.
 * - With no displaced vnode among the higher ids, only the replica's own slots move.
 */
export function classicPlacement(
  slots: number,
  vnodes: number,
  { probing = 'linear', home = vnodeSlot }: Partial<Pick<ClassicRing, 'probing' | 'home'>> = {},
): Placement {
  if (!Number.isInteger(slots) || slots < 1) throw new RangeError(`a ring needs slots, and ${slots} is none`);
  if (!Number.isInteger(vnodes) || vnodes < 1)
    throw new RangeError(`a ring needs vnodes, and ${vnodes} is none`);
  return new ClassicPlacement({ slots, vnodes, probing, home });
}

class ClassicPlacement implements Placement {
  readonly algorithm = 'classic';
  readonly slots: number;
  readonly #ring: ClassicRing;

  constructor(ring: ClassicRing) {
    this.slots = ring.slots;
    this.#ring = ring;
  }

  build(members: readonly Member[], table: Uint16Array): void {
    const ordered = members.toSorted((a, b) => a.id - b.id);
    const ids = ordered.map(({ id }) => id);
    table.fill(NO_OWNER);
    placeVnodes(ids, this.#ring).forEach(({ slot }, index) => {
      table[slot] = ordered[Math.floor(index / this.#ring.vnodes)]!.ordinal;
    });
    ownClockwise(table);
  }

  slotOf(hash: number): number {
    return requestSlot(hash, this.slots);
  }
}
