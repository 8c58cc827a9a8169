/**
 * Exchanges the instance of one replica for one of another release: started beside it, switched, and finished or undone.
 * Invariants: requests go to one of the two instances at any moment; a step whose other instance is no longer needed has
 * it drained and stopped, so nothing runs twice for longer than that.
 */
import type { DeployPhase, DeployStep, GateView, ReleaseView } from '../../api/deploy.ts';
import { fullHealth, type HealthPolicy } from '../../core/policy/rise-and-fall.ts';
import type { Driver, Instance } from '../../drivers/driver.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import { BalancerError, isBalancerError, messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Checker } from '../health/checker.ts';
import type { GracefulStop } from '../lifecycle/graceful-stop.ts';
import type { Launcher } from '../lifecycle/launcher.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import { Exits } from './exits.ts';
import { type NextInstances, NextStartError, type Standby } from './next-instances.ts';
import type { Release, Releases } from './releases.ts';

export interface ExchangeParts {
  readonly registry: Registry;
  readonly releases: Releases;
  readonly driver: Driver;
  readonly checker: Checker;
  readonly launcher: Launcher;
  readonly gracefulStop: GracefulStop;
  readonly next: NextInstances;
  readonly clock: Clock;
  readonly log: Logger;
  readonly policy: HealthPolicy;
  readonly startTimeoutMs: number;
}

/** The exchange of one replica's instance. */
export interface Step {
  readonly replica: Replica;
  readonly from: Release;
  readonly to: Release;
  phase: DeployPhase;
  /** The instance that is not in the place: the new one before the switch, the old one after it. */
  standby: Standby | undefined;
  /** The new instance, once it is to get requests or has failed before that. */
  instanceId: string | undefined;
  /** What is wrong with the new instance. */
  failure: string | undefined;
  gate: GateView | undefined;
}

export function newStep(replica: Replica, from: Release, to: Release): Step {
  const nothing = { standby: undefined, instanceId: undefined, failure: undefined, gate: undefined };
  return { replica, from, to, phase: 'waiting', ...nothing };
}

export function viewOf({ generation, title }: Release): ReleaseView {
  return { generation, title };
}

export function stepView({ replica, phase, from, to, gate }: Step): DeployStep {
  return { name: replica.name, phase, from: viewOf(from), to: viewOf(to), gate: gate ?? null };
}

/** The new instance of a replica has failed the deploy. */
export class StepError extends BalancerError {
  readonly step: Step;
  /** False where it may have died of itself, which becomes known later than what it failed by. */
  readonly isExplained: boolean;

  constructor(step: Step, failure: string, isExplained = false) {
    super('start-failed', `${step.replica.name}: ${failure}`);
    this.step = step;
    this.isExplained = isExplained;
  }
}

/** Between two looks at a replica that is being healed. */
const LOOK_MS = 50;
/**
 * For how long an instance that failed requests may turn out to have died. A child's exit is known some milliseconds
 * after its connections broke; an engine tells of a container's later, and later still on a busy machine.
 */
const EXIT_MS = 500;

