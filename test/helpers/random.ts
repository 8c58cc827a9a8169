/**
 * Chance that can be repeated: everything follows from a seed.
 * The seed is FUZZ_SEED or a fixed number; FUZZ_RUNS sets how many cases a run has.
 */
import { Buffer } from 'node:buffer';

/** Whole numbers that look random and depend on the seed alone (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** Up to `most` characters out of `alphabet`. */
  text(alphabet: string, most: number): string {
    let text = '';
    for (let left = this.below(most + 1); left > 0; left--) text += alphabet[this.below(alphabet.length)]!;
    return text;
  }
}

/** Seed and number of cases of a run. */
export function fuzzRun(runs: number): { readonly seed: number; readonly runs: number } {
  return {
    seed: Number(process.env.FUZZ_SEED ?? 20_260_101),
    runs: Number(process.env.FUZZ_RUNS ?? runs),
  };
}

/** The bytes of a latin1 string. */
export function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
