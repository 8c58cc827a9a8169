/** Images of an application in several versions, for suites that deploy them, and how a deploy ends. */
import assert from 'node:assert/strict';
import type { DeployStarted, DeployStatus, DeployView } from '../../../lib/api/deploy.ts';
import type { Answer, Balancer } from '../balancer.ts';
import { buildImage, docker, freshPool } from './docker.ts';
import type { LoadOptions } from './load.ts';
import { type Stage, until } from './stage.ts';

/** Serves its version; the bad one fails everything but probes. */
const SERVER = `
  process.on('SIGTERM', () => process.exit(0));
  require('http').createServer((request, response) => {
    if (process.env.VERSION === 'bad' && request.url !== '/heartbeat') response.statusCode = 500;
    response.end(process.env.VERSION);
  }).listen(process.env.PORT)`;
const VERSIONS = ['one', 'two', 'bad'] as const;
const UNDER_WAY = ['running', 'rolling-back', 'interrupted'];

/**
 * A load for versions that are to pass the gate: fewer requests than its latency is judged by reach a replica while it
 * is watched, since a machine with other tests to run may well make the first requests of a new container slow.
 */
export const GENTLE: LoadOptions = { pauseMs: 50 };

/** The images of one suite. */
export class Versions {
  readonly #name = freshPool();

  image(version: string): string {
    return `${this.#name}:${version}`;
  }

  async buildAll(): Promise<void> {
    for (const version of VERSIONS) await this.build(version);
  }

  build(version: string): Promise<void> {
    const command = JSON.stringify(['node', '-e', SERVER]);
    return buildImage(this.image(version), [`ENV VERSION=${version}`, `CMD ${command}`]);
  }

  async removeAll(): Promise<void> {
    await docker('rmi', '--force', ...VERSIONS.map((version) => this.image(version))).catch(() => {});
  }
}

/** Name, generation and version of each container of the pool, by name. */
export async function running(stage: Stage): Promise<readonly string[]> {
  const format = '{{index .Config.Labels "ringlb.generation"}} {{join .Config.Env " "}}';
  const found = (await stage.containers()).map(async ({ id, name }) => {
    const line = await docker('inspect', '--format', format, id);
    return `${name} ${line.replace(/^(\d+) .*VERSION=(\w+).*$/, '$1 $2')}`;
  });
  return (await Promise.all(found)).sort();
}

export async function statusOf(balancer: Balancer): Promise<DeployStatus> {
  return (JSON.parse((await balancer.askAdmin('GET', '/deploy')).body) as { message: DeployStatus }).message;
}

/** How the deploy ended that this reply says has begun, or goes on. */
export function endOf(balancer: Balancer, { status, body }: Answer): Promise<DeployView> {
  assert.equal(status, 202, body);
  const { id } = (JSON.parse(body) as { readonly message: DeployStarted }).message;
  return until(`the deploy ${id} ends`, async () => {
    const { deploy } = await statusOf(balancer);
    return deploy?.id === id && !UNDER_WAY.includes(deploy.state) && deploy;
  });
}
