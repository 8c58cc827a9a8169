/**
 * A control plane without sockets: the real parts of lib/fleet over a fake driver, a clock that the test moves and
 * probes that find what the fake driver says. Must not hold: assertions.
 */

import type { Endpoint, UpstreamRecord } from '../../lib/core/replica.ts';
import { ringPlacement } from '../../lib/core/ring.ts';
import { RouteTable, RouteTableWriter } from '../../lib/core/route-table.ts';
import { Checker, type CheckerParts, type ProbeResult } from '../../lib/fleet/checker.ts';
import { FleetView } from '../../lib/fleet/fleet.ts';
import { Keeper } from '../../lib/fleet/keeper.ts';
import { nextName } from '../../lib/fleet/names.ts';
import { Registry, type Replica, type Transition } from '../../lib/fleet/registry.ts';
import { Scaling } from '../../lib/fleet/scaling.ts';
import { Supervisor } from '../../lib/fleet/supervisor.ts';
import type { LogFields, Logger } from '../../lib/log.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeDriver } from './fake-driver.ts';

export interface RigOptions {
  readonly driver?: FakeDriver;
  readonly maxReplicas?: number;
  readonly ordinals?: number;
  readonly checker?: Partial<CheckerParts>;
}

export const INTERVAL_MS = 2000;
export const START_TIMEOUT_MS = 30_000;
export const DRAIN_TIMEOUT_MS = 30_000;
export const STOP_TIMEOUT_MS = 10_000;
/** How far the clock goes at a time; what follows from it happens before the next step. */
const STEP_MS = 10;

/** Lets everything happen that waits for no time. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export class FleetRig {
  readonly clock = new FakeClock();
  readonly driver: FakeDriver;
  readonly table: RouteTableWriter;
  readonly registry: Registry;
  readonly checker: Checker;
  readonly keeper: Keeper;
  readonly supervisor: Supervisor;
  readonly scaling: Scaling;
  readonly view: FleetView;
  /** `S1 starting→healthy: probe passed: 200`. */
  readonly transitions: string[] = [];
  /** `warn crash loop, waiting before the next start`, with its fields. */
  readonly lines: { readonly text: string; readonly fields: LogFields }[] = [];
  /** Ports whose instances hang: their probes find no answer. */
  readonly hung = new Set<number>();
  /** Hears of every replica in the moment in which it becomes healthy. */
  onHealthy: (replica: Replica) => void = () => {};
  /** The table as the only data thread sees it. */
  readonly threadTable: RouteTable;
  /** What the data threads were told last. */
  records: readonly UpstreamRecord[] = [];
  /** Publications wait for this: threads that are slow to let go. */
  publication: Promise<void> = Promise.resolve();

  constructor({ driver = new FakeDriver(), maxReplicas = 16, ordinals = 32, checker = {} }: RigOptions = {}) {
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
    this.registry = new Registry({ table, placement, clock, publish, onTransition });
    this.checker = new Checker({
      registry: this.registry,
      clock,
      probe: (endpoint) => Promise.resolve(this.#probe(endpoint)),
      policy: { rise: 2, fall: 3 },
      ownsInstances: driver.ownsInstances,
      intervalMs: INTERVAL_MS,
      maxConcurrent: 16,
      random: () => 0.5,
      onDown: (replica, cause) => this.supervisor.onDown(replica, cause),
      ...checker,
    });
    const common = { registry: this.registry, driver, checker: this.checker, clock, log };
    const limits = { maxReplicas, drainTimeoutMs: DRAIN_TIMEOUT_MS, stopTimeoutMs: STOP_TIMEOUT_MS };
    this.keeper = new Keeper({
      ...common,
      startTimeoutMs: START_TIMEOUT_MS,
      onSettled: () => this.supervisor.nudge(),
    });
    const { keeper } = this;
    this.supervisor = new Supervisor({ ...common, keeper, stopTimeoutMs: STOP_TIMEOUT_MS });
    this.scaling = new Scaling({ ...common, ...limits, keeper, chooseName: nextName });
    const { scaling } = this;
    this.view = new FleetView({ ...common, keeper, scaling, table, placement, vnodes: 40 });
  }

  /** A rig whose first `count` replicas are healthy. */
  static async of(count: number, options: RigOptions = {}): Promise<FleetRig> {
    const rig = new FleetRig(options);
    if ((await rig.supervisor.open()) === 0) await rig.scaling.begin(count);
    await rig.advance(100);
    rig.transitions.length = 0;
    rig.driver.calls.length = 0;
    return rig;
  }

  /** Moves the clock on; what follows from each step happens before the next. */
  async advance(byMs: number, stepMs = STEP_MS): Promise<void> {
    await settle();
    for (let leftMs = byMs; leftMs > 0; leftMs -= stepMs) {
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

  /** Makes the instance in the place hang. */
  hang(name: string): void {
    this.hung.add(this.replica(name).instance?.endpoint?.port ?? 0);
  }

  /** Names of the members that own slots, in the order of names. */
  get owners(): readonly string[] {
    const ordinals = new Set(this.table.slots);
    return [...ordinals]
      .map((ordinal) => this.registry.byOrdinal(ordinal)?.name ?? `nobody ${ordinal}`)
      .sort();
  }

  /** Log lines that begin with `text`. */
  logged(text: string): readonly LogFields[] {
    return this.lines.filter((line) => line.text.startsWith(text)).map(({ fields }) => fields);
  }

  #probe({ port }: Endpoint): ProbeResult {
    if (this.hung.has(port)) return { passed: false, said: 'no answer in 2000 ms' };
    const isThere = [...this.driver.instances.values()].some((one) => one.endpoint?.port === port);
    return isThere ? { passed: true, said: '200' } : { passed: false, said: 'connection refused' };
  }

  #note({ name, from, to, cause }: Transition): void {
    this.transitions.push(`${name} ${from}→${to}: ${cause}`);
    const replica = this.registry.find(name);
    if (to !== 'healthy' || replica === undefined) return;
    this.keeper.becameHealthy(replica);
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
