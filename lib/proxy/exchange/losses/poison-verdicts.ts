/**
 * One worker's side of judging requests on which instances end (`fleet/poison.ts`): which kinds of request are not
 * repeated, reports of what was lost, and questions to the control plane.
 */
import { kindOf, type LosingRequest, type Loss, type Settlement } from '../../../core/policy/poison.ts';
import type { MessageFromWorker } from '../../worker-protocol.ts';

export class PoisonVerdicts {
  readonly #post: (message: MessageFromWorker) => void;
  /** Where others run the instances, nobody here can know how they end. */
  readonly #isOff: boolean;
  #poisonKinds: ReadonlySet<string> = new Set();
  readonly #pending = new Map<number, (isPoison: boolean) => void>();
  #lastSequence = 0;

  constructor(post: (message: MessageFromWorker) => void, isOff: boolean) {
    this.#post = post;
    this.#isOff = isOff;
  }

  /** An instance was lost with a request on it. */
  reportLoss(loss: Loss): void {
    if (!this.#isOff) this.#post({ kind: 'lost', loss });
  }

  /** A request that had lost an instance is over. */
  reportSettled(settlement: Settlement): void {
    if (!this.#isOff) this.#post({ kind: 'settled', settlement });
  }

  /** Requests of its kind are not to be repeated now. */
  isPoison(request: LosingRequest): boolean {
    return this.#poisonKinds.size > 0 && this.#poisonKinds.has(kindOf(request));
  }

  /** Replaces the kinds of request that are poison. */
  setPoison(kinds: readonly string[]): void {
    this.#poisonKinds = new Set(kinds);
  }

  /** Asks whether a request that was on these instances is to blame that they ended; the verdict may never come. */
  request(generations: readonly number[], onVerdict: (isPoison: boolean) => void): void {
    if (this.#isOff) return onVerdict(false);
    const sequence = ++this.#lastSequence;
    this.#pending.set(sequence, onVerdict);
    this.#post({ kind: 'judge', sequence, generations });
  }

  /** The control plane's verdict has come. */
  resolve(sequence: number, isPoison: boolean): void {
    const onVerdict = this.#pending.get(sequence);
    this.#pending.delete(sequence);
    onVerdict?.(isPoison);
  }
}
