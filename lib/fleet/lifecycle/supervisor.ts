/**
 * Keeps the fleet as it should be: adopts what an earlier balancer left, replaces the dead, removes the orphaned.
 * It reconciles by level: whatever happens is only a reason to list what runs, compare it with what should, and act
 * (core/policy/reconcile.ts).
 * Invariant: a replica with a launch under way is left alone.
 */
import { type Ending, endingOf } from '../../core/ending.ts';
import { backoffMs, type InstanceLife } from '../../core/policy/backoff.ts';
import { type Action, type Found, findFleet, reconcile } from '../../core/policy/reconcile.ts';
import type { Driver, Hint, Instance } from '../../drivers/driver.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Deploys } from '../deploy/deploys.ts';
import type { Checker } from '../health/checker.ts';
import type { Journal } from '../journal.ts';
import type { End } from '../poison.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import { SharedPool } from '../shared/shared-pool.ts';
import type { GracefulStop } from './graceful-stop.ts';
import type { Launcher } from './launcher.ts';
import type { Scaling } from './scaling.ts';

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
  readonly drainTimeoutMs: number;
  readonly maxReplicas: number;
  /** A deploy under way takes care of the instances that it starts and exchanges. */
  readonly deploys: Pick<Deploys, 'adopt' | 'fallBack' | 'isRunning' | 'recordExit'>;
  readonly scaling: Pick<Scaling, 'claiming'>;
  /** It is known how an instance ended that stood in a replica's place. */
  readonly onEnded: (end: End) => void;
  /** Each instance is a replica with a name of its own. */
  readonly classic: boolean;
}

/** The life of an instance that ended. */
interface Life extends Omit<InstanceLife, 'ending'> {
  /** How long its replica had been in the state in which it ended. */
  readonly stateMs: number;
}

/** What is known of a death when it is noticed. */
interface Death {
  readonly replica: string;
  readonly generation: number;
  readonly instance: string | undefined;
  readonly hinted: Ending;
  readonly life: Life;
}

/** Between two looks at what runs while nothing happens. */
const RELIST_MS = 15_000;
/** Between two looks while the engine does not respond: from here … */
const RELIST_FIRST_MS = 200;
/** … doubling to here. */
const RELIST_MAX_MS = 5000;

