/**
 * The composition root: builds every part, wires them, and takes them down in the right order.
 * The only file that knows concrete drivers. Must not hold: decisions that belong to a part.
 */
import { AccessSink } from '../access-log/sink.ts';
import { createRoutes } from '../admin/routes/api.ts';
import { createDashboardRoutes } from '../admin/routes/dashboard.ts';
import { eventsRoute } from '../admin/routes/events.ts';
import { explainRoute } from '../admin/routes/explain.ts';
import { historyRoute } from '../admin/routes/history.ts';
import { Live } from '../admin/routes/live.ts';
import { LiveNumbers } from '../admin/routes/live-numbers.ts';
import { metricsRoute } from '../admin/routes/metrics.ts';
import { type AdminServer, createAdminServer } from '../admin/server.ts';
import { createSecret } from '../api/peer-header.ts';
import type { Config } from '../config/config.ts';
import { createPlacement } from '../core/hashing/placement.ts';
import type { Placement } from '../core/hashing/slot-table.ts';
import { type Endpoint, formatEndpoint } from '../core/replica.ts';
import { RouteTableWriter } from '../core/routing/route-table.ts';
import type { Driver } from '../drivers/driver.ts';
import { FleetView } from '../fleet/fleet-view.ts';
import { Health } from '../fleet/health/health.ts';
import { createProbe } from '../fleet/health/probe.ts';
import { Journal } from '../fleet/journal.ts';
import { Drains } from '../fleet/lifecycle/drains.ts';
import { Follower } from '../fleet/lifecycle/follower.ts';
import { GracefulStop } from '../fleet/lifecycle/graceful-stop.ts';
import { Launcher } from '../fleet/lifecycle/launcher.ts';
import { Plans } from '../fleet/lifecycle/plans.ts';
import { Scaling } from '../fleet/lifecycle/scaling.ts';
import { Supervisor } from '../fleet/lifecycle/supervisor.ts';
import { nextName, randomName } from '../fleet/names.ts';
import { Poison } from '../fleet/poison.ts';
import { Registry } from '../fleet/registry.ts';
import { TransitionLog } from '../fleet/transition-log.ts';
import { CounterSums } from '../metrics/counter-sums.ts';
import { Metrics } from '../metrics/metrics.ts';
import { cpus } from '../platform/cgroup.ts';
import { type Clock, systemClock } from '../platform/clock.ts';
import { assertNever } from '../platform/errors.ts';
import { connectionsInLimits, probesInLimits } from '../platform/fd-limits.ts';
import type { Logger, RootLogger } from '../platform/log.ts';
import { programVersion } from '../platform/version.ts';
import { claimPort } from '../proxy/bind.ts';
import type { DebugFor } from '../proxy/headers/debug-headers.ts';
import { canReadRaw } from '../proxy/io/node-internals.ts';
import { WorkerPool } from '../proxy/worker-pool.ts';

/** Ordinals for removed replicas that still drain, beyond those in service. */
const DRAINING_ORDINALS = 64;
/** Where several sockets can listen on one port, and so several threads. */
const canSharePort = process.platform === 'linux' || process.platform === 'freebsd';

/** A balancer that runs. */
export interface App {
  /** Where clients are served. */
  readonly publicPort: number;
  readonly admin: Endpoint;
  /** Resolves when the replicas are another balancer's now: nothing is done to them, and it is to be shut down. */
  readonly evicted: Driver['evicted'];
  /** Lets requests in flight finish, then stops everything; with on-exit `keep` the replicas go on. */
  shutDown(): Promise<void>;
  /** Opens the file of the access log again, after it was moved; false where there is none. */
  reopenLogs(): boolean;
}

