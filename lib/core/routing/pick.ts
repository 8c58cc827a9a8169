/**
 * Which replica gets a request: its owner, or the first after it on the ring that may and can take it; one without a
 * key is given by load (`load-picker.ts`).
 * Must not hold: retry policy, queues, sockets; it is pure but for the shared table it reads.
 * Invariants: never returns one that is not eligible, is to be avoided, or holds `maxInFlight` already; for a request
 * with a key keeps to the load bound while any candidate is under it.
 */

import { NO_KEY } from '../hashing/hash-key.ts';
import { NO_OWNER, type Placement } from '../hashing/slot-table.ts';
import { NO_ORDINAL } from '../replica.ts';
import { boundOf, MILLION } from './bounded-load.ts';
import { Candidates } from './candidates.ts';
import { type Balance, type LoadLimits, LoadPicker } from './load-picker.ts';
import { ALL_FULL, NONE_ELIGIBLE } from './pick-codes.ts';
import type { RouteTable } from './route-table.ts';

/** Slots after the owner's that are searched before all ordinals are looked at. */
const NEAR_SLOTS = 256;

/** What a look at all ordinals finds: one that is under its bound, or that is over it and not full. */
const UNDER_BOUND = 1;
const UNDER_CAP = 0;

/** The load of a replica that is no candidate. */
const NO_CANDIDATE = -1;

/** What may change while requests are given to replicas. */
export interface PickLimits {
  /** Bounded load; 0 is off. */
  readonly loadFactor: number;
  /** The load bound is never below it. */
  readonly loadFloor: number;
  readonly maxInFlight: number;
  /** How requests without a key are given: `least` only where it is said, p2c otherwise. */
  readonly balance?: Balance;
}

export interface PickPolicy extends PickLimits {
  readonly placement: Placement;
  /** Of the random choices; another for each thread. */
  readonly seed?: number;
}

const NOTHING_TRIED: readonly number[] = [];

/** A picker over one table: `pick` chooses, `lease` chooses and counts the request in flight. */
export class Picker {
  readonly #table: RouteTable;
  #policy: PickPolicy;
  readonly #candidates: Candidates;
  readonly #byLoad: LoadPicker;
  /** The load factor in whole millionths; infinity where it is off. */
  #millionths: number;
  /** What each candidate held at the last look, NO_CANDIDATE for the others; kept to save an allocation. */
  readonly #loads: Int32Array;

  constructor(table: RouteTable, policy: PickPolicy) {
    this.#table = table;
    this.#policy = policy;
    this.#candidates = new Candidates(table);
    this.#byLoad = new LoadPicker(table, this.#candidates, loadLimitsOf(policy), policy.seed ?? 1);
    this.#millionths = millionthsOf(policy);
    this.#loads = new Int32Array(table.shape.ordinals).fill(NO_CANDIDATE);
  }

  /** Chooses by other limits from now on. */
  configure(limits: PickLimits): void {
    this.#policy = { ...this.#policy, ...limits };
    this.#millionths = millionthsOf(limits);
    this.#byLoad.configure(loadLimitsOf(limits));
  }

  /** Keeps this thread off the replica until the control plane has looked at it (its state word changes). */
  suspect(ordinal: number, word: number): void {
    this.#candidates.suspect(ordinal, word);
  }

