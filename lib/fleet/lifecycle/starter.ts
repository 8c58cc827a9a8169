/**
 * One attempt to start an instance in a replica's place: start it, place it, probe it, wait until it is healthy.
 * Invariant: an attempt that fails leaves nothing behind; its instance is removed before the error is thrown.
 */

import type { Ending } from '../../core/ending.ts';
import type { ReplicaSpec } from '../../core/replica-spec.ts';
import type { Driver, Instance, Start } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import { BalancerError, isBalancerError, messageOf, StartError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Releases } from '../deploy/releases.ts';
import type { Checker } from '../health/checker.ts';
import type { Journal } from '../journal.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { Instances } from './instances.ts';
import { ReadinessGate } from './readiness-gate.ts';
import { describeLateStart } from './start-advice.ts';

export interface StarterParts {
  readonly registry: Registry;
  readonly driver: Driver;
  readonly checker: Checker;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  /** What the next instance of the replica is started with. */
  readonly releases: Releases;
  /** From a start to the first passed probes. */
  readonly startTimeoutMs: number;
  readonly probePath: string;
  readonly probePort: number;
}

/** What the launcher knows of a replica while an attempt is under way. */
export interface Wanted {
  /** False once the replica has left, or the balancer is shutting down. */
  readonly isWanted: (replica: Replica) => boolean;
  /** True where the balancer shuts down and leaves its instances for the next one to adopt. */
  readonly isToStay: (replica: Replica) => boolean;
}

/** What an attempt begins with. */
export interface Attempt {
  /** An instance that runs in the place already, to be adopted rather than started. */
  readonly found?: Instance | undefined;
  /** The id of an instance of another name whose place the new one takes. */
  readonly instead?: string | undefined;
  /** Where the engine heals: the instance that the new one takes the place of, which is gone with it. */
  readonly replacing?: Instance | undefined;
  /** A dead instance that has the name still: the new one is started beside it, and takes the name when that is free. */
  readonly beside?: Instance | undefined;
  /** In a shared pool: an instance that another balancer started under the name will do. */
  readonly mayAdopt?: boolean;
}

export class Starter {
  readonly #parts: StarterParts;
  readonly #instances: Instances;
  readonly #wanted: Wanted;
  readonly #readiness: ReadinessGate;
  /** Replicas under whose names an instance has been started or found. */
  readonly #everHadInstance = new WeakSet<Replica>();
  #closed = false;

  constructor(parts: StarterParts, instances: Instances, wanted: Wanted) {
    this.#parts = parts;
    this.#instances = instances;
    this.#wanted = wanted;
    this.#readiness = new ReadinessGate(parts.clock);
  }

  /** True where an instance has been started or found under the replica's name. */
  hasHadInstance(replica: Replica): boolean {
    return this.#everHadInstance.has(replica);
  }

  /** The instance exited; true when the attempt that waits for it to become healthy fails by that. */
  recordExit(instanceId: string, ending: Ending): boolean {
    return this.#readiness.recordExit(instanceId, ending);
  }

  /** The probes of the replica's instance passed. */
  markHealthy({ instance }: Replica): void {
    if (instance !== undefined) this.#readiness.markHealthy(instance.instanceId);
  }

  /** Makes every attempt under way fail. */
  close(): void {
    this.#closed = true;
    this.#readiness.abortAll(new BalancerError('shutting-down', 'the balancer is shutting down'));
  }