export class Supervisor {
  readonly #parts: SupervisorParts;
  /** Before adoption every instance would look like an orphan. */
  #hasAdopted = false;
  #isLooking = false;
  #lookAgain = false;
  #lookFailures = 0;
  #timer: Timer | undefined;
  #engineLostAtMs: number | undefined;
  #closed = false;
  readonly #shared: SharedPool;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#shared = new SharedPool(parts);
  }

  /**
   * Adopts what an earlier balancer of this pool left, and returns how many replicas that makes; the caller starts new
   * ones when it is 0. Throws what the driver's `list` throws.
   */
  async open(): Promise<number> {
    const { driver, registry, launcher, deploys } = this.#parts;
    driver.watch((hint) => this.#onHint(hint));
    void driver.evicted?.then(() => this.close(true));
    const { places, rest } = findFleet(await driver.list());
    const replicas = places.map(({ name, id, running, dead }) =>
      registry.reserve(name, id, (running ?? dead)?.weight, (running ?? dead)?.by === 'scale'),
    );
    await deploys.adopt({ places, rest });
    registry.addToRing(replicas, 'left by an earlier balancer');
    // in a shared pool the rest may be what another balancer drains
    const removed = driver.isShared ? [] : rest;
    const removals = Map.groupBy(removed, ({ name }) => name);
    for (const [index, replica] of replicas.entries()) {
      const others = (removals.get(replica.name) ?? []).map((one) => launcher.instances.remove(one, 0));
      this.#adopt(replica, places[index]!, Promise.all(others));
    }
    for (const one of removed) void launcher.instances.remove(one, 0);
    this.#hasAdopted = true;
    this.#scheduleLook(RELIST_MS);
    if (this.#lookAgain) this.nudge();
    return replicas.length;
  }

  /** Looks at what runs soon; any number of nudges during a look make one more look. */
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
   * Replaces an instance that runs. `drain` lets its requests in flight finish; nothing happens while too many others
   * drain already.
   */
  replace(replica: Replica, cause: string, how: 'drain' | 'kill'): void {
    const { registry, checker, launcher, gracefulStop } = this.#parts;
    const isDraining = how === 'drain';
    if (this.#closed || (isDraining && registry.freeOrdinals === 0)) return;
    const { instance, name, generation } = replica;
    const ending = endingOf('unhealthy', cause);
    this.#parts.onEnded({ replica: name, generation, ending });
    if (this.#parts.deploys.fallBack(replica, cause)) return;
    launcher.recordExit(replica, { ...this.#lifeOf(replica), ending });
    checker.unwatch(replica);
    const substitute = launcher.substitute(replica, cause, isDraining);
    // before the launch, so that the name is free when its turn comes
    if (isDraining) {
      const leaving = substitute === undefined ? registry.standbys.detach(replica, cause) : replica;
      void gracefulStop.drainAndStop(leaving, 'replaced');
    } else if (substitute === undefined) void registry.clearInstance(replica, cause);
    const place = substitute ?? replica;
    registry.states.recordEnding(place, ending);
    launcher.launchUntilHealthy(place, { old: isDraining ? undefined : instance });
  }

  /** The replica was removed while it was launched, by another balancer unless this one is about to carry it out. */
  removeReplica(replica: Replica): void {
    const isWanted = this.#parts.registry.has(replica) && !this.#parts.scaling.claiming.has(replica.name);
    if (!this.#closed && isWanted) this.#shared.removeReplicas([replica]);
  }

  /** Stops looking; with `keep` false stops and removes every instance. */
  async close(keep: boolean): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    const { driver, registry, launcher, checker, stopTimeoutMs } = this.#parts;
    checker.close();
    const launchesEnded = launcher.close(keep);
    if (!keep) {
      const instances = [...registry.replicas, ...registry.leaving].flatMap(
        (replica) => replica.instance ?? [],
      );
      await Promise.all(instances.map((instance) => launcher.instances.remove(instance, stopTimeoutMs)));
    }
    await launchesEnded;
    await driver.close(keep);
  }

  /** Goes on with what an earlier balancer left of a replica: the instance that runs, or a new one in its place. */
  #adopt(replica: Replica, { running, dead }: Found<Instance>, othersGone: Promise<unknown>): void {
    const { driver, launcher, log, journal } = this.#parts;
    const { instanceId: instance, image } = running ?? {};
    log.info({ replica: replica.name, instance, image, id: replica.id }, `${replica.name} adopted`);
    journal.note({ kind: 'adopted', replica: replica.name, instance, image });
    // the balancer before ended in the middle of a switch; one of the others may have the name
    if (running !== undefined && running.role !== 'current')
      void launcher.instances
        .runInTurn(replica.name, () => othersGone.then(() => driver.promote?.(running.instanceId)))
        .catch((error: unknown) =>
          log.warn({ replica: replica.name, cause: messageOf(error) }, 'instance not renamed'),
        );
    if (running?.endpoint !== undefined) return launcher.launchUntilHealthy(replica, { found: running });
    const old = running ?? dead;
    const substitute = launcher.substitute(replica, old?.ending?.text ?? 'its instance is gone');
    launcher.launchUntilHealthy(substitute ?? replica, { old });
  }

  #onHint(hint: Hint): void {
    const { log, registry, launcher, journal, clock } = this.#parts;
    switch (hint.kind) {
      case 'died': {
        const replica = registry.findByInstance(hint.instanceId);
        this.#parts.deploys.recordExit(hint.instanceId, hint.ending);
        if (launcher.failAttempt(hint.instanceId, hint.ending)) break;
        if (replica !== undefined && !this.#closed) this.#replaceDead(replica, hint.ending);
        break;
      }
      case 'engine-lost':
        log.warn({ cause: hint.cause }, `engine lost (${hint.cause}); running replicas go on`);
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

  /** Lists what runs, and acts on how it differs from what should. */
  async #look(): Promise<void> {
    const { registry, driver, launcher, scaling, log } = this.#parts;
    // decide on what was known before the list was requested, since the list may be no newer than that
    const before = new Map(registry.replicas.map((replica) => [replica, replica.instance?.instanceId]));
    const busyBefore = new Set([...launcher.busy, ...scaling.claiming]);
    const leavingBefore = launcher.instances.beingRemoved;
    let observed: readonly Instance[];
    try {
      observed = await driver.list();
    } catch (error) {
      this.#lookFailures++;
      log.debug({ cause: messageOf(error) }, 'engine did not list its instances');
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
    const busy = new Set([...busyBefore, ...launcher.busy, ...scaling.claiming, ...changed]);
    // an instance that left its place during the list belongs to whoever took it out
    const placed = [...before.values()].filter((instanceId) => instanceId !== undefined);
    // one that a deploy has just switched to is still called that until it is renamed
    const inPlace = new Set(desired.map(({ instanceId }) => instanceId));
    const isAwaited = ({ role, instanceId }: Instance): boolean =>
      role === 'next' && this.#parts.deploys.isRunning && !inPlace.has(instanceId);
    const leaving = new Set([...leavingBefore, ...launcher.instances.beingRemoved, ...placed]);
    const judged = observed.filter((instance) => !isAwaited(instance));
    const ours = this.#shared.follow({ observed: judged, busy });
    const stayed = desired.filter(({ name }) => registry.find(name) !== undefined);
    for (const action of reconcile(stayed, ours, busy, leaving)) this.#act(action, ours);
  }

  #act(action: Action, observed: readonly Instance[]): void {
    const { registry, launcher, log, stopTimeoutMs } = this.#parts;
    const instance = observed.find((one) => one.instanceId === action.instanceId);
    if (action.kind === 'replace') {
      const replica = registry.find(action.name);
      const ending = instance?.ending ?? endingOf('removed', 'its instance is gone');
      if (replica !== undefined) this.#replaceDead(replica, ending);
      return;
    }
    log.info(
      { replica: action.name, instance: action.instanceId },
      `removing orphaned instance of ${action.name}`,
    );
    void launcher.instances.remove(action, instance?.status === 'dead' ? 0 : stopTimeoutMs);
  }

  /**
   * Replaces a dead instance: no request goes there from now on, and the launcher starts another in the place. How long
   * that waits depends on how the instance ended, which is found out at the same time.
   */
  #replaceDead(replica: Replica, hinted: Ending): void {
    const { registry, checker, launcher, journal, classic, deploys } = this.#parts;
    const { instance: old, name, generation } = replica;
    const life = this.#lifeOf(replica);
    const death = { replica: name, generation, instance: old?.instanceId, hinted, life };
    if (deploys.fallBack(replica, hinted.text)) return this.#recordFallBack(death, replica);
    if (old !== undefined) journal.beginOutage(name, old.instanceId);
    // in the classic profile the replica goes with its instance, and its death has to be noted before that
    if (classic) this.#noteDeath(death, hinted);
    checker.unwatch(replica);
    const substitute = launcher.substitute(replica, hinted.text);
    if (substitute === undefined) void registry.clearInstance(replica, hinted.text);
    const place = substitute ?? replica;
    launcher.launchUntilHealthy(place, { old, exitRecorded: this.#recordExit(death, place), life });
  }

  /** Records an exit after which the deploy has put the instance before back in the place: there is no outage to heal. */
  #recordFallBack(death: Death, place: Replica): void {
    const { journal } = this.#parts;
    const { replica, instance, generation, hinted } = death;
    this.#noteDeath(death, hinted);
    journal.note({ kind: 'healthy', replica, instance: place.instance?.instanceId, cause: 'rolled back' });
    void this.#findEnding(instance, hinted).then((ending) => {
      this.#parts.onEnded({ replica, generation, ending });
      if (this.#parts.registry.has(place)) this.#parts.registry.states.recordEnding(place, ending);
    });
  }

  /** How the instance ended, as the driver knows it in a second at most. */
  async #findEnding(instance: string | undefined, hinted: Ending): Promise<Ending> {
    if (instance === undefined || hinted.kind === 'removed') return hinted;
    return (await this.#parts.driver.endingOf(instance)) ?? hinted;
  }

  /** Finds out how an instance ended, in a second at most, and records it. */
  async #recordExit(death: Death, place: Replica): Promise<void> {
    const { registry, launcher, log, classic, onEnded } = this.#parts;
    const { replica, instance, hinted, life, generation } = death;
    const ending = await this.#findEnding(instance, hinted);
    onEnded({ replica, generation, ending });
    if (!registry.has(place)) return;
    if (!classic) this.#noteDeath(death, ending);
    if (ending.text !== hinted.text)
      log.warn({ replica, instance, cause: ending.text }, `${replica} ended (${ending.text})`);
    registry.states.recordEnding(place, ending);
    launcher.recordExit(place, { ...life, ending });
  }

  #noteDeath({ replica, instance, life: { stateMs: ms } }: Death, { text: cause }: Ending): void {
    if (instance !== undefined) this.#parts.journal.note({ kind: 'died', replica, instance, cause, ms });
  }

  /** The life of the instance in the place, which ends now. */
  #lifeOf({ sinceMs, firstHealthyMs }: Replica): Life {
    const nowMs = this.#parts.clock.nowMs();
    const wasHealthy = firstHealthyMs !== undefined;
    return { stateMs: nowMs - sinceMs, wasHealthy, healthyMs: wasHealthy ? nowMs - firstHealthyMs : 0 };
  }

  #scheduleLook(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    this.#timer = this.#parts.clock.after(delayMs, () => this.nudge());
  }
}
