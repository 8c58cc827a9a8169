/**
 * The control plane: the fleet, its health, and what starts and stops its instances.
 */

import { scaleSettingsOf, zeroProblem } from '../config/checks/scale-checks.ts';
import type { Config } from '../config/config.ts';
import { changedWeights, configuredWeights } from '../config/derived-values.ts';
import { commandWords } from '../config/parsers/spec-parsers.ts';
import { replicaSpecOf } from '../config/replica-spec.ts';
import { createPlacement } from '../core/hashing/placement.ts';
import type { Placement } from '../core/hashing/slot-table.ts';
import type { RouteTableWriter } from '../core/routing/route-table.ts';
import type { Driver } from '../drivers/driver.ts';
import { Autoscaler, type AutoscalerParts } from '../fleet/autoscale/autoscaler.ts';
import { ScaleBounds } from '../fleet/autoscale/bounds.ts';
import { ScalePool } from '../fleet/autoscale/scale-pool.ts';
import { createDeploys } from '../fleet/deploy/create.ts';
import { type Deploys, titleOf } from '../fleet/deploy/deploys.ts';
import { Releases } from '../fleet/deploy/releases.ts';
import { FleetView } from '../fleet/fleet-view.ts';
import { Health, type HealthOptions, type HealthParts } from '../fleet/health/fleet-health.ts';
import { createProbe } from '../fleet/health/probe.ts';
import { Journal } from '../fleet/journal.ts';
import { Drains } from '../fleet/lifecycle/drains.ts';
import { Follower } from '../fleet/lifecycle/follower.ts';
import { GracefulStop } from '../fleet/lifecycle/graceful-stop.ts';
import { Launcher } from '../fleet/lifecycle/launcher.ts';
import { Plans } from '../fleet/lifecycle/plans.ts';
import { Scaling } from '../fleet/lifecycle/scaling.ts';
import { Supervisor } from '../fleet/lifecycle/supervisor.ts';
import type { ReplicaLogs } from '../fleet/logs/replica-logs.ts';
import { nextName, randomName } from '../fleet/names.ts';
import { Poison } from '../fleet/poison.ts';
import { Registry } from '../fleet/registry.ts';
import type { Replica, Transition } from '../fleet/replica.ts';
import { TransitionLog } from '../fleet/transition-log.ts';
import { CounterSums } from '../metrics/counter-sums.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../platform/clock.ts';
import { BalancerError } from '../platform/errors.ts';
import { probesInLimits } from '../platform/fd-limits.ts';
import type { RootLogger } from '../platform/log.ts';
import type { DataPlane } from './data-plane.ts';
import type { LiveOptions } from './live-options.ts';
import { handOver, openChanges, takePool } from './ports/hand-over.ts';
import { probeConnectionsOf } from './probe-connections.ts';

export interface ControlPlaneDeps {
  readonly options: LiveOptions;
  readonly driver: Driver;
  readonly table: RouteTableWriter;
  readonly metrics: Metrics;
  readonly dataPlane: Pick<DataPlane, 'closeTunnels' | 'publish' | 'setPoison' | 'tokenOf'>;
  readonly clock: Clock;
  readonly log: RootLogger;
  readonly logs: Pick<ReplicaLogs, 'lastTexts'>;
}

export interface ControlPlane {
  readonly view: FleetView;
  readonly journal: Journal;
  readonly poison: Poison;
  readonly health: Health;
  readonly deploys: Deploys;
  readonly bounds: ScaleBounds;
  /** Goes by other options from now on, in the same turn. */
  configure(config: Config): void;
  /**
   * Adopts what an earlier balancer left, or starts a new fleet. With `isBeside` another balancer still runs, whose
   * instances are adopted where they outlive it, however many there are.
   */
  open(how: { readonly isBeside: boolean }): Promise<void>;
  /** The other balancer has handed over: from now on this one changes the pool. Throws `pool-taken`. */
  takePool(): Promise<void>;
  /**
   * Another balancer is to take over: from now on this one begins no change, and leaves instances that outlive it as they
   * are; those that it removed before it drains and stops to the end. Throws `deploy-running`; nothing has changed then.
   */
  handOver(): Promise<void>;
  /** Stops watching the fleet; with `keep` false stops and removes every instance. */
  close(keep: boolean): Promise<void>;
}

