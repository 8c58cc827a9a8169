/**
 * Rendezvous hashing kept as a table: every slot belongs to the member with the best score for it, so a lookup is one
 * read and not a contest.
 * Invariants: names and weights alone decide placement, not ids, ordinals or the order in which members are given; a
 * change moves exactly the slots that a member gains or gives up, and no slot between two others.
 * Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM ToN 6(1), 1998;
 * Mosharaf-Dastjerdi, "Weighted rendezvous hashing".
 */

import { type Member, weightOf } from '../replica.ts';
import { hashText, mix32 } from './hash.ts';
import { NO_OWNER, type Placement } from './slot-table.ts';

/**
 * Part of the placement; it stays as it is. Of some 5,000 seeds it was chosen so that S1, S2, …, the names that replicas
 * have where nobody names them, come out well: 1:2:5 within 0.77 % in every order, equal shares of 3, 10 and 100 within
 * 0.2, 0.9 and 7.9 % of their mean. To other names all seeds are alike.
 */
const NAME_SEED = 0x336;
/** The owner of a slot that must be decided anew. */
const UNDECIDED = -1;
const PER_HASH = 2 ** -32;
const HALF_HASH = 2 ** -33;
const SIGN = 0x80000000 | 0;

/**
 * Placement on `slots` slots (a whole number from 1, else a RangeError). The first `build` computes slots · members
 * scores, about 3 ns each; later ones take one score a slot for each new member, and one for each member and slot
 * that a removed member had: about 1 ms for 65,536 slots, whatever the number of members.
 */
export function rendezvousPlacement(slots: number): Placement {
  if (!Number.isInteger(slots) || slots < 1)
    throw new RangeError(`rendezvous needs slots, and ${slots} is none`);
  return new RendezvousPlacement(slots);
}

/** Members with a weight, in columns; a row is a member. */
interface Contenders {
  readonly names: readonly string[];
  readonly seeds: Int32Array;
  readonly weights: Float64Array;
}

const NOBODY: Contenders = { names: [], seeds: new Int32Array(0), weights: new Float64Array(0) };

/** What differs between two lists of contenders. */
interface Difference {
  /** [row of the old list]: its row in the new list; UNDECIDED where it has gone or has less weight. */
  readonly rows: Int32Array;
  /** Rows of the new list that are new or have more weight. */
  readonly challengers: Int32Array;
}

/** `slotOf` repeats that of `MaglevPlacement`; the reason is there. */
class RendezvousPlacement implements Placement {
  readonly algorithm = 'rendezvous';
  readonly slots: number;
  #slotsPerHash = 0.5;
  /**
   * The last build: who took part, the row that owns each slot, and the score by which it does. It only saves work:
   * the table is a pure function of the members.
   */
  #last = NOBODY;
  #owners = new Int32Array(0);
  #best = new Float64Array(0);

  constructor(slots: number) {
    this.slots = slots;
    this.#slotsPerHash = slots / 2 ** 32;
  }

  build(members: readonly Member[], table: Uint16Array): void {
    this.#allocate();
    const weighted = members.filter((member) => weightOf(member) > 0);
    const contenders = contendersOf(weighted);
    if (contenders.names.length > 0) this.#decide(contenders);
    else this.#owners.fill(UNDECIDED);
    this.#last = contenders;
    const owners = this.#owners;
    for (let slot = 0; slot < table.length; slot++) {
      const owner = owners[slot]!;
      table[slot] = owner === UNDECIDED ? NO_OWNER : weighted[owner]!.ordinal;
    }
  }

