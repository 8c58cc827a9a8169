/**
 * A rate limit that all data threads share: GCRA, one 64-bit word for each client in shared memory.
 * Invariants: a word changes by one compare-and-swap, so threads together admit what one would; memory never grows:
 * where a bucket is full, the client that was limited longest ago is forgotten, so a flood of keys fails open.
 * Source: ITU-T I.371 (the generic cell rate algorithm in its virtual scheduling form).
 *
 * rate-limiter-flexible does not fit: it returns promises, and its memory is that of one thread.
 */
import { hashText } from '../hashing/hash.ts';

export interface RateLimit {
  readonly perSecond: number;
  /** Requests that may come at once after a pause, from 1. */
  readonly burst: number;
}

/** Clients whose last request is remembered that share the first bits of a hash. */
const BUCKET = 8;
/** Lowest bits of a word: which of the bucket's clients it is of. A new key is taken for another's once in 130,000. */
const CHECK_BITS = 20;
const CHECK_MASK = 0xfffff;
/** Above them, in the same half of the word, the lowest bits of the rest. */
const LOW_TIMES = 2 ** (32 - CHECK_BITS);
/** The rest: when the client's next request would be on time, in quarters of the time between two, so without rounding. */
const UNITS = 4;
/** Seeds drawn at the start, so that nobody outside can make keys that share a bucket. */
const SEEDS = 2;
const HEADER_BYTES = SEEDS * Int32Array.BYTES_PER_ELEMENT;
/** Where a word has its lower and its upper half. */
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

/** Memory for at least `entries` clients; `draw` gives 32 random bits. */
export function createRateMemory(entries: number, draw: () => number): SharedArrayBuffer {
  const buckets = 2 ** Math.ceil(Math.log2(Math.max(1, entries / BUCKET)));
  const memory = new SharedArrayBuffer(HEADER_BYTES + buckets * BUCKET * BigUint64Array.BYTES_PER_ELEMENT);
  new Int32Array(memory, 0, SEEDS).set([draw() | 0, draw() | 0]);
  return memory;
}

export class RateLimiter {
  readonly #words: BigUint64Array;
  readonly #halves: Int32Array;
  readonly #bucketMask: number;
  readonly #bucketSeed: number;
  readonly #checkSeed: number;
  /** The word that was found and the one to put in its place: halves of words are numbers, words are BigInts. */
  readonly #pair = new BigUint64Array(2);
  readonly #pairHalves: Uint32Array = new Uint32Array(this.#pair.buffer);
  readonly #unitMs: number;
  readonly #burstUnits: number;

  /** `memory` is `createRateMemory`'s, the same in all threads. */
  constructor(memory: SharedArrayBuffer, limit: RateLimit) {
    this.#words = new BigUint64Array(memory, HEADER_BYTES);
    this.#halves = new Int32Array(memory, HEADER_BYTES);
    this.#bucketMask = this.#words.length / BUCKET - 1;
    const [bucketSeed = 0, checkSeed = 0] = new Int32Array(memory, 0, SEEDS);
    this.#bucketSeed = bucketSeed;
    this.#checkSeed = checkSeed;
    this.#unitMs = 1000 / limit.perSecond / UNITS;
    this.#burstUnits = limit.burst * UNITS;
  }

  /**
   * Counts one request of `key`. 0 where it is admitted, else for how many milliseconds none of that key will be.
   * `nowMs` is of a clock that all threads share and that never goes back. About 100 ns.
   */
  admit(key: string, nowMs: number): number {
    const first = (hashText(key, this.#bucketSeed) & this.#bucketMask) * BUCKET;
    const check = hashText(key, this.#checkSeed) & CHECK_MASK;
    const now = Math.floor(nowMs / this.#unitMs);
    const pair = this.#pair;
    const halves = this.#pairHalves;
    for (;;) {
      const at = this.#find(first, check);
      pair[0] = Atomics.load(this.#words, at);
      const low = halves[LOW]!;
      const isOwn = (low & CHECK_MASK) === check;
      const onTime = isOwn ? halves[HIGH]! * LOW_TIMES + (low >>> CHECK_BITS) : 0;
      const next = Math.max(onTime, now) + UNITS;
      const excess = next - now - this.#burstUnits;
      if (excess > 0) return excess * this.#unitMs;
      halves[2 + HIGH] = Math.floor(next / LOW_TIMES);
      halves[2 + LOW] = ((next % LOW_TIMES) << CHECK_BITS) | check;
      if (Atomics.compareExchange(this.#words, at, pair[0], pair[1]!) === pair[0]) return 0;
    }
  }

  /** The word of the client, or the one that it may have. */
  #find(first: number, check: number): number {
    for (let at = first; at < first + BUCKET; at++)
      if ((Atomics.load(this.#halves, 2 * at + LOW) & CHECK_MASK) === check) return at;
    let oldest = first;
    let oldestWord = Atomics.load(this.#words, first);
    for (let at = first + 1; at < first + BUCKET; at++) {
      const word = Atomics.load(this.#words, at);
      if (word >= oldestWord) continue;
      oldest = at;
      oldestWord = word;
    }
    return oldest;
  }
}
