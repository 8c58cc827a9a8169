/**
 * How many instances of each replica crashed in a row, and how long its next start has to wait because of that.
 */

import type { Ending } from '../../core/ending.ts';
import { crashesAfter, type InstanceLife, restartDelayMs } from '../../core/policy/backoff.ts';
import type { Replica } from '../replica.ts';

interface Record {
  readonly crashes: number;
  /** Undefined where the last instance never ran. */
  readonly ending: Ending | undefined;
}

export class CrashHistory {
  readonly #records = new WeakMap<Replica, Record>();

  /** Records an instance in the place that ended, or never ran. */
  record(replica: Replica, life: InstanceLife): void {
    const before = this.#records.get(replica)?.crashes ?? 0;
    this.#records.set(replica, { crashes: crashesAfter(before, life), ending: life.ending });
  }

  /** The substitute that took the place of `replica` goes on with its history. */
  inherit(substitute: Replica, replica: Replica): void {
    const record = this.#records.get(replica);
    if (record !== undefined) this.#records.set(substitute, record);
  }

  /** The wait before the next start in the place; 0 for none. */
  restartDelayMs(replica: Replica): number {
    return restartDelayMs(this.#records.get(replica)?.crashes ?? 0);
  }

  /** Why the next start waits, in words for the log. */
  describe(replica: Replica): string {
    const ending = this.#records.get(replica)?.ending;
    if (ending === undefined) return 'start failed';
    return ending.kind === 'start-timeout' ? 'not healthy in time' : 'crash loop';
  }
}
