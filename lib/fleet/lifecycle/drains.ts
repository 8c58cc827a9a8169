/**
 * Takes replicas out of rotation for an operator and puts them back: what `/drain` and `/undrain` do; the drain of a
 * replica that is removed is in `graceful-stop.ts`.
 * Invariants: a drained replica stays on the ring, probed and replaced like any other, so that no key moves but those
 * that its successors serve meanwhile; a drain never leaves the fleet without an eligible replica.
 * A balancer that is started again does not remember drains.
 */
import type { Clock, Timer } from '../../platform/clock.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Journal } from '../journal.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { Plans } from './plans.ts';
import { whenIdle } from './when-idle.ts';

export interface DrainParts {
  readonly registry: Registry;
  readonly plans: Plans;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
  /** Name of the sticky cookie; '' is off. */
  readonly sticky: string;
  /** For how long clients that have its cookie still get to a drained replica. */
  readonly drainTimeoutMs: number;
}

const CAUSE = 'asked for by an operator';

export class Drains {
  readonly #parts: DrainParts;
  /** Drained replicas that still have requests in flight. */
  readonly #waiting = new Set<Replica>();
  /** Ends the time in which clients with the cookie of a drained replica still get to it. */
  readonly #sessions = new Map<Replica, Timer>();

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  /** The members that get no requests, in the order of the ring. */
  drainedNames(): readonly string[] {
    return this.#parts.registry.members.filter(({ isDraining }) => isDraining).map(({ name }) => name);
  }

  /** Keeps new requests away from `names`. Throws `bad-request`, and then nothing has changed. */
  drain(names: readonly string[]): void {
    const { registry, plans, log, clock } = this.#parts;
    const added = plans.findMembers(names).filter((replica) => !replica.isDraining);
    if (added.length === 0) return;
    const rest = registry.members.filter((replica) => !added.includes(replica));
    if (!rest.some(({ state, isDraining, weight }) => state === 'healthy' && !isDraining && weight > 0))
      throw new BalancerError('bad-request', 'no replica would be eligible any more, so nothing is drained');
    for (const replica of added) {
      const sinceMs = clock.nowMs();
      const keepsSessions = this.#parts.sticky !== '';
      // before the state word changes, so that no client is sent elsewhere in between
      registry.states.setKeepsSessions(replica, keepsSessions);
      registry.states.setDraining(replica, true, CAUSE);
      log.info(
        { replica: replica.name, inFlight: registry.states.inFlightOf(replica) },
        `${replica.name} drained by an operator`,
      );
      if (keepsSessions) this.#endSessionsInTime(replica, sinceMs);
      else void this.#noteWhenIdle(replica, sinceMs);
    }
  }

  /** Lets requests go to `names` again. Throws `bad-request`, and then nothing has changed. */
  undrain(names: readonly string[]): void {
    const { registry, plans, log } = this.#parts;
    for (const replica of plans.findMembers(names).filter(({ isDraining }) => isDraining)) {
      this.#sessions.get(replica)?.cancel();
      registry.states.setDraining(replica, false, CAUSE);
      log.info(
        { replica: replica.name, state: replica.state },
        `drain of ${replica.name} ended by an operator`,
      );
    }
  }

  /** After the drain timeout clients that have the replica's cookie are sent elsewhere too. */
  #endSessionsInTime(replica: Replica, sinceMs: number): void {
    const { registry, clock, drainTimeoutMs } = this.#parts;
    const timer = clock.after(drainTimeoutMs, () => {
      this.#sessions.delete(replica);
      if (!registry.has(replica)) return;
      registry.states.setKeepsSessions(replica, false);
      void this.#noteWhenIdle(replica, sinceMs);
    });
    this.#sessions.set(replica, timer);
  }

  /** Enters in the journal that nothing is in flight any more, unless the drain ends before. */
  async #noteWhenIdle(replica: Replica, sinceMs: number): Promise<void> {
    const { registry, journal, clock } = this.#parts;
    // a drain that ended and began again between two looks goes on as one
    if (this.#waiting.has(replica)) return;
    this.#waiting.add(replica);
    const isOver = (): boolean => !registry.has(replica) || !replica.isDraining;
    const isIdle = await whenIdle(this.#parts, replica, isOver);
    this.#waiting.delete(replica);
    if (!isIdle || isOver()) return;
    const { name, instance } = replica;
    const ms = clock.nowMs() - sinceMs;
    journal.note({
      kind: 'drained',
      replica: name,
      instance: instance?.instanceId,
      cause: 'nothing in flight',
      ms,
    });
  }
}
