/**
 * A piece of work with time limits, whose steps fail it alone: who calls them may be in the middle of another.
 * Must not hold: what the work is, and what follows when it fails or is out of time.
 */
import type { DataThread, Timed } from './data-thread.ts';

export abstract class Task implements Timed {
  /** When it is out of time, by the thread's coarse clock. */
  deadlineMs = Number.POSITIVE_INFINITY;
  place = -1;
  abstract readonly body: Timed['body'];
  /** When all of it is out of time. */
  protected untilMs = Number.POSITIVE_INFINITY;
  readonly #thread: DataThread;

  constructor(thread: DataThread) {
    this.#thread = thread;
  }

  /** `deadlineMs` has passed. */
  onDeadline(): void {
    this.guard(() => this.outOfTime());
  }

  protected abstract outOfTime(): void;

  /** A step has thrown `cause`. */
  protected abstract failed(cause: unknown): void;

  /** Runs a step. */
  protected guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Gives all of it this long; 0 for no limit. */
  protected limitAll(ms: number): void {
    if (ms > 0) this.untilMs = this.#thread.nowMs + ms;
  }

  /** Gives what comes next this long, within what all of it may take. */
  protected limit(ms: number): void {
    this.deadlineMs = Math.min(this.#thread.nowMs + ms, this.untilMs);
  }
}
