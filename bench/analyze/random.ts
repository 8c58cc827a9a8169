/** Chance that can be repeated: a seeded generator and what the experiments draw from it. */
import { mix32 } from '../../lib/core/hashing/hash.ts';

/** A stream of numbers from 0 up to, not including, 1. */
export type Random = () => number;

/** Mixed steps of the golden ratio (Weyl sequence), 2^32 long; `stream` tells apart what one seed is used for. */
export function seeded(seed: number, stream = 0): Random {
  let state = mix32((seed ^ mix32(stream + 1)) >>> 0);
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    return mix32(state) / 2 ** 32;
  };
}

/** A whole number from `from` to `to`, both included. */
export function wholeBetween(random: Random, from: number, to: number): number {
  return from + Math.floor(random() * (to - from + 1));
}

/** Request ids as the textbook has them: random numbers of six digits, some of them twice. */
export function requestIds(seed: number, count: number): readonly string[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => String(wholeBetween(random, 100_000, 999_999)));
}

/** A copy in random order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = wholeBetween(random, 0, last);
    [copy[last], copy[other]] = [copy[other]!, copy[last]!];
  }
  return copy;
}
