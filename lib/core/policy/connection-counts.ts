/**
 * How many connections each client has open, over all data threads: counts in shared memory.
 * Invariants: what a thread adds it takes back in the same row, or `forgetThread` does after its death; a row is
 * another client's once all its counts are zero. A full bucket leaves a client uncounted.
 */
import { hashText } from '../hashing/hash.ts';

const BUCKET = 8;
const SEEDS = 2;
/** In place of a row, for a connection beyond the limit … */
export const TOO_MANY = -1;
/** … and for one that is not counted. */
export const UNCOUNTED = -2;

/** Memory for at least `entries` clients; `draw` gives 32 random bits. */
export function createConnectionCounts(
  entries: number,
  workers: number,
  draw: () => number,
): SharedArrayBuffer {
  const rows = BUCKET * 2 ** Math.ceil(Math.log2(Math.max(1, entries / BUCKET)));
  const memory = new SharedArrayBuffer((SEEDS + rows * (1 + workers)) * Int32Array.BYTES_PER_ELEMENT);
  new Int32Array(memory, 0, SEEDS).set([draw() | 0, draw() | 0]);
  return memory;
}

/** Takes back what the thread had counted when it died. */
export function forgetThread(memory: SharedArrayBuffer, workers: number, worker: number): void {
  const words = new Int32Array(memory);
  for (let at = SEEDS + 1 + worker; at < words.length; at += 1 + workers) Atomics.store(words, at, 0);
}

export class ConnectionCounts {
  readonly #words: Int32Array;
  readonly #workers: number;
  readonly #worker: number;
  readonly #limit: number;
  readonly #bucketMask: number;

  /** `worker` is the calling thread's column, from 0, of `workers`. */
  constructor(memory: SharedArrayBuffer, workers: number, worker: number, limit: number) {
    this.#words = new Int32Array(memory);
    this.#workers = workers;
    this.#worker = worker;
    this.#limit = limit;
    this.#bucketMask = (this.#words.length - SEEDS) / (1 + workers) / BUCKET - 1;
  }

  /** Counts one more connection of the client; gives what to `countClosed`, or TOO_MANY, with nothing counted. */
  countOpened(key: string): number {
    const row = this.#rowOf(key);
    if (row === UNCOUNTED) return UNCOUNTED;
    const own = row + 1 + this.#worker;
    // added before it is looked at, so that two threads at once do not both find room for the last
    Atomics.add(this.#words, own, 1);
    if (this.#openIn(row) <= this.#limit) return row;
    Atomics.sub(this.#words, own, 1);
    return TOO_MANY;
  }

  countClosed(row: number): void {
    if (row >= 0) Atomics.sub(this.#words, row + 1 + this.#worker, 1);
  }

  #rowOf(key: string): number {
    const words = this.#words;
    const width = 1 + this.#workers;
    const first = SEEDS + (hashText(key, words[0]) & this.#bucketMask) * BUCKET * width;
    const end = first + BUCKET * width;
    const check = hashText(key, words[1]) | 0;
    for (;;) {
      let free = UNCOUNTED;
      for (let row = end - width; row >= first; row -= width) {
        if (Atomics.load(words, row) === check) return row;
        if (this.#openIn(row) === 0) free = row;
      }
      if (free === UNCOUNTED) return UNCOUNTED;
      const before = Atomics.load(words, free);
      if (Atomics.compareExchange(words, free, before, check) === before) return free;
    }
  }

  #openIn(row: number): number {
    let open = 0;
    for (let at = row + 1; at <= row + this.#workers; at++) open += Atomics.load(this.#words, at);
    return open;
  }
}
