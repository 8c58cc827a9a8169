/**
 * Keeps the fleet what it should be: adopts, starts, replaces the dead, takes away what nobody needs.
 * Must not hold: sockets, knowledge of one kind of engine, the state of replicas (the registry has it), scaling
 * (scaling.ts).
 *
 * Reconciles by level: whatever happens is only a hint to list, compare and act (core/reconcile.ts). A replica
 * without a sound instance is its keeper's; everything else leaves it alone meanwhile.
 */
import type { Clock, Timer } from '../clock.ts';
import { backoffMs } from '../core/backoff.ts';
import { type Action, findFleet, reconcile } from '../core/reconcile.ts';
import type { Driver, Hint, Instance } from '../drivers/driver.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Checker } from './health/checker.ts';
import type { Journal } from './journal.ts';
import type { Keeper } from './keeper.ts';
import type { Registry } from './registry.ts';
import type { Replica } from './replica.ts';

export interface SupervisorParts {
  readonly registry: Registry;
  readonly driver: Driver;
  readonly checker: Checker;
  readonly keeper: Keeper;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  readonly stopTimeoutMs: number;
}

/** A look at the engine without any hint. */
const RELIST_MS = 15_000;
/** Between two looks while the engine does not answer: from here … */
const RELIST_FIRST_MS = 200;
/** … doubling to here. */
const RELIST_MAX_MS = 5000;

