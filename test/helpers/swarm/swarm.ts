/**
 * A Swarm of several nodes on this machine, where one was brought up: `swarm-up` makes each node an engine of its own in
 * a network namespace of its own. This machine is put beside them on their bridge, so that a test reaches what nodes
 * publish. Must not hold: tests.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Instance } from '../../../lib/drivers/driver.ts';
import type { SwarmDriverOptions } from '../../../lib/drivers/swarm/options.ts';
import { createSwarmDriver } from '../../../lib/drivers/swarm/swarm.ts';
import { eventually } from '../eventually.ts';
import { type SpecDriver, specWith, withSpec } from '../replica-spec.ts';
import { silentLogger } from '../silent-logger.ts';
import { skipUnless } from '../skip.ts';

/** Where the Swarm was brought up. */
export const directory = process.env.RINGLB_SWARM ?? '/tmp/ringlb-swarm';
/** The namespace of the bridge between the nodes, and our address on it. */
const BRIDGE = 'rlbsw';
const OWN_ADDRESS = '10.99.0.254/24';

const run = promisify(execFile);
/** Numbers of the nodes. */
export const NODES: readonly number[] = [1, 2, 3];

export const skipSwarm: string | undefined = skipUnless(
  existsSync(`${directory}/ready`),
  `no Swarm of three nodes in ${directory}`,
);

const socketOf = (node: number): string => `${directory}/n${node}/docker.sock`;
export const engineOf = (node: number): string => `unix://${socketOf(node)}`;

/** The output of a docker command on a node, trimmed. */
export async function dockerOn(node: number, ...args: string[]): Promise<string> {
  return (await run('docker', ['-H', engineOf(node), ...args])).stdout.trim();
}

/** Reaches the nodes from this machine, by an interface that goes with their bridge. */
export async function joinBridge(): Promise<void> {
  const { stdout } = await run('ip', ['-brief', 'address']);
  if (stdout.includes(OWN_ADDRESS)) return;
  const pair = ['link', 'add', 'rlbhost0', 'type', 'veth', 'peer', 'name', 'rlbhost1', 'netns', BRIDGE];
  await run('ip', pair);
  await run('ip', ['-n', BRIDGE, 'link', 'set', 'rlbhost1', 'master', 'br0', 'up']);
  await run('ip', ['address', 'add', OWN_ADDRESS, 'dev', 'rlbhost0']);
  await run('ip', ['link', 'set', 'rlbhost0', 'up']);
}

const image = 'ringlb-replica:test';
export const SWARM_SPEC = specWith({ image, memoryBytes: 512 * 1024 ** 2 });
const pools = new Set<string>();

export function freshPool(): string {
  const pool = `ringlb-test-${randomBytes(5).toString('hex')}`;
  pools.add(pool);
  return pool;
}

type TestOptions = Partial<SwarmDriverOptions> & { readonly image?: string };

/** A driver over a pool of its own whose replicas publish their ports. Calls may take long on a busy machine. */
export function makeSwarmDriver({ image: other, ...options }: TestOptions = {}): SpecDriver {
  const driver = createSwarmDriver({
    network: 'ringlb',
    pool: options.pool ?? freshPool(),
    engines: NODES.map(engineOf),
    constraints: [],
    swarmPublish: 'host',
    drainTimeoutMs: 5000,
    stopTimeoutMs: 1000,
    callLimitMs: 20_000,
    log: silentLogger,
    ...options,
  });
  return withSpec(driver, specWith({ ...SWARM_SPEC, image: other ?? image }));
}

/** Brings the sample replica's image to every node. */
export async function ensureImageOnNodes(): Promise<void> {
  const { stdout: wanted } = await run('docker', ['image', 'inspect', '--format', '{{.Id}}', image]);
  for (const node of NODES) {
    const found = await dockerOn(node, 'image', 'inspect', '--format', '{{.Id}}', image).catch(() => '');
    if (found === wanted.trim()) continue;
    await run('sh', ['-c', `docker save ${image} | docker -H ${engineOf(node)} load`]);
  }
}

/** Where the container of a task is. */
export async function containerOf(task: string): Promise<{ readonly node: number; readonly id: string }> {
  return eventually(`the container of the task ${task}`, async () => {
    for (const node of NODES) {
      const id = await dockerOn(node, 'ps', '-q', '--filter', `label=com.docker.swarm.task.id=${task}`);
      if (id !== '') return { node, id };
    }
    return undefined;
  });
}

/** A docker command on the container of an instance, the last argument its id. */
export async function onInstance({ instanceId }: Instance, ...command: string[]): Promise<void> {
  const { node, id } = await containerOf(instanceId);
  await dockerOn(node, ...command, id);
}

/** Removes every service of the pools of this run, and records of balancers that were killed, once managers respond. */
export async function cleanUp(): Promise<void> {
  for (const pool of pools) {
    await eventually(`the removal of ${pool}`, async () => {
      const ids = await dockerOn(1, 'service', 'ls', '-q', '--filter', `label=ringlb.pool=${pool}`);
      if (ids !== '') await dockerOn(1, 'service', 'rm', ...ids.split('\n'));
      const records = await dockerOn(1, 'config', 'ls', '-q', '--filter', `label=ringlb.members=${pool}`);
      if (records !== '') await dockerOn(1, 'config', 'rm', ...records.split('\n'));
      return true;
    });
  }
  pools.clear();
}
