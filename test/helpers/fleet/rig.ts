/**
 * A control plane without sockets: the real parts of lib/fleet over a fake driver, a clock that the test moves and
 * probes that find what the fake driver says.
 */

import type { Cost, FleetEvent } from '../../../lib/api/types.ts';
import type { HashKeySource } from '../../../lib/core/hashing/hash-key.ts';
import { ringPlacement } from '../../../lib/core/hashing/ring.ts';
import type { Decision, ScaleSettings } from '../../../lib/core/policy/autoscale.ts';
import { HistogramView } from '../../../lib/core/policy/histogram.ts';
import type { ResponseTimes } from '../../../lib/core/policy/relative-speed.ts';
import type { Endpoint, UpstreamRecord } from '../../../lib/core/replica.ts';
import type { Balance } from '../../../lib/core/routing/load-picker.ts';
import { RouteTable, RouteTableWriter } from '../../../lib/core/routing/route-table.ts';
import { TOKEN_LENGTH } from '../../../lib/core/sticky-cookie.ts';
import { Autoscaler } from '../../../lib/fleet/autoscale/autoscaler.ts';
import { ScaleBounds } from '../../../lib/fleet/autoscale/bounds.ts';
import { ScalePool } from '../../../lib/fleet/autoscale/scale-pool.ts';
import { createDeploys } from '../../../lib/fleet/deploy/create.ts';
import type { Deploys } from '../../../lib/fleet/deploy/deploys.ts';
import type { Outcomes } from '../../../lib/fleet/deploy/gate.ts';
import { Releases } from '../../../lib/fleet/deploy/releases.ts';
import { FleetView } from '../../../lib/fleet/fleet-view.ts';
import type { Checker } from '../../../lib/fleet/health/checker.ts';
import { Health, type HealthParts } from '../../../lib/fleet/health/fleet-health.ts';
import type { Traffic } from '../../../lib/fleet/health/outlier-detector.ts';
import type { ProbeResult } from '../../../lib/fleet/health/probe-connection.ts';
import { Journal } from '../../../lib/fleet/journal.ts';
import { Drains } from '../../../lib/fleet/lifecycle/drains.ts';
import { Follower } from '../../../lib/fleet/lifecycle/follower.ts';
import { GracefulStop } from '../../../lib/fleet/lifecycle/graceful-stop.ts';
import { Launcher } from '../../../lib/fleet/lifecycle/launcher.ts';
import { Plans } from '../../../lib/fleet/lifecycle/plans.ts';
import { Scaling } from '../../../lib/fleet/lifecycle/scaling.ts';
import { Supervisor } from '../../../lib/fleet/lifecycle/supervisor.ts';
import { nextName } from '../../../lib/fleet/names.ts';
import type { End } from '../../../lib/fleet/poison.ts';
import { Registry } from '../../../lib/fleet/registry.ts';
import type { Replica, Transition } from '../../../lib/fleet/replica.ts';
import type { LogFields, Logger } from '../../../lib/platform/log.ts';
import { FakeClock } from '../fake-clock.ts';
import { specWith } from '../replica-spec.ts';
import { FakeDriver } from './fake-driver.ts';

export interface RigOptions {
  readonly driver?: FakeDriver;
  readonly maxReplicas?: number;
  readonly ordinals?: number;
  readonly health?: Partial<HealthParts>;
  readonly hashKey?: readonly HashKeySource[];
  readonly loadFloor?: number;
  readonly balance?: Balance;
  /** Weights that options give to names. */
  readonly weights?: Map<string, number>;
  /** From 10 % of its slots; off where it is absent. */
  readonly slowStartMs?: number;
  /** Each instance has a name of its own: `R1`, then `R2`. */
  readonly classic?: boolean;
  /** Name of the sticky cookie; '' is off. */
  readonly sticky?: string;
  /** Settings of autoscaling, which is off without a `max`. */
  readonly scale?: Partial<ScaleSettings>;
}

const SCALE_SETTINGS: ScaleSettings = {
  min: 1,
  max: 0,
  target: 16,
  upWindowMs: 6000,
  windowMs: 60_000,
  downWindowMs: 300_000,
  downStep: 1,
  idleMs: 0,
  isPaused: false,
};
export const INTERVAL_MS = 2000;
export const START_TIMEOUT_MS = 30_000;
export const DRAIN_TIMEOUT_MS = 30_000;
export const STOP_TIMEOUT_MS = 10_000;
export const REPLACE_AFTER_MS = 30_000;
export const PASSED: ProbeResult = { outcome: 'passed', detail: '200' };
export const NOT_READY: ProbeResult = { outcome: 'not-ready', detail: '503' };
export const REFUSED: ProbeResult = { outcome: 'closed', detail: 'connection refused' };
export const SILENT: ProbeResult = { outcome: 'silent', detail: 'no response in 2000 ms' };
/** How far the clock goes at a time; what follows from it happens before the next step. */
const STEP_MS = 10;
const NO_OUTCOMES: Outcomes = { requests: 0, errors: 0, duration: new HistogramView() };

