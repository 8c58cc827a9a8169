/**
 * The composition root: creates the parts of a balancer, opens them in order and closes them in reverse order.
 */

import type { HandOver } from '../admin/routes/hand-over.ts';
import { ADMIN_PORT_FLAGS } from '../admin/server.ts';
import { createSecret } from '../api/peer-header.ts';
import type { ReloadView } from '../api/types.ts';
import type { Config, Settings } from '../config/config.ts';
import { sharedOut } from '../config/derived-values.ts';
import { orList } from '../config/suggest.ts';
import { type Endpoint, formatEndpoint } from '../core/replica.ts';
import { RouteTableWriter } from '../core/routing/route-table.ts';
import type { Driver, OpenOutput } from '../drivers/driver.ts';
import type { FleetView } from '../fleet/fleet-view.ts';
import type { Journal } from '../fleet/journal.ts';
import { LogPrinter } from '../fleet/logs/log-printer.ts';
import { ReplicaLogs } from '../fleet/logs/replica-logs.ts';
import { ordinalsFor } from '../fleet/registry.ts';
import { Metrics } from '../metrics/metrics.ts';
import { cpus } from '../platform/cgroup.ts';
import { type Clock, systemClock } from '../platform/clock.ts';
import { BalancerError, messageOf } from '../platform/errors.ts';
import { reachableHost } from '../platform/ip-addresses.ts';
import type { RootLogger } from '../platform/log.ts';
import { canSharePort, claimPort, TLS_PORT_FLAGS } from '../proxy/bind.ts';
import { isFastPath } from '../proxy/io/node-internals.ts';
import { createAcme } from './acme.ts';
import { type Admin, createAdmin } from './admin.ts';
import { Closers } from './closers.ts';
import { type ControlPlane, createControlPlane } from './control-plane.ts';
import { createDataPlane, type DataPlane } from './data-plane.ts';
import { createDriver } from './drivers.ts';
import { LiveOptions } from './live-options.ts';
import type { PassedName, PassedSockets } from './ports/passed-sockets.ts';
import {
  descriptorsIn,
  logThreads,
  SOCKETS_STAY,
  threadsFor,
  withSockets,
} from './ports/socket-activation.ts';
import { FormerBalancer, untilFleetServes } from './ports/take-over.ts';
import { Reloader } from './reload.ts';

/** A balancer that runs. */
export interface App {
  /** Where clients are served. */
  readonly publicPort: number;
  readonly admin: Endpoint;
  readonly fleet: FleetView;
  readonly journal: Journal;
  /** Resolves when the replicas are another balancer's now: nothing is done to them, and it is to be shut down. */
  readonly evicted: Driver['evicted'];
  /** Resolves when another balancer serves in place of this one, which is to be shut down. */
  readonly handedOver: Promise<void>;
  /** Resolves when a data thread died with sockets that only the service manager can pass again. */
  readonly socketsLost: Promise<void>;
  /** Lets requests in flight finish, then stops everything; with on-exit `keep` the replicas go on. */
  shutDown(): Promise<void>;
  /** Opens the file of the access log again, after it was moved; false where there is none. */
  reopenLogs(): boolean;
  /** Reads the certificates of the TLS port anew. */
  reloadCertificates(): void;
  /** Reads the options anew and changes what can be changed while it runs. Throws as `Reloader.reload`. */
  reload(): Promise<ReloadView>;
}

/** The options to start with, and how to read them anew. */
export interface StartOptions {
  readonly settings: Settings;
  /** Open sockets that were passed to this process. */
  readonly sockets?: PassedSockets | undefined;
  /** Throws ConfigError. */
  readonly reload: () => Settings;
}

/** Starts a balancer. Throws BalancerError with one sentence that says what to do; nothing is left running then. */
export async function startApp(
  start: StartOptions,
  log: RootLogger,
  clock: Clock = systemClock,
): Promise<App> {
  const closers = new Closers();
  try {
    const { sockets } = start;
    const settings = withSockets(start.settings, sockets);
    const reload = (): Settings => withSockets(start.reload(), sockets);
    const options = new LiveOptions(settings.config);
    return await openParts({ start: { settings, sockets, reload }, options, log, clock }, closers);
  } catch (error) {
    await closers
      .closeAll(false)
      .catch((second: unknown) => log.warn({ cause: messageOf(second) }, 'shutdown failed'));
    throw error;
  }
}

interface Surroundings {
  readonly start: StartOptions;
  readonly options: LiveOptions;
  readonly log: RootLogger;
  readonly clock: Clock;
}

