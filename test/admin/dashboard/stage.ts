/**
 * A dashboard over a fleet that is made up: any number of replicas in any state, with numbers that never change.
 * Must not hold: assertions, a browser.
 */

import { succeeded } from '../../../lib/admin/reply.ts';
import { configRoutes } from '../../../lib/admin/routes/config.ts';
import { createDashboardRoutes } from '../../../lib/admin/routes/dashboard.ts';
import { type Deployer, deployRoute } from '../../../lib/admin/routes/deploy.ts';
import type { Route } from '../../../lib/admin/routes/fleet.ts';
import { historyRoute } from '../../../lib/admin/routes/history.ts';
import { Live } from '../../../lib/admin/routes/live.ts';
import { logsRoute } from '../../../lib/admin/routes/logs.ts';
import type { DeployStatus, DeployView } from '../../../lib/api/deploy.ts';
import type { History, ReplicaSnapshot, Snapshot } from '../../../lib/api/snapshot.ts';
import type { ConfigView, FleetEvent, OptionView } from '../../../lib/api/types.ts';
import { ReplicaLogs } from '../../../lib/fleet/logs/replica-logs.ts';
import { systemClock } from '../../../lib/platform/clock.ts';
import { BalancerError } from '../../../lib/platform/errors.ts';
import { type Running, runAdmin, SCALE } from '../../helpers/admin/admin.ts';

const SLOTS = 65_537;

/** A replica as the page is told of it. */
export function replicaShown(
  id: number,
  of: number,
  differs: Partial<ReplicaSnapshot> = {},
): ReplicaSnapshot {
  return {
    name: `S${id}`,
    id,
    state: 'healthy',
    drained: false,
    endpoint: `127.0.0.1:${40_000 + id}`,
    image: 'ringlb-replica@sha256:12ab34cd56ef',
    generation: 1,
    inFlight: 3 + ((id * 7) % 11),
    weight: 1,
    queued: 0,
    slots: Math.round(SLOTS / of),
    share: 1 / of,
    restarts: id % 5 === 0 ? 1 : 0,
    probes: { last: '200', recent: Array.from({ length: 20 }, (_, probe) => (probe + id) % 37 !== 0) },
    sinceMs: 3_720_000 + id * 61_000,
    cause: 'probe passed: 200',
    nextStartInMs: null,
    ending: null,
    requestsPerSecond: 1200 / of + ((id * 13) % 17),
    errorsPerSecond: 0,
    p50Ms: 1.4 + (id % 4) / 10,
    p99Ms: 8 + (id % 7),
    ...differs,
  };
}

/** A snapshot of these replicas; its totals follow from them. */
export function snapshotOf(
  replicas: readonly ReplicaSnapshot[],
  differs: Partial<Snapshot> = {},
): Omit<Snapshot, 'atMs'> {
  const eligible = replicas.filter(({ state, drained }) => state === 'healthy' && !drained).length;
  const sum = (of: (replica: ReplicaSnapshot) => number) =>
    replicas.reduce((total, replica) => total + of(replica), 0);
  return {
    startedAtMs: systemClock.wallMs() - 3_725_000,
    version: '0.1.0',
    driver: 'process',
    canScale: true,
    canDeploy: true,
    hasLogs: true,
    readiness: {
      ready: eligible > 0,
      draining: false,
      reason: `${eligible} of ${replicas.length} replicas are eligible`,
    },
    eligible,
    desired: replicas.length,
    limits: { maxInFlight: 256, queueDepth: 1024, maxReplicas: 64 },
    totals: {
      requestsPerSecond: sum(({ requestsPerSecond }) => requestsPerSecond ?? 0),
      errorsPerSecond: sum(({ errorsPerSecond }) => errorsPerSecond ?? 0),
      byClass: [sum(({ requestsPerSecond }) => requestsPerSecond ?? 0), 0, 0, 0],
      p50Ms: eligible > 0 ? 1.6 : null,
      p99Ms: eligible > 0 ? 11.2 : null,
      inFlight: sum(({ inFlight }) => inFlight),
      queued: sum(({ queued }) => queued),
      desired: replicas.length,
      ready: eligible,
    },
    scale: { ...SCALE, n: replicas.length, desired: replicas.length, ready: eligible },
    ring: { algorithm: 'maglev', slots: SLOTS, vnodes: 0, version: replicas.length, imbalance: 1.0002 },
    replicas,
    ...differs,
  };
}

