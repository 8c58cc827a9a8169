/**
 * What this balancer has removed from the pool lately. One that was suspended meanwhile, or cut off from the engine, finds
 * its instance gone and nothing that says why, so the others remember it for a while.
 */
import type { Clock } from '../../platform/clock.ts';
import { shortId } from './record.ts';

const REMEMBERED_MS = 600_000;
/** Keeps records of balancers small, however much is removed. */
const MOST = 1000;

export class RecentRemovals {
  readonly #clock: Clock;
  /** When each was removed, by its short id; the oldest first. */
  readonly #sinceMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(instanceId: string): void {
    const id = shortId(instanceId);
    this.#sinceMs.delete(id);
    this.#sinceMs.set(id, this.#clock.nowMs());
  }

  /** It was not removed after all. */
  forget(instanceId: string): void {
    this.#sinceMs.delete(shortId(instanceId));
  }

  /** Short ids, the oldest first. */
  get ids(): readonly string[] {
    const nowMs = this.#clock.nowMs();
    for (const [id, sinceMs] of this.#sinceMs)
      if (this.#sinceMs.size > MOST || nowMs - sinceMs > REMEMBERED_MS) this.#sinceMs.delete(id);
    return [...this.#sinceMs.keys()];
  }
}
