/**
 * Adds replicas, all or none, and removes them: what `/add`, `/rm` and `/scale` do.
 * Invariants: a call decides everything in one turn of the event loop, so that calls are serial in their effect however
 * they overlap; a replica joins the ring only once its probes passed; a removed one leaves the ring at once, and its
 * instance is stopped when nothing is in flight on it. `/scale` decides once no earlier change is still starting
 * something, so that it counts what there is.
 */

import type { Place } from '../../core/replica.ts';
import type { Driver } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import { BalancerError, isBalancerError, messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Checker } from '../health/checker.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import { untilFollowed } from '../shared/following.ts';
import { type Claimed, SharedRemoval } from '../shared/shared-removal.ts';
import type { GracefulStop } from './graceful-stop.ts';
import type { Launcher } from './launcher.ts';
import type { Plans } from './plans.ts';

export interface ScalingParts {
  readonly registry: Registry;
  readonly driver: Driver;
  readonly checker: Checker;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly log: Logger;
  readonly plans: Plans;
  /** Each instance has a name of its own. */
  readonly classic: boolean;
  readonly gracefulStop: GracefulStop;
  readonly stopTimeoutMs: number;
  /** Another balancer of the pool removes the replica. */
  readonly onRemoved: (replica: Replica) => void;
  /** What the pool is like is worth a look. */
  readonly nudge: () => void;
}

const NONE: ReadonlySet<string> = new Set();

export class Scaling {
  readonly #parts: ScalingParts;
  /** Additions that are still starting. */
  readonly #adding = new Set<Promise<unknown>>();
  /** Undefined where other balancers never remove at the same time. */
  readonly #shared: SharedRemoval | undefined;

  constructor(parts: ScalingParts) {
    this.#parts = parts;
    this.#shared = parts.driver.isShared && parts.driver.claimRemoval ? new SharedRemoval(parts) : undefined;
  }

  /** Names of replicas whose removal is being agreed with other balancers. */
  get claiming(): ReadonlySet<string> {
    return this.#shared?.claiming ?? NONE;
  }

  /** Names on the ring, in the order they joined. */
  names(): readonly string[] {
    return this.#parts.registry.members.map((replica) => replica.name);
  }

  /**
   * Puts the first replicas of a new fleet on the ring, healthy or not, and starts them; none where those of another
   * balancer have joined meanwhile.
   */
  async startFleet(count: number): Promise<void> {
    const { registry, driver, plans } = this.#parts;
    for (const name of await driver.heldNames()) plans.avoidName(name);
    if (registry.replicas.length > 0) return;
    const replicas = Array.from({ length: count }, () =>
      this.#reserve({ name: plans.chooseFreeName() }, true),
    );
    registry.addToRing(replicas, 'a new fleet');
    for (const replica of replicas) this.#start(replica);
  }

