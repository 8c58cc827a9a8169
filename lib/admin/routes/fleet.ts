/**
 * The routes of the fleet, and the interface of the fleet that they need. Operators use them on the admin port, and
 * clients of the public port use /rep, /add, /rm and /scale.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { RUNS } from '../../api/health.ts';
import type { ScaleView } from '../../api/scale.ts';
import type {
  DrainList,
  Preview,
  Readiness,
  ReplicaList,
  ReplicasView,
  ReplicaView,
  RingView,
  WeightList,
} from '../../api/types.ts';
import {
  parseAddition,
  parseNames,
  parseRemoval,
  parseScale,
  parseWeights,
  type ScaleChange,
  type Weights,
} from '../change-request.ts';
import { checkParameters, flagIn, refuse } from '../query.ts';
import { failed, type Reply, succeeded } from '../reply.ts';

/** What the routes need of the fleet. Names have the right form already, each once, no more than `count`. */
export interface Fleet {
  /** The members, in the order in which they joined; removed replicas that drain are not among them. */
  names(): readonly string[];
  /**
   * Adds `count` replicas, all or none, and returns all names once every new one is healthy. Throws
   * BalancerError: `bad-request` (a name is taken, too many), `name-held`, `image-missing`, `start-failed`,
   * `engine-unreachable`, `shutting-down`. Forced it may go beyond the bounds of autoscaling, which it moves.
   */
  add(
    count: number,
    names: readonly string[],
    weights: Weights,
    isForced: boolean,
  ): Promise<readonly string[]>;
  /** Removes `count` replicas, all or none, and returns the names of the others. Throws as `add`. */
  remove(count: number, names: readonly string[], isForced: boolean): Promise<readonly string[]>;
  /** Makes it `count` replicas and returns all names; of several calls the last counts. Throws as `add` and `remove`. */
  scale(count: number, isForced: boolean): Promise<readonly string[]>;
  /** What these would do, without doing it. Throws what they would before they do anything. */
  previewAdd(count: number, names: readonly string[], weights: Weights, isForced: boolean): Promise<Preview>;
  previewRemove(count: number, names: readonly string[], isForced: boolean): Promise<Preview>;
  previewScale(count: number, isForced: boolean): Promise<Preview>;
  /** Gives replicas these weights and returns those of all. Throws `bad-request`. */
  setWeights(weights: Weights): Promise<Readonly<Record<string, number>>>;
  previewWeights(weights: Weights): Promise<Preview>;
  /** Keeps requests away from `names`, or ends that; returns all drained names. Throws `bad-request`. */
  drain(names: readonly string[]): Promise<readonly string[]>;
  undrain(names: readonly string[]): Promise<readonly string[]>;
  replicas(): readonly ReplicaView[];
  /** `sample` is how many slots are sampled, all where there are fewer; none for 0. */
  ring(sample?: number): RingView;
  readiness(): Readiness;
}

/** What the route of /scale needs of autoscaling. */
export interface Scaler {
  view(): ScaleView;
  /** Changes the settings, or says what that would do. Throws BalancerError `bad-request`. */
  change(change: ScaleChange, isDryRun: boolean): ScaleView;
}

/** A request, as a route gets it. */
export interface RouteRequest {
  readonly method: string;
  readonly path: string;
  /** What follows the path in the target. */
  readonly query: URLSearchParams;
  /** By lower-case name; repeated ones as Node joins them. */
  readonly headers: IncomingHttpHeaders;
  /** Reads the body. Throws BalancerError: `body-too-large`, `request-timeout`, `bad-request`. */
  body(): Promise<string>;
}

/**
 * Who may use a route; `access.ts` decides. `open`: anyone. `read`: who may look. `watch`: the same for a stream, which
 * a page of another site must not open in a browser. `steer`: who may change the fleet; by POST, PUT or DELETE only.
 */
export type Access = 'open' | 'read' | 'watch' | 'steer';

export interface Route {
  readonly path: string;
  /** The path ends with a slash, and the route is for each name behind it. */
  readonly isFolder?: boolean;
  /** In the order of the `Allow` header. */
  readonly methods: readonly string[];
  readonly access: Access;
  /** Those of the methods that only look, for which `read` is enough. */
  readonly readMethods?: readonly string[];
  /** False for the files of a page, which the list in a 404 leaves out. */
  readonly isListed?: boolean;
  /** Gives the response, or throws what `failureOf` understands. */
  handle(request: RouteRequest): Reply | Promise<Reply>;
}

const READ: readonly string[] = ['GET', 'HEAD'];

