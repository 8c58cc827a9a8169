/**
 * A-4: A-1 and A-2 again, without sockets, for other hash functions and structures; each with and without bounded
 * load. The ids are 1 to 10,000, in their order, as where the textbook's values are known.
 */
import { requestSlot, vnodeSlot } from '../../lib/core/hashing/classic.ts';
import { mix32 } from '../../lib/core/hashing/hash.ts';
import type { Member } from '../../lib/core/replica.ts';
import { placeInTurn } from './bounded.ts';
import type { Lab } from './lab.ts';
import { seeded } from './random.ts';
import { movedShare, type Quantiles, quantilesOf, spreadOf, tally } from './statistics.ts';
import { CLASSIC_SLOTS, classicWith, type Family, homeBy, STRUCTURES, type Structure } from './structures.ts';

export const A4_SIZES: readonly number[] = [2, 3, 4, 5, 6];
export const A4_LOAD_FACTOR = 1.25;
const LARGEST = A4_SIZES.at(-1)!;
/** Fleets of other names and ids, to tell a structure from a lucky or unlucky draw. */
const FLEETS = 10;
/** Random Φs. */
const DRAWS = 1000;

/** One structure over the sizes, for replicas S1, S2… with ids from 1. */
export interface Curve {
  /** Most ÷ mean at each of A4_SIZES. */
  readonly imbalance: readonly number[];
  /** Share of ids that moved at each step from one size to the next. */
  readonly moved: readonly number[];
}

export interface StructureResult {
  readonly name: string;
  readonly family: Family;
  /** The load factor; 0 is no bound. */
  readonly loadFactor: number;
  readonly curve: Curve;
  /** Over the fleets: the mean most ÷ mean, and the share that moved as a multiple of the ideal 1 ÷ N. */
  readonly imbalance: Quantiles;
  readonly movedToIdeal: Quantiles;
}

/** A value that is known from elsewhere, beside ours. */
export interface Known {
  readonly what: string;
  readonly known: number;
  readonly ours: number;
  /** How it has to be read to come out so. */
  readonly reading: string;
}

export interface A4 {
  readonly ids: number;
  readonly fleets: number;
  readonly results: readonly StructureResult[];
  readonly known: readonly Known[];
  /** Most ÷ mean at N = 3 with the textbook's H under random Φs. */
  readonly randomPhi: Quantiles & {
    readonly draws: number;
    readonly below131: number;
    readonly evener: number;
  };
}

/** Replicas of one fleet: the first is S1, S2…, the others have other names and ids. */
export function fleetOf(fleet: number, size: number): readonly Member[] {
  const first = fleet * LARGEST;
  return Array.from({ length: size }, (_, ordinal) => ({
    name: `S${first + ordinal + 1}`,
    id: first + ordinal + 1,
    ordinal,
  }));
}

function ownersAt(
  { placement }: Structure,
  members: readonly Member[],
  hashes: Uint32Array,
  loadFactor: number,
) {
  if (loadFactor > 0) return placeInTurn(placement, members, hashes, loadFactor);
  const table = new Uint16Array(placement.slots);
  placement.build(members, table);
  return Uint16Array.from(hashes, (hash) => table[placement.slotOf(hash)]!);
}

export function curveOf(structure: Structure, fleet: number, hashes: Uint32Array, loadFactor: number): Curve {
  const owners = A4_SIZES.map((size) => ownersAt(structure, fleetOf(fleet, size), hashes, loadFactor));
  return {
    imbalance: owners.map((given, at) => spreadOf(tally(given, A4_SIZES[at]!)).imbalance),
    moved: owners.slice(1).map((after, at) => movedShare(owners[at]!, after)),
  };
}

const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function resultOf(
  structure: Structure,
  ids: Uint32Array,
  loadFactor: number,
  fleets: number,
): StructureResult {
  const hashes = ids.map((id) => structure.hashOf(id));
  // the textbook counts its ids from 1, so it has one fleet of a size; elsewhere names and ids are the user's
  const count = structure.family === 'textbook' ? 1 : fleets;
  const curves = Array.from({ length: count }, (_, fleet) => curveOf(structure, fleet, hashes, loadFactor));
  const toIdeal = ({ moved }: Curve) => meanOf(moved.map((share, at) => share * A4_SIZES[at + 1]!));
  return {
    name: structure.name,
    family: structure.family,
    loadFactor,
    curve: curves[0]!,
    imbalance: quantilesOf(curves.map(({ imbalance }) => meanOf(imbalance))),
    movedToIdeal: quantilesOf(curves.map(toIdeal)),
  };
}