  /** Chooses for `hash` (unsigned 32 bits, or NO_KEY) and counts it in flight; an ordinal, NONE_ELIGIBLE or ALL_FULL. */
  lease(hash: number, tried: readonly number[] = NOTHING_TRIED): number {
    for (;;) {
      const ordinal = this.pick(hash, tried);
      if (ordinal < 0) return ordinal;
      // another thread may have taken the last place since; then look again
      if (this.#table.acquire(ordinal, this.#policy.maxInFlight)) return ordinal;
    }
  }

  /**
   * Counts a request of a client that has the sticky cookie of this replica in flight there; false where the replica may
   * not or cannot take it. The load bound is not for such requests.
   */
  leaseForSession(ordinal: number, tried: readonly number[] = NOTHING_TRIED): boolean {
    return (
      this.#candidates.includesForSession(ordinal, tried) &&
      this.#table.acquire(ordinal, this.#policy.maxInFlight)
    );
  }

  /** The owner of the slot that `hash` falls on, eligible or not; NO_OWNER while there is no replica, or for NO_KEY. */
  ownerOf(hash: number): number {
    if (hash === NO_KEY) return NO_OWNER;
    return this.#table.bankOf(this.#table.version)[this.#policy.placement.slotOf(hash)]!;
  }

  /** The owner of `hash`'s slot where another was chosen although it is eligible: it was full. NO_ORDINAL otherwise. */
  overflowedFrom(hash: number, chosen: number): number {
    const owner = this.ownerOf(hash);
    if (owner === chosen || owner >= this.#table.shape.ordinals) return NO_ORDINAL;
    return this.#candidates.includes(owner, NOTHING_TRIED) ? owner : NO_ORDINAL;
  }

  /**
   * Chooses for `hash` without counting; an ordinal, NONE_ELIGIBLE or ALL_FULL. With a key it costs one slot read
   * when the owner can take it; otherwise a walk over the next slots, whatever the size of the fleet; a pass over all
   * ordinals only where no candidate near is under its bound, as in a fleet that is full.
   */
  pick(hash: number, tried: readonly number[] = NOTHING_TRIED): number {
    if (hash === NO_KEY) return this.#byLoad.pick(tried);
    const table = this.#table;
    for (;;) {
      const version = table.version;
      const ordinal = this.#pickIn(table.bankOf(version), hash, tried);
      if (table.version === version) return ordinal;
    }
  }

  /** The two replicas between which the last pick by load chose; empty where it chose among all. */
  get drawn(): readonly number[] {
    return this.#byLoad.drawn;
  }

  /** The most that the replica may hold now, the next request included, while another is under its own bound. */
  boundOf(ordinal: number): number {
    const { loadFactor, loadFloor, maxInFlight } = this.#policy;
    const { totalInFlight, eligibleWeight } = this.#table;
    const load = { totalInFlight, weight: this.#table.weight(ordinal), totalWeight: eligibleWeight };
    return Math.min(maxInFlight, boundOf(loadFactor, loadFloor, load));
  }

  #pickIn(slots: Uint16Array, hash: number, tried: readonly number[]): number {
    const table = this.#table;
    const slot = this.#policy.placement.slotOf(hash);
    const owner = slots[slot]!;
    // a load is under the bound ⌈c · (m + 1) · w ÷ W⌉ where load · W < c · (m + 1) · w, which needs no division
    const allowance = this.#millionths * (table.totalInFlight + 1);
    if (owner < table.shape.ordinals && this.#candidates.includes(owner, tried)) {
      if (this.#isUnder(owner, table.inFlight(owner), allowance)) return owner;
    }
    const near = this.#nearest(slots, slot, allowance, tried);
    return near === NO_ORDINAL ? this.#walk(slots, slot, allowance, tried) : near;
  }

  /** True where the replica, with `load` in flight, may take one more within its bound. */
  #isUnder(ordinal: number, load: number, allowance: number): boolean {
    const { loadFloor, maxInFlight } = this.#policy;
    if (load >= maxInFlight) return false;
    const table = this.#table;
    return load < loadFloor || load * MILLION * table.eligibleWeight < allowance * table.weight(ordinal);
  }

  /** The first candidate after `start` that is under its bound, if it is near; NO_ORDINAL otherwise. */
  #nearest(slots: Uint16Array, start: number, allowance: number, tried: readonly number[]): number {
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
      if (!this.#candidates.includes(ordinal, tried)) continue;
      if (this.#isUnder(ordinal, table.inFlight(ordinal), allowance)) return ordinal;
    }
    return NO_ORDINAL;
  }

  /** The first candidate from `start` on: one under its bound if there is any, else one under the cap. */
  #walk(slots: Uint16Array, start: number, allowance: number, tried: readonly number[]): number {
    const found = this.#readLoads(allowance, tried);
    if (found < 0) return found;
    const { maxInFlight } = this.#policy;
    // where all that are under their bounds own no slot, the first under the cap will have to do
    let otherwise = NONE_ELIGIBLE;
    for (let step = 0, slot = start; step < slots.length; step++) {
      const ordinal = slots[slot]!;
      const load = this.#loads[ordinal] ?? NO_CANDIDATE;
      slot = slot + 1 === slots.length ? 0 : slot + 1;
      if (load === NO_CANDIDATE) continue;
      const hasRoom = load < maxInFlight;
      if (found === UNDER_BOUND ? this.#isUnder(ordinal, load, allowance) : hasRoom) return ordinal;
      if (otherwise < 0) otherwise = hasRoom ? ordinal : ALL_FULL;
    }
    return otherwise;
  }

  /** Notes what each candidate holds; UNDER_BOUND, UNDER_CAP, NONE_ELIGIBLE or ALL_FULL, whichever the best of them is. */
  #readLoads(allowance: number, tried: readonly number[]): number {
    const { known } = this.#table;
    const { maxInFlight } = this.#policy;
    let found = NONE_ELIGIBLE;
    for (let ordinal = 0; ordinal < known; ordinal++) {
      const isCandidate = this.#candidates.includes(ordinal, tried);
      const load = isCandidate ? this.#table.inFlight(ordinal) : NO_CANDIDATE;
      this.#loads[ordinal] = load;
      if (!isCandidate || found === UNDER_BOUND) continue;
      if (this.#isUnder(ordinal, load, allowance)) found = UNDER_BOUND;
      else if (load < maxInFlight) found = UNDER_CAP;
      else if (found === NONE_ELIGIBLE) found = ALL_FULL;
    }
    return found;
  }
}

function millionthsOf({ loadFactor }: PickLimits): number {
  return loadFactor === 0 ? Number.POSITIVE_INFINITY : Math.round(loadFactor * MILLION);
}

function loadLimitsOf({ balance, maxInFlight }: PickLimits): LoadLimits {
  return { balance: balance === 'least' ? balance : 'p2c', maxInFlight };
}
