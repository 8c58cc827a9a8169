/**
 * A piece of work with time limits, whose steps fail it alone: who calls them may be in the middle of another.
 * Must not hold: what the work is, and what follows when it fails or is out of time.
 */
import type { Timed, WorkerContext } from './worker-context.ts';

/** How much longer a request waits for whatever else watches a phase to end it. */
export const LAST_RESORT_MS = 1000;

/** Longer than the control plane takes to judge a request. */
export const VERDICT_MS = 2000;

/** What a request is waiting for; each but the first and the last has a time limit. */
export type Phase =
  | 'new'
  | 'queued'
  | 'connecting'
  | 'sending'
  | 'waiting'
  | 'judged'
  | 'answering'
  | 'tunnel'
  | 'over';

export abstract class TimedTask implements Timed {
  /** When it is out of time, by the thread's coarse clock. */
  deadlineMs = Number.POSITIVE_INFINITY;
  place = -1;
  /** Begins as a double (`-0`): V8 deoptimizes a class at the first fraction in a field of whole numbers. */
  waitsSinceMs = -0;
  abstract readonly body: Timed['body'];
  /** When all of it is out of time. */
  #untilMs = Number.POSITIVE_INFINITY;
  readonly #worker: WorkerContext;

  constructor(worker: WorkerContext) {
    this.#worker = worker;
  }

  /** `deadlineMs` has passed. */
  onDeadline(): void {
    this.runStep(() => this.onTimeout());
  }

  protected abstract onTimeout(): void;

  /** A step has thrown `cause`. */
  protected abstract failed(cause: unknown): void;

  /** Runs a step. */
  protected runStep(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Gives all of it this long; 0 for no limit. */
  protected setOverallDeadline(ms: number): void {
    if (ms > 0) this.#untilMs = this.#worker.nowMs + ms;
  }

  /** All of it is out of time. */
  protected get isOverallDeadlinePast(): boolean {
    return this.#worker.nowMs >= this.#untilMs;
  }

  /** Gives what comes next this long, within what all of it may take; where it is not limited, all that is left of that. */
  protected setDeadline(ms: number, isLimited = true): void {
    this.deadlineMs = isLimited ? Math.min(this.#worker.nowMs + ms, this.#untilMs) : this.#untilMs;
  }
}