export function createControlPlane(deps: ControlPlaneDeps): ControlPlane {
  const { options, driver, table, metrics, dataPlane, clock } = deps;
  const { config } = options;
  let configured = config;
  const counts = new CounterSums(metrics.reader.memory, table.shape);
  const journal = new Journal(clock, { read: () => counts.trouble() });
  journal.countAll(metrics.fleet);
  const poison = new Poison({ clock, journal, publish: (kinds) => dataPlane.setPoison(kinds) });
  const placement = createPlacement(config);
  const onTransition = (transition: Transition): void => {
    const replica = registry.find(transition.name);
    if (transition.to === 'healthy' && replica !== undefined) launcher.markHealthy(replica);
    autoscaler.onTransition(transition);
  };
  const releases = firstRelease(config);
  const registry = createRegistry(deps, { journal, placement, releases, onTransition });
  const health = createHealth(deps, {
    registry,
    journal,
    counts,
    replace: (replica, cause, how) => supervisor.replace(replica, cause, how),
    nudge: () => supervisor.nudge(),
  });
  const lifecycle = createLifecycle(deps, { registry, health, journal, poison, releases, counts });
  const { launcher, supervisor, scaling, deploys } = lifecycle;
  const autoscaling = createAutoscaling(deps, { ...lifecycle, registry, counts, journal, table, clock });
  const { autoscaler, bounds } = autoscaling;
  const openTunnels = (ordinal: number): number => counts.openTunnels(ordinal);
  const policy = options.share({ ...config, placement });
  const tokenOf = (name: string): string => dataPlane.tokenOf(name);
  const parts = {
    ...lifecycle,
    ...autoscaling,
    driver,
    registry,
    health,
    placement,
    table,
    clock,
    policy,
    openTunnels,
    tokenOf,
  };
  const view = new FleetView(options.share({ ...config, ...parts }));
  const hands = { ...lifecycle, autoscaler, view, driver, clock };
  return {
    view,
    journal,
    poison,
    health,
    configure(next) {
      health.configure(healthOptionsOf(next));
      releases.reconfigure(replicaSpecOf(next));
      // an operator's weight stays until the options give the server another
      registry.ring.setWeights(changedWeights(configured, next), 'set by the options');
      driver.setUpstreams?.(next.upstreams);
      configured = next;
      autoscaler.configure(scaleSettingsOf(next));
    },
    deploys,
    bounds,
    async open({ isBeside }) {
      const pinned = await driver.pin?.(config.image);
      if (pinned !== undefined) releases.nameFirst(pinned.title);
      const found = await supervisor.open();
      const isLeft = isBeside && driver.outlivesBalancer === true;
      const isNew = found === 0 && driver.ownsInstances && !isLeft;
      if (isNew) await scaling.startFleet(config.replicas);
      // what outlives the other balancer is that one's to change until it has handed over
      if (isLeft) return;
      openChanges({ view, deploys });
      if (!isBeside) autoscaler.open();
    },
    takePool: () => takePool(hands),
    handOver: () => handOver(hands),
    async close(keep) {
      view.startDraining();
      autoscaler.close();
      await deploys.close();
      health.close();
      await supervisor.close(keep);
      poison.close();
      journal.close();
    },
  };
}

/** What the options say; a deploy makes the next ones. */
function firstRelease(config: Config): Releases {
  const spec = replicaSpecOf(config);
  return new Releases({ generation: 1, spec, title: titleOf(spec, config.driver === 'docker') });
}

interface RegistryDeps {
  readonly releases: Releases;
  readonly journal: Journal;
  readonly placement: Placement;
  readonly onTransition: (transition: Transition) => void;
}

function createRegistry(
  deps: ControlPlaneDeps,
  { journal, placement, releases, onTransition }: RegistryDeps,
): Registry {
  const { options, table, metrics, dataPlane, clock, log } = deps;
  const transitions = new TransitionLog(log.component('fleet'), clock);
  const registry = new Registry({
    table,
    placement,
    clock,
    journal,
    weights: configuredWeights(options.config),
    slowStart: options.config,
    publish: (records) => dataPlane.publish(records),
    onReserve: (name) => {
      metrics.began(name);
      releases.forget(name);
    },
    onTransition: (transition) => {
      transitions.note(transition);
      const replica = registry.find(transition.name);
      // an instance that was exchanged goes, but not its replica
      if (transition.to === 'gone' && replica === undefined) metrics.removed(transition.name);
      onTransition(transition);
    },
  });
  return registry;
}

type HealthDeps = Pick<HealthParts, 'registry' | 'journal' | 'counts' | 'replace' | 'nudge'>;

