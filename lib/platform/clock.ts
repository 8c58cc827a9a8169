/**
 * Time, as a thing that can be handed in: the control plane reads clocks and sets timers only through this.
 * Must not hold: policies about time. Tests use `test/helpers/fake-clock.ts`.
 */
export interface Timer {
  /** Forgets the timer; safe to call again or after it fired. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds on a clock that never goes back; only differences mean something. */
  nowMs(): number;
  /** Milliseconds since the Unix epoch, for people. */
  wallMs(): number;
  /** Calls `run` once after `delayMs`. The process does not stay alive for it. */
  after(delayMs: number, run: () => void): Timer;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `delayMs`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}
