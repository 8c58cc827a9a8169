/**
 * Gets a healthy instance into a replica's place, and tries again until it succeeds or the replica leaves: what
 * starts a new replica and what replaces a dead one.
 * Invariants: one launch at a time works on a replica; a crash loop is slowed down (1 s doubling to 60 s), but never
 * given up.
 * Single attempts are made by `starter.ts`.
 */

import type { Ending } from '../../core/ending.ts';
import { type InstanceLife, wasSteady } from '../../core/policy/backoff.ts';
import type { Instance } from '../../drivers/driver.ts';
import type { Timer } from '../../platform/clock.ts';
import { BalancerError, isBalancerError, messageOf, StartError } from '../../platform/errors.ts';
import type { Replica } from '../replica.ts';
import { CrashHistory } from './crash-history.ts';
import { Instances } from './instances.ts';
import { Starter, type StarterParts } from './starter.ts';

export interface LauncherParts extends StarterParts {
  /** Puts a new replica of another name in the place, in the classic profile; undefined where names stay. */
  readonly substitute: (replica: Replica, cause: string, isDraining?: boolean) => Replica | undefined;
  /** A launch has ended; what happened to the replica meanwhile was left alone and is worth a look. */
  readonly onLaunchEnded: () => void;
  /** Another balancer of the pool removed the replica while this one launched it. */
  readonly onRemoved: (replica: Replica) => void;
}

type MaybeInstance = Instance | undefined;

/** What a launch begins with. */
export interface LaunchOptions {
  /** An instance that runs in the place already, to be adopted. */
  readonly found?: MaybeInstance;
  /** The instance that is to be replaced. */
  readonly old?: MaybeInstance;
  /** Resolves once the exit of the instance before is recorded, for which it must be there. Never rejects. */
  readonly exitRecorded?: Promise<void>;
  /** The life of the instance before, as far as it is known at once. */
  readonly life?: Omit<InstanceLife, 'ending'>;
  /** Called where something that is not ours holds the name, before the wait for the next attempt. */
  readonly onNameHeld?: () => void;
}

/** Between two attempts while the engine does not respond. */
const ENGINE_RETRY_MS = 500;

export class Launcher {
  readonly instances: Instances;
  readonly #parts: LauncherParts;
  readonly #starter: Starter;
  /** Replicas with a launch under way, by name. */
  readonly #busy = new Map<string, Replica>();
  readonly #launches = new Set<Promise<void>>();
  /** Replicas that need another launch once theirs has ended. */
  readonly #next = new Map<Replica, LaunchOptions>();
  readonly #crashes = new CrashHistory();
  readonly #nextStartAtMs = new WeakMap<Replica, number>();
  /** Ends the pause of each launch that waits for its next attempt. */
  readonly #pauses = new Map<Replica, () => void>();
  #closed = false;
  /** Closed so that the instances run on, for the next balancer to adopt. */
  #isKept = false;

