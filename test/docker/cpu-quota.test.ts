/** How many threads a balancer in a container has that may use a part of the machine's cores. */
import assert from 'node:assert/strict';
import { cpus } from 'node:os';
import { afterEach, describe, it } from 'node:test';
import { BASE_IMAGE, docker, freshName, REPOSITORY, skipDocker } from '../helpers/docker/docker.ts';
import { eventually } from '../helpers/eventually.ts';

describe('a balancer in a container with a CPU quota', { skip: skipDocker ?? false }, () => {
  const started: string[] = [];
  afterEach(async () => {
    for (const id of started.splice(0)) await docker('rm', '--force', id);
  });

  /** The line that says where it serves, of a balancer that is run with these options for its container. */
  async function startLine(
    ...options: string[]
  ): Promise<{ readonly workers: number; readonly cpuQuota?: number }> {
    const name = freshName();
    const flags = '--port 0 --admin-port 0 --driver static --upstreams http://127.0.0.1:1';
    const command = ['sh', '-c', `exec node ${REPOSITORY}/lib/main.ts ${flags} 2>&1`];
    const places = ['--volume', `${REPOSITORY}:${REPOSITORY}:ro`, '--label', 'ringlb.test', '--name', name];
    started.push(await docker('run', '--detach', ...places, ...options, BASE_IMAGE, ...command));
    const line = await eventually(
      'a line that says where it serves',
      async () => (await docker('logs', name)).split('\n').find((one) => one.includes('"serving on ')),
      60_000,
    );
    return JSON.parse(line) as { workers: number; cpuQuota?: number };
  }

  for (const [quota, most] of [
    ['0.5', 1],
    ['1.5', 2],
  ] as const) {
    it(`of ${quota} has ${most} ${most === 1 ? 'worker' : 'workers'} at most, and says so`, async () => {
      const { workers, cpuQuota } = await startLine('--cpus', quota);
      assert.deepEqual([workers, cpuQuota], [Math.min(most, cpus().length), Number(quota)]);
    });
  }

  it('of none has one a core', async () => {
    const { workers, cpuQuota } = await startLine();
    assert.deepEqual([workers, cpuQuota], [cpus().length, undefined]);
  });
});
