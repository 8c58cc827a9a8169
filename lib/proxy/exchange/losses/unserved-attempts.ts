/**
 * The attempts of one request that ended without a response, and what they say of the replicas.
 * Invariant: all attempts of a request are one witness: where another replica responds, those that did not are to blame;
 * where several did not and none responded, the request is, and nothing counts.
 */
import type { Recorder } from '../../../metrics/recorder.ts';
import type { PassiveHealth } from '../../upstream/passive-health.ts';

/** What counts against replicas is counted there. */
interface UnservedWorker {
  readonly recorder: Pick<Recorder, 'fault'>;
  readonly health: Pick<PassiveHealth, 'recordFailure'>;
}

export class UnservedAttempts {
  /** The state word under which each was made, by the ordinal of its replica. */
  readonly #words = new Map<number, number>();

  add(ordinal: number, word: number): void {
    if (!this.#words.has(ordinal)) this.#words.set(ordinal, word);
  }

  /** Counts them against their replicas, unless they are the request's fault; `isServed`: another replica has responded. */
  count(isServed: boolean, { recorder, health }: UnservedWorker): void {
    if (!isServed && this.#words.size > 1) return;
    for (const [ordinal, word] of this.#words) {
      recorder.fault(ordinal);
      health.recordFailure(ordinal, word);
    }
  }
}