  /** Starts a replica of a new fleet. If its name was taken by something else meanwhile, another name replaces it. */
  #start(replica: Replica): void {
    const { registry, launcher, plans } = this.#parts;
    const rename = (): void => {
      const cause = 'its name is held by what is not ours';
      plans.avoidName(replica.name);
      this.#start(registry.substitute(replica, plans.chooseFreeName(), cause));
    };
    launcher.launchUntilHealthy(replica, { onNameHeld: rename });
  }

  /**
   * In the classic profile, puts a new replica in the place of one whose instance ends, as the textbook system does.
   * Undefined in the other profiles, where a replica outlives its instances, and while too many removed ones drain.
   */
  substitute(replica: Replica, cause: string, isDraining = false): Replica | undefined {
    const { registry, plans, classic } = this.#parts;
    if (!classic || registry.freeOrdinals === 0) return undefined;
    return registry.substitute(replica, plans.chooseFreeName(), cause, isDraining);
  }

  /**
   * Adds `count` replicas at the same time, the first of them called `names`. Resolves with all names once each new one
   * is healthy. Throws BalancerError, and then nothing is left of any of them.
   */
  async add(
    count: number,
    names: readonly string[],
    weights: ReadonlyMap<string, number> = new Map(),
  ): Promise<readonly string[]> {
    const { plans, registry } = this.#parts;
    const places = plans.planAdd(count, names);
    const before = new Map([...weights.keys()].map((name) => [name, registry.ring.weightFor(name)]));
    registry.ring.setWeights(weights, 'added');
    try {
      return await this.#add(places, names.length);
    } catch (error) {
      registry.ring.setWeights(before, 'not added');
      throw error;
    }
  }

  /**
   * Makes it `count` replicas once the additions before it have started or failed, so that the last call counts, of
   * those at any balancer of the pool. `change` is called with what does it, when it is this call's turn. Resolves and
   * throws as `add` and `remove`.
   */
  async scale(
    count: number,
    change: (scale: () => Promise<readonly string[]>) => Promise<readonly string[]> = (scale) => scale(),
  ): Promise<readonly string[]> {
    const { driver, registry, clock, nudge, log } = this.#parts;
    if (driver.members === undefined) return change(() => this.#scale(count));
    const endTurn = await driver.members.takeTurn();
    try {
      await untilFollowed({ driver, registry, clock, nudge });
      return await change(() => this.#scale(count));
    } finally {
      // where that fails, it ends with this balancer at the latest
      await endTurn().catch((error: unknown) =>
        log.warn({ cause: messageOf(error) }, 'failed to give up the turn to scale'),
      );
    }
  }

  /** Resolves once no addition is under way. */
  async whenAdded(): Promise<void> {
    while (this.#adding.size > 0) await Promise.allSettled(this.#adding);
  }

  async #scale(count: number): Promise<readonly string[]> {
    // without additions it decides in this very turn
    if (this.#adding.size > 0) await this.whenAdded();
    const { added, removed } = this.#parts.plans.planScale(count);
    if (added.length > 0) return this.#add(added, 0);
    if (removed.length > 0) await this.remove(removed.length, []);
    return this.names();
  }

  /** Adds replicas at these places; the first `given` names were chosen by the caller. */
  async #add(places: readonly Place[], given: number): Promise<readonly string[]> {
    const adding = this.#launchAll(places, given);
    this.#adding.add(adding);
    try {
      return await adding;
    } finally {
      this.#adding.delete(adding);
    }
  }

  async #launchAll(places: readonly Place[], given: number): Promise<readonly string[]> {
    const { registry } = this.#parts;
    const reserved = places.map((place, index) => this.#reserve(place, index >= given));
    const results = await Promise.allSettled(
      reserved.map((replica, index) => this.#launch(replica, index >= given)),
    );
    const started = results.flatMap((result) => (result.status === 'fulfilled' ? (result.value ?? []) : []));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      await Promise.all(started.map((replica) => this.#undo(replica)));
      throw failed.reason;
    }
    registry.addToRing(started, 'added');
    return this.names();
  }

  /**
   * Takes `names`, and as many more as make `count`, off the ring at once; they drain in the background.
   * Returns the names that stay. Throws `bad-request`, and then nothing has changed.
   */
  async remove(count: number, names: readonly string[]): Promise<readonly string[]> {
    if (this.#shared === undefined) this.#remove(this.#parts.plans.planRemove(count, names));
    else await this.#shared.run(count, names, (claimed) => this.#removeClaimed(claimed));
    return this.names();
  }

  #remove(leaving: readonly Replica[]): readonly Promise<void>[] {
    const { registry, checker, launcher, gracefulStop } = this.#parts;
    registry.removeFromRing(leaving, 'removed');
    return leaving.map((replica) => {
      checker.unwatch(replica);
      launcher.cancelWait(replica);
      return gracefulStop.drainAndStop(replica, 'removed');
    });
  }

  /** What was claimed goes whole, also where the instance in the place was another, or none, at that moment. */
  #removeClaimed(claimed: readonly Claimed[]): void {
    const { launcher, stopTimeoutMs } = this.#parts;
    const { instances } = launcher;
    const drained = this.#remove(claimed.map(({ replica }) => replica));
    for (const [index, { replica, instanceId }] of claimed.entries()) {
      const release = instances.protect(instanceId);
      void drained[index]!.then(() => {
        release();
        // others may use it, whatever was in the place here
        return instances.remove({ instanceId, name: replica.name }, stopTimeoutMs);
      });
    }
  }

  /** Autoscaling may remove a replica whose name no caller has given. */
  #reserve({ name, id }: { readonly name: string; readonly id?: number }, isChosen: boolean): Replica {
    return this.#parts.registry.reserve(name, id, undefined, isChosen);
  }

  /**
   * Starts a new replica. A name that was not given by the caller is changed where something else holds it. Undefined
   * where another balancer of the pool has removed it meanwhile, which counts as if that came after the addition.
   */
  async #launch(replica: Replica, isChosen: boolean): Promise<Replica | undefined> {
    const { registry, launcher, plans } = this.#parts;
    try {
      await launcher.launchOnce(replica);
      return replica;
    } catch (error) {
      if (registry.has(replica)) registry.cancelReservation(replica, messageOf(error));
      if (isBalancerError(error, 'not-found')) return undefined;
      if (isChosen && isBalancerError(error, 'name-held')) {
        plans.avoidName(replica.name);
        return this.#launch(this.#reserve({ name: plans.chooseFreeName() }, true), true);
      }
      throw isBalancerError(error)
        ? new BalancerError(error.code, `${replica.name} did not start: ${error.message}`, { cause: error })
        : error;
    }
  }

  /** Removes a replica that started although another of the same call did not. */
  async #undo(replica: Replica): Promise<void> {
    const { registry, checker, launcher, driver } = this.#parts;
    checker.unwatch(replica);
    const { instance } = replica;
    registry.cancelReservation(replica, 'another of the same call did not start');
    if (instance === undefined) return;
    // another balancer, which may be taking over, is not to replace what is removed since it was never added
    if (driver.outlivesBalancer) await launcher.instances.retire(instance, 'removed').catch(() => {});
    await launcher.instances.remove(instance, 0);
  }
}