function createHealth({ options, driver, table, metrics, clock, log }: ControlPlaneDeps, deps: HealthDeps) {
  const { config } = options;
  return new Health({
    ...healthOptionsOf(config),
    ...deps,
    table,
    clock,
    log: log.component('health'),
    probe: createProbe(
      options.share({ ...config, connect: probeConnectionsOf(config, clock) }),
      probesInLimits(),
    ),
    ownsInstances: driver.ownsInstances,
    silenceLimitMs: config.driver === 'swarm' ? config.swarmHealMs : 0,
    maxConcurrent: probesInLimits(),
    random: Math.random,
    onProbe: ({ name }, tookMs, passed) => metrics.fleet.probe(name, tookMs, passed),
  });
}

function healthOptionsOf(config: Config): HealthOptions {
  const { rise, fall, probeIntervalMs: intervalMs } = config;
  const { replaceAfterMs, panicThreshold, ejectOutliers, startTimeoutMs } = config;
  const policy = { rise, fall };
  const comparesSpeeds = config.hashKey.some(({ kind }) => kind === 'p2c') && config.balance !== 'least';
  const options = { intervalMs, replaceAfterMs, panicThreshold, ejectOutliers, startTimeoutMs };
  return { ...options, policy, comparesSpeeds };
}

interface LifecycleDeps {
  readonly registry: Registry;
  readonly health: Health;
  readonly journal: Journal;
  readonly poison: Poison;
  readonly releases: Releases;
  readonly counts: CounterSums;
}

/** What starts and stops instances. Over servers that others run there is nothing to supervise but their list. */
function createLifecycle(
  { options, driver, dataPlane, clock, log, logs }: ControlPlaneDeps,
  { registry, health, journal, poison, releases, counts }: LifecycleDeps,
) {
  const { checker } = health;
  const { config } = options;
  const fleetLog = log.component('fleet');
  const common = { ...config, registry, driver, checker, journal, releases, clock, log: fleetLog };
  const launcher: Launcher = new Launcher(
    options.share({
      ...common,
      substitute: (replica, cause, isDraining) => scaling.substitute(replica, cause, isDraining),
      onLaunchEnded: () => supervisor.nudge(),
      onRemoved: (replica) => supervisor.removeReplica(replica),
    }),
  );
  const gracefulStop = new GracefulStop(
    options.share({
      ...common,
      instances: launcher.instances,
      closeTunnels: (ordinal: number, withinMs: number) => dataPlane.closeTunnels(ordinal, withinMs),
    }),
  );
  const plans = new Plans({ ...common, chooseName: config.classic ? randomName : nextName });
  const onRemoved = (replica: Replica): void => supervisor.removeReplica(replica);
  const scaling: Scaling = new Scaling(
    options.share({ ...common, launcher, gracefulStop, plans, onRemoved, nudge: () => supervisor.nudge() }),
  );
  const deploys = createDeploys(
    options.share({
      ...common,
      launcher,
      gracefulStop,
      policy: options.share({ ...config }),
      probe: createProbe(options.share({ ...config }), 0),
      outcomes: (ordinal: number) => counts.outcomes(ordinal),
      wordsOf: argumentsIn,
      nudge: () => supervisor.nudge(),
      lastLines: (instanceId: string, count: number) => logs.lastTexts(instanceId, count),
    }),
  );
  const supervisor: Supervisor | Follower = driver.ownsInstances
    ? new Supervisor(
        options.share({
          ...common,
          launcher,
          gracefulStop,
          deploys,
          scaling,
          onEnded: (end) => poison.recordEnd(end),
        }),
      )
    : new Follower(options.share({ ...common, gracefulStop }));
  return {
    launcher,
    plans,
    scaling,
    supervisor,
    deploys,
    drains: new Drains(options.share({ ...common, plans })),
  };
}

type ScaleParts = Omit<AutoscalerParts, 'log' | 'onDecision' | 'pool' | 'settings'>;

/** Autoscaling, and what operators change of it. */
function createAutoscaling({ options, driver, metrics, log }: ControlPlaneDeps, parts: ScaleParts) {
  const { config } = options;
  const autoscaler = new Autoscaler({
    ...parts,
    log: log.component('autoscale'),
    onDecision: (decision) => metrics.fleet.recordDecision(decision),
    pool: new ScalePool(driver),
    settings: scaleSettingsOf(config),
  });
  const bounds = new ScaleBounds({
    autoscaler,
    maxReplicas: config.maxReplicas,
    driver,
    zeroProblem: (settings) => zeroProblem(settings, options.config),
  });
  return { autoscaler, bounds };
}

/** The arguments of an image, from a command as a shell splits it. Throws `bad-request`. */
function argumentsIn(command: string): readonly string[] {
  const read = commandWords.read(command);
  if ('value' in read) return read.value;
  throw new BalancerError('bad-request', `command ${read.problem}`);
}