export class Supervisor {
  readonly #parts: SupervisorParts;
  /** Before that every instance would look as if nobody needed it. */
  #hasAdopted = false;
  #isLooking = false;
  #lookAgain = false;
  #lookFailures = 0;
  #timer: Timer | undefined;
  #engineLostAtMs: number | undefined;
  #closed = false;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
  }

  /**
   * Adopts what an earlier balancer of this pool left, and says how many replicas that makes; the caller starts
   * new ones when it is 0. Throws what the driver's `list` throws.
   */
  async open(): Promise<number> {
    const { driver, registry, keeper, log, journal } = this.#parts;
    driver.watch((hint) => this.#onHint(hint));
    const { places, rest } = findFleet(await driver.list());
    const replicas = places.map((place) => registry.reserve(place.name, place.id));
    registry.join(replicas, driver.ownsInstances ? 'left by an earlier balancer' : 'on the list');
    for (const [index, replica] of replicas.entries()) {
      const { running, dead } = places[index]!;
      if (driver.ownsInstances) {
        const instance = running?.instanceId;
        log.info({ replica: replica.name, instance, id: replica.id }, 'adopted');
        journal.note({ kind: 'adopted', replica: replica.name, instance });
      }
      if (running?.endpoint !== undefined) keeper.keep(replica, running, undefined);
      else this.#startAnew(replica, running ?? dead);
    }
    for (const instance of rest) void keeper.instances.dispose(instance, 0);
    this.#hasAdopted = true;
    this.#scheduleLook(RELIST_MS);
    if (this.#lookAgain) this.nudge();
    return replicas.length;
  }

  /** Looks at the engine soon; any number of nudges while it looks make one more look. */
  nudge(): void {
    if (this.#closed || !this.#parts.driver.ownsInstances) return;
    if (this.#isLooking || !this.#hasAdopted) {
      this.#lookAgain = true;
      return;
    }
    this.#isLooking = true;
    void this.#lookUntilDone();
  }

  /** The probes of a replica failed: its instance hangs, and another takes its place. */
  onDown(replica: Replica, cause: string): void {
    if (this.#parts.driver.ownsInstances && !this.#closed) this.#replace(replica, cause, true);
  }

  /** Stops looking; with `keep` false takes every instance away. */
  async close(keep: boolean): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    const { driver, registry, keeper, checker, stopTimeoutMs } = this.#parts;
    checker.close();
    const settled = keeper.close(keep);
    if (!keep && driver.ownsInstances) {
      const instances = [...registry.replicas, ...registry.leaving].flatMap(
        (replica) => replica.instance ?? [],
      );
      await Promise.all(instances.map((instance) => keeper.instances.dispose(instance, stopTimeoutMs)));
    }
    await settled;
    await driver.close(keep);
  }

  #onHint(hint: Hint): void {
    const { log, registry, keeper, journal, clock } = this.#parts;
    switch (hint.kind) {
      case 'died': {
        const replica = registry.byInstance(hint.instanceId);
        if (keeper.died(hint.instanceId, hint.cause)) break;
        if (replica !== undefined && !this.#closed)
          this.#died(replica, hint.cause, isFromOutside(hint.cause));
        break;
      }
      case 'engine-lost':
        log.warn({ cause: hint.cause }, 'engine lost; running replicas go on');
        this.#engineLostAtMs = clock.nowMs();
        journal.note({ kind: 'engine-lost', cause: hint.cause });
        break;
      case 'engine-back': {
        const ms = Math.round(clock.nowMs() - (this.#engineLostAtMs ?? clock.nowMs()));
        log.info({ ms }, 'engine back');
        journal.note({ kind: 'engine-back', ms });
        break;
      }
      case 'changed':
        break;
    }
    this.nudge();
  }

  async #lookUntilDone(): Promise<void> {
    do {
      this.#lookAgain = false;
      await this.#look();
    } while (this.#lookAgain && !this.#closed);
    this.#isLooking = false;
  }

  async #look(): Promise<void> {
    const { registry, driver, keeper, log } = this.#parts;
    // what is decided on must be what was known before the list, for the list shows no later than that
    const before = new Map(registry.replicas.map((replica) => [replica, replica.instance?.instanceId]));
    const busyBefore = keeper.busy;
    const leavingBefore = keeper.instances.leaving;
    let observed: readonly Instance[];
    try {
      observed = await driver.list();
    } catch (error) {
      this.#lookFailures++;
      log.debug({ cause: messageOf(error) }, 'engine does not list');
      return this.#scheduleLook(backoffMs(this.#lookFailures, RELIST_FIRST_MS, RELIST_MAX_MS));
    }
    this.#lookFailures = 0;
    this.#scheduleLook(RELIST_MS);
    if (this.#closed) return;
    const unchanged = registry.replicas.filter(
      (replica) => before.get(replica) === replica.instance?.instanceId,
    );
    const changed = registry.replicas
      .filter((replica) => !unchanged.includes(replica))
      .map(({ name }) => name);
    const desired = unchanged.map(({ name, instance }) => ({ name, instanceId: instance?.instanceId }));
    const busy = new Set([...busyBefore, ...keeper.busy, ...changed]);
    // what stood in a place before the list and does no more is the business of who took it out
    const placed = [...before.values()].filter((instanceId) => instanceId !== undefined);
    const leaving = new Set([...leavingBefore, ...keeper.instances.leaving, ...placed]);
    for (const action of reconcile(desired, observed, busy, leaving)) this.#act(action, observed);
  }

  #act(action: Action, observed: readonly Instance[]): void {
    const { registry, keeper, log, stopTimeoutMs } = this.#parts;
    const instance = observed.find((one) => one.instanceId === action.instanceId);
    if (action.kind === 'replace') {
      const replica = registry.find(action.name);
      const cause = instance?.ending ?? 'its instance is gone';
      if (replica !== undefined) this.#died(replica, cause, instance === undefined || isFromOutside(cause));
      return;
    }
    log.info(
      { replica: action.name, instance: action.instanceId },
      'instance that nobody needs is taken away',
    );
    void keeper.instances.dispose(action, instance?.status === 'dead' ? 0 : stopTimeoutMs);
  }

  #died(replica: Replica, cause: string, fromOutside: boolean): void {
    const { journal, clock } = this.#parts;
    const ms = clock.nowMs() - replica.sinceMs;
    const instance = replica.instance?.instanceId;
    if (instance !== undefined) journal.note({ kind: 'died', replica: replica.name, instance, cause, ms });
    this.#replace(replica, cause, fromOutside);
  }

  #replace(replica: Replica, cause: string, endedFromOutside: boolean): void {
    const { registry, checker, keeper, clock } = this.#parts;
    const old = replica.instance;
    const wasHealthy = replica.state === 'healthy' || replica.state === 'unhealthy';
    const healthyMs = replica.state === 'healthy' ? clock.nowMs() - replica.sinceMs : 0;
    keeper.noteEnd(replica, { wasHealthy, healthyMs, endedFromOutside });
    checker.unwatch(replica);
    const heir = keeper.renew(replica, cause);
    if (heir === undefined) void registry.vacate(replica, cause);
    keeper.keep(heir ?? replica, undefined, old);
  }

  /** A replica that an earlier balancer left has no instance that runs. */
  #startAnew(replica: Replica, old: Instance | undefined): void {
    const { keeper } = this.#parts;
    const heir = keeper.renew(replica, old?.ending ?? 'its instance is gone');
    keeper.keep(heir ?? replica, undefined, old);
  }

  #scheduleLook(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#closed || !this.#parts.driver.ownsInstances) return;
    this.#timer = this.#parts.clock.after(delayMs, () => this.nudge());
  }
}

/** True where an ending's words say that somebody else ended the instance. */
function isFromOutside(cause: string): boolean {
  return /SIGKILL|SIGTERM|stopped|removed/.test(cause) && !cause.includes('memory');
}
