/**
 * The values of the last seconds, one a second, with their mean and their largest. Memory is allocated once.
 */
export class SecondsWindow {
  readonly #values: Float64Array;
  /** Values since the start or the last `clear`; the next goes to `#written % length`. */
  #written = 0;

  /** `capacity` is the longest window that can be read, in seconds. */
  constructor(capacity: number) {
    this.#values = new Float64Array(capacity);
  }

  /** Keeps the value of one more second, in place of the oldest. */
  push(value: number): void {
    this.#values[this.#written % this.#values.length] = value;
    this.#written++;
  }

  /** Forgets all values. */
  clear(): void {
    this.#written = 0;
  }

  /** The mean of the last `seconds`, or of as many as there are; 0 without any. */
  mean(seconds: number): number {
    const count = this.#countOf(seconds);
    let sum = 0;
    for (let back = 1; back <= count; back++) sum += this.#at(back);
    return count === 0 ? 0 : sum / count;
  }

  /** The largest of the last `seconds`; -Infinity without any. */
  max(seconds: number): number {
    let largest = Number.NEGATIVE_INFINITY;
    for (let back = this.#countOf(seconds); back >= 1; back--) largest = Math.max(largest, this.#at(back));
    return largest;
  }

  /** The smallest of the last `seconds`; Infinity without any. */
  min(seconds: number): number {
    let smallest = Number.POSITIVE_INFINITY;
    for (let back = this.#countOf(seconds); back >= 1; back--) smallest = Math.min(smallest, this.#at(back));
    return smallest;
  }

  #countOf(seconds: number): number {
    return Math.min(seconds, this.#written, this.#values.length);
  }

  #at(back: number): number {
    return this.#values[(this.#written - back) % this.#values.length]!;
  }
}
