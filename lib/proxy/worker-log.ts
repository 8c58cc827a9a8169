/** The log lines about workers that say more than one message of one worker does. */
import type { Logger } from '../platform/log.ts';
import type { RehearsalReport } from './worker-protocol.ts';

export class WorkerLog {
  readonly #log: Logger;
  /** Rows of the workers that refuse connections. */
  readonly #shedding = new Set<number>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Once for all workers, which fill together. */
  shedding(row: number, isShedding: boolean, connections: number): void {
    const was = this.#shedding.size;
    if (isShedding) this.#shedding.add(row);
    else this.#shedding.delete(row);
    if (was === 0 && isShedding)
      this.#log.warn({ connections }, 'max-connections reached, rejecting with 503');
    if (was > 0 && this.#shedding.size === 0) this.#log.info({}, 'accepting client connections again');
  }

  rehearsed(thread: number, { requests, ms, cause }: RehearsalReport): void {
    if (cause === '') this.#log.debug({ thread, requests, ms }, 'data thread rehearsed');
    else this.#log.warn({ thread, cause }, 'data thread could not rehearse: its first requests take longer');
  }

  /** The worker has ended. */
  forget(row: number): void {
    this.#shedding.delete(row);
  }
}
