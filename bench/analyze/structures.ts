/**
 * What A-4 compares: ways from a request id to a replica, each a placement of `core/`, some of them under another H
 * (of requests) or Φ (of virtual nodes).
 */
import { classicPlacement, requestSlot, type VnodeHome, vnodeSlot } from '../../lib/core/hashing/classic.ts';
import { hashText } from '../../lib/core/hashing/hash.ts';
import { hashKeyOf } from '../../lib/core/hashing/hash-key.ts';
import { maglevPlacement } from '../../lib/core/hashing/maglev.ts';
import { rendezvousPlacement } from '../../lib/core/hashing/rendezvous.ts';
import { ringPlacement } from '../../lib/core/hashing/ring.ts';
import type { Placement } from '../../lib/core/hashing/slot-table.ts';
import { HASHES, type Hash, slotIn } from './hashes.ts';

export const CLASSIC_SLOTS = 512;
export const CLASSIC_VNODES = 9;

export type Family = 'textbook' | 'hash' | 'ring' | 'rendezvous' | 'maglev';

export interface Structure {
  readonly name: string;
  readonly family: Family;
  readonly placement: Placement;
  /** The hash of request `id`, a whole number, for the placement's `slotOf`. */
  hashOf(id: number): number;
}

/** Φ of a hash function: the number of replica and virtual node together, hashed. */
export const homeBy =
  (hash: Hash): VnodeHome =>
  (id, j, slots) =>
    slotIn(slots, hash(id * 65_536 + j));

/** Φ by the text `S<id><j>`, the one of several plain readings of "a good hash" that gives the known 1.31. */
export const homeByText: VnodeHome = (id, j, slots) => hashText(`S${id}${j}`) % slots;

/** The textbook's H of a number, as its slot of 512. */
const textbookSlot = (id: number) => requestSlot(id, CLASSIC_SLOTS);

/** The textbook's ring under another H or Φ. */
export function classicWith(slotOf: (id: number) => number, home: VnodeHome): Placement {
  const classic = classicPlacement(CLASSIC_SLOTS, CLASSIC_VNODES, { home });
  return {
    algorithm: 'classic',
    slots: CLASSIC_SLOTS,
    build: (members, table) => classic.build(members, table),
    slotOf,
  };
}

function classic(name: string, family: Family, slotOf: (id: number) => number, home: VnodeHome): Structure {
  return { name, family, placement: classicWith(slotOf, home), hashOf: (id) => id };
}

const byText = (placement: Placement) => (id: number) => hashKeyOf(String(id), placement.algorithm);

function modern(name: string, family: Family, placement: Placement): Structure {
  return { name, family, placement, hashOf: byText(placement) };
}

const murmur = HASHES[0]!;
const onlyH = HASHES.map(({ name, hash }) =>
  classic(`only H: ${name}`, 'textbook', (id) => slotIn(CLASSIC_SLOTS, hash(id)), vnodeSlot),
);

/** In the order in which the report lists them. */
export const STRUCTURES: readonly Structure[] = [
  classic('textbook H and Φ', 'textbook', textbookSlot, vnodeSlot),
  ...onlyH,
  classic('only Φ: murmur3 of the text', 'hash', textbookSlot, homeByText),
  classic(`only Φ: ${murmur.name}`, 'hash', textbookSlot, homeBy(murmur.hash)),
  ...HASHES.map(({ name, hash }) =>
    classic(`both: ${name}`, 'hash', (id) => slotIn(CLASSIC_SLOTS, hash(id)), homeBy(hash)),
  ),
  ...[40, 100, 160].map((vnodes) => modern(`ring, ${vnodes} vnodes`, 'ring', ringPlacement(65_536, vnodes))),
  modern('rendezvous 65,536', 'rendezvous', rendezvousPlacement(65_536)),
  ...[509, 65_537].map((slots) =>
    modern(`Maglev ${slots.toLocaleString('en')}`, 'maglev', maglevPlacement(slots)),
  ),
];
