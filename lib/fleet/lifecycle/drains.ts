/**
 * Takes replicas out of rotation at an operator's word, and puts them back: what `/drain` and `/undrain` do.
 * Must not hold: the drain of a replica that is removed (`scaling.ts`), parsing of requests.
 * Invariants: a drained replica stays on the ring, probed and replaced like any other, so no key moves but those that
 * its successors serve meanwhile; a drain never leaves the fleet without an eligible replica. The flag lives in this
 * process: a balancer that starts anew knows nothing of it.
 */
import { type Clock, sleep } from '../../platform/clock.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Journal } from '../journal.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { Plans } from './plans.ts';

export interface DrainParts {
  readonly registry: Registry;
  readonly plans: Plans;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Between two looks at what is still in flight. */
const LOOK_MS = 100;
const CAUSE = 'asked for by an operator';

export class Drains {
  readonly #parts: DrainParts;
  /** Drained replicas that still have requests in flight. */
  readonly #watched = new Set<Replica>();

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
    const fresh = plans.findMembers(names).filter((replica) => !replica.isDraining);
    if (fresh.length === 0) return;
    const rest = registry.members.filter((replica) => !fresh.includes(replica));
    if (!rest.some((replica) => replica.state === 'healthy' && !replica.isDraining))
      throw new BalancerError('bad-request', 'no replica would be eligible any more, so nothing is drained');
    for (const replica of fresh) {
      registry.states.setDraining(replica, true, CAUSE);
      log.info({ replica: replica.name, inFlight: registry.inFlightOf(replica) }, 'drained by an operator');
      void this.#untilIdle(replica, clock.nowMs());
    }
  }

  /** Lets requests go to `names` again. Throws `bad-request`, and then nothing has changed. */
  undrain(names: readonly string[]): void {
    const { registry, plans, log } = this.#parts;
    for (const replica of plans.findMembers(names).filter(({ isDraining }) => isDraining)) {
      registry.states.setDraining(replica, false, CAUSE);
      log.info({ replica: replica.name, state: replica.state }, 'drain ended by an operator');
    }
  }

  /** Tells when nothing is in flight on it any more, unless the drain ends before. */
  async #untilIdle(replica: Replica, sinceMs: number): Promise<void> {
    const { registry, journal, clock } = this.#parts;
    // a drain that was ended and begun anew within a look is one
    if (this.#watched.has(replica)) return;
    this.#watched.add(replica);
    const isOn = (): boolean => registry.has(replica) && replica.isDraining;
    while (isOn() && registry.inFlightOf(replica) > 0) await sleep(clock, LOOK_MS);
    this.#watched.delete(replica);
    if (!isOn()) return;
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
