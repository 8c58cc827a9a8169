/**
 * Picks by load, for requests without a key, by `p2c` or `least`; p2c also by how fast each replica responds.
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
 * `p2c`: two replicas at random, and of these the one with less in flight for its weight and speed, unless that has far more than
 * the mean: then two others are drawn, or in a small fleet the lightest of all is taken. `least`: always the lightest.
 */
export type LoadBalance = 'p2c' | 'least';
export const BALANCES: readonly Balance[] = ['hash', 'p2c', 'least'];

const PER_RANDOM = 2 ** -32;
/** In place of the table's `changes` before the eligible replicas were first listed. */
const NOT_LISTED = -1;

/** The load of a replica that may not or cannot take a request. */
const NOT_OPEN = -1;
/** In a fleet of no more than these, p2c's second look is one at all of them. */
const SMALL_FLEET = 8;

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
  /**
   * [ordinal]: its weight, for p2c times its speed, and those of the eligible ones together, as of the same: one number
   * is read faster than two. The sum may pass 2^31, so it begins as a double.
   */
  readonly #weights: Int32Array;
  #totalWeight = -0;
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
    this.#weights = new Int32Array(table.shape.ordinals);
    this.#random = seed | 0 || 1;
  }

  /** Goes by other limits from now on. */
  configure({ balance, maxInFlight }: LoadLimits): void {
    this.#isLeast = balance === 'least';
    this.#maxInFlight = maxInFlight;
    this.#changes = NOT_LISTED;
  }

  /**
   * Chooses without counting; an ordinal, NONE_ELIGIBLE or ALL_FULL. p2c costs a few loads, whatever the size of the
   * fleet, and a look at all eligible replicas only where neither of the two will do; `least` always looks at all of
   * them.
   */
  pick(tried: readonly number[]): number {
    // the atomic load that the plain ones below need before them
    if (this.#table.changes !== this.#changes) this.#listEligible();
    if (this.#isLeast) return this.#leastOfAll(tried);
    const lighter = this.#lighterOfTwo(tried);
    if (lighter === NO_ORDINAL) return this.#leastOfAll(tried);
    return this.#isOverloaded(lighter) ? this.#lighterThan(lighter, tried) : lighter;
  }

  /** The two that the last pick chose from; empty where it looked at all. */
  get drawn(): readonly number[] {
    return this.#isLeast ? [] : [this.#first, this.#second].filter((ordinal) => ordinal !== NO_ORDINAL);
  }

  /** Draws two, and gives the lighter of those that may and can take the request; NO_ORDINAL where neither does. */
  #lighterOfTwo(tried: readonly number[]): number {
    this.#draw();
    const first = this.#first;
    const second = this.#second;
    const firstLoad = this.#openLoad(first, tried);
    const secondLoad = this.#openLoad(second, tried);
    if (secondLoad === NOT_OPEN) return firstLoad === NOT_OPEN ? NO_ORDINAL : first;
    if (firstLoad === NOT_OPEN) return second;
    const weights = this.#weights;
    return (secondLoad + 1) * weights[first]! < (firstLoad + 1) * weights[second]! ? second : first;
  }

  /**
   * Both that were drawn are overloaded, so most of the others are lighter. Without this second look a request queues
   * behind a slow replica whenever the other one drawn happens to be busy, and p2c's 99th percentile is made of these.
   */
  #lighterThan(drawn: number, tried: readonly number[]): number {
    if (this.#count <= SMALL_FLEET) return this.#leastOfAll(tried);
    const other = this.#lighterOfTwo(tried);
    return other !== NO_ORDINAL && this.#isLighter(other, drawn) ? other : drawn;
  }

  /** True where the replica holds more than 1.2 times the mean of the eligible ones for its weight. */
  #isOverloaded(ordinal: number): boolean {
    const { totalInFlight } = this.#table;
    const load = this.#table.inFlight(ordinal) * this.#totalWeight;
    return load * 5 > totalInFlight * this.#weights[ordinal]! * 6;
  }

  #listEligible(): void {
    const table = this.#table;
    // first: a change that comes while the list is made is seen at the next pick
    this.#changes = table.changes;
    const { known } = table;
    let count = 0;
    let totalWeight = 0;
    for (let ordinal = 0; ordinal < known; ordinal++) {
      if (!isEligible(table.stateWord(ordinal))) continue;
      const weight = table.weight(ordinal) * (this.#isLeast ? 1 : table.speed(ordinal));
      this.#eligible[count++] = ordinal;
      this.#weights[ordinal] = weight;
      totalWeight += weight;
    }
    this.#count = count;
    this.#totalWeight = totalWeight;
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

  /** What the replica has in flight where it may and can take one more; NOT_OPEN otherwise. */
  #openLoad(ordinal: number, tried: readonly number[]): number {
    if (ordinal === NO_ORDINAL || !this.#candidates.includes(ordinal, tried)) return NOT_OPEN;
    const load = this.#table.inFlight(ordinal);
    return load < this.#maxInFlight ? load : NOT_OPEN;
  }

  /** True where one more request is less for `one` than for `other`, by their weights. */
  #isLighter(one: number, other: number): boolean {
    const table = this.#table;
    const weights = this.#weights;
    return (table.inFlight(one) + 1) * weights[other]! < (table.inFlight(other) + 1) * weights[one]!;
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
      const weight = this.#weights[ordinal]!;
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
