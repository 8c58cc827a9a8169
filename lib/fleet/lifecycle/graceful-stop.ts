/**
 * Takes instances away without loss: what is in flight on one finishes, within the drain timeout, then it is stopped.
 * Must not hold: which instances go, or why.
 */

import type { RetiredRole } from '../../drivers/driver.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import { messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { Instances } from './instances.ts';

export interface GracefulStopParts {
  readonly registry: Registry;
  readonly instances: Instances;
  readonly clock: Clock;
  readonly log: Logger;
  readonly drainTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

/** Between two looks at what is still in flight. */
const LOOK_MS = 20;

export class GracefulStop {
  readonly #parts: GracefulStopParts;

  constructor(parts: GracefulStopParts) {
    this.#parts = parts;
  }

  /** Sees a replica off that has left the ring. Its name is free in the next turn of that name. */
  async drainAndStop(replica: Replica, role: RetiredRole): Promise<void> {
    const { registry, instances, log, stopTimeoutMs } = this.#parts;
    const { name, instance } = replica;
    let cause = 'drained';
    if (instance !== undefined) {
      const release = instances.protect(instance.instanceId);
      await instances
        .retire(instance, role)
        .catch((error: unknown) => log.warn({ replica: name, cause: messageOf(error) }, 'not renamed'));
      await registry.whenPublished();
      const cut = await this.#untilIdle(replica);
      if (cut > 0) {
        cause = `drain timed out; requests in flight are cut: ${cut}`;
        log.warn({ replica: name, inFlight: cut }, 'drain timed out; requests in flight are cut');
      }
      release();
      await instances.remove(instance, stopTimeoutMs);
    }
    await registry.forget(replica, cause);
  }

  /** Waits until nothing is in flight, but not too long; gives how much still is. */
  async #untilIdle(replica: Replica): Promise<number> {
    const { registry, clock, drainTimeoutMs } = this.#parts;
    const untilMs = clock.nowMs() + drainTimeoutMs;
    while (registry.inFlightOf(replica) > 0 && clock.nowMs() < untilMs) await sleep(clock, LOOK_MS);
    return registry.inFlightOf(replica);
  }
}
