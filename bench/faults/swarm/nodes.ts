/**
 * Balancers and replicas over a Swarm of three managers on this machine: a balancer runs on a node, as a process in its
 * network namespace, and clients reach it at the node's address.
 */

import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReplicaView, RingView } from '../../../lib/api/types.ts';
import {
  containerOf,
  directory,
  dockerOn,
  engineOf,
  ensureImageOnNodes,
  joinBridge,
  NODES,
} from '../../../test/helpers/swarm/swarm.ts';
import { Balancer } from '../balancer.ts';
import { REPLICAS, type Stage } from '../stage.ts';
import type { Address, Rates } from '../traffic.ts';

export const STEADY: Rates = { getsPerSecond: 300, postsPerSecond: 0 };
export const BALANCER_NODES = [1, 2] as const;
const LOOK_MS = 20;
/** Replies with an id of its own, by which one that must get no requests would be noticed. */
const SERVER =
  'const id=crypto.randomUUID();require("http").createServer((q,s)=>s.end(q.url=="/heartbeat"?"":id)).listen(5000)';

export interface SwarmStage {
  readonly pool: string;
  readonly balancers: readonly [Balancer, Balancer];
  readonly addresses: readonly [Address, Address];
  /** Starts a balancer on a node. */
  start(node: number): Promise<Balancer>;
}

/** Two balancers on two nodes, with replicas that are healthy on both. */
export async function openSwarm(
  stage: Stage,
  options: readonly string[] = [],
  replicas = REPLICAS,
): Promise<SwarmStage> {
  await joinBridge();
  // the case before may have left managers that elect one
  const isLed = () =>
    leader().then(
      () => true,
      () => false,
    );
  await until('manager that leads', 60_000, isLed);
  await ensureImageOnNodes();
  const pool = `ringlb-faults-${randomBytes(4).toString('hex')}`;
  stage.after(() => removePool(pool));
  const start = async (node: number): Promise<Balancer> => {
    // its own engine first, as on a machine that is a node
    const engines = [node, ...NODES.filter((other) => other !== node)].map(engineOf).join();
    const balancer = await Balancer.start({
      node: { namespace: `rlb${node}`, host: `10.99.0.${node}` },
      options: [
        ...['--port', '0', '--admin-port', '0', '--workers', '1', '--on-exit', 'keep'],
        ...['--driver', 'swarm', '--engines', engines, '--pool', pool, '--swarm-publish', 'host'],
        ...['--image', 'ringlb-replica:test', '--replica-command', `node -e '${SERVER}'`],
        ...['--probe-interval', '500ms', '--probe-timeout', '1s', '--replicas', String(replicas), ...options],
      ],
    });
    return stage.adopt(balancer);
  };
  const [first, second] = await Promise.all([start(BALANCER_NODES[0]), start(BALANCER_NODES[1])]);
  await Promise.all([first, second].map((balancer) => balancer.untilWhole(replicas, 60_000)));
  const addressOf = ({ host, port }: Balancer): Address => ({ host, port });
  return { pool, start, balancers: [first, second], addresses: [addressOf(first), addressOf(second)] };
}

/** What a case leaves of its pool, once managers that elect a leader carry it out. */
async function removePool(pool: string): Promise<void> {
  await until('removal of what a case left', 60_000, () =>
    removeOnce(pool).then(
      () => true,
      () => false,
    ),
  );
}

async function removeOnce(pool: string): Promise<void> {
  const services = await serviceIds(pool, 1);
  if (services.length > 0) await dockerOn(1, 'service', 'rm', ...services);
  const records = await dockerOn(1, 'config', 'ls', '--quiet', '--filter', `label=ringlb.members=${pool}`);
  if (records !== '') await dockerOn(1, 'config', 'rm', ...records.split('\n'));
}

async function serviceIds(pool: string, node: number): Promise<readonly string[]> {
  const filter = `label=ringlb.pool=${pool}`;
  const listed = await dockerOn(node, 'service', 'ls', '--quiet', '--filter', filter);
  return listed.split('\n').filter(Boolean);
}