/** So many seconds of waves, until a time. */
export function historyOf(seconds: number, untilMs: number): History {
  const wave = (height: number, length: number) =>
    Array.from({ length: seconds }, (_, second) => height * (1 + Math.sin(second / length) / 4));
  return {
    atMs: Array.from({ length: seconds }, (_, second) => untilMs - (seconds - second) * 1000),
    requestsPerSecond: wave(1240, 20),
    byClass: [wave(1200, 20), wave(20, 15), wave(15, 9), wave(5, 7)],
    errorsPerSecond: wave(5, 7),
    p50Ms: wave(1.5, 30),
    p99Ms: wave(12, 11),
    inFlight: wave(24, 13),
    queued: wave(0, 1),
    desired: wave(3, 60),
    ready: wave(3, 50),
  };
}

/** Options of which these differ from the defaults. */
export function configOf(
  differs: readonly Partial<OptionView>[],
  needsRestart: readonly string[] = [],
): ConfigView {
  const option = (name: string, value: string, takes: OptionView['takes']): OptionView => ({
    ...{ option: name, value, default: value, source: 'default', from: null, takes },
    ...differs.find((one) => one.option === name),
  });
  const options = [
    option('port', '5000', 'start'),
    option('replicas', '3', 'start'),
    option('probe-interval', '2s', 'live'),
    option('admin-token', '', 'start'),
  ];
  return { file: null, N: options.length, options, needsRestart };
}

export const RELEASES = [
  { generation: 1, title: 'app:v1@sha256:12ab34cd56ef' },
  { generation: 2, title: 'app:v2@sha256:98fe76dc54ba' },
] as const;

/** A deploy from the first release to the second, with these phases of replicas S1, S2 and so on. */
export function deployOf(
  phases: readonly DeployView['replicas'][number]['phase'][],
  differs: Partial<DeployView> = {},
): DeployView {
  const [from, to] = RELEASES;
  const gate = { requests: 120, errors: 3, p99Ms: 14.2, restRequests: 900, restErrors: 1, restP99Ms: 12 };
  return {
    ...{ id: 'a-1', state: 'running', from, to, batch: 1, watchMs: 10_000, maxErrorRate: 0.01 },
    ...{ reason: null, lastLines: [], ms: 12_400 },
    replicas: phases.map((phase, at) => ({
      ...{ name: `S${at + 1}`, phase, from, to },
      gate: phase === 'watching' || phase === 'done' ? gate : null,
    })),
    ...differs,
  };
}

/** Notes what is asked for, and previews the second release. */
function deployerOf(stage: () => Stage): Deployer {
  return {
    async start({ kind, image, command, env, batch, watchMs, maxErrorRate }) {
      stage().changes.push(
        `deploy ${JSON.stringify({ kind, image, command, env, batch, watchMs, maxErrorRate })}`,
      );
      return 'a-1';
    },
    async preview({ image }) {
      if (image === 'absent') throw new BalancerError('image-missing', 'There is no image absent');
      const replicas = stage().snapshot.replicas.map(({ name }) => ({ name, from: RELEASES[0] }));
      return { dryRun: true, to: RELEASES[1], replicas };
    },
    async rollBack() {
      stage().changes.push('rollback');
      return 'a-2';
    },
    status: () => stage().deploy,
  };
}

export interface Stage {
  readonly admin: Running;
  readonly url: string;
  /** What the page is told from the next second on. */
  snapshot: Omit<Snapshot, 'atMs'>;
  /** Of the balancer and of every replica. */
  history: History;
  readonly events: FleetEvent[];
  /** What replicas print. */
  readonly logs: ReplicaLogs;
  config: ConfigView;
  deploy: DeployStatus;
  /** Bodies of the changes that were asked for, dry runs apart. */
  readonly changes: string[];
  close(): Promise<void>;
}

/** Serves the page with what is set on the stage; `/add` and `/rm` preview and change nothing. */
export async function openStage(
  first: Omit<Snapshot, 'atMs'>,
  access: NonNullable<Parameters<typeof runAdmin>[0]>['access'] = {},
): Promise<Stage> {
  const live = new Live({
    clock: systemClock,
    snapshots: {
      sample: () => {},
      snapshot: () => ({ ...stage.snapshot, atMs: systemClock.wallMs() }),
      history: { read: () => stage.history },
    },
    events: { after: (id) => stage.events.slice(stage.events.findIndex((event) => event.id === id) + 1) },
  });
  live.start();
  const changes: string[] = [];
  const logs = new ReplicaLogs(systemClock);
  const admin = await runAdmin({
    access,
    // of two routes with one path the router takes the later
    routes: [
      ...createDashboardRoutes(),
      live.route,
      ringRoute(() => stage),
      ...changeRoutes(() => stage),
      historyRoute({ read: (replica) => (replica === undefined ? stage.history : ofReplica(stage.history)) }),
      logsRoute({
        logs,
        driver: 'process',
        fleet: { names: () => stage.snapshot.replicas.map(({ name }) => name) },
        clock: systemClock,
      }),
      deployRoute(deployerOf(() => stage)),
      ...configRoutes({
        view: () => stage.config,
        reload: async () => ({ changed: [], needsRestart: [] }),
      }),
    ],
  });
  const stage: Stage = {
    admin,
    url: `http://127.0.0.1:${admin.port}/`,
    snapshot: first,
    history: historyOf(120, systemClock.wallMs()),
    events: [],
    logs,
    config: configOf([]),
    deploy: { current: RELEASES[0], before: null, deploy: null },
    changes,
    close() {
      live.close();
      logs.close();
      return admin.stop();
    },
  };
  return stage;
}

