/**
 * Picks by load alone, for requests without a key, by `p2c` or `least`.
 * Invariant: never returns one that is no candidate or is full.
 * Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001 (p2c).
 */
import { NO_ORDINAL } from '../replica.ts';
import type { Candidates } from './candidates.ts';
import { ALL_FULL, NONE_ELIGIBLE } from './pick-codes.ts';
import { isEligible, type RouteTable } from './route-table.ts';

/** How a replica is chosen: by the request's key, or by load. */
export type Balance = 'hash' | LoadBalance;
/**
 * `p2c`: two replicas at random, and of these the one with less in flight for its weight. `least`: the one with least
 * of all.
 */
export type LoadBalance = 'p2c' | 'least';
export const BALANCES: readonly Balance[] = ['hash', 'p2c', 'least'];

const PER_RANDOM = 2 ** -32;
/** In place of the table's `changes` before the eligible replicas were first listed. */
const NOT_LISTED = -1;

/** What a choice by load goes by. */
export interface LoadLimits {
  readonly balance: LoadBalance;
  readonly maxInFlight: number;
}

export class LoadPicker {
  readonly #table: RouteTable;
  readonly #candidates: Candidates;
  #isLeast: boolean;
  #maxInFlight: number;
  /** The eligible ordinals, the first `#count` of these, as of the table's `#changes`. */
  readonly #eligible: Uint16Array;
  #count = 0;
  #changes = NOT_LISTED;
  /** State of a xorshift32 generator (G. Marsaglia, 2003); never 0. */
  #random: number;
  /**
   * Where the next look at all begins: at another replica each time, or the first would get all requests of an idle
   * fleet.
   */
  #start = 0;
  /** The two that were drawn last; NO_ORDINAL where there were fewer. */
  #first = NO_ORDINAL;
  #second = NO_ORDINAL;

  /** `seed` differs between threads, so that they do not draw the same replicas. */
  constructor(table: RouteTable, candidates: Candidates, { balance, maxInFlight }: LoadLimits, seed: number) {
    this.#table = table;
    this.#candidates = candidates;
    this.#isLeast = balance === 'least';
    this.#maxInFlight = maxInFlight;
    this.#eligible = new Uint16Array(table.shape.ordinals);
    this.#random = seed | 0 || 1;
  }

  /** Goes by other limits from now on. */
  configure({ balance, maxInFlight }: LoadLimits): void {
    this.#isLeast = balance === 'least';
    this.#maxInFlight = maxInFlight;
  }

  /**
   * Chooses without counting; an ordinal, NONE_ELIGIBLE or ALL_FULL. p2c costs two loads, whatever the size of the
   * fleet, and a look at all eligible replicas only where neither of the two will do; `least` always looks at all of
   * them.
   */
  pick(tried: readonly number[]): number {
    if (this.#table.changes !== this.#changes) this.#listEligible();
    if (this.#isLeast) return this.#leastOfAll(tried);
    this.#draw();
    const first = this.#first;
    const second = this.#second;
    const canFirst = this.#canTake(first, tried);
    const canSecond = this.#canTake(second, tried);
    if (canFirst && canSecond) return this.#isLighter(second, first) ? second : first;
    if (canFirst) return first;
    return canSecond ? second : this.#leastOfAll(tried);
  }

  /** The two that the last pick chose from; empty where it looked at all. */
  get drawn(): readonly number[] {
    return this.#isLeast ? [] : [this.#first, this.#second].filter((ordinal) => ordinal !== NO_ORDINAL);
  }

  #listEligible(): void {
    const table = this.#table;
    // first: a change that comes while the list is made is seen at the next pick
    this.#changes = table.changes;
    const { known } = table;
    let count = 0;
    for (let ordinal = 0; ordinal < known; ordinal++)
      if (isEligible(table.stateWord(ordinal))) this.#eligible[count++] = ordinal;
    this.#count = count;
  }

  /** Two different ones of the list at random, or as many as there are. */
  #draw(): void {
    const count = this.#count;
    this.#first = NO_ORDINAL;
    this.#second = NO_ORDINAL;
    if (count === 0) return;
    const first = this.#below(count);
    this.#first = this.#eligible[first]!;
    if (count === 1) return;
    const second = this.#below(count - 1);
    this.#second = this.#eligible[second < first ? second : second + 1]!;
  }

  /** A random whole number from 0, below `limit`. */
  #below(limit: number): number {
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random = random;
    return ((random >>> 0) * PER_RANDOM * limit) | 0;
  }

  #canTake(ordinal: number, tried: readonly number[]): boolean {
    return (
      ordinal !== NO_ORDINAL &&
      this.#candidates.includes(ordinal, tried) &&
      this.#table.inFlight(ordinal) < this.#maxInFlight
    );
  }

  /** True where one more request is less for `one` than for `other`, by their weights. */
  #isLighter(one: number, other: number): boolean {
    const table = this.#table;
    return (table.inFlight(one) + 1) * table.weight(other) < (table.inFlight(other) + 1) * table.weight(one);
  }

  #leastOfAll(tried: readonly number[]): number {
    const table = this.#table;
    const count = this.#count;
    let least = NONE_ELIGIBLE;
    let leastLoad = 0;
    let leastWeight = 0;
    this.#start = this.#start + 1 < count ? this.#start + 1 : 0;
    for (let step = 0, at = this.#start; step < count; step++) {
      const ordinal = this.#eligible[at]!;
      at = at + 1 === count ? 0 : at + 1;
      if (!this.#candidates.includes(ordinal, tried)) continue;
      const load = table.inFlight(ordinal);
      const weight = table.weight(ordinal);
      if (load >= this.#maxInFlight) {
        if (least === NONE_ELIGIBLE) least = ALL_FULL;
      } else if (least < 0 || (load + 1) * leastWeight < (leastLoad + 1) * weight) {
        least = ordinal;
        leastLoad = load;
        leastWeight = weight;
      }
    }
    return least;
  }
}
