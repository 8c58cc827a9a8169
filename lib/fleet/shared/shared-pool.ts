/**
 * What other balancers did to a pool that this one shares with them: replicas that they added join here, and those that
 * they removed leave.
 * Invariant: whoever removes a replica removes its instance. Others only drain it, unless the remover takes so long that
 * it must have ended.
 */
import type { Driver, Instance } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import { messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Deploys } from '../deploy/deploys.ts';
import type { Checker } from '../health/checker.ts';
import type { Journal } from '../journal.ts';
import type { GracefulStop } from '../lifecycle/graceful-stop.ts';
import type { Launcher } from '../lifecycle/launcher.ts';
import type { Scaling } from '../lifecycle/scaling.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import { removalsIn } from './removals.ts';

export interface SharedPoolParts {
  readonly driver: Pick<Driver, 'heals' | 'isShared' | 'list' | 'members'>;
  readonly registry: Registry;
  readonly checker: Checker;
  readonly launcher: Launcher;
  readonly gracefulStop: GracefulStop;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  readonly deploys: Pick<
    Deploys,
    'exchangeFor' | 'exchanging' | 'follow' | 'isRunning' | 'isUnderWay' | 'peers'
  >;
  readonly scaling: Pick<Scaling, 'claiming'>;
  readonly maxReplicas: number;
  readonly drainTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

/** Beyond what a removal takes by its own time limits. */
const PATIENCE_MS = 30_000;
/** Longer than whoever adds a replica waits for its first instance. */
const MOST_STARTING_MS = 90_000;
/** The same where no other balancer is known; longer than it takes to know of one that has just joined. */
const MOST_STARTING_ALONE_MS = 5000;
/** Until an instance that serves without its name gets that back: whoever took it out may be about to start another. */
const PUT_BACK_MS = 10_000;

/** A look at the pool. */
export interface PoolLook {
  readonly observed: readonly Instance[];
  /** Names that a launch works on, and whose instance has changed during the look. */
  readonly busy: ReadonlySet<string>;
}

export class SharedPool {
  readonly #parts: SharedPoolParts;
  /** When each instance of another balancer that it is to remove, or to get running, was first seen so. */
  readonly #waitingSinceMs = new Map<string, number>();
  /** Replicas whose next instance, of another balancer, is being probed. */
  readonly #following = new Set<string>();

  constructor(parts: SharedPoolParts) {
    this.#parts = parts;
  }

  /** What the driver lists, once it is known which release each instance is of. Throws `engine-unreachable`. */
  async list(): Promise<readonly Instance[]> {
    const { driver, deploys } = this.#parts;
    const listed = await driver.list();
    await deploys.peers.read(listed);
    return listed;
  }

  /** Names of replicas whose removal is being agreed with others, or whose instances are being exchanged. */
  get changing(): readonly string[] {
    const { scaling, deploys } = this.#parts;
    return [...scaling.claiming, ...deploys.exchanging];
  }

  /** True for an instance that another balancer of the pool is about to start. */
  isStartedElsewhere({ isStarting }: Instance): boolean {
    const { driver } = this.#parts;
    // a balancer that takes over knows the one before, though not as a member
    const hasOthers = (driver.members?.peers.length ?? 2) > 1;
    return driver.isShared === true && isStarting === true && hasOthers;
  }

