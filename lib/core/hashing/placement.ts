/**
 * Creates the placement that the options name. This is the only file that knows every algorithm: a new one is added here
 * and in `slot-table.ts`.
 */
import { classicPlacement } from './classic.ts';
import { isPrime, maglevPlacement } from './maglev.ts';
import { ringPlacement } from './ring.ts';
import type { Algorithm, Placement } from './slot-table.ts';

export { isPrime };

/** Slots of a table where none are asked for. */
export const DEFAULT_SLOTS: Readonly<Record<Algorithm, number>> = {
  maglev: 65_537,
  ring: 65_536,
  classic: 512,
};

/** Vnodes of a replica where none are asked for; Maglev has none. */
export const DEFAULT_VNODES: Readonly<Record<Algorithm, number>> = { maglev: 0, ring: 160, classic: 9 };

export interface PlacementSettings {
  readonly algorithm: Algorithm;
  /** Whole number, or 0 for the algorithm's default; a prime for maglev. */
  readonly slots: number;
  /** Whole number, or 0 for the algorithm's default; maglev has no use for it. */
  readonly vnodes: number;
}

const PLACEMENTS: Readonly<Record<Algorithm, (slots: number, vnodes: number) => Placement>> = {
  maglev: maglevPlacement,
  ring: ringPlacement,
  classic: classicPlacement,
};

/** The placement that the settings describe; a RangeError where the algorithm cannot have those numbers. */
export function createPlacement({ algorithm, slots, vnodes }: PlacementSettings): Placement {
  return PLACEMENTS[algorithm](slots || DEFAULT_SLOTS[algorithm], vnodes || DEFAULT_VNODES[algorithm]);
}
