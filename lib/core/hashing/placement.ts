/**
 * Creates the placement that the options name. This is the only file that knows every algorithm: a new one is added here
 * and in `slot-table.ts`.
 */
import { classicPlacement } from './classic.ts';
import { isPrime, maglevPlacement } from './maglev.ts';
import { rendezvousPlacement } from './rendezvous.ts';
import { ringPlacement } from './ring.ts';
import type { Algorithm, Placement } from './slot-table.ts';

export { isPrime };

/** Default number of slots. */
export const DEFAULT_SLOTS: Readonly<Record<Algorithm, number>> = {
  maglev: 65_537,
  rendezvous: 65_536,
  ring: 65_536,
  classic: 512,
};

/** With more replicas than this a rendezvous table has twice as many slots by default, since each replica has fewer. */
const MANY_REPLICAS = 64;

/** Default number of slots for a fleet that may grow to `maxReplicas`. */
export function defaultSlots(algorithm: Algorithm, maxReplicas: number): number {
  const isLarge = algorithm === 'rendezvous' && maxReplicas > MANY_REPLICAS;
  return isLarge ? 2 * DEFAULT_SLOTS[algorithm] : DEFAULT_SLOTS[algorithm];
}

/** Default number of vnodes of a replica; 0 where the algorithm has none. */
export const DEFAULT_VNODES: Readonly<Record<Algorithm, number>> = {
  maglev: 0,
  rendezvous: 0,
  ring: 160,
  classic: 9,
};

export interface PlacementSettings {
  readonly algorithm: Algorithm;
  /** Whole number, or 0 for the algorithm's default; a prime for maglev. */
  readonly slots: number;
  /** Whole number, or 0 for the algorithm's default; maglev and rendezvous ignore it. */
  readonly vnodes: number;
}

const PLACEMENTS: Readonly<Record<Algorithm, (slots: number, vnodes: number) => Placement>> = {
  maglev: maglevPlacement,
  rendezvous: rendezvousPlacement,
  ring: ringPlacement,
  classic: classicPlacement,
};

/** The placement that the settings describe; a RangeError where the algorithm cannot have those numbers. */
export function createPlacement({ algorithm, slots, vnodes }: PlacementSettings): Placement {
  return PLACEMENTS[algorithm](slots || DEFAULT_SLOTS[algorithm], vnodes || DEFAULT_VNODES[algorithm]);
}
