/**
 * How long starts take here, so that autoscaling does not add a replica where one is about to be ready.
 */
import type { Replica } from '../replica.ts';

/** Starts that the median is of. */
const KEPT = 5;
/** Before any start was seen. */
const GUESS_MS = 5000;
/** A start that helps within this time is worth waiting for: a new one, … */
const NEW_NEAR_MS = 2000;
/** … and one in the place of an instance that died, which is no reason to add. */
const HEAL_NEAR_MS = 10_000;
/** A start that takes this many times the median is not expected any more. */
const OVERDUE = 3;

export class StartTimes {
  readonly #lastMs: number[] = [];

  /** A replica has become healthy so long after its start began. */
  record(ms: number): void {
    this.#lastMs.push(ms);
    if (this.#lastMs.length > KEPT) this.#lastMs.shift();
  }

  /** The median of the last starts. */
  get medianMs(): number {
    const sorted = this.#lastMs.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? GUESS_MS;
  }

  /** True where a replica that starts will probably soon be ready; `delayMsOf` is how long its start still waits to begin. */
  isHelpNear(
    replicas: readonly Replica[],
    nowMs: number,
    delayMsOf: (replica: Replica) => number | undefined,
  ): boolean {
    return replicas.some((replica) => {
      if (replica.state !== 'starting') return false;
      const elapsedMs = nowMs - replica.sinceMs;
      const delayMs = delayMsOf(replica);
      if (delayMs === undefined && elapsedMs > OVERDUE * this.medianMs + NEW_NEAR_MS) return false;
      const leftMs = delayMs === undefined ? this.medianMs - elapsedMs : delayMs + this.medianMs;
      return leftMs < (replica.joined ? HEAL_NEAR_MS : NEW_NEAR_MS);
    });
  }
}
