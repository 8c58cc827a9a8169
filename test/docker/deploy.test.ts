/** New versions over containers, on a real engine. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { DeployPreview, DeployStarted, DeployStatus, DeployView } from '../../lib/api/deploy.ts';
import type { Answer, Balancer } from '../helpers/balancer.ts';
import { buildImage, docker, freshPool, skipDocker } from '../helpers/docker/docker.ts';
import { healthy, instances, kill, noneLost, Stage, until } from '../helpers/docker/stage.ts';

/** Serves its version; the bad one fails everything but probes. */
const SERVER = `
  process.on('SIGTERM', () => process.exit(0));
  require('http').createServer((request, response) => {
    if (process.env.VERSION === 'bad' && request.url !== '/heartbeat') response.statusCode = 500;
    response.end(process.env.VERSION);
  }).listen(process.env.PORT)`;

describe('a deploy over containers', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  const name = freshPool();
  const image = (version: string) => `${name}:${version}`;
  /** Another suite may deploy on the same engine. */
  const PREFIX = `--container-prefix ${name}-`;
  const versions = ['one', 'two', 'bad'];

  before(async () => {
    for (const version of versions)
      await buildImage(image(version), [
        `ENV VERSION=${version}`,
        `CMD ${JSON.stringify(['node', '-e', SERVER])}`,
      ]);
  });
  after(() => docker('rmi', '--force', ...versions.map(image)).catch(() => {}));

  const status = async (balancer: Balancer): Promise<DeployStatus> =>
    (JSON.parse((await balancer.askAdmin('GET', '/deploy')).body) as { message: DeployStatus }).message;

  /** The state in which the deploy of a version ends. */
  async function deploy(balancer: Balancer, version: string, watch: string): Promise<string> {
    const started = await balancer.askAdmin('POST', '/deploy', { body: { image: image(version), watch } });
    return (await endOf(balancer, started)).state;
  }

  /** How the deploy ended that this reply says has begun. */
  function endOf(balancer: Balancer, { status: code, body }: Answer): Promise<DeployView> {
    assert.equal(code, 202, body);
    const { id } = (JSON.parse(body) as { readonly message: DeployStarted }).message;
    return until(`the deploy ${id} ends`, async () => {
      const { deploy: seen } = await status(balancer);
      return seen?.id === id && !['running', 'rolling-back'].includes(seen.state) && seen;
    });
  }

  /** Generation and version of each container of the pool, by name. */
  async function running(stage: Stage): Promise<readonly string[]> {
    const found = (await stage.containers()).map(async ({ id, name: container }) => {
      const generation = await docker(
        'inspect',
        '--format',
        '{{index .Config.Labels "ringlb.generation"}}',
        id,
      );
      return `${container.replace(`${name}-`, '')} ${generation} ${/ VERSION=(\w+)/.exec(await docker('inspect', '--format', ' {{join .Config.Env " "}}', id))?.[1]}`;
    });
    return (await Promise.all(found)).sort();
  }

  it('brings a good version to every replica without losing a request', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve({ args: PREFIX, image: image('one') });
    const load = stage.load(balancer);
    const names = (await balancer.replicas()).map((replica) => replica.name).sort();
    assert.equal(await deploy(balancer, 'two', '100ms'), 'done');
    await noneLost(load);
    await until('the old ones are gone', async () => (await stage.containers()).length === 3);
    assert.deepEqual(
      await running(stage),
      names.map((replica) => `${replica} 2 two`),
    );
  });

  it('says in a dry run from which digest it goes to which', async (t) => {
    const balancer = await new Stage(t).serve({ args: PREFIX, image: image('one') });
    const body = { image: image('two') };
    const { message } = JSON.parse((await balancer.askAdmin('POST', '/deploy?dry-run', { body })).body) as {
      message: DeployPreview;
    };
    const [from] = (await balancer.replicas()).map((replica) => replica.image);
    assert.match(from ?? '', /:one@sha256:/);
    assert.deepEqual(new Set(message.replicas.map((replica) => replica.from.title)), new Set([from]));
    assert.match(message.to.title, /:two@sha256:/);
  });

  it('takes back a bad version, and leaves the old containers', async (t) => {
    const stage = new Stage(t);
    const balancer = await stage.serve({ args: PREFIX, image: image('one') });
    const before = await instances(balancer);
    let isOver = false;
    const asked = (async () => {
      while (!isOver) await balancer.ask('GET', '/');
    })();
    assert.equal(await deploy(balancer, 'bad', '60s'), 'rolled-back');
    isOver = true;
    await asked;
    assert.match((await status(balancer)).deploy?.reason ?? '', /requests failed/);
    await until('the bad one is gone', async () => (await balancer.replicas()).length === 3);
    assert.deepEqual(await instances(balancer), before);
    assert.deepEqual(
      await running(stage),
      Object.keys(before)
        .sort()
        .map((replica) => `${replica} 1 one`),
    );
  });

  it('is refused where the engine has no such image', async (t) => {
    const balancer = await new Stage(t).serve({ args: PREFIX, image: image('one') });
    const answer = await balancer.askAdmin('POST', '/deploy', { body: { image: image('none') } });
    assert.match(answer.body, /has no image .*:none/);
    assert.equal((await status(balancer)).deploy, null);
  });

  it('is taken back where its image is gone from the engine', async (t) => {
    const stage = new Stage(t);
    const gone = image('gone');
    await buildImage(gone, [`ENV VERSION=gone`, `CMD ${JSON.stringify(['node', '-e', SERVER])}`]);
    const balancer = await stage.serve({ args: PREFIX, image: gone });
    assert.equal(await deploy(balancer, 'two', '100ms'), 'done');
    await until('the old ones are gone', async () => (await stage.containers()).length === 3);
    const ran = await instances(balancer);
    await docker('rmi', '--force', gone);
    const load = stage.load(balancer);
    const { state, reason } = await endOf(balancer, await balancer.askAdmin('DELETE', '/deploy'));
    assert.equal(state, 'rolled-back');
    assert.match(reason ?? '', /no longer has the image .*:gone@/);
    await noneLost(load);
    assert.deepEqual(await instances(balancer), ran);
  });

  it('replaces what was deployed before the balancer was killed', async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve({ args: PREFIX, image: image('one') });
    assert.equal(await deploy(first, 'two', '100ms'), 'done');
    await kill(first);
    const second = await stage.start({ args: PREFIX, image: image('one') });
    await healthy(second, 3);
    assert.equal(await deploy(second, 'one', '100ms'), 'done');
    await until('the old ones are gone', async () => (await stage.containers()).length === 3);
    assert.deepEqual(
      (await running(stage)).map((line) => line.replace(/^\S+ /, '')),
      ['3 one', '3 one', '3 one'],
    );
  });
});