function reading(path: string, handle: (request: RouteRequest) => Reply): Route {
  return { path, methods: READ, access: 'read', handle };
}

function open(path: string, handle: () => Reply): Route {
  return { path, methods: READ, access: 'open', handle };
}

function replicaList(names: readonly string[]): Reply {
  return succeeded({ N: names.length, replicas: names } satisfies ReplicaList);
}

function dryRunIn(query: URLSearchParams): boolean {
  checkParameters(query, ['dry-run']);
  return flagIn(query, 'dry-run');
}

/** `/drain` or `/undrain`. */
function draining(
  path: string,
  fleet: Fleet,
  change: (names: readonly string[]) => Promise<readonly string[]>,
): Route {
  return {
    path,
    methods: ['POST'],
    access: 'steer',
    async handle({ body, query }) {
      checkParameters(query, []);
      const drained = await change(parseNames(await body()));
      const replicas = fleet.names();
      return succeeded({ N: replicas.length, replicas, draining: drained } satisfies DrainList);
    },
  };
}

const MAX_SAMPLE = 4096;

/** The number of slots in `/ring?sample=360`; 0 without it. */
function sampleOf(query: URLSearchParams): number {
  checkParameters(query, ['sample']);
  const text = query.get('sample');
  if (text === null) return 0;
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MAX_SAMPLE) return count;
  return refuse(`sample must be a whole number from 1 to ${MAX_SAMPLE}`);
}

/** What changes the size of the fleet, with `?dry-run` what it would do. */
function changeRoutes(fleet: Fleet, scaler: Scaler): readonly Route[] {
  return [
    {
      path: '/add',
      methods: ['POST'],
      access: 'steer',
      async handle({ body, query }) {
        const isDryRun = dryRunIn(query);
        const { count, names, weights, isForced } = parseAddition(await body());
        if (isDryRun) return succeeded(await fleet.previewAdd(count, names, weights, isForced));
        return replicaList(await fleet.add(count, names, weights, isForced));
      },
    },
    {
      path: '/rm',
      methods: ['DELETE', 'POST'],
      access: 'steer',
      async handle({ body, query }) {
        const isDryRun = dryRunIn(query);
        const { count, names, isForced } = parseRemoval(await body());
        if (isDryRun) return succeeded(await fleet.previewRemove(count, names, isForced));
        return replicaList(await fleet.remove(count, names, isForced));
      },
    },
    scaleRoute(fleet, scaler),
    {
      path: '/weight',
      methods: ['POST'],
      access: 'steer',
      async handle({ body, query }) {
        const isDryRun = dryRunIn(query);
        const change = parseWeights(await body());
        if (isDryRun) return succeeded(await fleet.previewWeights(change));
        const weights = await fleet.setWeights(change);
        const replicas = fleet.names();
        return succeeded({ N: replicas.length, replicas, weights } satisfies WeightList);
      },
    },
  ];
}

/** The size of the fleet, and autoscaling. */
function scaleRoute(fleet: Fleet, scaler: Scaler): Route {
  return {
    path: '/scale',
    methods: [...READ, 'PUT'],
    access: 'steer',
    readMethods: READ,
    async handle({ method, body, query }) {
      if (method !== 'PUT') {
        checkParameters(query, []);
        return succeeded(scaler.view());
      }
      const isDryRun = dryRunIn(query);
      const wanted = parseScale(await body());
      if ('change' in wanted) return succeeded(scaler.change(wanted.change, isDryRun));
      const { count, isForced } = wanted;
      if (isDryRun) return succeeded(await fleet.previewScale(count, isForced));
      return replicaList(await fleet.scale(count, isForced));
    },
  };
}

/** The routes of the fleet; each path is in the table once. */
export function createRoutes(fleet: Fleet, scaler: Scaler): readonly Route[] {
  return [
    reading('/rep', () => replicaList(fleet.names())),
    ...changeRoutes(fleet, scaler),
    open('/healthz', () => succeeded(RUNS)),
    open('/readyz', () => {
      const { ready, reason } = fleet.readiness();
      return ready ? succeeded(reason) : failed(503, reason);
    }),
    reading('/replicas', ({ query }) => {
      checkParameters(query, []);
      const replicas = fleet.replicas();
      return succeeded({ N: replicas.length, replicas } satisfies ReplicasView);
    }),
    reading('/ring', ({ query }) => succeeded(fleet.ring(sampleOf(query)))),
    draining('/drain', fleet, (names) => fleet.drain(names)),
    draining('/undrain', fleet, (names) => fleet.undrain(names)),
  ];
}
