/**
 * Which instances have exited since a deploy began, and how. An instance that dies fails requests before its exit is
 * known, so whoever wants to know why it failed waits a moment for that.
 */
import type { Ending } from '../../core/ending.ts';
import type { Clock } from '../../platform/clock.ts';

export class Exits {
  readonly #clock: Clock;
  readonly #endings = new Map<string, Ending>();
  /** Those who wait for the exit of an instance. */
  readonly #waits = new Map<string, PromiseWithResolvers<void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  record(instanceId: string, ending: Ending): void {
    this.#endings.set(instanceId, ending);
    this.#waits.get(instanceId)?.resolve();
  }

  has(instanceId: string): boolean {
    return this.#endings.has(instanceId);
  }

  /** What its driver said at once; undefined where the instance has not exited. */
  endingOf(instanceId: string): Ending | undefined {
    return this.#endings.get(instanceId);
  }

  forget(instanceId: string): void {
    this.#endings.delete(instanceId);
  }

  /** A deploy begins, to which no earlier exit matters. */
  clear(): void {
    this.#endings.clear();
  }

  /** Resolves once the instance has exited, or after `withinMs`. */
  async waitFor(instanceId: string, withinMs: number): Promise<void> {
    if (this.has(instanceId)) return;
    const wait = this.#waits.get(instanceId) ?? Promise.withResolvers<void>();
    this.#waits.set(instanceId, wait);
    const timer = this.#clock.after(withinMs, wait.resolve);
    await wait.promise;
    timer.cancel();
    this.#waits.delete(instanceId);
  }

  /** Ends every wait. */
  close(): void {
    for (const { resolve } of this.#waits.values()) resolve();
  }
}
