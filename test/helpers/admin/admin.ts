/**
 * An admin server over a fleet that only notes what it is asked.
 */

import type { AccessOptions } from '../../../lib/admin/access.ts';
import { createRoutes, type Fleet, type Route, type Scaler } from '../../../lib/admin/routes/fleet.ts';
import {
  ADMIN_LIMITS,
  type AdminLimits,
  type AdminServer,
  createAdminServer,
} from '../../../lib/admin/server.ts';
import type { ScaleView } from '../../../lib/api/scale.ts';
import type { Preview, Readiness, ReplicaView, RingView } from '../../../lib/api/types.ts';
import { systemClock } from '../../../lib/platform/clock.ts';
import type { Logger } from '../../../lib/platform/log.ts';
import { RawClient, type RawResponse } from '../raw-http.ts';
import { silentLogger } from '../silent-logger.ts';

export const REPLICA: ReplicaView = {
  name: 'S1',
  id: 1,
  state: 'healthy',
  draining: false,
  endpoint: '127.0.0.1:4001',
  instance: '4711',
  image: null,
  generation: null,
  inFlight: 2,
  weight: 1,
  slots: 65_537,
  share: 1,
  ending: null,
  restarts: 0,
  probes: { passed: 5, failed: 1, last: null, recent: [true, true, false, true, true, true] },
  sinceMs: 1200,
  cause: null,
  nextStartInMs: null,
};

export const RING: RingView = {
  algorithm: 'maglev',
  slots: 65_537,
  vnodes: 0,
  version: 4,
  hash: '1a2b3c4d',
  imbalance: 1,
  members: [{ name: 'S1', id: 1, slots: 65_537, share: 1 }],
};

export const PREVIEW: Preview = {
  dryRun: true,
  N: 4,
  replicas: ['S1', 'S2', 'S3', 'S4'],
  added: ['S4'],
  removed: [],
  moved: 0.25,
  moves: [{ from: 'S1', to: 'S4', share: 0.25 }],
  inFlight: 0,
  tunnels: 0,
};

export interface FakeFleet extends Fleet {
  /** Autoscaling, which only notes what is changed of it. */
  readonly scaler: Scaler;
  scaleShown: ScaleView;
  /** Every change that was asked for: `add 2 S4,S5`. */
  readonly asked: string[];
  /** What the next changes do; they give three names until this is set. */
  change: () => Promise<readonly string[]>;
  state: Readiness;
}

/** Autoscaling that is off. */
export const SCALE: ScaleView = {
  n: 3,
  ready: 3,
  desired: 3,
  state: 'off',
  min: 3,
  max: 0,
  target: 16,
  why: 'autoscaling is off; --scale-max turns it on',
  decision: null,
  changed: null,
  acting: null,
};

function fakeScaler(asked: string[], view: () => ScaleView): Scaler {
  return {
    view,
    change(change, isDryRun) {
      asked.push(`${isDryRun ? 'preview ' : ''}settings ${JSON.stringify(change)}`);
      return view();
    },
  };
}

