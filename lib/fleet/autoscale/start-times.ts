/**
 * How long starts take here, so that autoscaling does not add a replica where one is about to be ready.
 */
import type { Replica } from '../replica.ts';

/** Starts that the median is of. */
const KEPT = 5;
/** Before any start was seen. */
const GUESS_MS = 5000;
/** A new replica is worth waiting for that is ready within this time; those who wait need as long to be served then. */
const NEW_NEAR_MS = 2000;
/** So is one in the place of an instance that died: a death is no reason to add. */
const HEAL_NEAR_MS = 10_000;
/** A start that takes this many times the median is not expected any more. */
const OVERDUE = 3;

export class StartTimes {
  readonly #lastMs: number[] = [];
  /** When a new replica, and one that was replaced, became healthy last. */
  #addedAtMs = Number.NEGATIVE_INFINITY;
  #healedAtMs = Number.NEGATIVE_INFINITY;

  /** A replica has become healthy `ms` after its start began. */
  record(ms: number, nowMs: number, isHeal: boolean): void {
    this.#lastMs.push(ms);
    if (this.#lastMs.length > KEPT) this.#lastMs.shift();
    if (isHeal) this.#healedAtMs = nowMs;
    else this.#addedAtMs = nowMs;
  }

  /** The median of the last starts. */
  get medianMs(): number {
    const sorted = this.#lastMs.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? GUESS_MS;
  }

  /** True where a new replica will probably soon be ready, or has just become so. */
  isHelpNear(replicas: readonly Replica[], nowMs: number): boolean {
    if (nowMs - this.#addedAtMs < NEW_NEAR_MS) return true;
    return replicas.some(
      (replica) => !replica.joined && this.#leftMs(replica, nowMs, undefined) < NEW_NEAR_MS,
    );
  }

  /**
   * True where what replaces an instance will probably soon be ready, or has just become so; `delayMsOf` is how long a
   * start still waits to begin.
   */
  isHealing(
    replicas: readonly Replica[],
    nowMs: number,
    delayMsOf: (replica: Replica) => number | undefined,
  ): boolean {
    if (nowMs - this.#healedAtMs < NEW_NEAR_MS) return true;
    return replicas.some(
      (replica) => replica.joined && this.#leftMs(replica, nowMs, delayMsOf(replica)) < HEAL_NEAR_MS,
    );
  }

  /** Until the replica will probably be ready; Infinity where it is not starting, or overdue. */
  #leftMs({ state, sinceMs }: Replica, nowMs: number, delayMs: number | undefined): number {
    if (state !== 'starting') return Number.POSITIVE_INFINITY;
    if (delayMs !== undefined) return delayMs + this.medianMs;
    const elapsedMs = nowMs - sinceMs;
    const isOverdue = elapsedMs > OVERDUE * this.medianMs + NEW_NEAR_MS;
    return isOverdue ? Number.POSITIVE_INFINITY : this.medianMs - elapsedMs;
  }
}
