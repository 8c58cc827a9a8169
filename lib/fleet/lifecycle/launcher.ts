/**
 * Gets one sound instance into a replica's place: starts it, waits for its probes, tries again when that fails.
 * Must not hold: which replicas there should be.
 * Invariants: at most one keeper works on a replica at a time; what it started and did not get healthy, it takes
 * away again. A crash loop is slowed down, never given up.
 */

import type { Ending } from '../../core/ending.ts';
import type { InstanceLife } from '../../core/policy/backoff.ts';
import type { Driver, Instance } from '../../drivers/driver.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import { BalancerError, isBalancerError, messageOf, StartError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Checker } from '../health/checker.ts';
import type { Journal } from '../journal.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import { Crashes } from './crash-history.ts';
import { Instances } from './instances.ts';
import { HealthWaits } from './readiness-gate.ts';
import { lateStartReason } from './start-advice.ts';

export interface KeeperParts {
  readonly registry: Registry;
  readonly driver: Driver;
  readonly checker: Checker;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  /** From a start to the first passed probes. */
  readonly startTimeoutMs: number;
  /** Gives the place of a replica to one of another name; undefined where names stay. */
  readonly renew: (replica: Replica, cause: string, isDraining?: boolean) => Replica | undefined;
  readonly probePath: string;
  readonly probePort: number;
  /** A replica is nobody's work any more; what happened to it meanwhile is worth a look. */
  readonly onSettled: () => void;
}

type MaybeInstance = Instance | undefined;

/** What a keeper begins with. */
export interface Task {
  /** An instance that runs in the place already. */
  readonly found?: MaybeInstance;
  /** One that is to make room. */
  readonly old?: MaybeInstance;
  /** Resolves once `noteEnd` was told of the one before: how long to wait depends on it. Never rejects. */
  readonly known?: Promise<void>;
  /** Called where what is not ours has the name, before the wait for the next try. */
  readonly onNameHeld?: () => void;
}

/** Between two tries while the engine does not answer. */
const ENGINE_RETRY_MS = 500;

