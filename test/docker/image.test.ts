/** The image of the balancer: small, and with its command. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BASE_IMAGE, docker, freshPool, REPOSITORY, skipDocker } from '../helpers/docker/docker.ts';
import { until } from '../helpers/docker/stage.ts';

const IMAGE = `${freshPool()}-balancer`;
const MOST_BYTES = 200_000_000;

describe('the image of the balancer', { skip: skipDocker ?? false, timeout: 600_000 }, () => {
  before(async () => {
    const base = `NODE_IMAGE=${BASE_IMAGE}`;
    await docker(
      'build',
      '--force-rm',
      '--tag',
      IMAGE,
      '--target',
      'balancer',
      '--build-arg',
      base,
      REPOSITORY,
    );
  });
  after(() => docker('image', 'rm', IMAGE));

  it('has less than 200 MB', async () => {
    const bytes = Number(await docker('image', 'inspect', '--format', '{{.Size}}', IMAGE));
    assert.ok(bytes < MOST_BYTES, `${bytes}`);
  });

  it('serves, and has the command ringlb', async (t) => {
    const options = ['--driver', 'process', '--replicas', '1'];
    const id = await docker('run', '-d', IMAGE, ...options);
    t.after(() => docker('rm', '--force', '--volumes', id));
    await until('a balancer that is ready', async () =>
      docker('exec', id, 'ringlb', 'health').then(
        () => true,
        () => false,
      ),
    );
    assert.match(await docker('exec', id, 'ringlb', 'status'), /^S1 +healthy/m);
  });
});
