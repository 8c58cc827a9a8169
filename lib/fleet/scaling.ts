/**
 * Adds replicas, all or none, and removes and drains them: what `/add` and `/rm` do.
 * Must not hold: parsing of requests, healing.
 * Invariants: what a call decides it decides in one turn of the event loop, so calls are serial in their effect
 * however they overlap; a replica is on the ring only once it answered its probes; a removed one leaves the ring
 * at once and its instance goes when nothing is in flight on it any more.
 */
import { type Clock, sleep } from '../clock.ts';
import type { Driver } from '../drivers/driver.ts';
import { BalancerError, isBalancerError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Checker } from './checker.ts';
import type { Keeper } from './keeper.ts';
import type { Registry, Replica } from './registry.ts';

export interface ScalingParts {
  readonly registry: Registry;
  readonly driver: Driver;
  readonly checker: Checker;
  readonly keeper: Keeper;
  readonly clock: Clock;
  readonly log: Logger;
  /** Names a replica for which none was given; called again with what is taken until it is free. */
  readonly chooseName: (taken: ReadonlySet<string>) => string;
  readonly maxReplicas: number;
  readonly drainTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

/** Between two looks at what is still in flight on a draining replica. */
const DRAIN_LOOK_MS = 20;

export class Scaling {
  readonly #parts: ScalingParts;
  /** Names that what is not ours holds; not chosen again. */
  readonly #heldNames = new Set<string>();

  constructor(parts: ScalingParts) {
    this.#parts = parts;
  }

  /** Names on the ring, in the order they joined. */
  names(): readonly string[] {
    return this.#parts.registry.members.map((replica) => replica.name);
  }