/** Starts a balancer. Throws BalancerError with one sentence that says what to do; nothing is left running then. */
export async function startApp(config: Config, log: RootLogger, clock: Clock = systemClock): Promise<App> {
  const driver = await createDriver(config, log, clock);
  const opened: (() => Promise<unknown>)[] = [() => driver.close(false)];
  try {
    await driver.open();
    const publicPort = await claimPort(config.port, config.host);
    const parts = new Parts(config, driver, log, clock);
    opened.push(async () => parts.poison.close());
    opened.push(async () => parts.journal.close());
    opened.push(async () => parts.live.close());
    opened.push(async () => parts.metrics.close());
    const admin = await parts.admin.listen(config.adminPort, config.adminHost);
    opened.push(() => parts.admin.close());
    const dataPlane = parts.createDataPlane(publicPort, admin);
    opened.push(() => dataPlane.close());
    await dataPlane.open();
    log.info(
      {
        driver: driver.kind,
        algorithm: config.algorithm,
        workers: parts.table.shape.workers,
        cpuQuota: cpus().quota,
      },
      `serving on ${addressOf(config.host, publicPort)}, admin on http://${formatEndpoint(admin)}`,
    );
    warnOfOpenDoors(config, log);
    if (config.parser === 'fast' && !isFastPath(config))
      log.warn({}, 'this Node.js lets no socket be read into memory of ours: requests cost more');
    opened.push(() => parts.supervisor.close(false));
    const found = await parts.supervisor.open();
    if (found === 0 && driver.ownsInstances) await parts.scaling.startFleet(config.replicas);
    parts.view.open();
    return {
      publicPort,
      admin,
      evicted: driver.evicted,
      shutDown: () => shutDown(config, parts, dataPlane, log),
      reopenLogs: () => parts.accessSink?.reopen() ?? false,
    };
  } catch (error) {
    for (const close of opened.reverse()) await close();
    throw error;
  }
}

/** Everything of the control plane but the data plane's handle, which needs ports that are known later. */
class Parts {
  readonly table: RouteTableWriter;
  readonly metrics: Metrics;
  /** Undefined while the access log is off. */
  readonly accessSink: AccessSink | undefined;
  readonly admin: AdminServer;
  /** Over servers that others run there is nothing to supervise but their list. */
  readonly supervisor: Supervisor | Follower;
  readonly scaling: Scaling;
  readonly view: FleetView;
  readonly journal: Journal;
  readonly poison: Poison;
  readonly live: Live;
  readonly #config: Config;
  readonly #registry: Registry;
  readonly health: Health;
  readonly #launcher: Launcher;
  readonly #log: RootLogger;
  readonly #clock: Clock;
  /** By it the admin server knows what data threads hand over. */
  readonly #secret = createSecret();
  #ownsInstances: boolean;
  #dataPlane: WorkerPool | undefined;