export class Exchange {
  readonly next: NextInstances;
  readonly exits: Exits;
  readonly #parts: ExchangeParts;
  /** Names of replicas that were switched and whose instances are not renamed yet. */
  readonly #switched = new Set<string>();

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
    this.next = parts.next;
    this.exits = new Exits(parts.clock);
  }

  /** Names of replicas whose instances are listed as they were before a switch. */
  get exchanging(): ReadonlySet<string> {
    return this.#switched;
  }

  /**
   * Another balancer has put an instance into the replica's place: requests go there once its probes have passed, and
   * what was there before drains. Throws why they have not passed; nothing has changed then.
   */
  async follow(replica: Replica, found: Instance): Promise<void> {
    const { registry, launcher, gracefulStop, releases } = this.#parts;
    const before = replica.instance;
    const release = releases.of(replica.name);
    const step = newStep(replica, release, release);
    step.standby = await this.next.adopt(replica, found);
    const isWanted = registry.has(replica) && replica.instance === before;
    if (isWanted && !launcher.busy.has(replica.name)) this.#swap(step, 'replaced by another balancer');
    // either the one that was in the place, or the one that is not needed there
    const { standby } = step;
    standby?.release();
    if (standby !== undefined) void gracefulStop.drain(standby.record);
  }

  /**
   * Starts the new instance; resolves once it may take over, or the replica has left. Throws why it may not, and leaves
   * nothing behind.
   */
  async start(step: Step): Promise<void> {
    const { registry, launcher } = this.#parts;
    const { replica, to } = step;
    step.phase = 'starting';
    // without an instance there is nothing to protect: what heals it starts the new release at once
    if (launcher.busy.has(replica.name)) await this.#startInPlace(step);
    if (step.phase !== 'starting') return;
    if (!registry.has(replica)) return this.giveUp(step);
    step.standby = await this.next.start(replica, to).catch((error: unknown) => {
      if (!registry.has(replica)) return undefined;
      if (error instanceof NextStartError) step.instanceId = error.instanceId;
      throw new StepError(step, messageOf(error), true);
    });
    if (launcher.busy.has(replica.name)) await this.#untilLaunched(replica);
  }

  /** Lets requests go to the new instance; false where that is not needed any more. */
  switchOver(step: Step, cause: string): boolean {
    const { registry, releases } = this.#parts;
    const { replica, to } = step;
    if (step.phase !== 'starting') return step.phase === 'watching';
    if (step.standby === undefined || !registry.has(replica)) {
      this.giveUp(step);
      return false;
    }
    step.instanceId = step.standby.instance.instanceId;
    if (this.exits.has(step.instanceId)) throw new StepError(step, 'it ended before it got requests');
    this.#switched.add(replica.name);
    this.#swap(step, cause);
    releases.set(replica.name, to);
    step.phase = 'watching';
    return true;
  }

  /**
   * Lets requests go to the old instance again, and stops the new one; false where there is none any more, so that the
   * replica has to be healed.
   */
  switchBack(step: Step): boolean {
    const { registry, releases, launcher } = this.#parts;
    const { replica, from, standby } = step;
    if (!registry.has(replica)) {
      this.giveUp(step);
      return false;
    }
    releases.set(replica.name, from);
    step.phase = 'rolled-back';
    const isAlive = standby !== undefined && !this.exits.has(standby.instance.instanceId);
    if (isAlive && !launcher.busy.has(replica.name)) {
      this.#switched.add(replica.name);
      this.#swap(step, 'rolled back');
      return true;
    }
    this.#stop(step);
    // an instance of the new release that runs is replaced by the caller, one that ended is healed
    if (replica.instance !== undefined && !this.exits.has(replica.instance.instanceId))
      releases.set(replica.name, step.to);
    return false;
  }

  /** Makes the names of instances agree with what they are; stops the one that was switched away from in a rollback. */
  async rename(step: Step): Promise<void> {
    const { driver, launcher } = this.#parts;
    const { replica, standby } = step;
    const isSwitched = step.phase === 'watching' || step.phase === 'rolled-back';
    const { instance } = replica;
    try {
      if (standby === undefined || !isSwitched) return;
      await launcher.instances.runInTurn(replica.name, async () => {
        await driver.retire(standby.instance.instanceId, 'replaced');
        if (instance !== undefined) await driver.promote?.(instance.instanceId);
      });
    } catch (error) {
      this.#noteNotRenamed(step, error);
    } finally {
      this.#switched.delete(replica.name);
    }
    if (step.phase === 'rolled-back') this.#stop(step);
  }

  /** In a shared pool the names alone tell the others where requests are to go, so the exchange has failed. */
  #noteNotRenamed(step: Step, error: unknown): void {
    const { driver, registry, checker, launcher, gracefulStop, log } = this.#parts;
    const { replica } = step;
    const cause = messageOf(error);
    if (!isBalancerError(error, 'not-found')) {
      log.warn({ replica: replica.name, cause }, 'failed to rename the instances');
      if (driver.isShared && step.phase === 'watching')
        step.failure ??= `its instances were not renamed: ${cause}`;
    } else if (registry.has(replica)) {
      log.info({ replica: replica.name }, cause);
      registry.removeFromRing([replica], 'removed by another balancer');
      checker.unwatch(replica);
      launcher.cancelWait(replica);
      void gracefulStop.drainAndStop(replica, 'removed');
    }
  }

  /**
   * Why the new instance failed: where it died of itself, that with all that the driver can find out, although what it
   * failed by then was noticed before its exit. Must be called before the instance is stopped.
   */
  async reasonOf({ step, message, isExplained }: StepError): Promise<string> {
    const { exits } = this;
    const { instanceId, replica } = step;
    if (instanceId === undefined || isExplained) return message;
    await exits.waitFor(instanceId, EXIT_MS);
    const ending = (await this.#parts.driver.endingOf(instanceId)) ?? exits.endingOf(instanceId);
    return ending === undefined ? message : `${replica.name}: ${ending.text}`;
  }

  /** The gate has passed: the old instance drains and is stopped. */
  finish(step: Step): void {
    if (step.phase !== 'watching') return;
    step.phase = 'done';
    this.#stop(step);
  }

  /** The replica has left, or was not switched: what stands by is stopped. */
  giveUp(step: Step): void {
    step.phase = this.#parts.registry.has(step.replica) ? 'rolled-back' : 'gone';
    this.#stop(step);
  }

  /** Another balancer decides what becomes of the replica: of what stands by, only what never got requests is stopped. */
  letGo(step: Step): void {
    const { standby } = step;
    if (step.phase === 'starting') return this.giveUp(step);
    if (standby === undefined) return;
    step.standby = undefined;
    this.exits.forget(standby.instance.instanceId);
    standby.release();
    void this.#parts.gracefulStop.drain(standby.record);
  }

  #swap(step: Step, cause: string): void {
    const { registry, checker, policy } = this.#parts;
    const { replica } = step;
    const before = replica.instance;
    const { record, release } = step.standby!;
    checker.unwatch(replica);
    registry.standbys.swap(replica, record, cause);
    registry.states.setHealth(replica, fullHealth(policy));
    checker.watch(replica);
    release();
    step.standby =
      before === undefined ? undefined : { record, instance: before, release: this.#protect(before) };
    if (before === undefined) void registry.forget(record, cause);
  }

  #protect({ instanceId }: Standby['instance']): () => void {
    return this.#parts.launcher.instances.protect(instanceId);
  }

  /** Drains and stops what stands by. */
  #stop(step: Step): void {
    const { standby } = step;
    if (standby === undefined) return;
    step.standby = undefined;
    this.exits.forget(standby.instance.instanceId);
    void this.#parts.gracefulStop.drainAndStop(standby.record, 'replaced');
    standby.release();
  }

  /** The next attempt to heal the replica starts the new release. */
  async #startInPlace(step: Step): Promise<void> {
    const { releases, launcher } = this.#parts;
    const { replica, to, from } = step;
    releases.set(replica.name, to);
    launcher.cancelWait(replica);
    try {
      await this.#untilLaunched(replica);
    } catch (error) {
      releases.set(replica.name, from);
      throw error;
    }
    if (replica.instance?.generation === to.generation) {
      step.phase = 'watching';
      step.instanceId = replica.instance.instanceId;
    }
    // it was healed in the old release just before
    else releases.set(replica.name, from);
  }

  /** Resolves once no launch works on the replica. Throws where that takes longer than a start may, or is aborted. */
  async #untilLaunched(replica: Replica): Promise<void> {
    const { launcher, clock, registry, startTimeoutMs } = this.#parts;
    const untilMs = clock.nowMs() + startTimeoutMs;
    const mustGoOn = this.next.abortCheck();
    while (launcher.busy.has(replica.name) && registry.has(replica)) {
      if (clock.nowMs() >= untilMs)
        throw new BalancerError(
          'start-failed',
          `${replica.name}: no instance of it became healthy: ${replica.cause}`,
        );
      await sleep(clock, LOOK_MS);
      mustGoOn();
    }
  }
}
