/**
 * The docker driver over a pool that several balancers share: `--pool-members many`.
 * Invariants: a container's name is the lock, so a name is started and a replica removed by one of them; where any could
 * act, the one with the lowest id does, and the others take what it started.
 */

import { formatEndpoint } from '../../core/replica.ts';
import type { ReplicaSpec } from '../../core/replica-spec.ts';
import { type Clock, sleep, systemClock } from '../../platform/clock.ts';
import { type BalancerError, isBalancerError } from '../../platform/errors.ts';
import { DockerApi } from '../docker/api.ts';
import type { PoolHold } from '../docker/claim.ts';
import { createDockerDriver, type DockerDriverOptions } from '../docker/docker.ts';
import { DockerEngine } from '../docker/engine.ts';
import { poolLabel } from '../docker/mapper.ts';
import { ownContainer } from '../docker/network.ts';
import { isGone, thisOwner } from '../docker/owner.ts';
import type { Driver, Instance, Members, RetiredRole, Start } from '../driver.ts';
import { Membership } from './membership.ts';
import { OwnedPool, refuseOwner } from './pool-mode.ts';
import { sharedDriver } from './shared-driver.ts';
import { SharedNames } from './shared-names.ts';
import { volumeStore } from './volume-store.ts';

/** How long the balancer that acts may take before another does. */
const YIELD_MS = 3000;
/** The same while it deploys: it alone knows which version is to come back. Beyond that it is taken for ended. */
const YIELD_TO_DEPLOY_MS = 10_000;
const LOOK_MS = 100;
/** Until a container of another balancer that has the name runs. */
const ADOPT_MS = 10_000;
/** The same while that balancer is about to start it: longer than the engine gets to do so. */
const STARTING_MS = 75_000;

export interface SharedDockerOptions extends DockerDriverOptions {
  readonly drainTimeoutMs: number;
}

/** The driver of one balancer, which has the pool to itself. Throws `engine-unreachable` for a bad DOCKER_HOST. */
export function createOwnedDockerDriver(options: DockerDriverOptions): Driver {
  const { clock = systemClock, adminHost: host, adminPort: port, pool, log } = options;
  const api = options.api ?? new DockerApi({ clock });
  const admin = port === 0 ? '' : formatEndpoint({ host, port });
  const hold = new OwnedPool({ engine: new DockerEngine(api), pool, admin, clock, log });
  // not a copy: a reload changes what is in it
  return createDockerDriver(Object.assign(options, { clock, api, hold }));
}

/** The driver and its members. Throws `engine-unreachable` for a bad DOCKER_HOST. */
export function createSharedDockerDriver(options: SharedDockerOptions): Driver {
  const clock = options.clock ?? systemClock;
  const api = options.api ?? new DockerApi({ clock });
  const engine = new DockerEngine(api);
  const hold = new SharedHold(options, engine, clock);
  // not a copy: a reload changes what is in it
  const inner = createDockerDriver(Object.assign(options, { clock, api, hold }));
  return dockerOver({ inner, engine, hold, clock, options });
}

/** What stands for the claim of a single owner: nobody is kept out but such an owner. */
class SharedHold implements PoolHold {
  readonly #options: SharedDockerOptions;
  readonly #engine: DockerEngine;
  readonly #clock: Clock;
  readonly lost = Promise.withResolvers<BalancerError>().promise;
  members: Membership | undefined;

  constructor(options: SharedDockerOptions, engine: DockerEngine, clock: Clock) {
    this.#options = options;
    this.#engine = engine;
    this.#clock = clock;
  }

  readonly isOthers = false;
  readonly wasTakenOver = false;

  leaveToOther(): void {}

  get isHeld(): boolean {
    return this.members !== undefined;
  }

