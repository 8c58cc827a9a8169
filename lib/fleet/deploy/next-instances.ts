/**
 * Starts instances beside those in the places of replicas, and probes them until they may take over.
 * Invariant: a start that fails leaves nothing behind; an instance that has started is protected from being removed as
 * an orphan until its holder ends that.
 */
import type { Ending } from '../../core/ending.ts';
import type { HealthPolicy } from '../../core/policy/rise-and-fall.ts';
import type { Driver, Instance } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import { sleep } from '../../platform/clock.ts';
import { BalancerError, messageOf, StartError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Probe } from '../health/probe.ts';
import type { Journal } from '../journal.ts';
import type { Instances } from '../lifecycle/instances.ts';
import { ReadinessGate } from '../lifecycle/readiness-gate.ts';
import { describeLateStart } from '../lifecycle/start-advice.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { Release } from './releases.ts';

export interface NextInstanceParts {
  readonly registry: Registry;
  readonly driver: Driver;
  readonly instances: Instances;
  readonly probe: Probe;
  readonly policy: HealthPolicy;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  readonly startTimeoutMs: number;
  readonly probePath: string;
  readonly probePort: number;
}

/** An instance beside the one in the place. */
export interface Standby {
  readonly record: Replica;
  readonly instance: Instance;
  /** Ends its protection. */
  readonly release: () => void;
}

/** A start that failed, and the instance of which nothing is left but what it printed; undefined where none started. */
export class NextStartError extends BalancerError {
  readonly instanceId: string | undefined;

  constructor(cause: unknown, instanceId: string | undefined) {
    super('start-failed', messageOf(cause), { cause });
    this.instanceId = instanceId;
  }
}

/** Between two probes of an instance that starts. */
const PROBE_MS = 50;
/** Between two looks for a free ordinal while too many instances drain. */
const ORDINAL_MS = 200;

export class NextInstances {
  readonly #parts: NextInstanceParts;
  readonly #readiness: ReadinessGate;
  #closed = false;
  /** Starts of before were aborted with it. */
  #abortion: BalancerError | undefined;

  constructor(parts: NextInstanceParts) {
    this.#parts = parts;
    this.#readiness = new ReadinessGate(parts.clock);
  }

  /** An instance exited; its start fails if it is still being probed. */
  recordExit(instanceId: string, ending: Ending): void {
    this.#readiness.recordExit(instanceId, ending);
  }

  /** Makes every start under way fail. */
  close(): void {
    this.#closed = true;
    this.abort(new BalancerError('shutting-down', 'the balancer is shutting down'));
  }

  /** Ends the wait of every start under way with the error. */
  abort(error: BalancerError): void {
    this.#abortion = error;
    this.#readiness.abortAll(error);
  }

  /** Returns a function that throws once what began before is aborted, or everything is closed. */
  abortCheck(): () => void {
    const before = this.#abortion;
    return () => {
      if (this.#abortion !== undefined && (this.#closed || this.#abortion !== before)) throw this.#abortion;
    };
  }

  /** Has an instance that another balancer started stand by; resolves once its probes passed. Throws why they have not. */
  async adopt(replica: Replica, instance: Instance): Promise<Standby> {
    const { instances, registry, clock } = this.#parts;
    const release = instances.protect(instance.instanceId);
    const mustGoOn = this.abortCheck();
    try {
      await this.#untilHealthy(instance);
      for (; registry.freeOrdinals === 0; mustGoOn()) await sleep(clock, ORDINAL_MS);
      return { record: await registry.standbys.add(replica, instance), instance, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Starts an instance of the release beside the one in the place; resolves once its probes passed. Throws NextStartError. */
  async start(replica: Replica, release: Release): Promise<Standby> {
    const { instances, registry, journal, clock } = this.#parts;
    const { name } = replica;
    const sinceMs = clock.nowMs();
    let instance: Instance | undefined;
    const mustGoOn = this.abortCheck();
    let end = (): void => {};
    try {
      instance = await instances.runInTurn(name, () => this.#startInstance(replica, release));
      end = instances.protect(instance.instanceId);
      mustGoOn();
      await this.#untilHealthy(instance);
      for (; registry.freeOrdinals === 0; mustGoOn()) await sleep(clock, ORDINAL_MS);
      return { record: await registry.standbys.add(replica, instance), instance, release: end };
    } catch (error) {
      const full = await this.#withFullEnding(error, instance);
      end();
      if (instance !== undefined) await instances.remove(instance, 0);
      const cause = messageOf(full);
      const ms = clock.nowMs() - sinceMs;
      if (!this.#closed)
        journal.note({ kind: 'start-failed', replica: name, instance: instance?.instanceId, cause, ms });
      throw new NextStartError(full, instance?.instanceId);
    }
  }

  async #startInstance(
    { name, id, weight, isElastic }: Replica,
    { generation, spec, overrides }: Release,
  ): Promise<Instance> {
    const { driver, journal, clock, log } = this.#parts;
    if (this.#closed) throw new BalancerError('shutting-down');
    const sinceMs = clock.nowMs();
    const place = {
      name,
      id,
      generation,
      overrides,
      isNext: true,
      ...(weight !== 1 && { weight }),
      ...(isElastic && { by: 'scale' as const }),
    };
    const started = await driver.start(place, spec);
    const { instanceId: instance, image } = started;
    const ms = clock.nowMs() - sinceMs;
    const cause = `generation ${generation}`;
    log.info(
      { replica: name, instance, image, generation, ms: Math.round(ms) },
      'started beside the old one',
    );
    journal.note({ kind: 'started', replica: name, instance, image, cause, ms });
    return started;
  }

  async #untilHealthy({ instanceId, endpoint }: Instance): Promise<void> {
    const { startTimeoutMs: timeoutMs, probePath, probePort, driver, clock, probe, policy } = this.#parts;
    let lastProbe: string | undefined;
    const reason = (): string =>
      describeLateStart({ timeoutMs, probePath, probePort, driver: driver.kind, lastProbe, endpoint });
    let isOver = this.#closed;
    const healthy = this.#readiness.waitFor({ instanceId, timeoutMs, reason }).finally(() => {
      isOver = true;
    });
    healthy.catch(() => {});
    for (let passes = 0; !isOver && endpoint !== undefined; ) {
      const { outcome, detail } = await probe(endpoint, false);
      lastProbe = detail;
      passes = outcome === 'passed' ? passes + 1 : 0;
      if (passes >= policy.rise) this.#readiness.markHealthy(instanceId);
      else await Promise.race([sleep(clock, PROBE_MS), healthy.catch(() => {})]);
    }
    await healthy;
  }

  /** The error with all that the driver can find out about the exit, while the instance is still there to be asked. */
  async #withFullEnding(error: unknown, instance: Instance | undefined): Promise<unknown> {
    if (instance === undefined || !(error instanceof StartError)) return error;
    if (error.ending.kind === 'start-timeout') return error;
    const ending = await this.#parts.driver.endingOf(instance.instanceId);
    return ending === undefined ? error : new StartError(ending);
  }
}