/** The slots of the stage's replicas, shuffled as Maglev shuffles them. */
function ringRoute(stage: () => Stage): Route {
  return {
    path: '/ring',
    methods: ['GET'],
    access: 'read',
    handle({ query }) {
      const { replicas, ring } = stage().snapshot;
      const members = replicas.map(({ name, id, slots, share }) => ({ name, id, slots, share }));
      const sample = Array.from(
        { length: Number(query.get('sample')) },
        (_, slot) => ((slot * 7919 + ((slot * slot) % 101)) % 1009) % members.length,
      );
      return succeeded({ ...ring, members, sample });
    },
  };
}

/** `/add`, `/rm`, `/drain` and `/undrain` as far as the page needs them. */
function changeRoutes(stage: () => Stage): readonly Route[] {
  const change = (path: string, methods: readonly string[]): Route => ({
    path,
    methods,
    access: 'steer',
    async handle({ query, body }) {
      const text = await body();
      const { n = 1, hostnames = [] } = JSON.parse(text) as { n?: number; hostnames?: readonly string[] };
      if (query.has('dry-run'))
        return succeeded(previewOf(stage().snapshot, path === '/add', { n, hostnames }));
      stage().changes.push(`${path} ${text}`);
      return succeeded({ N: 0, replicas: [] });
    },
  });
  return [
    change('/add', ['POST']),
    change('/rm', ['DELETE', 'POST']),
    change('/drain', ['POST']),
    change('/undrain', ['POST']),
    scaleRoute(stage),
  ];
}

/** A replica has no size of its own. */
function ofReplica(history: History): History {
  const none = history.atMs.map(() => null);
  return { ...history, desired: none, ready: none };
}

/** `/scale`: a size is previewed as what is added or removed, bounds as what autoscaling would be. */
function scaleRoute(stage: () => Stage): Route {
  return {
    path: '/scale',
    methods: ['PUT'],
    access: 'steer',
    async handle({ query, body }) {
      const text = await body();
      const { snapshot, changes } = stage();
      const { n, ...bounds } = JSON.parse(text) as { n?: number };
      if (!query.has('dry-run')) changes.push(`/scale ${text}`);
      if (n === undefined) return succeeded({ ...snapshot.scale, ...bounds, why: 'the bounds are new' });
      const differs = n - snapshot.replicas.length;
      return succeeded(previewOf(snapshot, differs > 0, { n: Math.abs(differs), hostnames: [] }));
    },
  };
}

function previewOf(
  { replicas }: Pick<Snapshot, 'replicas'>,
  isAdd: boolean,
  { n, hostnames }: { readonly n: number; readonly hostnames: readonly string[] },
) {
  const there = replicas.map(({ name }) => name);
  const chosen = isAdd
    ? [...hostnames, ...Array.from({ length: n }, (_, index) => `S${there.length + 1 + index}`)].slice(0, n)
    : [...hostnames, ...there.filter((name) => !hostnames.includes(name)).toReversed()].slice(0, n);
  const others = there.filter((name) => !chosen.includes(name));
  const after = isAdd ? there.length + n : there.length - n;
  const share = isAdd ? 1 / after / there.length : 1 / there.length / Math.max(1, others.length);
  const moves = chosen.flatMap((name) =>
    others.map((other) => (isAdd ? { from: other, to: name, share } : { from: name, to: other, share })),
  );
  return {
    dryRun: true,
    N: after,
    replicas: isAdd ? [...there, ...chosen] : others,
    added: isAdd ? chosen : [],
    removed: isAdd ? [] : chosen,
    moved: moves.reduce((sum, move) => sum + move.share, 0),
    moves,
    inFlight: isAdd ? 0 : 4,
    tunnels: isAdd ? 0 : 1,
  };
}