  async take(): Promise<void> {
    const { adminHost: host, adminPort: port, pool, log } = this.#options;
    const engine = this.#engine;
    const silent = new Set<string>();
    await refuseOwner(engine, pool, this.#clock, silent);
    const admin = port === 0 ? '' : formatEndpoint({ host, port });
    this.members = new Membership({
      store: volumeStore(engine, pool),
      owner: thisOwner(admin, this.#clock.wallMs(), await ownContainer(engine)),
      isGone: async (owner) => isGone(owner, owner.container && (await engine.container(owner.container.id))),
      clock: this.#clock,
      log,
    });
    await this.members.join();
    try {
      // one may have claimed the pool meanwhile, and looks for members once it has
      await refuseOwner(engine, pool, this.#clock, silent);
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  async ensureHeld(): Promise<void> {}

  async release(): Promise<void> {
    await this.members?.close();
    this.members = undefined;
  }
}

interface Parts {
  readonly inner: Driver;
  readonly engine: DockerEngine;
  readonly hold: SharedHold;
  readonly clock: Clock;
  readonly options: SharedDockerOptions;
}

function dockerOver(parts: Parts): Driver {
  const { inner, engine, hold, options } = parts;
  const starts = new SharedStarts(parts);
  const where = { network: options.network, port: options.spec.port };
  const { containerPrefix: prefix } = options;
  const names = new SharedNames({
    engine,
    label: poolLabel(options.pool),
    prefix,
    where,
    clock: parts.clock,
    wasRemovedElsewhere: async (instanceId) => (await hold.members?.wasRemovedElsewhere(instanceId)) ?? false,
  });
  const driver = sharedDriver({ inner, options, membership: () => hold.members });
  return Object.assign(driver, {
    start: (place: Start, spec: ReplicaSpec) => starts.start(place, spec),
    async retire(instanceId: string, role: RetiredRole) {
      await names.retire(instanceId, role);
      if (role === 'removed') hold.members?.removals.note(instanceId);
    },
    async claimRemoval(name: string) {
      const claimed = await names.claimRemoval(name);
      if (claimed !== undefined) hold.members?.removals.note(claimed);
      return claimed;
    },
    async undoRemoval(instanceId: string) {
      hold.members?.removals.forget(instanceId);
      await inner.promote?.(instanceId);
    },
  });
}

export interface StartsParts {
  readonly inner: Pick<Driver, 'list' | 'start' | 'retire' | 'remove'>;
  readonly hold: { readonly members: Pick<Members, 'isActing' | 'deploying' | 'peers'> | undefined };
  readonly clock: Clock;
}

/** Starts under names that other balancers may start at the same time. */
export class SharedStarts {
  readonly #parts: StartsParts;

  constructor(parts: StartsParts) {
    this.#parts = parts;
  }

  async start(place: Start, spec: ReplicaSpec): Promise<Instance> {
    const { inner, hold } = this.#parts;
    const mayAdopt = place.mayAdopt === true && !place.isNext;
    if (mayAdopt && hold.members?.isActing === false) {
      const limitMs = hold.members.deploying === undefined ? YIELD_MS : YIELD_TO_DEPLOY_MS;
      const started = await this.#untilRunning(place.name, limitMs);
      if (started !== undefined) return started;
    }
    try {
      return await inner.start(place, spec);
    } catch (error) {
      if (!mayAdopt || !isBalancerError(error, 'name-held')) throw error;
      const started = await this.#untilRunning(place.name, ADOPT_MS);
      if (started !== undefined) return started;
      await this.#retireDead(place.name);
      throw error;
    }
  }

  /** The container that has the name, once it runs; undefined where none does, at once where no balancer has it. */
  async #untilRunning(name: string, limitMs: number): Promise<Instance | undefined> {
    const { inner, clock, hold } = this.#parts;
    const sinceMs = clock.nowMs();
    for (;;) {
      const found = (await inner.list()).find((one) => one.name === name && one.role === 'current');
      if (found?.endpoint !== undefined) return found;
      const hasOthers = (hold.members?.peers.length ?? 1) > 1;
      const mostMs = found?.isStarting && hasOthers ? STARTING_MS : limitMs;
      if (clock.nowMs() - sinceMs >= mostMs) return undefined;
      await sleep(clock, LOOK_MS);
    }
  }

  /** What ended with the name and has no balancer that replaces it does not keep the name. */
  async #retireDead(name: string): Promise<void> {
    const { inner } = this.#parts;
    const found = (await inner.list()).find((one) => one.name === name && one.role === 'current');
    if (found?.status !== 'dead') return;
    await inner.retire(found.instanceId, 'replaced');
    await inner.remove(found.instanceId, 0);
  }
}
