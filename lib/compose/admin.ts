/**
 * The admin port: the routes of the control plane, and what samples the traffic for the dashboard.
 */
import { warnOfOpenAccess } from '../admin/access.ts';
import { acmeChallengeRoute, type FindChallenge } from '../admin/routes/acme-challenge.ts';
import { configRoutes, type Options } from '../admin/routes/config.ts';
import { createDashboardRoutes } from '../admin/routes/dashboard.ts';
import { deployRoute } from '../admin/routes/deploy.ts';
import { eventsRoute } from '../admin/routes/events.ts';
import { explainRoute } from '../admin/routes/explain.ts';
import { createRoutes, type Route } from '../admin/routes/fleet.ts';
import { type HandOver, handOverRoute } from '../admin/routes/hand-over.ts';
import { historyRoute } from '../admin/routes/history.ts';
import { Live } from '../admin/routes/live.ts';
import { LiveNumbers } from '../admin/routes/live-numbers.ts';
import { logsRoute } from '../admin/routes/logs.ts';
import { metricsRoute } from '../admin/routes/metrics.ts';
import { type AdminLimits, type AdminServer, createAdminServer } from '../admin/server.ts';
import { guardsPublicPort } from '../api/peer-header.ts';
import type { Config } from '../config/config.ts';
import type { Endpoint } from '../core/replica.ts';
import type { RouteTableWriter } from '../core/routing/route-table.ts';
import type { Driver } from '../drivers/driver.ts';
import type { ReplicaLogs } from '../fleet/logs/replica-logs.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../platform/clock.ts';
import type { RootLogger } from '../platform/log.ts';
import { programVersion } from '../platform/version.ts';
import { canSharePort } from '../proxy/bind.ts';
import type { ControlPlane } from './control-plane.ts';
import type { LiveOptions } from './live-options.ts';

export interface AdminDeps {
  readonly options: LiveOptions;
  readonly driver: Driver;
  readonly table: RouteTableWriter;
  readonly metrics: Metrics;
  readonly controlPlane: Pick<ControlPlane, 'view' | 'journal' | 'deploys' | 'bounds'>;
  readonly logs: ReplicaLogs;
  /** Shown by the data threads with the requests that they hand over. */
  readonly secret: string;
  readonly reloader: Options;
  readonly findChallenge: FindChallenge;
  /** Another balancer has taken the place of this one. */
  readonly handOver: HandOver;
  readonly clock: Clock;
  readonly log: RootLogger;
}

export interface Admin {
  /** Listens on the port, or on the open socket `fd`; resolves with where. Throws `port-in-use`. */
  open(port: number, fd?: number): Promise<Endpoint>;
  /** Keeps to the time limits of other options from now on. */
  configure(config: Config): void;
  /** Lets requests in progress finish. */
  close(): Promise<void>;
}

export function createAdmin(deps: AdminDeps): Admin {
  const { options, driver, table, metrics, controlPlane, logs, clock, log } = deps;
  const { config } = options;
  const { view, journal, deploys, bounds } = controlPlane;
  const read = (names: readonly string[]) => metrics.reader.read(names);
  const version = programVersion();
  const limits = options.share({ ...config });
  const canDeploy = deploys.isPossible;
  const numbers = new LiveNumbers({
    driver,
    canDeploy,
    limits,
    fleet: view,
    table,
    clock,
    read,
    version,
    scale: () => bounds.view(),
  });
  const live = new Live({ clock, snapshots: numbers, events: journal });
  const routes = [
    ...createRoutes(view, bounds),
    deployRoute(deploys),
    explainRoute(view),
    eventsRoute(journal, clock),
    logsRoute({ logs, driver: driver.kind, fleet: view, clock }),
    metricsRoute((accept, replicas) => metrics.expose(accept, replicas)),
    live.route,
    historyRoute(numbers.history),
    ...configRoutes(deps.reloader),
    handOverRoute(deps.handOver),
    acmeChallengeRoute(deps.findChallenge),
    ...createDashboardRoutes(),
  ];
  const server = createServer(deps, routes);
  return {
    open(port, fd) {
      warnOfOpenAccess(config, log);
      live.start();
      return server.listen(port, config.adminHost, fd);
    },
    configure: (next) => server.configure(limitsOf(next)),
    async close() {
      await server.close();
      live.close();
    },
  };
}

function createServer(
  { options: { config }, controlPlane, secret, clock, log }: AdminDeps,
  routes: readonly Route[],
): AdminServer {
  const { view } = controlPlane;
  return createAdminServer({
    routes,
    isDraining: () => view.readiness().draining,
    log: log.component('admin'),
    token: config.adminToken,
    guardsPublicPort: guardsPublicPort(config),
    adminHost: config.adminHost,
    adminHosts: config.adminHosts,
    isReplica: (address) => view.hasAddress(address),
    secret,
    clock,
    reusePort: canSharePort,
    limits: limitsOf(config),
  });
}

function limitsOf({ headerTimeoutMs, bodyTimeoutMs, keepAliveTimeoutMs }: Config): Partial<AdminLimits> {
  return { headerMs: headerTimeoutMs, bodyIdleMs: bodyTimeoutMs, keepAliveMs: keepAliveTimeoutMs };
}
