/**
 * Which replica gets a request: its owner, or the first after it on the ring that may and can take it.
 * Must not hold: retry policy, queues, sockets. Pure but for the shared table it reads.
 * Invariants: never returns one that is not eligible, is to be avoided, or holds `maxInFlight` already; keeps to
 * the load bound while any candidate is under it. Cost: one slot read when the owner can take it; otherwise a walk over
 * the next slots, whatever the size of the fleet; a pass over all ordinals only where no candidate near is under its
 * bound, as in a fleet that is full.
 */

import type { Placement } from '../hashing/slot-table.ts';
import { NO_ORDINAL } from '../replica.ts';
import { boundOf } from './bounded-load.ts';
import { isEligible, type RouteTable } from './route-table.ts';

// what a pick gives in place of an ordinal; below every ordinal
/** No replica is eligible (or all that are were tried). */
export const NONE_ELIGIBLE = -1;
/** Some are eligible, and each of them holds as many requests as it may. */
export const ALL_FULL = -2;

/** Slots after the owner's that are searched before all ordinals are looked at. */
const NEAR_SLOTS = 256;

/** The load of a replica that is no candidate. */
const NO_CANDIDATE = -1;

export interface PickPolicy {
  readonly placement: Placement;
  /** Bounded load; 0 is off. */
  readonly loadFactor: number;
  /** The load bound is never below it. */
  readonly loadFloor: number;
  readonly maxInFlight: number;
}

const NOTHING_TRIED: readonly number[] = [];

/** A picker over one table: `pick` chooses, `lease` chooses and counts the request in flight. */
export class Picker {
  readonly #table: RouteTable;
  readonly #policy: PickPolicy;
  /** For each ordinal the state word under which it refused this thread; 0 for none. */
  readonly #suspects: Int32Array;
  /** What each candidate held at the last look, NO_CANDIDATE for the others; kept to save an allocation. */
  readonly #loads: Int32Array;

  constructor(table: RouteTable, policy: PickPolicy) {
    this.#table = table;
    this.#policy = policy;
    this.#suspects = new Int32Array(table.shape.ordinals);
    this.#loads = new Int32Array(table.shape.ordinals).fill(NO_CANDIDATE);
  }

  /** Keeps this thread off the replica until the control plane has looked at it (its state word changes). */
  suspect(ordinal: number, word: number): void {
    this.#suspects[ordinal] = word;
  }

  /** Chooses for `hash` (unsigned 32 bits) and counts the request in flight; an ordinal, NONE_ELIGIBLE or ALL_FULL. */
  lease(hash: number, tried: readonly number[] = NOTHING_TRIED): number {
    for (;;) {
      const ordinal = this.pick(hash, tried);
      if (ordinal < 0) return ordinal;
      // another thread may have taken the last place since; then look again
      if (this.#table.acquire(ordinal, this.#policy.maxInFlight)) return ordinal;
    }
  }

  /** The owner of the slot that `hash` falls on, eligible or not; NO_OWNER while there is no replica. */
  ownerOf(hash: number): number {
    return this.#table.bankOf(this.#table.version)[this.#policy.placement.slotOf(hash)]!;
  }

  /** The owner of `hash`'s slot where another was chosen although it is eligible: it was full. NO_ORDINAL otherwise. */
  overflowedFrom(hash: number, chosen: number): number {
    const owner = this.ownerOf(hash);
    if (owner === chosen || owner >= this.#table.shape.ordinals) return NO_ORDINAL;
    return this.#mayTake(owner, NOTHING_TRIED) ? owner : NO_ORDINAL;
  }

  /** Chooses for `hash` without counting; an ordinal, NONE_ELIGIBLE or ALL_FULL. */
  pick(hash: number, tried: readonly number[] = NOTHING_TRIED): number {
    const table = this.#table;
    for (;;) {
      const version = table.version;
      const ordinal = this.#pickIn(table.bankOf(version), hash, tried);
      if (table.version === version) return ordinal;
    }
  }

  /** The most that a replica may hold now, the next request included, while another is under it. */
  get bound(): number {
    const { loadFactor, loadFloor, maxInFlight } = this.#policy;
    const { totalInFlight, eligible } = this.#table;
    return Math.min(maxInFlight, boundOf(loadFactor, totalInFlight, eligible, loadFloor));
  }

  #pickIn(slots: Uint16Array, hash: number, tried: readonly number[]): number {
    const table = this.#table;
    const slot = this.#policy.placement.slotOf(hash);
    const owner = slots[slot]!;
    const { bound } = this;
    if (owner < table.shape.ordinals && this.#mayTake(owner, tried) && table.inFlight(owner) < bound)
      return owner;
    const near = this.#nearest(slots, slot, bound, tried);
    return near === NO_ORDINAL ? this.#walk(slots, slot, bound, tried) : near;
  }

  /** The first candidate after `start` that is under `bound`, if it is near; NO_ORDINAL otherwise. */
  #nearest(slots: Uint16Array, start: number, bound: number, tried: readonly number[]): number {
    const table = this.#table;
    const { ordinals } = table.shape;
    const end = Math.min(NEAR_SLOTS, slots.length);
    let last = slots[start]!;
    for (let step = 1, slot = start; step < end; step++) {
      slot = slot + 1 === slots.length ? 0 : slot + 1;
      const ordinal = slots[slot]!;
      // on a ring neighbouring slots have one owner
      if (ordinal === last || ordinal >= ordinals) continue;
      last = ordinal;
      if (this.#mayTake(ordinal, tried) && table.inFlight(ordinal) < bound) return ordinal;
    }
    return NO_ORDINAL;
  }

  #mayTake(ordinal: number, tried: readonly number[]): boolean {
    const word = this.#table.stateWord(ordinal);
    return isEligible(word) && this.#suspects[ordinal] !== word && !tried.includes(ordinal);
  }

  /** The first candidate from `start` on: one under `bound` if there is any, else one under the cap. */
  #walk(slots: Uint16Array, start: number, bound: number, tried: readonly number[]): number {
    const loads = this.#loads;
    const least = this.#readLoads(tried);
    if (least === Number.POSITIVE_INFINITY) return NONE_ELIGIBLE;
    const { maxInFlight } = this.#policy;
    const limit = least < bound ? bound : maxInFlight;
    if (least >= limit) return ALL_FULL;
    // where the least is held by one that owns no slot, the first under the cap will have to do
    let otherwise = NONE_ELIGIBLE;
    for (let step = 0, slot = start; step < slots.length; step++) {
      const ordinal = slots[slot]!;
      const load = loads[ordinal] ?? NO_CANDIDATE;
      if (load >= 0 && load < limit) return ordinal;
      if (load >= 0 && otherwise < 0) otherwise = load < maxInFlight ? ordinal : ALL_FULL;
      slot = slot + 1 === slots.length ? 0 : slot + 1;
    }
    return otherwise;
  }

  /** Notes what each candidate holds; the least of it, or infinity when there is no candidate. */
  #readLoads(tried: readonly number[]): number {
    let least = Number.POSITIVE_INFINITY;
    const { known } = this.#table;
    for (let ordinal = 0; ordinal < known; ordinal++) {
      const load = this.#mayTake(ordinal, tried) ? this.#table.inFlight(ordinal) : NO_CANDIDATE;
      this.#loads[ordinal] = load;
      if (load >= 0 && load < least) least = load;
    }
    return least;
  }
}
