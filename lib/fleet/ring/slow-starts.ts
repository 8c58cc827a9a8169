/**
 * Which replicas are in their slow start, and how far each has come: its share rises from `from` to 1 in ten steps over
 * `rampMs`. After a replacement, an addition, a roll or the end of a drain; not when a balancer starts, when all are new.
 * Invariant: shares only rise, until the replica stops being healthy; then it has none, and begins anew the next time.
 */
import type { Clock, Timer } from '../../platform/clock.ts';

const STEPS = 10;

export interface SlowStartOptions {
  /** Length of a slow start; 0 is off. */
  readonly slowStartMs: number;
  /** The share of its slots with which a replica begins, 0 to 1. */
  readonly slowStartFrom: number;
}

interface Ramp {
  step: number;
  timer: Timer;
}

export class SlowStarts {
  readonly #clock: Clock;
  readonly #options: SlowStartOptions;
  readonly #onStep: () => void;
  /** By name: a replica that is replaced keeps its name. */
  readonly #ramps = new Map<string, Ramp>();

  /** `onStep` is called when a table with other shares is to be published. */
  constructor(clock: Clock, options: SlowStartOptions, onStep: () => void) {
    this.#clock = clock;
    this.#options = options;
    this.#onStep = onStep;
  }

  /** Begins, unless slow starts are off or it is in one already. */
  begin(name: string): void {
    if (this.#options.slowStartMs === 0 || this.#ramps.has(name)) return;
    this.#ramps.set(name, { step: 0, timer: this.#nextStep(name) });
  }

  /** Begins, and has the table published with the share that it begins with. */
  beginNow(name: string): void {
    this.begin(name);
    if (this.shareOf(name) < 1) this.#onStep();
  }

  /** Ends it; its share is 1 from now on. */
  end(name: string): void {
    this.#ramps.get(name)?.timer.cancel();
    this.#ramps.delete(name);
  }

  /** The part of its slots that the replica has now; 1 where it is in no slow start. */
  shareOf(name: string): number {
    const ramp = this.#ramps.get(name);
    return ramp === undefined ? 1 : Math.max(this.#options.slowStartFrom, ramp.step / STEPS);
  }

  #nextStep(name: string): Timer {
    return this.#clock.after(this.#options.slowStartMs / STEPS, () => {
      const ramp = this.#ramps.get(name);
      if (ramp === undefined) return;
      const before = this.shareOf(name);
      ramp.step++;
      if (ramp.step < STEPS) ramp.timer = this.#nextStep(name);
      else this.#ramps.delete(name);
      if (this.shareOf(name) !== before) this.#onStep();
    });
  }
}