/** Most ÷ mean of three replicas with ids 1 to 3, over `ids`, or over the slots themselves. */
function imbalanceOfThree(structure: Structure, ids: Uint32Array | 'slots'): number {
  const table = new Uint16Array(structure.placement.slots);
  structure.placement.build(fleetOf(0, 3), table);
  if (ids === 'slots') return spreadOf(tally(table, 3)).imbalance;
  return spreadOf(
    tally(
      ids.map((id) => table[structure.placement.slotOf(structure.hashOf(id))]!),
      3,
    ),
  ).imbalance;
}

function randomPhi(ids: Uint32Array, seed: number, draws: number): A4['randomPhi'] {
  const weights = tally(
    ids.map((id) => requestSlot(id, CLASSIC_SLOTS)),
    CLASSIC_SLOTS,
  );
  const random = seeded(seed, 0xa4);
  const under = (home: typeof vnodeSlot) => {
    const table = new Uint16Array(CLASSIC_SLOTS);
    classicWith(() => 0, home).build(fleetOf(0, 3), table);
    const counts = new Float64Array(3);
    for (const [slot, owner] of table.entries()) counts[owner] = counts[owner]! + weights[slot]!;
    return spreadOf(counts).imbalance;
  };
  const values = Array.from({ length: draws }, () => {
    const salt = Math.floor(random() * 2 ** 32);
    return under(homeBy((n) => mix32((mix32(n) ^ salt) >>> 0)));
  });
  const textbook = under(vnodeSlot);
  return {
    ...quantilesOf(values),
    draws,
    below131: values.filter((value) => value < 1.31).length / draws,
    evener: values.filter((value) => value < textbook).length / draws,
  };
}

const named = (name: string) => STRUCTURES.find((structure) => structure.name === name)!;

function knownValues(textbook: Curve, ids: Uint32Array): readonly Known[] {
  const asIs = [1.91, 2.53, 3.28, 3.98, 4.73].map((known, at) => ({
    what: `textbook, N = ${A4_SIZES[at]}`,
    known,
    ours: textbook.imbalance[at]!,
    reading: 'replica ids 1…N, request ids 1…10,000',
  }));
  return [
    ...asIs,
    {
      what: 'only H replaced, N = 3',
      known: 2.68,
      ours: imbalanceOfThree(named('only H: murmur finaliser'), 'slots'),
      reading: 'the busiest replica’s slots: what every even H comes to, whichever it is',
    },
    {
      what: 'only H replaced, N = 3',
      known: 2.68,
      ours: imbalanceOfThree(named('only H: multiplicative'), ids),
      reading: 'multiplicative H, request ids 1…10,000',
    },
    {
      what: 'only Φ replaced, N = 3',
      known: 1.31,
      ours: imbalanceOfThree(named('only Φ: murmur3 of the text'), ids),
      reading: 'murmur3 of the text “S”, id, j (such as S10 for i = 1, j = 0) mod 512, request ids 1…10,000',
    },
  ];
}

/** `ids` and `fleets` are smaller in tests. */
export async function runA4(
  lab: Lab,
  { ids: count = 10_000, fleets = FLEETS, draws = DRAWS } = {},
): Promise<A4> {
  const ids = Uint32Array.from({ length: count }, (_, at) => at + 1);
  const results: StructureResult[] = [];
  for (const [at, structure] of STRUCTURES.entries()) {
    lab.progress(at / STRUCTURES.length, structure.name);
    // lets a signal in
    await new Promise((resolve) => setImmediate(resolve));
    for (const loadFactor of [0, A4_LOAD_FACTOR]) results.push(resultOf(structure, ids, loadFactor, fleets));
  }
  return {
    ids: count,
    fleets,
    results,
    known: knownValues(results[0]!.curve, ids),
    randomPhi: randomPhi(ids, lab.options.seed, draws),
  };
}