export class Keeper {
  readonly instances: Instances;
  readonly #parts: KeeperParts;
  /** Replicas that a keeper works on. */
  readonly #busy = new Map<string, Replica>();
  readonly #waits: HealthWaits;
  /** What keepers are doing. */
  readonly #works = new Set<Promise<void>>();
  /** Replicas that need a keeper again once theirs has finished. */
  readonly #again = new Map<Replica, Task>();
  readonly #crashes = new Crashes();
  /** Replicas under whose names an instance has been started or found. */
  readonly #hadInstance = new WeakSet<Replica>();
  readonly #nextStartAtMs = new WeakMap<Replica, number>();
  /** Ends the wait of each keeper that waits for its next try. */
  readonly #pauses = new Map<Replica, () => void>();
  #closed = false;
  /** Closed so that the replicas go on. */
  #isKept = false;
  readonly #closing = Promise.withResolvers<void>();

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.instances = new Instances(parts.driver, parts.log);
    this.#waits = new HealthWaits(parts.clock);
  }

  get busy(): ReadonlySet<string> {
    return new Set(this.#busy.keys());
  }

  /** Milliseconds until the next start in this place; undefined when none is being waited for. */
  nextStartInMs(replica: Replica): number | undefined {
    const atMs = this.#nextStartAtMs.get(replica);
    return atMs === undefined ? undefined : Math.max(0, Math.round(atMs - this.#parts.clock.nowMs()));
  }

  /** Tells how the instance in the place ended; what is started next may have to wait for it. */
  noteEnd(replica: Replica, life: InstanceLife): void {
    this.#crashes.note(replica, life);
  }

  /** The replica of another name that the place is for from now on, a crash loop included; undefined where names stay. */
  renew(replica: Replica, cause: string, isDraining = false): Replica | undefined {
    const heir = this.#parts.renew(replica, cause, isDraining);
    if (heir !== undefined) this.#crashes.inherit(heir, replica);
    return heir;
  }

  /** Works until the replica is healthy or has left. */
  keep(replica: Replica, task: Task): void {
    if (this.#closed) return;
    // its instance ended in the moment in which its keeper finishes
    if (this.#busy.get(replica.name) === replica) this.#again.set(replica, task);
    else void this.#busyWith(replica, () => this.#work(replica, task));
  }

  /** The replica is `work`'s until that ends. */
  async #busyWith(replica: Replica, work: () => Promise<void>): Promise<void> {
    this.#busy.set(replica.name, replica);
    const working = work();
    this.#works.add(working);
    try {
      await working;
    } finally {
      this.#works.delete(working);
      if (this.#busy.get(replica.name) === replica) this.#busy.delete(replica.name);
      const again = this.#again.get(replica);
      this.#again.delete(replica);
      const isVacant = replica.instance === undefined && this.#isWanted(replica);
      if (again !== undefined && isVacant) this.keep(replica, again);
      this.#parts.onSettled();
    }
  }

  async #work(replica: Replica, { found, old, known, onNameHeld }: Task): Promise<void> {
    let instance = found;
    let inTheWay = old;
    const instead = old?.name === replica.name ? undefined : old?.instanceId;
    // what is replaced goes after its successor has come up: the engine is slow enough with one thing at a time
    let takeAwayOld = old === undefined ? (): void => {} : this.#later(old);
    if (known !== undefined) await Promise.race([known, this.#closing.promise]);
    while (this.#isWanted(replica)) {
      try {
        if (instance === undefined) await this.#waitForTurn(replica);
        if (!this.#isWanted(replica)) break;
        if (inTheWay !== undefined) await this.instances.retire(inTheWay, 'replaced');
        inTheWay = undefined;
        await this.#launch(replica, instance, instead);
        break;
      } catch (error) {
        if (this.#closed) break;
        takeAwayOld();
        takeAwayOld = () => {};
        instance = undefined;
        let isSpent = this.#hadInstance.has(replica);
        if (isBalancerError(error, 'name-held')) {
          inTheWay = await this.#holderOf(replica);
          isSpent ||= inTheWay === undefined;
          if (inTheWay === undefined && this.#isWanted(replica)) onNameHeld?.();
        }
        await this.#noteFailure(replica, error);
        if (isSpent) this.#renewAfter(replica, error);
      }
    }
    // without a successor it alone still says that there is such a replica
    if (!this.#isToStay(replica)) takeAwayOld();
  }

  /** Where each instance has a name of its own, the next try is another replica's. */
  #renewAfter(replica: Replica, error: unknown): void {
    if (!this.#isWanted(replica)) return;
    const heir = this.renew(replica, messageOf(error));
    if (heir !== undefined) this.keep(heir, {});
  }

  /** The instance of ours that has the name: what a start that failed, or a failed removal, has left. */
  async #holderOf({ name }: Replica): Promise<MaybeInstance> {
    const instances = await this.#parts.driver.list().catch(() => []);
    return instances.find((one) => one.name === name && one.role === 'current');
  }

  /** Holds the instance, and takes it away when the function returned is called. */
  #later(old: Instance): () => void {
    const letGo = this.instances.hold(old.instanceId);
    return () => {
      letGo();
      void this.instances.dispose(old, 0);
    };
  }

  /** One try to start an instance and see it healthy, for a new replica. Throws why it failed; nothing is left. */
  async launchNew(replica: Replica): Promise<void> {
    if (this.#closed) throw new BalancerError('shutting-down');
    return this.#busyWith(replica, () => this.#launch(replica, undefined));
  }

  /** The replica has left: who works on it need not wait for the next try to notice. */
  letGo(replica: Replica): void {
    this.#pauses.get(replica)?.();
  }

  /** The instance ended; true when someone waited for it to become healthy, who hears of it. */
  died(instanceId: string, ending: Ending): boolean {
    return this.#waits.died(instanceId, ending);
  }

  /** To be told when a replica's probes passed. */
  becameHealthy(replica: Replica): void {
    if (replica.instance !== undefined) this.#waits.healthy(replica.instance.instanceId);
  }

  /**
   * Starts nothing more and gives up every wait; resolves when nothing is being started or taken away any more.
   * With `keep` what has started stays, healthy or not.
   */
  async close(keep: boolean): Promise<void> {
    this.#closed = true;
    this.#isKept = keep;
    this.#closing.resolve();
    this.#waits.giveUp(new BalancerError('shutting-down', 'the balancer is shutting down'));
    while (this.#works.size > 0) await Promise.allSettled(this.#works);
    await this.instances.settled();
  }

  #isWanted(replica: Replica): boolean {
    return !this.#closed && this.#parts.registry.has(replica);
  }

  /** True where the balancer goes, and what it has of the replica is for the next one to adopt. */
  #isToStay(replica: Replica): boolean {
    return this.#closed && this.#isKept && replica.joined && this.#parts.registry.has(replica);
  }

  /** Waits, but not beyond the closing or the replica's leaving. */
  async #pause(replica: Replica, delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pauses.set(replica, resolve);
    await Promise.race([sleep(this.#parts.clock, delayMs), this.#closing.promise, promise]);
    this.#pauses.delete(replica);
  }

  async #waitForTurn(replica: Replica): Promise<void> {
    const delayMs = this.#crashes.delayMs(replica);
    if (delayMs === 0) return;
    const { clock, log } = this.#parts;
    this.#nextStartAtMs.set(replica, clock.nowMs() + delayMs);
    log.warn(
      { replica: replica.name, cause: replica.cause, ms: delayMs },
      `${this.#crashes.troubleOf(replica)}, waiting before the next start`,
    );
    await this.#pause(replica, delayMs);
    this.#nextStartAtMs.delete(replica);
  }

  async #launch(replica: Replica, found: MaybeInstance, instead?: string): Promise<void> {
    const { registry, checker, clock } = this.#parts;
    const sinceMs = clock.nowMs();
    const { instance, healthy } = await this.instances
      .inTurn(replica.name, () => this.#place(replica, found, instead))
      .catch((error: unknown) => this.#tellFailure(replica, undefined, { error, sinceMs }));
    try {
      await healthy;
    } catch (error) {
      checker.unwatch(replica);
      if (this.#isToStay(replica)) throw error;
      if (registry.has(replica)) void registry.vacate(replica, messageOf(error));
      const inFull = await this.#inFull(error, instance);
      if (inFull instanceof StartError && registry.has(replica)) registry.noteEnding(replica, inFull.ending);
      await this.instances.clear(instance);
      this.#tellFailure(replica, instance, { error: inFull, sinceMs });
    }
  }

  /** The error with all that can be known of the end it tells of, while the instance is still there to be asked. */
  async #inFull(error: unknown, { instanceId }: Instance): Promise<unknown> {
    if (!(error instanceof StartError) || error.ending.kind === 'start-timeout') return error;
    const ending = await this.#parts.driver.endingOf(instanceId);
    return ending === undefined ? error : new StartError(ending);
  }

  /** Enters a start that came to nothing in the journal, and throws its error; the engine's absence is no such. */
  #tellFailure(
    { name }: Replica,
    instance: MaybeInstance,
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

  /** Puts an instance in the place and lets it be probed; `healthy` settles once that has told. */
  async #place(
    replica: Replica,
    found: MaybeInstance,
    instead: string | undefined,
  ): Promise<{ readonly instance: Instance; readonly healthy: Promise<void> }> {
    const { registry, checker, startTimeoutMs: timeoutMs } = this.#parts;
    const instance = found ?? (await this.#start(replica, instead));
    this.#hadInstance.add(replica);
    if (!this.#isWanted(replica)) {
      if (!this.#isToStay(replica)) await this.instances.dispose(instance, 0);
      throw new BalancerError('start-failed', 'it was removed while it started');
    }
    const { instanceId } = instance;
    const reason = (): string => this.#whyLate(replica, instance);
    const healthy = this.#waits.until({ instanceId, timeoutMs, reason });
    // it may end before anyone gets to hear of it
    healthy.catch(() => {});
    void registry.place(replica, instance);
    checker.watch(replica);
    return { instance, healthy };
  }

  #whyLate({ probes }: Replica, { endpoint }: Instance): string {
    const { startTimeoutMs: timeoutMs, probePath, probePort, driver } = this.#parts;
    const late = { timeoutMs, probePath, probePort, driver: driver.kind, lastProbe: probes.last };
    return lateStartReason({ ...late, endpoint });
  }

  async #start({ name, id, cause }: Replica, instead: string | undefined): Promise<Instance> {
    const { driver, journal, clock, log } = this.#parts;
    const sinceMs = clock.nowMs();
    const started = await driver.start({ name, id, instead });
    const { instanceId: instance, image } = started;
    const ms = clock.nowMs() - sinceMs;
    log.info({ replica: name, instance, image, ms: Math.round(ms) }, 'started');
    journal.note({ kind: 'started', replica: name, instance, image, cause, ms });
    return started;
  }

  async #noteFailure(replica: Replica, error: unknown): Promise<void> {
    const { log } = this.#parts;
    if (!this.#isWanted(replica)) return;
    if (isBalancerError(error, 'engine-unreachable')) {
      log.debug({ replica: replica.name, cause: messageOf(error) }, 'not started');
      return this.#pause(replica, ENGINE_RETRY_MS);
    }
    const ending = error instanceof StartError ? error.ending : undefined;
    this.noteEnd(replica, { wasHealthy: false, healthyMs: 0, ending });
    log.warn({ replica: replica.name, cause: messageOf(error) }, 'did not become healthy');
    this.#parts.registry.setState(replica, 'starting', messageOf(error));
  }
}
