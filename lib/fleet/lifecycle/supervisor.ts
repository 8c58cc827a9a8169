/**
 * Keeps the fleet as it should be: adopts what an earlier balancer left, replaces the dead, removes the orphaned.
 * It reconciles by level: whatever happens is only a reason to list what runs, compare it with what should, and act
 * (core/policy/reconcile.ts).
 * Invariant: a replica with a launch under way is left alone.
 */
import { type Ending, endingOf } from '../../core/ending.ts';
import { backoffMs } from '../../core/policy/backoff.ts';
import { type Action, type Found, findFleet, reconcile } from '../../core/policy/reconcile.ts';
import type { Hint, Instance } from '../../drivers/driver.ts';
import type { Timer } from '../../platform/clock.ts';
import { messageOf } from '../../platform/errors.ts';
import type { Deploys } from '../deploy/deploys.ts';
import type { Checker } from '../health/checker.ts';
import type { Replica } from '../replica.ts';
import { SharedPool, type SharedPoolParts } from '../shared/shared-pool.ts';
import { Deaths, type DeathsParts } from './deaths.ts';
import type { GracefulStop } from './graceful-stop.ts';
import type { Scaling } from './scaling.ts';

export interface SupervisorParts extends DeathsParts {
  readonly checker: Checker;
  readonly gracefulStop: GracefulStop;
  readonly stopTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly maxReplicas: number;
  /** A deploy under way takes care of the instances that it starts and exchanges. */
  readonly deploys: Pick<Deploys, 'adopt' | 'fallBack' | 'recordExit'> & SharedPoolParts['deploys'];
  readonly scaling: Pick<Scaling, 'claiming'>;
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
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #lookFailures = 0;
  #timer: Timer | undefined;
  #engineLostAtMs: number | undefined;
  #closed = false;
  #isHandedOver = false;
  readonly #shared: SharedPool;
  readonly #deaths: Deaths;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#deaths = new Deaths(parts);
    this.#shared = new SharedPool(parts);
  }

  /**
   * Adopts what an earlier balancer of this pool left, and returns how many replicas there are with those that another
   * balancer is starting, which join once they run; the caller starts new ones when it is 0. Throws what the driver's
   * `list` throws.
   */
  async open(): Promise<number> {
    const { driver, registry, launcher, deploys } = this.#parts;
    driver.watch((hint) => this.#onHint(hint));
    void driver.evicted?.then(() => this.close(true));
    const listed = await driver.list();
    const starting = listed.filter((one) => this.#shared.isStartedElsewhere(one));
    const { places, rest } = findFleet(listed.filter((one) => !starting.includes(one)));
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
    return replicas.length + starting.length;
  }

  /** Looks at what runs soon; any number of nudges during a look make one more look. */
  nudge(): void {
    if (this.#closed) return;
    if (this.#looking !== undefined || !this.#hasAdopted) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = this.#lookUntilDone().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Resolves once it has looked at what runs now. */
  async look(): Promise<void> {
    this.nudge();
    await this.#looking;
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
    launcher.recordExit(replica, { ...this.#deaths.lifeOf(replica), ending });
    checker.unwatch(replica);
    const substitute = launcher.substitute(replica, cause, isDraining);
    const place = substitute ?? replica;
    // before the launch, so that the name is free when its turn comes
    if (isDraining) {
      const leaving = substitute === undefined ? registry.standbys.detach(replica, cause) : replica;
      void gracefulStop.drainAndStop(leaving, 'replaced', () => this.removeReplica(place));
    } else if (substitute === undefined) void registry.clearInstance(replica, cause);
    registry.states.recordEnding(place, ending);
    launcher.launchUntilHealthy(place, { old: isDraining ? undefined : instance });
  }

  /** The replica was removed while it was launched, by another balancer unless this one is about to carry it out. */
  removeReplica(replica: Replica): void {
    const isWanted = this.#parts.registry.has(replica) && !this.#parts.scaling.claiming.has(replica.name);
    if (!this.#closed && isWanted) this.#shared.removeReplicas([replica]);
  }

  /**
   * Leaves the fleet to another balancer: nothing is started or replaced from now on. What was removed before is still
   * drained and stopped here, which the other does not wait for.
   */
  async handOver(): Promise<void> {
    if (this.#closed) return;
    [this.#closed, this.#isHandedOver] = [true, true];
    this.#timer?.cancel();
    const { driver, launcher, checker } = this.#parts;
    checker.close();
    await launcher.handOver();
    await driver.close(true);
  }

  /** Stops looking; with `keep` false stops and removes every instance. */
  async close(keep: boolean): Promise<void> {
    if (this.#isHandedOver) return this.#parts.gracefulStop.whenStopped();
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
    const { driver, launcher, log, journal, deploys } = this.#parts;
    const { instanceId: instance, image } = running ?? {};
    log.info({ replica: replica.name, instance, image, id: replica.id }, `${replica.name} adopted`);
    journal.note({ kind: 'adopted', replica: replica.name, instance, image });
    // the balancer before ended in the middle of a switch; one of the others may have the name
    if (running !== undefined && running.role !== 'current' && !deploys.isUnderWay)
      void launcher.instances
        .runInTurn(replica.name, () => othersGone.then(() => driver.promote?.(running.instanceId)))
        .catch((error: unknown) =>
          log.warn({ replica: replica.name, cause: messageOf(error) }, 'failed to rename the instance'),
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
  }

  /** Lists what runs, and acts on how it differs from what should. */
  async #look(): Promise<void> {
    const { registry, launcher, log } = this.#parts;
    // decide on what was known before the list was requested, since the list may be no newer than that
    const before = new Map(registry.replicas.map((replica) => [replica, replica.instance?.instanceId]));
    const busyBefore = new Set([...launcher.busy, ...this.#shared.changing]);
    const leavingBefore = launcher.instances.beingRemoved;
    let observed: readonly Instance[];
    try {
      observed = await this.#shared.list();
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
    const busy = new Set([...busyBefore, ...launcher.busy, ...this.#shared.changing, ...changed]);
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
    const { instance: old, name } = replica;
    const death = this.#deaths.of(replica, hinted);
    if (deploys.fallBack(replica, hinted.text)) return this.#deaths.recordFallBack(death, replica);
    if (old !== undefined) journal.beginOutage(name, old.instanceId);
    // in the classic profile the replica goes with its instance, and its death has to be noted before that
    if (classic) this.#deaths.note(death, hinted);
    checker.unwatch(replica);
    const substitute = launcher.substitute(replica, hinted.text);
    if (substitute === undefined) void registry.clearInstance(replica, hinted.text);
    const place = substitute ?? replica;
    const exitRecorded = this.#deaths.recordExit(death, place);
    launcher.launchUntilHealthy(place, { old, exitRecorded, life: death.life });
  }

  #scheduleLook(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    this.#timer = this.#parts.clock.after(delayMs, () => this.nudge());
  }
}