  /** Joins and leaves, while others change the pool; returns what is to be compared with the fleet after that. */
  follow(look: PoolLook): readonly Instance[] {
    const { registry, driver, deploys } = this.#parts;
    const { observed, busy } = look;
    if (!driver.isShared) return observed.filter((one) => !this.#isLeftToFormer(one));
    deploys.follow(observed, busy);
    const listed = new Set(observed.map(({ instanceId }) => instanceId));
    for (const instanceId of this.#waitingSinceMs.keys())
      if (!listed.has(instanceId)) this.#waitingSinceMs.delete(instanceId);
    // what joins below is not to be taken for an orphan, and what another retires is not ours to remove
    const compared = observed.filter((one) => {
      // the time counts from the first look that shows it, also where its replica leaves by that
      const isAbandoned = this.#isAbandoned(one);
      return registry.findByInstance(one.instanceId) !== undefined || isAbandoned;
    });
    const isRemoved = removalsIn(observed, driver.heals === true);
    const gone = registry.replicas.filter((replica) => !busy.has(replica.name) && isRemoved(replica));
    if (gone.length > 0) this.removeReplicas(gone);
    this.#followReplaced(look);
    this.#putBack(look);
    const known = new Set(registry.replicas.map(({ name }) => name));
    // the name of one that drains here may be another's already, and its instance may be listed as it was before
    const leaving = new Set(registry.leaving.map(({ instance }) => instance?.instanceId));
    const joining = observed.filter((one) => {
      const { role, name, instanceId } = one;
      const isOurs = known.has(name) || busy.has(name) || leaving.has(instanceId);
      return role === 'current' && !isOurs && (one.endpoint !== undefined || this.#isLeft(one));
    });
    const room = Math.min(this.#parts.maxReplicas - registry.replicas.length, registry.freeOrdinals);
    if (joining.length > 0 && room > 0) this.#join(joining.slice(0, room));
    return compared;
  }

  /** Another balancer has put another instance in the place of one that runs: it is taken once its probes have passed. */
  #followReplaced({ observed, busy }: PoolLook): void {
    const { registry, deploys, log } = this.#parts;
    const replaced = new Set(
      observed.filter(({ role }) => role === 'replaced').map(({ instanceId: id }) => id),
    );
    for (const replica of registry.replicas) {
      const { name, instance } = replica;
      if (instance === undefined || busy.has(name) || !replaced.has(instance.instanceId)) continue;
      if (this.#following.has(name)) continue;
      const found = observed.find((one) => one.name === name && one.role === 'current' && one.endpoint);
      if (found === undefined) continue;
      this.#following.add(name);
      void deploys
        .exchangeFor(replica, found)
        .catch((error: unknown) =>
          log.warn(
            { replica: name, instance: found.instanceId, cause: messageOf(error) },
            'failed to exchange the instance as another balancer did',
          ),
        )
        .finally(() => this.#following.delete(name));
    }
  }

  /** What a balancer that has ended took out of its place in the middle of an exchange gets its name again. */
  #putBack({ observed, busy }: PoolLook): void {
    const { driver, deploys, log } = this.#parts;
    if (driver.members?.isActing !== true) return;
    const left = observed.filter(
      ({ role, instanceId }) => role === 'replaced' && this.#waitedMs(instanceId) > PUT_BACK_MS,
    );
    const current = observed.filter(({ role }) => role === 'current');
    void deploys.peers
      .putBack([...current, ...left], busy)
      .catch((error: unknown) => log.warn({ cause: messageOf(error) }, 'failed to rename the instance'));
  }

  /** Another balancer removed them. */
  removeReplicas(replicas: readonly Replica[]): void {
    const { registry, checker, launcher, gracefulStop, log } = this.#parts;
    registry.removeFromRing(replicas, 'removed by another balancer');
    for (const replica of replicas) {
      log.info({ replica: replica.name }, 'removed by another balancer');
      checker.unwatch(replica);
      launcher.cancelWait(replica);
      void gracefulStop.drain(replica);
    }
  }

  #join(instances: readonly Instance[]): void {
    const { registry, launcher, log, journal } = this.#parts;
    const replicas = instances.map(({ name, id, weight, by }) =>
      registry.reserve(name, id, weight, by === 'scale'),
    );
    for (const instance of instances) this.#parts.deploys.peers.noteRelease(instance);
    registry.addToRing(replicas, 'added by another balancer');
    for (const [index, replica] of replicas.entries()) {
      const found = instances[index]!;
      const { instanceId: instance, image } = found;
      log.info({ replica: replica.name, instance }, 'added by another balancer');
      journal.note({ kind: 'adopted', replica: replica.name, instance, image });
      launcher.launchUntilHealthy(replica, found.endpoint === undefined ? { old: found } : { found });
    }
  }

  /** True for a current instance that does not run, and whose replica's balancer has ended. */
  #isLeft(one: Instance): boolean {
    const isAlone = one.isStarting === true && !this.isStartedElsewhere(one);
    return this.#waitedMs(one.instanceId) > (isAlone ? MOST_STARTING_ALONE_MS : MOST_STARTING_MS);
  }

  #waitedMs(instanceId: string): number {
    const nowMs = this.#parts.clock.nowMs();
    const sinceMs = this.#waitingSinceMs.get(instanceId) ?? nowMs;
    this.#waitingSinceMs.set(instanceId, sinceMs);
    return nowMs - sinceMs;
  }

  /** True for an instance that the balancer which had the pool before retired, and which that one still drains. */
  #isLeftToFormer(one: Instance): boolean {
    const { role, status, instanceId } = one;
    const isRetired = role === 'removed' || role === 'replaced';
    const wasSeen = this.#waitingSinceMs.has(instanceId);
    return isRetired && status === 'running' && wasSeen && !this.#isAbandoned(one);
  }

  /** True for an instance that a balancer retired so long ago that it cannot be about to remove it. */
  #isAbandoned({ instanceId, role }: Instance): boolean {
    if (role === 'current') return false;
    const { drainTimeoutMs, stopTimeoutMs, deploys } = this.#parts;
    // a deploy keeps what it has replaced for as long as it may be taken back
    if (deploys.isUnderWay && role !== 'removed') this.#waitingSinceMs.delete(instanceId);
    return this.#waitedMs(instanceId) > drainTimeoutMs + stopTimeoutMs + PATIENCE_MS;
  }
}