  slotOf(hash: number): number {
    return (hash * this.#slotsPerHash) >>> 0;
  }

  /** With the first build: data threads have placements that look up and never build. */
  #allocate(): void {
    if (this.#owners.length > 0) return;
    this.#owners = new Int32Array(this.slots).fill(UNDECIDED);
    this.#best = new Float64Array(this.slots);
  }

  /** Brings owners and scores from the last contenders to these. */
  #decide(contenders: Contenders): void {
    const { rows, challengers } = differenceOf(this.#last, contenders);
    const owners = this.#owners;
    const all = Int32Array.from(contenders.names.keys());
    const isEven = contenders.weights.every((weight) => weight === contenders.weights[0]);
    for (let slot = 0; slot < owners.length; slot++) {
      const last = owners[slot]!;
      const owner = last === UNDECIDED ? UNDECIDED : rows[last]!;
      owners[slot] = owner;
      if (owner !== UNDECIDED) this.#contest(slot, contenders, challengers);
      else if (isEven) this.#giveToHighest(slot, contenders);
      else {
        this.#best[slot] = Number.POSITIVE_INFINITY;
        this.#contest(slot, contenders, all);
      }
    }
  }

  /** Of equal weights the row with the highest hash has the best score. */
  #giveToHighest(slot: number, contenders: Contenders): void {
    const key = mix32(slot) | 0;
    const row = highestOf(key, contenders);
    this.#owners[slot] = row;
    this.#best[slot] = -Math.log(1 - missingOf(contenders.seeds[row]!, key)) / contenders.weights[row]!;
  }

  /**
   * Gives the slot to one of the rows `among` whose score is better than its owner's, the best of them. The best
   * score is the smallest −ln(u) ÷ weight (the logarithmic method); Math.log is V8's own port of fdlibm, so all
   * machines compute the same scores.
   */
  #contest(slot: number, { names, seeds, weights }: Contenders, among: Int32Array): void {
    const key = mix32(slot) | 0;
    let owner = this.#owners[slot]!;
    let best = this.#best[slot]!;
    for (let at = 0; at < among.length; at++) {
      const row = among[at]!;
      const missing = missingOf(seeds[row]!, key);
      const weight = weights[row]!;
      // −ln(u) is above 1 − u, so most rows lose without a logarithm
      if (missing >= best * weight) continue;
      const score = -Math.log(1 - missing) / weight;
      if (score < best || (score === best && names[row]! < names[owner]!)) {
        owner = row;
        best = score;
      }
    }
    this.#owners[slot] = owner;
    this.#best[slot] = best;
  }
}

/** 32 bits of a name's seed and a slot's key: `mix32` of both, left signed. */
const hashOf = (seed: number, key: number): number => {
  let hash = seed ^ key;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
};

/** 1 − u, where u is the hash as a number between 0 and 1. */
const missingOf = (seed: number, key: number): number => (~hashOf(seed, key) >>> 0) * PER_HASH + HALF_HASH;

/** The row with the highest hash; of several the lesser name. */
function highestOf(key: number, { names, seeds }: Contenders): number {
  let highest = 0;
  // flipping the sign bit makes signed comparison that of unsigned numbers, which V8 does in half the time
  let top = hashOf(seeds[0]!, key) ^ SIGN;
  for (let row = 1; row < seeds.length; row++) {
    const hash = hashOf(seeds[row]!, key) ^ SIGN;
    if (hash < top || (hash === top && names[row]! > names[highest]!)) continue;
    highest = row;
    top = hash;
  }
  return highest;
}

function contendersOf(members: readonly Member[]): Contenders {
  return {
    names: members.map(({ name }) => name),
    seeds: Int32Array.from(members, ({ name }) => hashText(name, NAME_SEED)),
    weights: Float64Array.from(members, weightOf),
  };
}

function differenceOf(before: Contenders, after: Contenders): Difference {
  const rowsBefore = new Map(before.names.map((name, row) => [name, row]));
  const rows = new Int32Array(before.names.length).fill(UNDECIDED);
  const challengers: number[] = [];
  for (const [row, name] of after.names.entries()) {
    const last = rowsBefore.get(name);
    const change = last === undefined ? 1 : after.weights[row]! - before.weights[last]!;
    if (last !== undefined && change >= 0) rows[last] = row;
    if (change > 0) challengers.push(row);
  }
  return { rows, challengers: Int32Array.from(challengers) };
}