async function openParts(surroundings: Surroundings, closers: Closers): Promise<App> {
  const { options, log, clock } = surroundings;
  const { config } = options;
  const logs = new ReplicaLogs(clock);
  const printer = new LogPrinter({ logs, log });
  printer.setOn(config.replicaLogs);
  closers.push(() => logs.close());
  const openOutput: OpenOutput = (replica, instanceId) => logs.open(replica, instanceId);
  const driver = await createDriver(options, { log, clock, openOutput });
  const former = config.takeOver ? await FormerBalancer.find(config, log) : undefined;
  // while another balancer runs, what outlives it stays as it is, whatever becomes of this one
  let isBeside = former !== undefined && driver.outlivesBalancer === true;
  closers.push((keep) => driver.close(keep || isBeside));
  await driver.open({ isBeside });
  const { sockets } = surroundings.start;
  const { port, adminPort } = former === undefined ? await claimPorts(config, sockets) : config;
  const parts = createParts(surroundings, driver, { logs, printer });
  const { table, metrics, dataPlane, controlPlane, admin, secret, reloader } = parts;
  // closed in reverse: clients first, then the replicas that served them, while the admin port still tells of it
  closers.push(async () => parts.acme?.close());
  closers.push(() => metrics.close());
  closers.push(() => admin.close());
  closers.push((keep) => controlPlane.close(keep || isBeside));
  closers.push(() => dataPlane.close());

  if (former !== undefined) {
    await controlPlane.open({ isBeside: true });
    const replicas = () => controlPlane.view.replicas();
    const isNew = driver.ownsInstances && !isBeside;
    const fleet = { isNew, least: config.replicas, replicas };
    await untilFleetServes(fleet, config.startTimeoutMs, clock);
    await former.connect();
  }
  const endpoint = await admin.open(adminPort, sockets?.['admin-port'][0]?.fd);
  const { poison, health } = controlPlane;
  await dataPlane.open(
    { port, admin: { host: reachableHost(endpoint.host), port: endpoint.port, secret } },
    {
      judge: poison,
      onReport: (ordinal, word, code) => health.report(ordinal, word, code),
      onSocketsLost: () => parts.socketsLost.resolve(),
    },
    descriptorsIn(sockets),
  );
  const { workers } = table.shape;
  if (sockets !== undefined) logThreads(config, sockets, log);
  log.info(
    { driver: driver.kind, algorithm: config.algorithm, workers, cpuQuota: cpus().quota },
    `serving on ${addressOf(config.host, port)}, admin on http://${formatEndpoint(endpoint)}`,
  );
  if (config.tlsPort > 0)
    log.info({}, `serving TLS on ${addressOf(config.host, config.tlsPort).replace('http:', 'https:')}`);
  reloader.serveOn({ port, adminPort: endpoint.port });
  parts.acme?.start();
  if (former === undefined) await controlPlane.open({ isBeside: false });
  else {
    await former.handOver();
    await controlPlane.takePool();
    isBeside = false;
  }
  parts.share();
  warnOfUnknownWeights(config, controlPlane.view.replicas(), log);
  return {
    publicPort: port,
    admin: endpoint,
    fleet: controlPlane.view,
    journal: controlPlane.journal,
    evicted: driver.evicted,
    handedOver: parts.handedOver,
    socketsLost: parts.socketsLost.promise,
    reopenLogs: () => dataPlane.reopenLogs(),
    reloadCertificates: () => dataPlane.reloadCertificates(),
    reload: () => reloader.reload(),
    shutDown: () => shutDown(surroundings, parts, closers),
  };
}

/** A name may be of a replica that is added later, or be misspelt. */
function warnOfUnknownWeights(
  { weights }: Config,
  replicas: readonly { readonly name: string }[],
  log: RootLogger,
): void {
  const known = new Set(replicas.map(({ name }) => name));
  const unknown = weights.flatMap(({ name }) => (known.has(name) ? [] : [name]));
  if (unknown.length === 0) return;
  log.warn({}, `weights: no replica is called ${orList(unknown)}; such a weight counts once there is one`);
}

type Parts = ReturnType<typeof createParts>;