  constructor(config: Config, driver: Driver, log: RootLogger, clock: Clock) {
    this.#config = config;
    this.#log = log;
    this.#clock = clock;
    this.#ownsInstances = driver.ownsInstances;
    const placement = createPlacement(config);
    this.table = new RouteTableWriter(tableShape(config));
    this.metrics = this.#createMetrics();
    const counts = new CounterSums(this.metrics.reader.memory, this.table.shape);
    this.journal = new Journal(clock, { read: () => counts.trouble() });
    this.journal.countAll(this.metrics.fleet);
    const publish = (kinds: readonly string[]): void => this.#dataPlane?.setPoison(kinds);
    this.poison = new Poison({ clock, journal: this.journal, publish });
    this.accessSink = this.#createAccessSink();
    this.#registry = this.#createRegistry(placement);
    this.health = this.#createHealth(driver, counts);
    const { ownsInstances } = driver;
    const common = {
      registry: this.#registry,
      driver,
      checker: this.health.checker,
      journal: this.journal,
      clock,
      log: log.component('fleet'),
    };
    this.#launcher = new Launcher({
      ...config,
      ...common,
      substitute: (replica, cause) => this.scaling.substitute(replica, cause),
      onLaunchEnded: () => this.supervisor.nudge(),
    });
    const { instances } = this.#launcher;
    const gracefulStop = new GracefulStop({ ...config, ...common, instances });
    const lifecycle = { ...config, ...common, gracefulStop, launcher: this.#launcher };
    this.supervisor = ownsInstances
      ? new Supervisor({ ...lifecycle, onEnded: (end) => this.poison.ended(end) })
      : new Follower(lifecycle);
    const chooseName = config.classic ? randomName : nextName;
    const plans = new Plans({ ...config, ...common, chooseName });
    this.scaling = new Scaling({ ...lifecycle, plans });
    this.view = new FleetView({
      ...config,
      ...common,
      launcher: this.#launcher,
      table: this.table,
      scaling: this.scaling,
      drains: new Drains({ ...common, plans }),
      plans,
      health: this.health,
      placement,
      policy: { ...config, placement },
      openTunnels: (ordinal) => counts.openTunnels(ordinal),
    });
    this.metrics.open();
    const liveNumbers = this.#createLiveNumbers(driver);
    this.live = new Live({ clock, snapshots: liveNumbers, events: this.journal });
    this.live.start();
    this.admin = createAdminServer({
      routes: [
        ...createRoutes(this.view),
        explainRoute(this.view),
        eventsRoute(this.journal, clock),
        metricsRoute((accept, replicas) => this.metrics.expose(accept, replicas)),
        this.live.route,
        historyRoute(liveNumbers.history),
        ...createDashboardRoutes(),
      ],
      isDraining: () => this.view.readiness().draining,
      log: log.component('admin'),
      token: config.adminToken,
      guardsPublicPort: config.adminTokenScope === 'both',
      adminHost: config.adminHost,
      adminHosts: config.adminHosts,
      isReplica: (address) => this.view.hasAddress(address),
      secret: this.#secret,
      clock,
      limits: {
        headerMs: config.headerTimeoutMs,
        bodyIdleMs: config.bodyTimeoutMs,
        keepAliveMs: config.keepAliveTimeoutMs,
      },
    });
  }

  createDataPlane(port: number, admin: Endpoint): WorkerPool {
    const dataPlane = new WorkerPool({
      table: this.table,
      metrics: this.metrics.reader,
      options: {
        ...this.#config,
        port,
        reusePort: canSharePort,
        ownsInstances: this.#ownsInstances,
        admin: { ...reachable(admin), secret: this.#secret },
        debugFor: debugFor(this.#config),
        maxConnections: Math.min(this.#config.maxConnections, connectionsInLimits(this.table.shape.workers)),
      },
      clock: this.#clock,
      log: this.#log.component('data-plane'),
      onLog: (text, lines, onDone) => this.accessSink?.take(text, lines, onDone),
      judge: this.poison,
      onReport: (ordinal, word, code) => this.health.report(ordinal, word, code),
    });
    this.#dataPlane = dataPlane;
    return dataPlane;
  }

  #createAccessSink(): AccessSink | undefined {
    const { accessLog, accessLogFile: file } = this.#config;
    if (accessLog === 'off') return undefined;
    const onDropped = (lines: number): void => this.metrics.recorder.thread.logDropped(lines);
    return new AccessSink({ file, log: this.#log.component('access-log'), clock: this.#clock, onDropped });
  }

  #createMetrics(): Metrics {
    const fastPath = isFastPath(this.#config);
    const fleet = { table: this.table, log: this.#log, fastPath, replicas: () => this.view.replicas() };
    return new Metrics(this.table.shape, this.#clock, fleet);
  }

  #createLiveNumbers(driver: Driver): LiveNumbers {
    const [clock, limits] = [this.#clock, this.#config];
    const { table, view: fleet, metrics } = this;
    const read = (names: readonly string[]) => metrics.reader.read(names);
    return new LiveNumbers({ driver, limits, fleet, table, clock, read, version: programVersion() });
  }

  #createRegistry(placement: Placement): Registry {
    const log = new TransitionLog(this.#log.component('fleet'), this.#clock);
    return new Registry({
      table: this.table,
      placement,
      clock: this.#clock,
      journal: this.journal,
      publish: (records) => this.#dataPlane?.publish(records) ?? Promise.resolve(),
      onReserve: (name) => this.metrics.began(name),
      onTransition: (transition) => {
        log.note(transition);
        if (transition.to === 'gone') this.metrics.removed(transition.name);
        const replica = this.#registry.find(transition.name);
        if (transition.to === 'healthy' && replica !== undefined) this.#launcher.markHealthy(replica);
      },
    });
  }

  #createHealth(driver: Driver, counts: CounterSums): Health {
    return new Health({
      ...this.#config,
      registry: this.#registry,
      table: this.table,
      clock: this.#clock,
      log: this.#log.component('health'),
      journal: this.journal,
      counts,
      probe: createProbe(this.#config, probesInLimits()),
      policy: this.#config,
      ownsInstances: driver.ownsInstances,
      intervalMs: this.#config.probeIntervalMs,
      maxConcurrent: probesInLimits(),
      random: Math.random,
      replace: (replica, cause, how) => this.supervisor.replace(replica, cause, how),
      nudge: () => this.supervisor.nudge(),
      onProbe: ({ name }, tookMs, passed) => this.metrics.fleet.probe(name, tookMs, passed),
    });
  }
}

/** Who may steer on the public port may also see how it works; with a token that is who is on this machine. */
function debugFor({ adminToken, adminTokenScope, publicAdmin }: Config): DebugFor {
  if (!publicAdmin) return 'nobody';
  return adminToken === '' || adminTokenScope === 'admin' ? 'private' : 'loopback';
}

function isFastPath({ parser }: Config): boolean {
  return parser === 'fast' && canReadRaw;
}

function warnOfOpenDoors({ adminToken, adminTokenScope, publicAdmin }: Config, log: Logger): void {
  if ((adminToken !== '' && adminTokenScope === 'both') || !publicAdmin) return;
  const who = 'who has a loopback or private address, or comes through a proxy that has one';
  const whom = `/add, /rm and /scale on the public port take orders from ${who}`;
  const what = adminToken === '' ? 'admin-token' : 'admin-token-scope both';
  log.warn({}, `${whom}: set ${what}, or public-admin off`);
}

async function shutDown(config: Config, parts: Parts, dataPlane: WorkerPool, log: Logger): Promise<void> {
  log.info({ inFlight: parts.table.totalInFlight }, 'draining');
  parts.view.startDraining();
  const inTime = await dataPlane.drain(config.drainTimeoutMs);
  if (!inTime)
    log.warn({ inFlight: parts.table.totalInFlight }, 'drain timed out; requests in flight are cut');
  await dataPlane.close();
  await parts.accessSink?.close();
  parts.health.close();
  await parts.supervisor.close(config.onExit === 'keep');
  await parts.admin.close();
  parts.poison.close();
  parts.journal.close();
  parts.live.close();
  parts.metrics.close();
  log.info({}, 'stopped');
}

/** Loads no driver but the one asked for: the Docker client alone is 40 MB of memory. */
async function createDriver(config: Config, log: Logger, clock: Clock): Promise<Driver> {
  const { driver } = config;
  const parts = { ...config, log: log.component('driver'), clock };
  switch (driver) {
    case 'process':
      return (await import('../drivers/process/process.ts')).createProcessDriver(parts);
    case 'docker':
      return (await import('../drivers/docker/docker.ts')).createDockerDriver(parts);
    case 'static':
      return (await import('../drivers/static.ts')).createStaticDriver(config);
    case 'discover':
      return (await import('../drivers/discover/discover.ts')).createDiscoverDriver(parts);
    default:
      return assertNever(driver);
  }
}

function tableShape(config: Config): RouteTableWriter['shape'] {
  const most = config.driver === 'static' ? config.upstreams.length : config.maxReplicas;
  const workers = canSharePort ? config.workers : 1;
  return { slots: config.slots, ordinals: most + DRAINING_ORDINALS, workers };
}

/** Where a data thread reaches what listens on `endpoint`, which may be all interfaces. */
function reachable(endpoint: Endpoint): Endpoint {
  if (endpoint.host === '0.0.0.0') return { ...endpoint, host: '127.0.0.1' };
  return endpoint.host === '::' ? { ...endpoint, host: '::1' } : endpoint;
}

function addressOf(host: string, port: number): string {
  return `http://${formatEndpoint({ host: host === '' ? 'localhost' : host, port })}`;
}
