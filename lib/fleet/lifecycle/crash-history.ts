/**
 * How many instances of each replica crashed in a row, and how long the next start has to wait for it.
 * Must not hold: waiting.
 */

import type { Ending } from '../../core/ending.ts';
import { crashesAfter, type InstanceLife, restartDelayMs } from '../../core/policy/backoff.ts';
import type { Replica } from '../replica.ts';

interface Record {
  readonly crashes: number;
  /** Undefined where the last one never ran. */
  readonly ending: Ending | undefined;
}

export class Crashes {
  readonly #records = new WeakMap<Replica, Record>();

  /** An instance in the place ended so, or never ran. */
  note(replica: Replica, life: InstanceLife): void {
    const before = this.#records.get(replica)?.crashes ?? 0;
    this.#records.set(replica, { crashes: crashesAfter(before, life), ending: life.ending });
  }

  /** What is known of `replica` goes on with `heir`, which has its place from now on. */
  inherit(heir: Replica, replica: Replica): void {
    const record = this.#records.get(replica);
    if (record !== undefined) this.#records.set(heir, record);
  }

  /** Before the next start in the place; 0 for none. */
  delayMs(replica: Replica): number {
    return restartDelayMs(this.#records.get(replica)?.crashes ?? 0);
  }

  /** Why the next start waits, in words. */
  troubleOf(replica: Replica): string {
    const ending = this.#records.get(replica)?.ending;
    if (ending === undefined) return 'start failed';
    return ending.kind === 'start-timeout' ? 'not healthy in time' : 'crash loop';
  }
}
