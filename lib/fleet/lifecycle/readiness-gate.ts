/**
 * Waits for new instances to become healthy: each wait ends with the first passed probes, the exit of the instance, or
 * the start timeout.
 * Invariant: an exit is never missed. A driver may report it before the call that started or listed the instance has
 * returned, so the latest exits are kept for waits that begin later.
 */

import { type Ending, endingOf } from '../../core/ending.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { type BalancerError, StartError } from '../../platform/errors.ts';

/** More than can exit between a call to the engine and its response. */
const EXITS_KEPT = 4096;

interface Wait {
  resolve(): void;
  reject(error: BalancerError): void;
}

/** What to wait for. */
export interface Awaited {
  readonly instanceId: string;
  readonly timeoutMs: number;
  /** Why it is not healthy by then, for the error. */
  readonly reason: () => string;
}

export class ReadinessGate {
  readonly #clock: Clock;
  readonly #waits = new Map<string, Wait>();
  /** Instances that exited and how, the oldest first. */
  readonly #exits = new Map<string, Ending>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the instance is healthy. Throws StartError when it exits or the timeout passes before. */
  waitFor({ instanceId, timeoutMs, reason }: Awaited): Promise<void> {
    const exit = this.#exits.get(instanceId);
    if (exit !== undefined) return Promise.reject(new StartError(exit));
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const end = (): void => {
        timer?.cancel();
        this.#waits.delete(instanceId);
      };
      const wait: Wait = {
        resolve() {
          end();
          resolve();
        },
        reject(error) {
          end();
          reject(error);
        },
      };
      this.#waits.set(instanceId, wait);
      timer = this.#clock.after(timeoutMs, () => {
        wait.reject(new StartError(endingOf('start-timeout', reason())));
      });
    });
  }

  /** The instance passed its probes. */
  markHealthy(instanceId: string): void {
    this.#waits.get(instanceId)?.resolve();
  }

  /** The instance exited; true when a wait for it fails by that. */
  recordExit(instanceId: string, ending: Ending): boolean {
    this.#exits.set(instanceId, ending);
    if (this.#exits.size > EXITS_KEPT) this.#exits.delete(this.#exits.keys().next().value!);
    const wait = this.#waits.get(instanceId);
    wait?.reject(new StartError(ending));
    return wait !== undefined;
  }

  /** Ends every wait with the error. */
  abortAll(error: BalancerError): void {
    for (const wait of [...this.#waits.values()]) wait.reject(error);
  }
}
