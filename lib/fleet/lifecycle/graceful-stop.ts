/**
 * Stops instances without losing requests: those in flight finish, within the drain timeout, and then it is stopped.
 * Tunnels, which have no end of their own, are closed in the last part of that time.
 */

import type { Driver, Instance, RetiredRole } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import { isBalancerError, messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { Instances } from './instances.ts';
import { whenIdle } from './when-idle.ts';

export interface GracefulStopParts {
  readonly registry: Registry;
  readonly instances: Instances;
  readonly driver: Pick<Driver, 'release'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly drainTimeoutMs: number;
  readonly stopTimeoutMs: number;
  /** Closes what tunnels there are to the replica of this ordinal, each at some moment of `withinMs`. */
  readonly closeTunnels: (ordinal: number, withinMs: number) => void;
}

/** The last part of a drain, in which tunnels are closed: a quarter of it, and not more than this. */
const TUNNELS_PART = 1 / 4;
const TUNNELS_MS = 5000;
/** What of that part is left to the last of them to close. */
const CLOSING_PART = 1 / 5;

export class GracefulStop {
  readonly #parts: GracefulStopParts;
  readonly #stopping = new Set<Promise<void>>();

  constructor(parts: GracefulStopParts) {
    this.#parts = parts;
  }

  /**
   * Drains and stops a replica that has left the ring, and forgets it. Its name is retired at once, so that what is
   * started under the name next finds it free; `onRemoved` is called where another balancer of the pool has removed it.
   */
  async drainAndStop(replica: Replica, role: RetiredRole, onRemoved = (): void => {}): Promise<void> {
    const stopped = this.#drainAndStop(replica, role, onRemoved);
    this.#stopping.add(stopped);
    await stopped.finally(() => this.#stopping.delete(stopped));
  }

  /** Resolves once everything that is being drained and stopped is gone. */
  async whenStopped(): Promise<void> {
    while (this.#stopping.size > 0) await Promise.allSettled(this.#stopping);
  }

  async #drainAndStop(replica: Replica, role: RetiredRole, onRemoved: () => void): Promise<void> {
    const { registry, instances, log, stopTimeoutMs } = this.#parts;
    const { name, instance } = replica;
    let cause = 'drained';
    if (instance !== undefined) {
      const release = instances.protect(instance.instanceId);
      await instances.retire(instance, role).catch((error: unknown) => {
        if (isBalancerError(error, 'not-found')) return onRemoved();
        const cause = messageOf(error);
        log.warn({ replica: name, cause }, `instance of ${name} not renamed (${cause})`);
      });
      await registry.whenPublished();
      const cut = await this.#drain(replica);
      if (cut > 0) {
        cause = `drain timed out; requests in flight are cut: ${cut}`;
        log.warn(
          { replica: name, inFlight: cut },
          `drain of ${name} timed out; ${cut} requests in flight are cut`,
        );
      }
      release();
      await instances.remove(instance, stopTimeoutMs);
    }
    await registry.forget(replica, cause);
  }

  /** Stops an instance that nothing here is in flight on. */
  stop(instance: Instance): Promise<void> {
    return this.#parts.instances.remove(instance, this.#parts.stopTimeoutMs);
  }

  /** Drains a replica that has left the ring, whose instance another stops, and forgets it. */
  async drain(replica: Replica): Promise<void> {
    const { registry, driver } = this.#parts;
    await registry.whenPublished();
    const cut = await this.#drain(replica);
    const { instance } = replica;
    // a deploy that was taken back may have put it into its place again
    const isUsed = [...registry.replicas, ...registry.leaving].some(
      (other) => other !== replica && other.instance?.instanceId === instance?.instanceId,
    );
    if (instance !== undefined && !isUsed) driver.release?.(instance.instanceId);
    await registry.forget(
      replica,
      cut > 0 ? `drain timed out; requests in flight are cut: ${cut}` : 'drained',
    );
  }

  /** Waits for the requests in flight, for the drain timeout at most; returns how many are left. */
  async #drain(replica: Replica): Promise<number> {
    const { registry, clock, drainTimeoutMs, closeTunnels } = this.#parts;
    const untilMs = clock.nowMs() + drainTimeoutMs;
    const closingMs = Math.min(drainTimeoutMs * TUNNELS_PART, TUNNELS_MS);
    const isPast = (ms: number) => () => clock.nowMs() >= ms;
    if (await whenIdle(this.#parts, replica, isPast(untilMs - closingMs))) return 0;
    closeTunnels(replica.ordinal, closingMs * (1 - CLOSING_PART));
    const isIdle = await whenIdle(this.#parts, replica, isPast(untilMs));
    return isIdle ? 0 : registry.states.inFlightOf(replica);
  }
}
