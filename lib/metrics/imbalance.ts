/**
 * How evenly the requests of the last minute were spread: those of the replica with most, divided by the mean.
 * Must not hold: where the counts come from. Looks at them every few seconds, so a minute is that exact.
 */
import type { Clock, Timer } from '../platform/clock.ts';

const WINDOW_MS = 60_000;
const LOOK_MS = 5000;

/** Requests so far of each replica in service. */
export type RequestsByName = ReadonlyMap<string, number>;

export class Imbalance {
  readonly #clock: Clock;
  readonly #read: () => RequestsByName;
  /** Looks of the last minute and the one before, oldest first. */
  readonly #looks: { readonly atMs: number; readonly requests: RequestsByName }[] = [];
  #timer: Timer | undefined;

  /** Begins at once. */
  constructor(clock: Clock, read: () => RequestsByName) {
    this.#clock = clock;
    this.#read = read;
    this.#look();
  }

  /** 1 is even; 0 where there was no request. Of a replica that is new what it had since counts. */
  get ratio(): number {
    const before = this.#looks[0]?.requests;
    const counts = [...this.#read()].map(([name, requests]) => requests - (before?.get(name) ?? 0));
    const total = counts.reduce((sum, count) => sum + count, 0);
    return total === 0 ? 0 : (Math.max(...counts) * counts.length) / total;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const atMs = this.#clock.nowMs();
    this.#looks.push({ atMs, requests: this.#read() });
    while (atMs - this.#looks[0]!.atMs > WINDOW_MS) this.#looks.shift();
    this.#timer = this.#clock.after(LOOK_MS, () => this.#look());
  }
}