export function fakeFleet(): FakeFleet {
  const names = ['S1', 'S2', 'S3'];
  const asked: string[] = [];
  const fleet: FakeFleet = {
    asked,
    scaler: fakeScaler(asked, () => fleet.scaleShown),
    scaleShown: SCALE,
    change: async () => names,
    state: { ready: true, draining: false, reason: '3 of 3 replicas are eligible' },
    names: () => names,
    add: (count, hostnames, weights, isForced) => {
      const given = [...weights].map((pair) => pair.join('=')).join();
      fleet.asked.push(`add ${count} ${hostnames.join()} ${given}${isForced ? ' forced' : ''}`.trimEnd());
      return fleet.change();
    },
    remove: (count, hostnames, isForced) => {
      fleet.asked.push(`remove ${count} ${hostnames.join()}${isForced ? ' forced' : ''}`.trimEnd());
      return fleet.change();
    },
    previewAdd: async (count, hostnames) => {
      fleet.asked.push(`preview add ${count} ${hostnames.join()}`.trimEnd());
      return PREVIEW;
    },
    previewRemove: async (count, hostnames) => {
      fleet.asked.push(`preview remove ${count} ${hostnames.join()}`.trimEnd());
      return PREVIEW;
    },
    scale: (count, isForced) => {
      fleet.asked.push(`scale ${count}${isForced ? ' forced' : ''}`);
      return fleet.change();
    },
    previewScale: async (count) => {
      fleet.asked.push(`preview scale ${count}`);
      return PREVIEW;
    },
    setWeights: async (weights) => {
      fleet.asked.push(`weight ${[...weights].map((pair) => pair.join('=')).join()}`);
      return Object.fromEntries((await fleet.change()).map((name) => [name, weights.get(name) ?? 1]));
    },
    previewWeights: async (weights) => {
      fleet.asked.push(`preview weight ${[...weights].map((pair) => pair.join('=')).join()}`);
      return PREVIEW;
    },
    drain: (hostnames) => {
      fleet.asked.push(`drain ${hostnames.join()}`);
      return fleet.change();
    },
    undrain: (hostnames) => {
      fleet.asked.push(`undrain ${hostnames.join()}`);
      return fleet.change();
    },
    replicas: () => [REPLICA],
    ring: (sample = 0) => (sample === 0 ? RING : { ...RING, sample: new Array<number>(sample).fill(0) }),
    readiness: () => fleet.state,
  };
  return fleet;
}

/** What data threads of these tests show. */
export const SECRET = 'of-this-start';

/** The access of a balancer on loopback without a token. */
export const OPEN = {
  token: '',
  guardsPublicPort: true,
  adminHost: '127.0.0.1',
  adminHosts: [],
  isReplica: () => false,
  secret: SECRET,
  clock: systemClock,
} as const satisfies Partial<AccessOptions>;

export interface Running {
  readonly port: number;
  readonly fleet: FakeFleet;
  readonly server: AdminServer;
  /** One request on a connection of its own. */
  ask(method: string, path: string, options?: AskOptions): Promise<RawResponse>;
  /** An open connection; closed with the server. */
  connect(): Promise<RawClient>;
  stop(): Promise<void>;
}

export interface AskOptions {
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RunOptions {
  readonly access?: Partial<
    Pick<AccessOptions, 'token' | 'guardsPublicPort' | 'adminHost' | 'adminHosts' | 'isReplica' | 'clock'>
  >;
  readonly limits?: Partial<AdminLimits>;
  readonly log?: Logger;
  /** Beside those of every balancer. */
  readonly routes?: readonly Route[];
}

/** A whole request with Host and, where there is a body, Content-Length. */
export function requestText(method: string, path: string, { body, headers = {} }: AskOptions = {}): string {
  const bytes = Buffer.from(body ?? '').toString('latin1');
  const framing = body === undefined ? {} : { 'content-length': String(bytes.length) };
  const lines = Object.entries({ host: '127.0.0.1', ...framing, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${bytes}`;
}

export async function runAdmin({
  access = {},
  limits = {},
  log = silentLogger,
  routes = [],
}: RunOptions = {}): Promise<Running> {
  const fleet = fakeFleet();
  const server = createAdminServer({
    routes: [...createRoutes(fleet, fleet.scaler), ...routes],
    isDraining: () => fleet.state.draining,
    log,
    ...OPEN,
    ...access,
    limits: { ...ADMIN_LIMITS, ...limits },
  });
  const { port } = await server.listen(0, '127.0.0.1');
  const clients: RawClient[] = [];
  const connect = async () => {
    const client = await RawClient.connect(port);
    clients.push(client);
    return client;
  };
  return {
    port,
    fleet,
    server,
    connect,
    async ask(method, path, options) {
      const client = await connect();
      client.socket.write(requestText(method, path, options), 'latin1');
      const response = await client.response(method === 'HEAD');
      client.close();
      return response;
    },
    async stop() {
      for (const client of clients) client.close();
      await server.close();
    },
  };
}
