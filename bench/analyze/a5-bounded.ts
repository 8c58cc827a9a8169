/**
 * What arXiv 1608.01350 promises of bounded loads, on core's bound and core's points: no bin above ⌈c·m/n⌉, and a
 * number of moves for each update that does not depend on n. Pure.
 */

import { hashText } from '../../lib/core/hashing/hash.ts';
import { ringPlacement } from '../../lib/core/hashing/ring.ts';
import { type Bin, binsOf, evenBound, placeAll, placeInTurn } from './bounded.ts';
import { type Random, seeded, wholeBetween } from './random.ts';
import { spreadOf, tally } from './statistics.ts';

export interface BoundedResult {
  readonly loadFactor: number;
  readonly bins: number;
  readonly balls: number;
  /** ⌈c·m/n⌉. */
  readonly bound: number;
  /** The most on a bin by the paper's algorithm, and by the balancer's own pick. */
  readonly most: number;
  readonly mostByPick: number;
  readonly updates: number;
  /** Other balls that move when one comes; a mean over the updates. */
  readonly movesPerBall: number;
  /** Balls that move when a bin goes, as a multiple of the m/n that have to. */
  readonly movesPerBin: number;
}

/** Balls for each bin. */
const BALLS_EACH = 10;

/** The bins of `after` by their names in terms of `before`, so that owners can be compared. */
function movesBetween(
  before: { readonly bins: readonly Bin[]; readonly owners: ArrayLike<number> },
  after: { readonly bins: readonly Bin[]; readonly owners: ArrayLike<number> },
): number {
  let moves = 0;
  for (let ball = 0; ball < before.owners.length; ball++)
    if (before.bins[before.owners[ball]!]!.name !== after.bins[after.owners[ball]!]!.name) moves++;
  return moves;
}

const hashesOf = (count: number, salt: number) =>
  Uint32Array.from({ length: count }, (_, ball) => hashText(`ball-${ball}`, salt));

const namesOf = (count: number, draw: number) =>
  Array.from({ length: count }, (_, bin) => `bin-${draw}-${bin}`);

/** Other balls that move when one comes, and balls that move when a bin goes ÷ those in a bin, on one draw. */
function movesOf(loadFactor: number, count: number, draw: number, random: Random) {
  const balls = count * BALLS_EACH;
  const hashes = hashesOf(balls, draw);
  // other bins every time: where they lie on the circle matters as much as where the balls do
  const bins = binsOf(namesOf(count, draw));
  const owners = placeAll(bins, hashes, loadFactor);
  // the ball that comes takes its place in the order, which is as good as random
  const at = wholeBetween(random, 0, balls);
  const more = Uint32Array.of(...hashes.subarray(0, at), hashText('one more', draw), ...hashes.subarray(at));
  const grown = Array.from(placeAll(bins, more, loadFactor)).toSpliced(at, 1);
  const fewer = bins.toSpliced(wholeBetween(random, 0, count - 1), 1);
  const shrunk = placeAll(fewer, hashes, loadFactor);
  return {
    perBall: movesBetween({ bins, owners }, { bins, owners: grown }),
    perBin: movesBetween({ bins, owners }, { bins: fewer, owners: shrunk }) / BALLS_EACH,
  };
}

/** One load factor with one number of bins. */
export function studyBounded(
  loadFactor: number,
  count: number,
  { updates, seed }: { readonly updates: number; readonly seed: number },
): BoundedResult {
  const random = seeded(seed, count);
  const draws = Array.from({ length: updates }, (_, draw) => movesOf(loadFactor, count, draw, random));
  const balls = count * BALLS_EACH;
  const hashes = hashesOf(balls, 0);
  const names = namesOf(count, 0);
  const members = names.map((name, ordinal) => ({ name, id: ordinal + 1, ordinal }));
  const picked = placeInTurn(ringPlacement(65_536, 160), members, hashes, loadFactor);
  return {
    loadFactor,
    bins: count,
    balls,
    bound: evenBound(loadFactor, balls - 1, count),
    most: spreadOf(tally(placeAll(binsOf(names), hashes, loadFactor), count)).most,
    mostByPick: spreadOf(tally(picked, count)).most,
    updates,
    movesPerBall: draws.reduce((sum, { perBall }) => sum + perBall, 0) / updates,
    movesPerBin: draws.reduce((sum, { perBin }) => sum + perBin, 0) / updates,
  };
}
