/**
 * Keeps the fleet what it should be: adopts, starts, replaces the dead, takes away what nobody needs.
 * Must not hold: sockets, knowledge of one kind of engine, the state of replicas (the registry has it), scaling
 * (scaling.ts).
 *
 * Reconciles by level: whatever happens is only a hint to list, compare and act (core/policy/reconcile.ts). A replica
 * without a sound instance is its launcher's; everything else leaves it alone meanwhile.
 */

import { type Ending, endingOf } from '../../core/ending.ts';
import { backoffMs, type InstanceLife } from '../../core/policy/backoff.ts';
import { type Action, findFleet, reconcile } from '../../core/policy/reconcile.ts';
import type { Driver, Hint, Instance } from '../../drivers/driver.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Checker } from '../health/checker.ts';
import type { Journal } from '../journal.ts';
import type { End } from '../poison.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { GracefulStop } from './graceful-stop.ts';
import type { Launcher } from './launcher.ts';

export interface SupervisorParts {
  readonly registry: Registry;
  readonly driver: Driver;
  readonly checker: Checker;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  readonly gracefulStop: GracefulStop;
  readonly stopTimeoutMs: number;
  /** It is known how an instance ended that had been in its place. */
  readonly onEnded: (end: End) => void;
  /** Each instance has a name of its own. */
  readonly classic: boolean;
}

/** Of an instance that ended. */
interface Life extends Omit<InstanceLife, 'ending'> {
  /** How long its replica had been in the state in which it ended. */
  readonly stateMs: number;
}

