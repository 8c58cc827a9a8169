/**
 * Keeps the ring equal to a list that others decide: fixed servers, or servers that are discovered. Nothing is started
 * or stopped; who leaves the list is drained.
 * Invariants: the members are what the driver lists, as far as max-replicas goes; the slots are published once a second
 * at most, in the mean, however often the list changes.
 */
import type { Driver, Hint, Instance } from '../../drivers/driver.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import type { Checker } from '../health/checker.ts';
import type { Journal } from '../journal.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { GracefulStop } from './graceful-stop.ts';

export interface FollowerParts {
  readonly registry: Registry;
  readonly driver: Driver;
  readonly checker: Checker;
  readonly gracefulStop: GracefulStop;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  readonly maxReplicas: number;
}

/** For each time that the slots are published; every data thread reads them anew then. */
const GAP_MS = 1000;

export class Follower {
  readonly #parts: FollowerParts;
  /** Lists that are being compared with the fleet, one after the other. */
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  /** Runs while the slots have been published too recently. */
  #gap: Timer | undefined;
  #isFull = false;
  #isClosed = false;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  /** Puts what the list shows on the ring, and follows the list from then on. Gives the number of members. */
  async open(): Promise<number> {
    const { driver, registry } = this.#parts;
    driver.watch((hint) => this.#onHint(hint));
    this.nudge();
    await this.#looking;
    return registry.members.length;
  }

  /** Compares the list with the fleet: now, or once the last change is a second ago. */
  nudge(): void {
    if (this.#isClosed) return;
    this.#lookAgain = true;
    if (this.#looking !== undefined || this.#gap !== undefined) return;
    this.#looking = this.#lookUntilDone().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Resolves once the list that there is now has been compared. */
  async look(): Promise<void> {
    this.nudge();
    await this.#looking;
  }

  /** Nothing here outlives the balancer that another would have to be left. */
  handOver(): Promise<void> {
    return this.close(true);
  }

  /** There is nothing to put in the place of a server that others run. */
  replace(_replica: Replica, _cause: string, _how: 'drain' | 'kill'): void {}

  /** Nobody but the list removes a server. */
  removeReplica(_replica: Replica): void {}

  /** Stops following; the servers go on. */
  async close(keep: boolean): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#gap?.cancel();
    this.#parts.checker.close();
    await this.#looking;
    await this.#parts.driver.close(keep);
  }

  #onHint(hint: Hint): void {
    const { log, journal } = this.#parts;
    switch (hint.kind) {
      case 'source-lost':
        log.warn(
          { source: hint.source, cause: hint.cause },
          `source ${hint.source} lost (${hint.cause}); its last list stays`,
        );
        journal.note({ kind: 'source-lost', cause: `${hint.source}: ${hint.cause}` });
        break;
      case 'source-back':
        log.info({ source: hint.source, ms: Math.round(hint.lostMs) }, `source ${hint.source} back`);
        journal.note({ kind: 'source-back', cause: hint.source, ms: hint.lostMs });
        break;
      default:
        this.nudge();
    }
  }

  async #lookUntilDone(): Promise<void> {
    while (this.#lookAgain && this.#gap === undefined && !this.#isClosed) {
      this.#lookAgain = false;
      const listed = await this.#parts.driver.list();
      if (!this.#isClosed) this.#follow(listed);
    }
  }

  #follow(listed: readonly Instance[]): void {
    const { registry } = this.#parts;
    const byName = new Map(listed.map((instance) => [instance.name, instance]));
    // one that was away a moment ago drains still: another drain of it each second would use all ordinals up
    const draining = new Set(registry.leaving.map(({ instance }) => instance?.instanceId));
    const leaving = registry.members.filter(({ name, instance }) => {
      const now = byName.get(name);
      if (now === undefined) return !draining.has(instance?.instanceId);
      return now.instanceId !== instance?.instanceId;
    });
    const staying = new Set(
      registry.members.filter((replica) => !leaving.includes(replica)).map(({ name }) => name),
    );
    const missing = listed.filter(({ name }) => !staying.has(name));
    const joining = this.#fitting(missing, staying.size);
    // those that drain give their ordinals back soon
    const isShort = joining.length < missing.length && !this.#isFull;
    this.#lookAgain ||= isShort;
    if (leaving.length > 0) this.#remove(leaving, byName);
    if (joining.length > 0) this.#add(joining, leaving);
    const publications = Math.sign(leaving.length) + Math.sign(joining.length);
    if (publications > 0 || isShort) this.#wait(Math.max(1, publications) * GAP_MS);
  }

  /** As many of them as there is room for; those that are moved come first, since their keys are in use. */
  #fitting(joining: readonly Instance[], staying: number): readonly Instance[] {
    const { registry, maxReplicas, log } = this.#parts;
    const isMember = ({ name }: Instance): boolean => registry.find(name) !== undefined;
    const ordered = [...joining.filter(isMember), ...joining.filter((instance) => !isMember(instance))];
    const fitting = ordered.slice(0, Math.min(maxReplicas - staying, registry.freeOrdinals));
    const isFull = joining.length > maxReplicas - staying;
    if (isFull && !this.#isFull)
      log.warn(
        { servers: staying + joining.length, maxReplicas },
        'more servers than max-replicas are found; those beyond it get no requests',
      );
    this.#isFull = isFull;
    return fitting;
  }

  #add(instances: readonly Instance[], left: readonly Replica[]): void {
    const { registry, checker, log } = this.#parts;
    const replicas = instances.map(({ name, id, weight }) => {
      const before = left.find((replica) => replica.name === name);
      const replica = registry.reserve(name, before?.id ?? id, weight);
      if (before?.isDraining) registry.states.setDraining(replica, true, 'asked for by an operator');
      return replica;
    });
    registry.addToRing(replicas, 'on the list');
    for (const [index, replica] of replicas.entries()) {
      void registry.placeInstance(replica, instances[index]!);
      checker.watch(replica);
      log.info(
        { replica: replica.name, instance: replica.instance?.instanceId },
        `${replica.name} is on the list`,
      );
    }
  }

  #remove(replicas: readonly Replica[], listed: ReadonlyMap<string, Instance>): void {
    const { registry, checker, gracefulStop, log } = this.#parts;
    for (const replica of replicas) {
      const cause = listed.has(replica.name) ? 'has another address now' : 'is no longer on the list';
      log.info(
        { replica: replica.name, inFlight: registry.states.inFlightOf(replica) },
        `${replica.name} ${cause}`,
      );
    }
    registry.removeFromRing(replicas, 'no longer on the list');
    for (const replica of replicas) {
      checker.unwatch(replica);
      void gracefulStop.drainAndStop(replica, 'removed').then(() => this.nudge());
    }
  }

  #wait(delayMs: number): void {
    this.#gap = this.#parts.clock.after(delayMs, () => {
      this.#gap = undefined;
      if (this.#lookAgain) this.nudge();
    });
  }
}
