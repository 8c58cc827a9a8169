/**
 * What one worker's traffic shows of the health of replicas: failures are counted, and what makes a replica suspect is
 * reported to the control plane, which alone decides what follows.
 */
import type { Picker } from '../../core/routing/pick.ts';
import type { RouteTable } from '../../core/routing/route-table.ts';
import type { ErrorCode } from '../../platform/errors.ts';
import type { MessageFromWorker } from '../worker-protocol.ts';

/** At most one hint about a replica in this time. */
const HINT_INTERVAL_MS = 1000;

export interface PassiveHealthDeps {
  readonly table: RouteTable;
  readonly picker: Picker;
  /** Failures in a row, over all workers, after which a replica is reported; 0 is off. */
  readonly ejectAfter: number;
  readonly nowMs: () => number;
  readonly post: (message: MessageFromWorker) => void;
}

/** `word` is the replica's state word when it was given the request. */
export class PassiveHealth {
  #deps: PassiveHealthDeps;
  /** For each ordinal, when the last hint was given. */
  readonly #hintedMs: Float64Array;

  constructor(deps: PassiveHealthDeps) {
    this.#deps = deps;
    this.#hintedMs = new Float64Array(deps.table.shape.ordinals).fill(Number.NEGATIVE_INFINITY);
  }

  /** Reports after another number of failures in a row from now on. */
  configure(ejectAfter: number): void {
    this.#deps = { ...this.#deps, ejectAfter };
  }

  /** Keeps this worker away from the replica at once, and reports the reason to the control plane. */
  reportDown(ordinal: number, word: number, code: ErrorCode): void {
    this.#deps.picker.suspect(ordinal, word);
    this.#deps.post({ kind: 'report', ordinal, word, code });
  }

  /** Reports, now and then, what makes the replica worth a probe; requests still go there. */
  hint(ordinal: number, word: number, code: ErrorCode): void {
    const nowMs = this.#deps.nowMs();
    if (nowMs - this.#hintedMs[ordinal]! < HINT_INTERVAL_MS) return;
    this.#hintedMs[ordinal] = nowMs;
    this.#deps.post({ kind: 'report', ordinal, word, code });
  }

  /** Counts a request that failed at the replica, or that it responded it cannot serve. */
  recordFailure(ordinal: number, word: number): void {
    const { table, ejectAfter, post } = this.#deps;
    // requests that were sent before it was last ejected or readmitted say nothing new
    if (ejectAfter === 0 || table.stateWord(ordinal) !== word) return;
    if (table.addFailure(ordinal) < ejectAfter) return;
    table.clearFailures(ordinal);
    post({ kind: 'report', ordinal, word, code: 'failures-in-a-row' });
  }

  /** Counts a request that the replica has served: failures in a row begin anew. */
  recordSuccess(ordinal: number): void {
    this.#deps.table.clearFailures(ordinal);
  }
}
