/** A clock that stands still until a test moves it. Must not hold: real time. */
import type { Clock, Timer } from '../../lib/platform/clock.ts';

export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Map<Timer, { readonly dueMs: number; readonly run: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer: Timer = { cancel: () => this.#timers.delete(timer) };
    this.#timers.set(timer, { dueMs: this.#nowMs + delayMs, run });
    return timer;
  }

  /** Timers that have neither run nor been cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves on by `byMs` and runs what is due, the earliest first. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      const [next] = [...this.#timers]
        .filter(([, { dueMs }]) => dueMs <= endMs)
        .sort((a, b) => a[1].dueMs - b[1].dueMs);
      if (next === undefined) break;
      const [timer, { dueMs, run }] = next;
      this.#timers.delete(timer);
      this.#nowMs = Math.max(this.#nowMs, dueMs);
      run();
    }
    this.#nowMs = endMs;
  }
}