/** Lets everything happen that waits for no time. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Names that none had before, as random ones are. */
function freshNames(): () => string {
  let count = 0;
  return () => `R${++count}`;
}

/** What the sticky cookie says for a replica of this name. */
export function tokenFor(name: string): string {
  return `token-of-${name}`.padEnd(TOKEN_LENGTH, '-');
}

export class FleetRig {
  readonly clock = new FakeClock();
  /** Shows the same time; its own, so that the timers of the other are those of the fleet. */
  readonly #journalClock = new FakeClock();
  readonly driver: FakeDriver;
  readonly table: RouteTableWriter;
  readonly journal: Journal;
  readonly registry: Registry;
  readonly health: Health;
  readonly checker: Checker;
  readonly launcher: Launcher;
  readonly releases = new Releases({ generation: 1, spec: specWith(), title: 'v1' });
  readonly deploys: Deploys;
  readonly supervisor: Supervisor | Follower;
  readonly scaling: Scaling;
  readonly view: FleetView;
  readonly autoscaler: Autoscaler;
  readonly bounds: ScaleBounds;
  /** Every decision of autoscaling. */
  readonly decisions: Decision[] = [];
  /** What the data threads have counted for autoscaling. */
  queueing = { longWaits: 0, refused: 0 };
  requests = 0;
  readonly waiting = new Map<number, number>();
  /** What the data threads have counted. */
  cost: Cost = { retried: 0, held: 0, failed: 0 };
  /** Each time the data threads were told to close tunnels. */
  readonly closedTunnels: { readonly ordinal: number; readonly withinMs: number; readonly atMs: number }[] =
    [];
  /** Tunnels open to each ordinal. */
  readonly tunnels = new Map<number, number>();
  /** `S1 starting→healthy: probe passed: 200`. */
  readonly transitions: string[] = [];
  /** `S1→starting S1#1`: every change of state with the instance that it is about. */
  readonly instances: string[] = [];
  /** Every event, as the journal told it. */
  readonly events: FleetEvent[] = [];
  /** Instances of which it was told that they have ended. */
  readonly ends: End[] = [];
  /** `warn crash loop, waiting before the next start`, with its fields. */
  readonly lines: { readonly text: string; readonly fields: LogFields }[] = [];
  /** Ports whose instances hang: their probes get no response. */
  readonly hung = new Set<number>();
  /** What the probe of an instance finds, by its port, where it is not that it passes. */
  readonly found = new Map<number, ProbeResult>();
  /** What data threads have read of responses, and what came of requests, by ordinal. */
  readonly reads = new Map<number, number>();
  readonly traffic = new Map<number, Traffic>();
  readonly responseTimes = new Map<number, ResponseTimes>();
  /** What came of the requests of each ordinal, for the gate of a deploy. */
  readonly outcomes = new Map<number, Outcomes>();
  /** What instances have printed. */
  readonly printed = new Map<string, readonly string[]>();
  /** Hears of every replica in the moment in which it becomes healthy. */
  onHealthy: (replica: Replica) => void = () => {};
  /** The table as the only data thread sees it. */
  readonly threadTable: RouteTable;
  /** What the data threads were told last. */
  records: readonly UpstreamRecord[] = [];
  /** Publications wait for this: threads that are slow to let go. */
  publication: Promise<void> = Promise.resolve();

