/**
 * Logs refused requests: who, where and why, in no more lines than a person can read.
 */
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';

export interface RefusedRequest {
  /** The address of the client. */
  readonly address: string;
  readonly port: 'public' | 'admin';
  /** The code of the error. */
  readonly cause: string;
  readonly method: string | undefined;
  readonly path: string;
}

/** Lines in a burst … */
const MOST_LINES = 10;
/** … and one more after each of these. */
const LINE_MS = 5000;

export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  #lines = 0;
  #sinceMs = 0;
  /** Refusals that were not logged. */
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
