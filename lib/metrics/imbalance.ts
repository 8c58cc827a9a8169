/**
 * How evenly the requests of the last minute were spread: the most that one replica had, divided by the mean. Sampled
 * every five seconds, so "a minute" is exact to that.
 */
import type { Clock, Timer } from '../platform/clock.ts';

const WINDOW_MS = 60_000;
const SAMPLE_MS = 5000;

/** Requests of each replica on the ring so far. */
export type RequestsByName = ReadonlyMap<string, number>;

export class Imbalance {
  readonly #clock: Clock;
  readonly #read: () => RequestsByName;
  /** The samples of the last minute and the one before them, oldest first. */
  readonly #samples: { readonly atMs: number; readonly requests: RequestsByName }[] = [];
  #timer: Timer | undefined;

  /** Takes the first sample at once. */
  constructor(clock: Clock, read: () => RequestsByName) {
    this.#clock = clock;
    this.#read = read;
    this.#sample();
  }

  /** 1 is even; 0 without requests. A replica that is new counts with all its requests. */
  get ratio(): number {
    const before = this.#samples[0]?.requests;
    const counts = [...this.#read()].map(([name, requests]) => requests - (before?.get(name) ?? 0));
    const total = counts.reduce((sum, count) => sum + count, 0);
    return total === 0 ? 0 : (Math.max(...counts) * counts.length) / total;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #sample(): void {
    const atMs = this.#clock.nowMs();
    this.#samples.push({ atMs, requests: this.#read() });
    while (atMs - this.#samples[0]!.atMs > WINDOW_MS) this.#samples.shift();
    this.#timer = this.#clock.after(SAMPLE_MS, () => this.#sample());
  }
}
