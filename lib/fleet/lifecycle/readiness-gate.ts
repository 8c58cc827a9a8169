/**
 * Who waits for an instance to become healthy, and what is heard of it meanwhile.
 * Must not hold: what follows from it.
 * Invariant: a death counts whenever it is heard of. A hint may come before the call that started or listed the
 * instance has returned, so the last deaths are kept for whoever begins to wait.
 */

import { type Ending, endingOf } from '../../core/ending.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { type BalancerError, StartError } from '../../platform/errors.ts';

/** More than can die between a call to the engine and its answer. */
const DEATHS_KEPT = 4096;

interface Wait {
  healthy(): void;
  failed(error: BalancerError): void;
}

/** What to wait for. */
export interface Awaited {
  readonly instanceId: string;
  readonly timeoutMs: number;
  /** Why it is not healthy by then, for the error. */
  readonly reason: () => string;
}

export class HealthWaits {
  readonly #clock: Clock;
  readonly #waits = new Map<string, Wait>();
  /** Instances that ended and how, the oldest first. */
  readonly #deaths = new Map<string, Ending>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the instance is healthy. Throws StartError when it dies or is not so in time. */
  until({ instanceId, timeoutMs, reason }: Awaited): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const end = (): void => {
        timer?.cancel();
        this.#waits.delete(instanceId);
      };
      const healthy = (): void => {
        end();
        resolve();
      };
      const failed = (error: BalancerError): void => {
        end();
        reject(error);
      };
      const death = this.#deaths.get(instanceId);
      if (death !== undefined) return failed(new StartError(death));
      this.#waits.set(instanceId, { healthy, failed });
      timer = this.#clock.after(timeoutMs, () => {
        failed(new StartError(endingOf('start-timeout', reason())));
      });
    });
  }

  /** The instance passed its probes. */
  healthy(instanceId: string): void {
    this.#waits.get(instanceId)?.healthy();
  }

  /** The instance ended; true when someone waited for it, who hears of it. */
  died(instanceId: string, ending: Ending): boolean {
    this.#deaths.set(instanceId, ending);
    if (this.#deaths.size > DEATHS_KEPT) this.#deaths.delete(this.#deaths.keys().next().value!);
    const wait = this.#waits.get(instanceId);
    wait?.failed(new StartError(ending));
    return wait !== undefined;
  }

  /** Ends every wait with the error. */
  giveUp(error: BalancerError): void {
    for (const wait of [...this.#waits.values()]) wait.failed(error);
  }
}
