/** New versions over containers, on a real engine. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { DeployPreview } from '../../lib/api/deploy.ts';
import type { Balancer } from '../helpers/balancer.ts';
import { docker, skipDocker } from '../helpers/docker/docker.ts';
import { healthy, instances, kill, noneLost, Stage, until } from '../helpers/docker/stage.ts';
import { endOf, running, statusOf, Versions } from '../helpers/docker/versions.ts';

describe('a deploy over containers', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  const versions = new Versions();
  before(() => versions.buildAll());
  after(() => versions.removeAll());

  /** What a balancer is started with that runs this version. */
  const of = (version: string) => ({ image: versions.image(version) });

  /** The state in which the deploy of a version ends. */
  async function deploy(balancer: Balancer, version: string, watch: string): Promise<string> {
    const body = { image: versions.image(version), watch };
    return (await endOf(balancer, await balancer.askAdmin('POST', '/deploy', { body }))).state;
  }

  it('brings a good version to every replica without losing a request', async (t) => {
    const stage = new Stage(t, { ownNames: true });
    const balancer = await stage.serve(of('one'));
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
    const balancer = await new Stage(t, { ownNames: true }).serve(of('one'));
    const body = { image: versions.image('two') };
    const { message } = JSON.parse((await balancer.askAdmin('POST', '/deploy?dry-run', { body })).body) as {
      message: DeployPreview;
    };
    const [from] = (await balancer.replicas()).map((replica) => replica.image);
    assert.match(from ?? '', /:one@sha256:/);
    assert.deepEqual(new Set(message.replicas.map((replica) => replica.from.title)), new Set([from]));
    assert.match(message.to.title, /:two@sha256:/);
  });

  it('takes back a bad version, and leaves the old containers', async (t) => {
    const stage = new Stage(t, { ownNames: true });
    const balancer = await stage.serve(of('one'));
    const before = await instances(balancer);
    let isOver = false;
    const asked = (async () => {
      while (!isOver) await balancer.ask('GET', '/');
    })();
    assert.equal(await deploy(balancer, 'bad', '60s'), 'rolled-back');
    isOver = true;
    await asked;
    assert.match((await statusOf(balancer)).deploy?.reason ?? '', /requests failed/);
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
    const balancer = await new Stage(t, { ownNames: true }).serve(of('one'));
    const answer = await balancer.askAdmin('POST', '/deploy', { body: { image: versions.image('none') } });
    assert.match(answer.body, /has no image .*:none/);
    assert.equal((await statusOf(balancer)).deploy, null);
  });

  it('is taken back where its image is gone from the engine', async (t) => {
    const stage = new Stage(t, { ownNames: true });
    await versions.build('gone');
    const balancer = await stage.serve(of('gone'));
    assert.equal(await deploy(balancer, 'two', '100ms'), 'done');
    await until('the old ones are gone', async () => (await stage.containers()).length === 3);
    const ran = await instances(balancer);
    await docker('rmi', '--force', versions.image('gone'));
    const load = stage.load(balancer);
    const { state, reason } = await endOf(balancer, await balancer.askAdmin('DELETE', '/deploy'));
    assert.equal(state, 'rolled-back');
    assert.match(reason ?? '', /no longer has the image .*:gone@/);
    await noneLost(load);
    assert.deepEqual(await instances(balancer), ran);
  });

  it('replaces what was deployed before the balancer was killed', async (t) => {
    const stage = new Stage(t, { ownNames: true });
    const first = await stage.serve(of('one'));
    assert.equal(await deploy(first, 'two', '100ms'), 'done');
    await kill(first);
    const second = await stage.start(of('one'));
    await healthy(second, 3);
    assert.equal(await deploy(second, 'one', '100ms'), 'done');
    await until('the old ones are gone', async () => (await stage.containers()).length === 3);
    assert.deepEqual(
      (await running(stage)).map((line) => line.replace(/^\S+ /, '')),
      ['3 one', '3 one', '3 one'],
    );
  });
});
