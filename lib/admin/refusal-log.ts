/**
 * Refused requests in the log: who, where and why, and no more lines than a person can read.
 * Must not hold: what is refused.
 */
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';

export interface RefusedRequest {
  /** Of the one who asked. */
  readonly address: string;
  readonly port: 'public' | 'admin';
  /** The code of the error. */
  readonly cause: string;
  readonly method: string | undefined;
  readonly path: string;
}

/** Lines at once, … */
const MOST_LINES = 10;
/** … and one more for each of these. */
const LINE_MS = 5000;

export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  #lines = 0;
  #sinceMs = 0;
  /** Refusals that no line has told of. */
  #untold = 0;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  note({ address, port, cause, method, path }: RefusedRequest): void {
    const nowMs = this.#clock.nowMs();
    this.#lines = Math.max(0, this.#lines - (nowMs - this.#sinceMs) / LINE_MS);
    this.#sinceMs = nowMs;
    if (this.#lines + 1 > MOST_LINES) {
      this.#untold++;
      return;
    }
    this.#lines++;
    const untold = this.#untold > 0 ? { untold: this.#untold } : {};
    this.#untold = 0;
    this.#log.warn({ peer: address, port, cause, ...untold }, `refused ${method} ${path}`);
  }
}
