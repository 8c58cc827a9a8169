/**
 * Looks at a Swarm again and again: it has no events of tasks, so what has become of them is found by asking.
 * Invariants: one look at a time; `engine-lost` and `engine-back` alternate.
 */
import type { Clock, Timer } from '../../platform/clock.ts';
import { messageOf } from '../../platform/errors.ts';
import type { Hint } from '../driver.ts';

/** While something is about to change … */
const QUICK_MS = 250;
/**
 * … and else: what another balancer has changed is to be known within a second and a half, and a look takes up to 100 ms
 * of a busy manager.
 */
const STEADY_MS = 700;

export interface PollerParts {
  readonly clock: Clock;
  /** Looks; gives what has changed, and whether more is about to. */
  readonly look: () => Promise<{ readonly hints: readonly Hint[]; readonly isInTransition: boolean }>;
  readonly onHint: (hint: Hint) => void;
}

export class Poller {
  readonly #parts: PollerParts;
  #timer: Timer | undefined;
  #isLost = false;
  #isClosed = false;

  /** Looks at once. */
  constructor(parts: PollerParts) {
    this.#parts = parts;
    void this.#poll();
  }

  /** No hint comes after this. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  async #poll(): Promise<void> {
    const { clock, look } = this.#parts;
    let nextMs = STEADY_MS;
    try {
      const { hints, isInTransition } = await look();
      if (this.#isLost) this.#tell({ kind: 'engine-back' });
      this.#isLost = false;
      for (const hint of hints) this.#tell(hint);
      if (isInTransition) nextMs = QUICK_MS;
    } catch (error) {
      if (!this.#isLost) this.#tell({ kind: 'engine-lost', cause: messageOf(error) });
      this.#isLost = true;
    }
    if (!this.#isClosed) this.#timer = clock.after(nextMs, () => void this.#poll());
  }

  #tell(hint: Hint): void {
    if (!this.#isClosed) this.#parts.onHint(hint);
  }
}