  constructor({
    driver = new FakeDriver(),
    maxReplicas = 16,
    ordinals = 32,
    health = {},
    hashKey = [{ kind: 'header', name: 'x-user' }],
    loadFloor = 0,
    balance = 'hash',
    weights = new Map(),
    slowStartMs = 0,
    classic = false,
    sticky = '',
    scale = {},
  }: RigOptions = {}) {
    this.driver = driver;
    const placement = ringPlacement(512, 40);
    this.table = new RouteTableWriter({ slots: placement.slots, ordinals, workers: 1 });
    this.threadTable = new RouteTable(this.table.buffer, this.table.shape, 0);
    const { clock, table } = this;
    const log = this.#logger();
    const publish = (records: readonly UpstreamRecord[]) => {
      this.records = records;
      return this.publication;
    };
    const onTransition = (transition: Transition) => this.#note(transition);
    const journal = new Journal(this.#journalClock, { read: () => this.cost });
    this.journal = journal;
    journal.subscribe((event) => this.events.push(event));
    const slowStart = { slowStartMs, slowStartFrom: 0.1 };
    this.registry = new Registry({
      table,
      placement,
      clock,
      publish,
      onTransition,
      journal,
      weights,
      slowStart,
      onReserve: (name) => this.releases.forget(name),
    });
    this.health = new Health({
      registry: this.registry,
      table,
      clock,
      log,
      journal,
      counts: {
        reads: (ordinal) => this.reads.get(ordinal) ?? 0,
        traffic: (ordinal) => this.traffic.get(ordinal) ?? { requests: 0, failures: 0 },
        responseTimes: (ordinal) => this.responseTimes.get(ordinal) ?? { count: 0, octaves: 0 },
      },
      panicThreshold: 0.5,
      ejectOutliers: false,
      comparesSpeeds: false,
      replaceAfterMs: REPLACE_AFTER_MS,
      startTimeoutMs: START_TIMEOUT_MS,
      probe: (endpoint) => Promise.resolve(this.#probe(endpoint)),
      policy: { rise: 2, fall: 3 },
      ownsInstances: driver.ownsInstances,
      intervalMs: INTERVAL_MS,
      maxConcurrent: 16,
      random: () => 0.5,
      replace: (replica, cause, how) => this.supervisor.replace(replica, cause, how),
      nudge: () => this.supervisor.nudge(),
      onProbe: () => {},
      ...health,
    });
    this.checker = this.health.checker;
    const { registry, checker, releases } = this;
    const common = { registry, driver, checker, journal, releases, clock, log };
    const limits = { drainTimeoutMs: DRAIN_TIMEOUT_MS, stopTimeoutMs: STOP_TIMEOUT_MS };
    const closeTunnels = (ordinal: number, withinMs: number): void => {
      this.closedTunnels.push({ ordinal, withinMs, atMs: clock.nowMs() });
    };
    this.launcher = new Launcher({
      ...common,
      startTimeoutMs: START_TIMEOUT_MS,
      substitute: (replica, cause, isDraining) => this.scaling.substitute(replica, cause, isDraining),
      probePath: '/heartbeat',
      probePort: 0,
      onLaunchEnded: () => this.supervisor.nudge(),
      onRemoved: (replica) => this.supervisor.removeReplica(replica),
    });
    const { launcher } = this;
    const gracefulStop = new GracefulStop({
      ...common,
      ...limits,
      instances: launcher.instances,
      closeTunnels,
    });
    const { ownsInstances } = driver;
    const lifecycle = { ...common, gracefulStop, launcher, classic, maxReplicas };
    this.deploys = createDeploys({
      ...lifecycle,
      policy: { rise: 2, fall: 3 },
      startTimeoutMs: START_TIMEOUT_MS,
      probePath: '/heartbeat',
      probePort: 0,
      probe: (endpoint) => Promise.resolve(this.#probe(endpoint)),
      outcomes: (ordinal) => this.outcomes.get(ordinal) ?? NO_OUTCOMES,
      wordsOf: (command) => command.split(' '),
      nudge: () => this.supervisor.nudge(),
      lastLines: (instanceId, count) => (this.printed.get(instanceId) ?? []).slice(-count),
    });
    const chooseName = classic ? freshNames() : nextName;
    const plans = new Plans({ ...common, chooseName, maxReplicas, classic });
    const onRemoved = (replica: Replica): void => this.supervisor.removeReplica(replica);
    const nudge = (): void => this.supervisor.nudge();
    const changes = { gracefulStop, launcher, plans, classic, onRemoved, nudge };
    this.scaling = new Scaling({ ...common, ...limits, ...changes });
    this.supervisor = ownsInstances
      ? new Supervisor({
          ...lifecycle,
          ...limits,
          scaling: this.scaling,
          deploys: this.deploys,
          onEnded: (end) => this.ends.push(end),
        })
      : new Follower(lifecycle);
    const { scaling, deploys } = this;
    const scaleParts = { registry: this.registry, scaling, launcher, deploys, table, clock, log, journal };
    this.autoscaler = new Autoscaler({
      ...scaleParts,
      counts: {
        queueing: () => this.queueing,
        requests: () => this.requests,
        waiting: (ordinal) => this.waiting.get(ordinal) ?? 0,
      },
      onDecision: (decision) => this.decisions.push(decision),
      pool: new ScalePool(driver),
      settings: { ...SCALE_SETTINGS, ...scale },
    });
    const { autoscaler } = this;
    this.bounds = new ScaleBounds({
      autoscaler,
      maxReplicas,
      driver,
      zeroProblem: ({ min, idleMs }) =>
        min === 0 && idleMs === 0 ? '0 needs --scale-idle above 0' : undefined,
    });
    const { bounds } = this;
    this.view = new FleetView({
      ...common,
      launcher,
      scaling,
      plans,
      drains: new Drains({ ...common, plans, sticky, drainTimeoutMs: DRAIN_TIMEOUT_MS }),
      sticky,
      tokenOf: (name) => tokenFor(name),
      autoscaler,
      bounds,
      table,
      health: this.health,
      placement,
      vnodes: 40,
      policy: { placement, loadFactor: 1.25, loadFloor, maxInFlight: 8, balance },
      hashKey: balance === 'hash' ? hashKey : [{ kind: 'p2c' }],
      openTunnels: (ordinal) => this.tunnels.get(ordinal) ?? 0,
    });
  }

  /** A rig whose first `count` replicas are healthy. */
  static async of(count: number, options: RigOptions = {}): Promise<FleetRig> {
    const rig = new FleetRig(options);
    if ((await rig.supervisor.open()) === 0) await rig.scaling.startFleet(count);
    rig.view.open();
    rig.deploys.open();
    rig.autoscaler.open();
    await rig.advance(100);
    rig.transitions.length = 0;
    rig.events.length = 0;
    rig.driver.calls.length = 0;
    return rig;
  }

  /** Moves the clock on; what follows from each step happens before the next. */
  async advance(byMs: number, stepMs = STEP_MS): Promise<void> {
    await settle();
    for (let leftMs = byMs; leftMs > 0; leftMs -= stepMs) {
      this.#journalClock.advance(Math.min(stepMs, leftMs));
      this.clock.advance(Math.min(stepMs, leftMs));
      await settle();
    }
  }

  replica(name: string): Replica {
    const replica = this.registry.find(name);
    if (replica === undefined) throw new Error(`there is no replica ${name}`);
    return replica;
  }

  /** `S1=healthy`, in the order of `/rep`. */
  get states(): readonly string[] {
    return this.registry.members.map(({ name, state }) => `${name}=${state}`);
  }

  /** The instance id in the place. */
  instanceOf(name: string): string {
    return this.replica(name).instance?.instanceId ?? '';
  }

  /** Puts so many requests in flight on the replica; the function lets go of one. */
  load(name: string, requests: number): () => void {
    const { ordinal } = this.replica(name);
    for (let count = 0; count < requests; count++)
      this.threadTable.acquire(ordinal, Number.POSITIVE_INFINITY);
    return () => this.threadTable.release(ordinal);
  }

  /** Makes the instance in the place hang. */
  hang(name: string): void {
    this.hung.add(this.replica(name).instance?.endpoint?.port ?? 0);
  }

  /** Names of the members that own slots, in the order of names. */
  get owners(): readonly string[] {
    const ordinals = new Set(this.table.slots);
    return [...ordinals]
      .map((ordinal) => this.registry.findByOrdinal(ordinal)?.name ?? `nobody ${ordinal}`)
      .sort();
  }

  /** Log lines that begin with `text`. */
  logged(text: string): readonly LogFields[] {
    return this.lines.filter((line) => line.text.startsWith(text)).map(({ fields }) => fields);
  }

  #probe({ port }: Endpoint): ProbeResult {
    if (this.hung.has(port)) return SILENT;
    const isThere = [...this.driver.instances.values()].some((one) => one.endpoint?.port === port);
    return isThere ? (this.found.get(port) ?? PASSED) : REFUSED;
  }

  #note({ name, from, to, cause, instanceId, ms }: Transition): void {
    this.instances.push(`${name}→${to} ${instanceId}`);
    this.transitions.push(`${name} ${from}→${to}: ${cause}`);
    this.autoscaler.onTransition({ name, from, to, ms });
    const replica = this.registry.find(name);
    if (to !== 'healthy' || replica === undefined) return;
    this.launcher.markHealthy(replica);
    this.onHealthy(replica);
  }

  #logger(): Logger {
    const write = (level: string) => (fields: LogFields, message: string) => {
      this.lines.push({ text: `${level} ${message}`, fields });
    };
    const logger: Logger = {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      component: () => logger,
    };
    return logger;
  }
}