  constructor(parts: LauncherParts) {
    this.#parts = parts;
    this.instances = new Instances(parts.driver, parts.log);
    this.#starter = new Starter(parts, this.instances, {
      isWanted: (replica) => this.#isWanted(replica),
      isToStay: (replica) => this.#isToStay(replica),
    });
  }

  /** Names of the replicas with a launch under way. */
  get busy(): ReadonlySet<string> {
    return new Set(this.#busy.keys());
  }

  /** Milliseconds until the next start in this place; undefined when none is being waited for. */
  nextStartInMs(replica: Replica): number | undefined {
    const atMs = this.#nextStartAtMs.get(replica);
    return atMs === undefined ? undefined : Math.max(0, Math.round(atMs - this.#parts.clock.nowMs()));
  }

  /** Records how the instance in the place ended: the next start may have to wait because of it. */
  recordExit(replica: Replica, life: InstanceLife): void {
    this.#crashes.record(replica, life);
  }

  /**
   * In the classic profile, puts a new replica of another name in the place and returns it; a crash loop goes on being
   * slowed down under the new name. Undefined where replicas keep their names.
   */
  substitute(replica: Replica, cause: string, isDraining = false): Replica | undefined {
    const substitute = this.#parts.substitute(replica, cause, isDraining);
    if (substitute !== undefined) this.#crashes.inherit(substitute, replica);
    return substitute;
  }

  /** Starts instances until one is healthy or the replica has left. */
  launchUntilHealthy(replica: Replica, options: LaunchOptions): void {
    if (this.#closed) return;
    // the instance may end in the very moment in which its launch does
    if (this.#busy.get(replica.name) === replica) this.#next.set(replica, options);
    else void this.#track(replica, () => this.#launch(replica, options));
  }

  /** One attempt for a new replica. Throws why it failed; nothing is left of it then. */
  async launchOnce(replica: Replica): Promise<void> {
    if (this.#closed) throw new BalancerError('shutting-down');
    return this.#track(replica, () => this.#starter.start(replica));
  }

  /** The replica has left: its launch need not sit out the wait for the next attempt. */
  cancelWait(replica: Replica): void {
    this.#pauses.get(replica)?.();
  }

  /** The instance exited; true when a launch that waits for it to become healthy takes care of that. */
  failAttempt(instanceId: string, ending: Ending): boolean {
    return this.#starter.recordExit(instanceId, ending);
  }

  /** The probes of the replica's instance passed. */
  markHealthy(replica: Replica): void {
    this.#starter.markHealthy(replica);
  }

  /**
   * Starts nothing more and aborts every launch; resolves when nothing is being started or removed any more. With
   * `keep` the instances that were started stay, healthy or not.
   */
  async close(keep: boolean): Promise<void> {
    await this.#endLaunches(keep);
    await this.instances.whenRemoved();
  }

  /** The same with `keep`, but does not wait for what is being removed, which may take until it is killed. */
  async handOver(): Promise<void> {
    await this.#endLaunches(true);
    await this.instances.whenRenamed();
  }

  async #endLaunches(keep: boolean): Promise<void> {
    this.#closed = true;
    this.#isKept = keep;
    for (const end of this.#pauses.values()) end();
    this.#starter.close();
    while (this.#launches.size > 0) await Promise.allSettled(this.#launches);
  }

  /** Marks the replica as busy until the launch ends, and begins the next one where that was asked for meanwhile. */
  async #track(replica: Replica, launch: () => Promise<void>): Promise<void> {
    this.#busy.set(replica.name, replica);
    const launching = launch();
    this.#launches.add(launching);
    try {
      await launching;
    } finally {
      this.#launches.delete(launching);
      if (this.#busy.get(replica.name) === replica) this.#busy.delete(replica.name);
      const next = this.#next.get(replica);
      this.#next.delete(replica);
      const isVacant = replica.instance === undefined && this.#isWanted(replica);
      if (next !== undefined && isVacant) this.launchUntilHealthy(replica, next);
      this.#parts.onLaunchEnded();
    }
  }

  async #launch(replica: Replica, options: LaunchOptions): Promise<void> {
    const { found, old, exitRecorded = Promise.resolve(), onNameHeld } = options;
    let instance = found;
    const { driver } = this.#parts;
    let replacing = driver.heals && old?.name === replica.name ? old : undefined;
    let nameHolder = replacing === undefined ? old : undefined;
    const instead = old?.name === replica.name ? undefined : old?.instanceId;
    // the old instance goes after the new one is healthy: the engine is slow enough with one thing at a time
    let removeOld = nameHolder === undefined ? (): void => {} : this.#removeLater(nameHolder, exitRecorded);
    let isBeside = driver.freesNamesLate === true;
    await this.#untilWaitIsKnown(replica, options);
    while (this.#isWanted(replica)) {
      try {
        if (instance === undefined) await this.#waitOutCrashes(replica);
        if (!this.#isWanted(replica)) break;
        const beside = isBeside ? nameHolder : undefined;
        isBeside = false;
        if (beside === undefined) {
          if (nameHolder !== undefined) await this.instances.retire(nameHolder, 'replaced');
          nameHolder = undefined;
        }
        await this.#starter.start(replica, { found: instance, instead, replacing, beside, mayAdopt: true });
        break;
      } catch (error) {
        if (this.#closed) break;
        if (isBalancerError(error, 'not-found')) {
          if (this.#isWanted(replica)) this.#parts.onRemoved(replica);
          break;
        }
        if (!isBalancerError(error, 'engine-unreachable')) replacing = undefined;
        removeOld();
        removeOld = () => {};
        instance = undefined;
        let isNameUsed = this.#starter.hasHadInstance(replica);
        if (isBalancerError(error, 'name-held')) {
          // in a shared pool an instance of ours that has the name would have been adopted
          nameHolder = driver.isShared ? undefined : await this.#findNameHolder(replica);
          isNameUsed ||= nameHolder === undefined;
          if ((await this.#isHeldByStranger(replica)) && this.#isWanted(replica)) onNameHeld?.();
        }
        await this.#recordFailure(replica, error);
        if (isNameUsed) this.#launchSubstitute(replica, error);
      }
    }
    // where no new instance came up, the old one alone tells the next balancer that the replica exists
    if (!this.#isToStay(replica)) removeOld();
  }

  /** In the classic profile, where each instance has a name of its own, the next attempt is another replica's. */
  #launchSubstitute(replica: Replica, error: unknown): void {
    if (!this.#isWanted(replica)) return;
    const substitute = this.substitute(replica, messageOf(error));
    if (substitute !== undefined) this.launchUntilHealthy(substitute, {});
  }

  /** The instance of ours that holds the name: what a failed start or a failed removal has left. */
  async #findNameHolder({ name }: Replica): Promise<MaybeInstance> {
    const instances = await this.#parts.driver.list().catch(() => []);
    return instances.find((one) => one.name === name && one.role === 'current');
  }

  /** False for what another balancer of the pool is creating, which the engine does not list yet. */
  async #isHeldByStranger({ name }: Replica): Promise<boolean> {
    const names: readonly string[] = await this.#parts.driver.heldNames().catch(() => []);
    return names.includes(name);
  }

  /** Protects the instance from being removed by others; the returned function removes it. */
  #removeLater(old: Instance, exitRecorded: Promise<void>): () => void {
    const release = this.instances.protect(old.instanceId);
    return () => {
      release();
      void this.instances.removeAfter(old, exitRecorded);
    };
  }

  /**
   * Waits until it is recorded how the instance before ended, where the wait before the next start depends on that. The
   * engine may tell no sooner than it has cleaned up behind the instance, so nothing waits for it without need.
   */
  async #untilWaitIsKnown(replica: Replica, { exitRecorded, life }: LaunchOptions): Promise<void> {
    if (life !== undefined && wasSteady(life)) this.recordExit(replica, { ...life, ending: undefined });
    else if (exitRecorded !== undefined) await this.#pause(replica, (end) => void exitRecorded.then(end));
  }

  #isWanted(replica: Replica): boolean {
    return !this.#closed && this.#parts.registry.has(replica);
  }

  /** True where the balancer shuts down and what it has of the replica is for the next one to adopt. */
  #isToStay(replica: Replica): boolean {
    return this.#closed && this.#isKept && replica.joined && this.#parts.registry.has(replica);
  }

  /** Waits before the next start as long as the crashes before it demand. */
  async #waitOutCrashes(replica: Replica): Promise<void> {
    const delayMs = this.#crashes.restartDelayMs(replica);
    if (delayMs === 0) return;
    const { clock, log } = this.#parts;
    this.#nextStartAtMs.set(replica, clock.nowMs() + delayMs);
    log.warn(
      { replica: replica.name, cause: replica.cause, ms: delayMs },
      `${replica.name}: ${this.#crashes.describe(replica)} (${replica.cause}), next start in ${Math.ceil(delayMs / 1000)} s`,
    );
    await this.#sleep(replica, delayMs);
    this.#nextStartAtMs.delete(replica);
  }

  /** Waits until what it begins calls `end`, but not beyond the shutdown or the replica's leaving. */
  async #pause(replica: Replica, begin: (end: () => void) => void): Promise<void> {
    if (this.#closed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pauses.set(replica, resolve);
    begin(resolve);
    await promise;
    this.#pauses.delete(replica);
  }

  async #sleep(replica: Replica, delayMs: number): Promise<void> {
    let timer: Timer | undefined;
    await this.#pause(replica, (end) => {
      timer = this.#parts.clock.after(delayMs, end);
    });
    timer?.cancel();
  }

  async #recordFailure(replica: Replica, error: unknown): Promise<void> {
    const { log } = this.#parts;
    if (!this.#isWanted(replica)) return;
    if (isBalancerError(error, 'engine-unreachable')) {
      log.debug({ replica: replica.name, cause: messageOf(error) }, 'failed to start');
      return this.#sleep(replica, ENGINE_RETRY_MS);
    }
    const ending = error instanceof StartError ? error.ending : undefined;
    this.recordExit(replica, { wasHealthy: false, healthyMs: 0, ending });
    log.warn(
      { replica: replica.name, cause: messageOf(error) },
      `${replica.name} did not become healthy (${messageOf(error)})`,
    );
    this.#parts.registry.states.set(replica, 'starting', messageOf(error));
  }
}