/** Names of the replicas that have a service. */
export async function servicesOf(pool: string): Promise<readonly string[]> {
  const ids = await serviceIds(pool, 1);
  if (ids.length === 0) return [];
  const format = '{{index .Spec.Labels "ringlb.name"}}';
  // one that was removed meanwhile makes the whole call fail
  const named = await dockerOn(1, 'service', 'inspect', '--format', format, ...ids).catch(() => '');
  return named.split('\n').filter(Boolean).sort();
}

/** The number of the node that an endpoint is on. */
export function nodeOf({ endpoint }: ReplicaView): number {
  return Number(/^10\.99\.0\.(\d+):/.exec(endpoint ?? '')?.[1] ?? 0);
}

/** Cuts a node off from the others, or brings it back. */
export function setLink(node: number, state: 'up' | 'down'): void {
  const { stderr, status } = spawnSync('ip', ['-n', 'rlbsw', 'link', 'set', `p${node}`, state]);
  if (status !== 0) throw new Error(`the link of node ${node}: ${stderr}`);
}

export async function killTask({ instance }: ReplicaView): Promise<void> {
  const { node, id } = await containerOf(instance!);
  await dockerOn(node, 'kill', id);
}

/** The node that leads the managers. */
export async function leader(): Promise<number> {
  for (const node of NODES) {
    const format = '{{.Self}} {{.ManagerStatus}}';
    const listed = await dockerOn(node, 'node', 'ls', '--format', format);
    if (listed.split('\n').includes('true Leader')) return node;
  }
  throw new Error('no manager leads');
}

/** Kills the engine of a node, whose containers go on; the function starts it again. */
export function killEngine(node: number): () => Promise<void> {
  const file = `${directory}/n${node}/pid`;
  const pid = Number(readFileSync(file, 'utf8'));
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
  process.kill(pid, 'SIGKILL');
  return async () => {
    const inside = [`--net=/run/netns/rlb${node}`, ...command];
    spawn('nsenter', inside, { detached: true, stdio: 'ignore' }).unref();
    const isReady = () =>
      dockerOn(node, 'node', 'ls').then(
        () => true,
        () => false,
      );
    const deadline = performance.now() + 60_000;
    while (!(await isReady())) {
      if (performance.now() > deadline) throw new Error(`the engine of node ${node} did not come back`);
      await delay(500);
    }
  };
}

/** Waits until each balancer has another instance in the place, healthy; how long that took. */
export async function untilReplaced(
  balancers: readonly Balancer[],
  { name, instance }: ReplicaView,
  withinMs = 60_000,
): Promise<number> {
  const isReplaced = async (balancer: Balancer): Promise<boolean> => {
    const found = await balancer.replica(name);
    return found.state === 'healthy' && found.instance !== instance;
  };
  return until(`another instance of ${name}`, withinMs, async () =>
    (await Promise.all(balancers.map(isReplaced))).every(Boolean),
  );
}

/** Waits until the tables of all are equal; how long that took. */
export async function untilEqual(balancers: readonly Balancer[], withinMs = 30_000): Promise<number> {
  return until(
    'equal tables',
    withinMs,
    async () => new Set(await Promise.all(balancers.map(hashOf))).size === 1,
  );
}

async function hashOf(balancer: Balancer): Promise<string> {
  const body = await balancer.askAdmin('GET', '/ring');
  return (JSON.parse(body) as { message: RingView }).message.hash;
}

/** What `/rep` lists. */
export async function namesOf(balancer: Balancer): Promise<readonly string[]> {
  const body = await balancer.askPublic('GET', '/rep');
  return (JSON.parse(body) as { message: { replicas: string[] } }).message.replicas.toSorted();
}

/** Milliseconds until it holds. */
export async function until(what: string, withinMs: number, holds: () => Promise<boolean>): Promise<number> {
  const sinceMs = performance.now();
  while (performance.now() - sinceMs < withinMs) {
    if (await holds()) return Math.round(performance.now() - sinceMs);
    await delay(LOOK_MS);
  }
  throw new Error(`no ${what} within ${withinMs / 1000} s`);
}
