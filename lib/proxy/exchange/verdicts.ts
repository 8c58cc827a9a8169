/**
 * One data thread's side of the judging of requests on which instances end (`fleet/poison.ts`): which kinds of request
 * are not repeated, and questions to the control plane.
 * Must not hold: the judging itself, what becomes of a request.
 */
import { kindOf, type LosingRequest, type Loss, type Settlement } from '../../core/policy/poison.ts';
import type { MessageFromWorker } from '../worker-protocol.ts';

export class PoisonVerdicts {
  readonly #tell: (message: MessageFromWorker) => void;
  /** Nobody can know of the instances how they end, where others run them. */
  readonly #isOff: boolean;
  #poison: ReadonlySet<string> = new Set();
  readonly #questions = new Map<number, (isPoison: boolean) => void>();
  #asked = 0;

  constructor(tell: (message: MessageFromWorker) => void, isOff: boolean) {
    this.#tell = tell;
    this.#isOff = isOff;
  }

  lost(loss: Loss): void {
    if (!this.#isOff) this.#tell({ kind: 'lost', loss });
  }

  settled(settlement: Settlement): void {
    if (!this.#isOff) this.#tell({ kind: 'settled', settlement });
  }

  /** Requests of its kind are not to be repeated now. */
  isPoison(request: LosingRequest): boolean {
    return this.#poison.size > 0 && this.#poison.has(kindOf(request));
  }

  /** The kinds that are poison from now on. */
  setPoison(kinds: readonly string[]): void {
    this.#poison = new Set(kinds);
  }

  /** Asks whether a request that was on these instances is to blame that they ended; the answer may never come. */
  ask(generations: readonly number[], hear: (isPoison: boolean) => void): void {
    if (this.#isOff) return hear(false);
    const sequence = ++this.#asked;
    this.#questions.set(sequence, hear);
    this.#tell({ kind: 'judge', sequence, generations });
  }

  answer(sequence: number, isPoison: boolean): void {
    const hear = this.#questions.get(sequence);
    this.#questions.delete(sequence);
    hear?.(isPoison);
  }
}
