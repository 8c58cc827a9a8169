/**
 * The shape that every placement algorithm builds: an array of slots, each holding the ordinal of its owner. A lookup is
 * one `slotOf` and one array read, whatever the algorithm and the size of the fleet.
 * Invariants: with no member every slot is NO_OWNER, with any member none is; `build` is a pure function of the members,
 * and but for the classic ring their order does not matter.
 */
import type { Member } from '../replica.ts';

export type Algorithm = 'maglev' | 'rendezvous' | 'ring' | 'classic';
export const ALGORITHMS: readonly Algorithm[] = ['maglev', 'rendezvous', 'ring', 'classic'];

/** The owner of a slot while there is no member. Ordinals are below it. */
export const NO_OWNER = 0xffff;

/** How members come to own slots. */
export interface Placement {
  readonly algorithm: Algorithm;
  /** Number of slots: the length of what `build` fills, and one more than the highest `slotOf`. */
  readonly slots: number;
  /** Fills `table` (length `slots`) with the ordinal of each slot's owner. */
  build(members: readonly Member[], table: Uint16Array): void;
  /** The slot of a request whose key hashed to `hash`, an unsigned 32-bit integer. */
  slotOf(hash: number): number;
}
