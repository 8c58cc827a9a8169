/**
 * Ids for requests that bring none, and their hashes, which most requests are placed by.
 *
 * An id is a stem, which 1,296 ids share, and two digits. So an id is one joining of two strings (a counter's
 * `toString(36)` takes 100 ns), and its hash goes on from that of the stem: 2 ns, where one of its characters takes
 * as much.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { finishHash, hashBlocks } from '../../core/hashing/hash.ts';
import { hashKeyOf } from '../../core/hashing/hash-key.ts';
import type { Algorithm } from '../../core/hashing/slot-table.ts';

export interface RequestIds {
  /** The id that was made last; '' before the first. */
  readonly last: string;
  /** Makes a new id; counted ids are unique among all workers and starts. */
  next(): string;
  /** What `last` hashes to as a key. */
  hashOfLast(): number;
}

/** As the options say: ids of the classic profile, or counted ones. */
export function createRequestIds(options: {
  readonly classic: boolean;
  readonly algorithm: Algorithm;
}): RequestIds {
  return options.classic ? new SixDigitIds(options.algorithm) : new CountedIds();
}

const RADIX = 36;
/** A stem's: 12 of randomness, a dash, three that count. Whole blocks of the hash. */
const STEM_LENGTH = 16;
const STEM_DIGITS = 3;
const STEMS = RADIX ** STEM_DIGITS;
const ID_LENGTH = STEM_LENGTH + 2;

const digits = (n: number, count: number): string => n.toString(RADIX).padStart(count, '0');
const ENDS: readonly string[] = Array.from({ length: RADIX ** 2 }, (_, end) => digits(end, 2));
const END_BLOCKS = Int32Array.from(ENDS, (end) => end.charCodeAt(0) | (end.charCodeAt(1) << 8));

/** Such as `3f9a0c11d2e4-00a7k`: 48 random bits of a worker's start, and a count; after 60 million new random bits. */
export class CountedIds implements RequestIds {
  last = '';
  readonly #draw: () => string;
  #random = '';
  #stems = STEMS;
  #stem = '';
  #stemHash = 0;
  #end = ENDS.length;

  /** `draw` gives the random part, 12 characters. */
  constructor(draw = () => randomBytes(6).toString('hex')) {
    this.#draw = draw;
  }

  next(): string {
    if (this.#end === ENDS.length) this.#nextStem();
    this.last = this.#stem + ENDS[this.#end]!;
    this.#end++;
    return this.last;
  }

  hashOfLast(): number {
    return finishHash(this.#stemHash, END_BLOCKS[this.#end - 1]!, ID_LENGTH);
  }

  #nextStem(): void {
    if (this.#stems === STEMS) {
      this.#random = this.#draw();
      this.#stems = 0;
    }
    this.#stem = `${this.#random}-${digits(this.#stems++, STEM_DIGITS)}`;
    this.#stemHash = hashBlocks(this.#stem);
    this.#end = 0;
  }
}

/** Six decimal digits at random, as the classic profile has them; not unique. */
export class SixDigitIds implements RequestIds {
  last = '';
  readonly #algorithm: Algorithm;

  constructor(algorithm: Algorithm) {
    this.#algorithm = algorithm;
  }

  next(): string {
    this.last = String(randomInt(100_000, 1_000_000));
    return this.last;
  }

  hashOfLast(): number {
    return hashKeyOf(this.last, this.#algorithm);
  }
}