/** What is known of a death in the moment in which it is heard of. */
interface Death {
  readonly replica: string;
  readonly generation: number;
  readonly instance: string | undefined;
  readonly hinted: Ending;
  readonly life: Life;
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
    const { driver, registry, launcher, log, journal } = this.#parts;
    driver.watch((hint) => this.#onHint(hint));
    void driver.evicted?.then(() => this.close(true));
    const { places, rest } = findFleet(await driver.list());
    const replicas = places.map((place) => registry.reserve(place.name, place.id));
    registry.addToRing(replicas, 'left by an earlier balancer');
    for (const [index, replica] of replicas.entries()) {
      const { running, dead } = places[index]!;
      const { instanceId: instance, image } = running ?? {};
      log.info({ replica: replica.name, instance, image, id: replica.id }, 'adopted');
      journal.note({ kind: 'adopted', replica: replica.name, instance, image });
      if (running?.endpoint !== undefined) launcher.launchUntilHealthy(replica, { found: running });
      else this.#startAnew(replica, running ?? dead);
    }
    for (const instance of rest) void launcher.instances.remove(instance, 0);
    this.#hasAdopted = true;
    this.#scheduleLook(RELIST_MS);
    if (this.#lookAgain) this.nudge();
    return replicas.length;
  }

  /** Looks at the engine soon; any number of nudges while it looks make one more look. */
  nudge(): void {
    if (this.#closed) return;
    if (this.#isLooking || !this.#hasAdopted) {
      this.#lookAgain = true;
      return;
    }
    this.#isLooking = true;
    void this.#lookUntilDone();
  }

  /**
   * Puts another instance in the place of one that runs. `drain` lets what is in flight finish; while too many others
   * drain nothing happens.
   */
  replace(replica: Replica, cause: string, how: 'drain' | 'kill'): void {
    const { registry, checker, launcher, gracefulStop } = this.#parts;
    const isDraining = how === 'drain';
    if (this.#closed || (isDraining && registry.freeOrdinals === 0)) return;
    const { instance, name, generation } = replica;
    const ending = endingOf('unhealthy', cause);
    this.#parts.onEnded({ replica: name, generation, ending });
    launcher.recordExit(replica, { ...this.#lifeOf(replica), ending });
    checker.unwatch(replica);
    const substitute = launcher.substitute(replica, cause, isDraining);
    // first, so that its name is free in the turn in which the next is started under it
    if (isDraining)
      void gracefulStop.drainAndStop(
        substitute === undefined ? registry.detachInstance(replica, cause) : replica,
        'replaced',
      );
    else if (substitute === undefined) void registry.clearInstance(replica, cause);
    registry.states.recordEnding(substitute ?? replica, ending);
    launcher.launchUntilHealthy(substitute ?? replica, { old: isDraining ? undefined : instance });
  }

  /** Stops looking; with `keep` false takes every instance away. */
  async close(keep: boolean): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    const { driver, registry, launcher, checker, stopTimeoutMs } = this.#parts;
    checker.close();
    const settled = launcher.close(keep);
    if (!keep) {
      const instances = [...registry.replicas, ...registry.leaving].flatMap(
        (replica) => replica.instance ?? [],
      );
      await Promise.all(instances.map((instance) => launcher.instances.remove(instance, stopTimeoutMs)));
    }
    await settled;
    await driver.close(keep);
  }

  #onHint(hint: Hint): void {
    const { log, registry, launcher, journal, clock } = this.#parts;
    switch (hint.kind) {
      case 'died': {
        const replica = registry.findByInstance(hint.instanceId);
        if (launcher.failAttempt(hint.instanceId, hint.ending)) break;
        if (replica !== undefined && !this.#closed) this.#died(replica, hint.ending);
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
      default:
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
    const { registry, driver, launcher, log } = this.#parts;
    // what is decided on must be what was known before the list, for the list shows no later than that
    const before = new Map(registry.replicas.map((replica) => [replica, replica.instance?.instanceId]));
    const busyBefore = launcher.busy;
    const leavingBefore = launcher.instances.beingRemoved;
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
    const busy = new Set([...busyBefore, ...launcher.busy, ...changed]);
    // what stood in a place before the list and does no more is the business of who took it out
    const placed = [...before.values()].filter((instanceId) => instanceId !== undefined);
    const leaving = new Set([...leavingBefore, ...launcher.instances.beingRemoved, ...placed]);
    for (const action of reconcile(desired, observed, busy, leaving)) this.#act(action, observed);
  }

  #act(action: Action, observed: readonly Instance[]): void {
    const { registry, launcher, log, stopTimeoutMs } = this.#parts;
    const instance = observed.find((one) => one.instanceId === action.instanceId);
    if (action.kind === 'replace') {
      const replica = registry.find(action.name);
      const ending = instance?.ending ?? endingOf('removed', 'its instance is gone');
      if (replica !== undefined) this.#died(replica, ending);
      return;
    }
    log.info(
      { replica: action.name, instance: action.instanceId },
      'instance that nobody needs is taken away',
    );
    void launcher.instances.remove(action, instance?.status === 'dead' ? 0 : stopTimeoutMs);
  }

  /**
   * The instance ended: no request goes there from now on, and the launcher has the place. How long it waits depends on
   * how the instance ended, which is found out beside.
   */
  #died(replica: Replica, hinted: Ending): void {
    const { registry, checker, launcher, journal, classic } = this.#parts;
    const { instance: old, name, generation } = replica;
    const death = {
      replica: name,
      generation,
      instance: old?.instanceId,
      hinted,
      life: this.#lifeOf(replica),
    };
    if (old !== undefined) journal.beginOutage(replica.name, old.instanceId);
    // where the replica leaves with its instance, all of it is told now
    if (classic) this.#tellOf(death, hinted);
    checker.unwatch(replica);
    const substitute = launcher.substitute(replica, hinted.text);
    if (substitute === undefined) void registry.clearInstance(replica, hinted.text);
    const place = substitute ?? replica;
    launcher.launchUntilHealthy(place, { old, exitRecorded: this.#learnOf(death, place) });
  }

  /** Finds out how the instance that was in the place ended, a second later at most. */
  async #learnOf(death: Death, place: Replica): Promise<void> {
    const { driver, registry, launcher, log, classic, onEnded } = this.#parts;
    const { replica, instance, hinted, life, generation } = death;
    const canBeAsked = instance !== undefined && hinted.kind !== 'removed';
    const ending = (canBeAsked ? await driver.endingOf(instance) : undefined) ?? hinted;
    onEnded({ replica, generation, ending });
    if (!registry.has(place)) return;
    if (!classic) this.#tellOf(death, ending);
    if (ending.text !== hinted.text) log.warn({ replica, instance, cause: ending.text }, `${replica} ended`);
    registry.states.recordEnding(place, ending);
    launcher.recordExit(place, { ...life, ending });
  }

  #tellOf({ replica, instance, life: { stateMs: ms } }: Death, { text: cause }: Ending): void {
    if (instance !== undefined) this.#parts.journal.note({ kind: 'died', replica, instance, cause, ms });
  }

  /** What there is to say of the life of the instance in the place. */
  #lifeOf({ state, sinceMs }: Replica): Life {
    const stateMs = this.#parts.clock.nowMs() - sinceMs;
    const wasHealthy = state === 'healthy' || state === 'unhealthy';
    return { stateMs, wasHealthy, healthyMs: state === 'healthy' ? stateMs : 0 };
  }

  /** A replica that an earlier balancer left has no instance that runs. */
  #startAnew(replica: Replica, old: Instance | undefined): void {
    const { launcher } = this.#parts;
    const substitute = launcher.substitute(replica, old?.ending?.text ?? 'its instance is gone');
    launcher.launchUntilHealthy(substitute ?? replica, { old });
  }

  #scheduleLook(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    this.#timer = this.#parts.clock.after(delayMs, () => this.nudge());
  }
}