/** Creates every part; none does anything yet that others notice. */
function createParts(
  { start, options, log, clock }: Surroundings,
  driver: Driver,
  { logs, printer }: { readonly logs: ReplicaLogs; readonly printer: LogPrinter },
) {
  const { config } = options;
  /** As the options say, whatever part of it is that of this balancer. */
  let configured = config;
  let balancers = 1;
  const table = createTable(config, start.sockets);
  const fastPath = isFastPath(config);
  const replicas = () => controlPlane.view.replicas();
  const certificates = () => dataPlane.certificateExpiries();
  const peers = () => driver.members?.peers ?? [];
  const metrics = new Metrics(table.shape, clock, { table, log, fastPath, replicas, certificates, peers });
  const common = { options, driver, table, metrics, clock, log };
  const acme = createAcme({ config, clock, log, onIssued: () => dataPlane.reloadCertificates() });
  const dataPlane: DataPlane = createDataPlane({ ...common, config });
  const controlPlane: ControlPlane = createControlPlane({ ...common, dataPlane, logs });
  metrics.open();
  const secret = createSecret();
  const reloader = new Reloader({
    settings: start.settings,
    load: start.reload,
    journal: controlPlane.journal,
    log: log.component('reload'),
    prepare(next) {
      const prepared = dataPlane.prepare(sharedOut(next, balancers));
      return {
        commit() {
          configured = next;
          options.replace(sharedOut(next, balancers));
          log.setLevel(next.logLevel);
          printer.setOn(next.replicaLogs);
          admin.configure(next);
          controlPlane.configure(next);
          return prepared.commit();
        },
      };
    },
  });
  /** Each balancer of the pool takes its part of what is meant for the fleet. */
  const share = (): void =>
    driver.members?.follow(
      () => controlPlane.view.tableHash(),
      (count) => {
        if (count === balancers) return;
        balancers = count;
        const part = sharedOut(configured, count);
        options.replace(part);
        void dataPlane.prepare(part).commit();
      },
    );
  const handedOver = Promise.withResolvers<void>();
  const socketsLost = Promise.withResolvers<void>();
  const handOver: HandOver = {
    async prepare() {
      if (start.sockets !== undefined) throw new BalancerError('bad-request', SOCKETS_STAY);
      await controlPlane.handOver();
    },
    begin() {
      // the other balancer alone is asked from now on
      void admin.close();
      handedOver.resolve();
    },
  };
  const findChallenge = (token: string) => acme?.challenge(token);
  const deps = { ...common, controlPlane, logs, secret, reloader, findChallenge, handOver };
  const admin: Admin = createAdmin(deps);
  const control = { controlPlane, admin, secret, reloader, acme, share, driver };
  return { table, metrics, dataPlane, ...control, handedOver: handedOver.promise, socketsLost };
}

async function shutDown({ options, log }: Surroundings, parts: Parts, closers: Closers): Promise<void> {
  const { table, dataPlane, controlPlane, driver } = parts;
  log.info({ inFlight: table.totalInFlight }, 'draining');
  controlPlane.view.startDraining();
  const inTime = await dataPlane.drain(options.config.drainTimeoutMs);
  if (!inTime) log.warn({ inFlight: table.totalInFlight }, 'drain timed out; requests in flight are cut');
  // the fleet is that of all its balancers, and goes with the last
  const isLast = (await driver.members?.leave()) ?? true;
  await closers.closeAll(options.config.onExit === 'keep' || !isLast);
  log.info({}, 'stopped');
}

/** Makes sure that nobody listens on the ports; gives those that were chosen where the options say 0. */
async function claimPorts(
  { port, host, tlsPort, adminPort, adminHost, poolMembers }: Config,
  sockets: PassedSockets | undefined,
) {
  // balancers of one pool may share the ports of their host
  const isShared = poolMembers === 'many' && canSharePort;
  const isPassed = (name: PassedName): boolean => (sockets?.[name].length ?? 0) > 0;
  const isClaimed = isPassed('port') || (isShared && port > 0);
  const claimed = isClaimed ? port : await claimPort(port, host);
  if (tlsPort > 0 && !isShared && !isPassed('tls-port')) await claimPort(tlsPort, host, TLS_PORT_FLAGS);
  const admin = isPassed('admin-port') ? adminPort : await claimPort(adminPort, adminHost, ADMIN_PORT_FLAGS);
  return { port: claimed, adminPort: admin };
}

function createTable(config: Config, sockets: PassedSockets | undefined): RouteTableWriter {
  const { slots, maxReplicas } = config;
  return new RouteTableWriter({
    slots,
    ordinals: ordinalsFor(maxReplicas),
    workers: threadsFor(config, sockets),
  });
}

function addressOf(host: string, port: number): string {
  return `http://${formatEndpoint({ host: host === '' ? 'localhost' : host, port })}`;
}