  /** Makes one attempt; resolves once the instance is healthy. Throws why it failed. */
  async start(replica: Replica, attempt: Attempt = {}): Promise<void> {
    const { registry, checker, clock } = this.#parts;
    const sinceMs = clock.nowMs();
    const { instance, healthy } = await this.#instances
      .runInTurn(replica.name, () => this.#place(replica, attempt))
      .catch((error: unknown) => this.#fail(replica, undefined, { error, sinceMs }));
    try {
      await healthy;
    } catch (error) {
      checker.unwatch(replica);
      if (this.#wanted.isToStay(replica)) throw error;
      if (registry.has(replica)) void registry.clearInstance(replica, messageOf(error));
      const fullError = await this.#withFullEnding(error, instance);
      if (fullError instanceof StartError && registry.has(replica))
        registry.states.recordEnding(replica, fullError.ending);
      await this.#hideFromOthers(replica, instance);
      await this.#instances.removeInTurn(instance);
      this.#fail(replica, instance, { error: fullError, sinceMs });
    }
  }

  /** Puts an instance in the place and has it probed; `healthy` settles with what comes of that. */
  async #place(
    replica: Replica,
    attempt: Attempt,
  ): Promise<{ readonly instance: Instance; readonly healthy: Promise<void> }> {
    const { registry, checker, startTimeoutMs: timeoutMs } = this.#parts;
    const instance = attempt.found ?? (await this.#startInstance(replica, attempt));
    this.#everHadInstance.add(replica);
    if (!this.#wanted.isWanted(replica)) {
      if (!this.#wanted.isToStay(replica)) await this.#instances.remove(instance, 0);
      throw new BalancerError('start-failed', 'it was removed while it started');
    }
    const { instanceId } = instance;
    const reason = (): string => this.#lateReason(replica, instance);
    const healthy = this.#readiness.waitFor({ instanceId, timeoutMs, reason });
    // it may reject before the caller awaits it
    healthy.catch(() => {});
    void registry.placeInstance(replica, instance);
    checker.watch(replica);
    return { instance, healthy };
  }

  async #startInstance(replica: Replica, attempt: Attempt): Promise<Instance> {
    const { driver, journal, clock, log, releases } = this.#parts;
    const { instead, replacing, beside, mayAdopt } = attempt;
    const { name, id, weight, isElastic, cause } = replica;
    const sinceMs = clock.nowMs();
    const { generation, spec, overrides } = releases.of(name);
    const place = {
      name,
      id,
      instead,
      generation,
      overrides,
      ...(weight !== 1 && { weight }),
      ...(isElastic && { by: 'scale' as const }),
      ...(mayAdopt && { mayAdopt }),
    };
    const started =
      replacing !== undefined && driver.replace !== undefined
        ? await driver.replace(replacing, { avoidNode: this.#deadNode(replica, replacing) })
        : beside !== undefined
          ? await this.#startBeside(beside, place, spec)
          : await driver.start(place, spec);
    const { instanceId: instance, image } = started;
    const ms = clock.nowMs() - sinceMs;
    log.info({ replica: name, instance, image, ms: Math.round(ms) }, `${name} started`);
    journal.note({ kind: 'started', replica: name, instance, image, cause, ms });
    return started;
  }

  /** Starts an instance while another has the name, which it takes over in the background. */
  async #startBeside(old: Instance, place: Start, spec: ReplicaSpec): Promise<Instance> {
    const { driver, log } = this.#parts;
    const { name } = place;
    let started: Instance;
    try {
      started = await driver.start({ ...place, isNext: true, predecessor: old.instanceId }, spec);
    } catch (error) {
      if (!isBalancerError(error, 'name-held')) throw error;
      // an earlier one that never got the name is called that
      await driver.retire(old.instanceId, 'replaced');
      return driver.start(place, spec);
    }
    const takeName = async (): Promise<void> => {
      await driver.retire(old.instanceId, 'replaced');
      await driver.promote?.(started.instanceId);
    };
    // its turn comes when this start is over
    void this.#instances
      .runInTurn(name, takeName)
      .catch((error: unknown) =>
        log.warn({ replica: name, cause: messageOf(error) }, 'failed to rename the instance'),
      );
    return started;
  }

  /** The node of the instance, where no other replica there is healthy either; undefined where one is. */
  #deadNode(replica: Replica, { node }: Instance): string | undefined {
    const others = this.#parts.registry.members.filter((member) => member !== replica);
    // a neighbour that was healthy before the node was cut off is so until its probes have failed too
    const isAlive = others.some(
      ({ instance, state, probes }) =>
        instance?.node === node && state === 'healthy' && probes.recent.at(-1) !== false,
    );
    return isAlive ? undefined : node;
  }

  /** Another balancer, which may be taking over, is not to replace what is removed since it was never added. */
  async #hideFromOthers({ joined }: Replica, instance: Instance): Promise<void> {
    const { driver } = this.#parts;
    if (driver.outlivesBalancer && !joined) await this.#instances.retire(instance, 'removed').catch(() => {});
  }

  #lateReason({ probes }: Replica, { endpoint }: Instance): string {
    const { startTimeoutMs: timeoutMs, probePath, probePort, driver } = this.#parts;
    const late = { timeoutMs, probePath, probePort, driver: driver.kind, lastProbe: probes.last };
    return describeLateStart({ ...late, endpoint });
  }

  /** The error with all that the driver can find out about the exit, while the instance is still there to be asked. */
  async #withFullEnding(error: unknown, { instanceId }: Instance): Promise<unknown> {
    if (!(error instanceof StartError) || error.ending.kind === 'start-timeout') return error;
    const ending = await this.#parts.driver.endingOf(instanceId);
    return ending === undefined ? error : new StartError(ending);
  }

  /** Enters a failed attempt in the journal, unless the engine was away or the balancer shuts down; throws its error. */
  #fail(
    { name }: Replica,
    instance: Instance | undefined,
    { error, sinceMs }: { readonly error: unknown; readonly sinceMs: number },
  ): never {
    const { journal, clock } = this.#parts;
    const isOwn = !this.#closed && !isBalancerError(error, 'engine-unreachable');
    const ms = clock.nowMs() - sinceMs;
    if (isOwn)
      journal.note({
        kind: 'start-failed',
        replica: name,
        instance: instance?.instanceId,
        cause: messageOf(error),
        ms,
      });
    throw error;
  }
}