  /** Puts the first replicas of a new fleet on the ring, healthy or not, and starts them. */
  async begin(count: number): Promise<void> {
    const { registry, driver } = this.#parts;
    for (const name of await driver.heldNames()) this.#heldNames.add(name);
    const replicas = Array.from({ length: count }, () => registry.reserve(this.#freeName()));
    registry.join(replicas);
    for (const replica of replicas) this.#begin(replica);
  }

  /** Starts a replica that was just named; one whose name a stranger took meanwhile leaves for one of another name. */
  #begin(replica: Replica): void {
    const { registry, keeper } = this.#parts;
    const rename = (): void => {
      const cause = 'its name is held by what is not ours';
      this.#heldNames.add(replica.name);
      registry.leave([replica], cause);
      void registry.forget(replica, cause);
      const other = registry.reserve(this.#freeName(), replica.id);
      registry.join([other]);
      this.#begin(other);
    };
    keeper.keep(replica, undefined, undefined, rename);
  }

  /**
   * Adds `count` replicas, the first of them called `names`, side by side. Resolves with all names once each of the
   * new ones is healthy. Throws BalancerError, and then nothing is left of any of them.
   */
  async add(count: number, names: readonly string[]): Promise<readonly string[]> {
    const reserved = this.#reserve(count, names);
    const results = await Promise.allSettled(
      reserved.map((replica, index) => this.#launch(replica, index >= names.length)),
    );
    const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      await Promise.all(started.map((replica) => this.#undo(replica)));
      throw failed.reason;
    }
    this.#parts.registry.join(started);
    return this.names();
  }

  /**
   * Takes `names`, and as many more as make `count`, off the ring at once; they drain in the background.
   * Returns the names that stay. Throws `bad-request`, and then nothing has changed.
   */
  async remove(count: number, names: readonly string[]): Promise<readonly string[]> {
    const { registry, driver, checker } = this.#parts;
    this.#mustOwn(driver);
    const { members } = registry;
    if (count > members.length)
      throw new BalancerError('bad-request', `n is ${count}, but there are only ${members.length} replicas`);
    const unknown = names.filter((name) => !members.some((replica) => replica.name === name));
    if (unknown.length > 0)
      throw new BalancerError('bad-request', `there is no replica called ${listed(unknown)}`);
    const named = members.filter((replica) => names.includes(replica.name));
    // of those with the same in flight the youngest goes: its caches are the coldest
    const others = members
      .filter((replica) => !names.includes(replica.name))
      .reverse()
      .sort((a, b) => registry.inFlight(a) - registry.inFlight(b));
    const leaving = [...named, ...others.slice(0, count - named.length)];
    registry.leave(leaving, 'removed');
    for (const replica of leaving) {
      checker.unwatch(replica);
      void this.#drain(replica);
    }
    return this.names();
  }

  #reserve(count: number, names: readonly string[]): readonly Replica[] {
    const { registry, driver, maxReplicas } = this.#parts;
    this.#mustOwn(driver);
    const present = registry.replicas.length;
    if (present + count > maxReplicas)
      throw new BalancerError(
        'bad-request',
        `n is ${count}, but with ${present} replicas at most ${maxReplicas - present} more fit under max-replicas ${maxReplicas}`,
      );
    const taken = names.filter((name) => registry.find(name) !== undefined);
    if (taken.length > 0)
      throw new BalancerError('bad-request', `there is a replica called ${listed(taken)} already`);
    const reserved: Replica[] = [];
    try {
      while (reserved.length < count)
        reserved.push(registry.reserve(names[reserved.length] ?? this.#freeName()));
    } catch (error) {
      for (const replica of reserved) registry.cancel(replica);
      throw error;
    }
    return reserved;
  }

  /** A name that no replica of ours has or had until its drain ends, and no stranger is known to hold. */
  #freeName(): string {
    const { registry, chooseName } = this.#parts;
    const ours = [...registry.replicas, ...registry.leaving].map((replica) => replica.name);
    return chooseName(new Set([...ours, ...this.#heldNames]));
  }

  /** Starts a new replica; one whose name was our choice gets another when a stranger holds it. */
  async #launch(replica: Replica, isChosen: boolean): Promise<Replica> {
    const { registry, keeper } = this.#parts;
    try {
      await keeper.launchNew(replica);
      return replica;
    } catch (error) {
      if (registry.has(replica)) registry.cancel(replica);
      if (isChosen && isBalancerError(error, 'name-held')) {
        this.#heldNames.add(replica.name);
        return this.#launch(registry.reserve(this.#freeName()), true);
      }
      throw isBalancerError(error)
        ? new BalancerError(error.code, `${replica.name} did not start: ${error.message}`, { cause: error })
        : error;
    }
  }

  /** Takes away a replica that started although another of the same call did not. */
  async #undo(replica: Replica): Promise<void> {
    const { registry, checker, keeper } = this.#parts;
    checker.unwatch(replica);
    const { instance } = replica;
    registry.cancel(replica);
    if (instance !== undefined) await keeper.instances.dispose(instance, 0);
  }

  async #drain(replica: Replica): Promise<void> {
    const { registry, keeper, clock, log, drainTimeoutMs, stopTimeoutMs } = this.#parts;
    const { instance } = replica;
    if (instance !== undefined) {
      const letGo = keeper.instances.hold(instance.instanceId);
      await keeper.instances
        .retire(instance, 'removed')
        .catch((error: unknown) =>
          log.warn({ replica: replica.name, cause: messageOf(error) }, 'not renamed'),
        );
      await registry.settled();
      const untilMs = clock.nowMs() + drainTimeoutMs;
      while (registry.inFlight(replica) > 0 && clock.nowMs() < untilMs) await sleep(clock, DRAIN_LOOK_MS);
      const cut = registry.inFlight(replica);
      if (cut > 0)
        log.warn({ replica: replica.name, inFlight: cut }, 'drain timed out; requests in flight are cut');
      letGo();
      await keeper.instances.dispose(instance, stopTimeoutMs);
    }
    await registry.forget(replica, 'drained');
  }

  #mustOwn(driver: Driver): void {
    if (driver.ownsInstances) return;
    throw new BalancerError(
      'bad-request',
      'the servers are a fixed list (driver static); change --upstreams and start again',
    );
  }
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
