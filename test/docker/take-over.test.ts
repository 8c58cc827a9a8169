/** A balancer over containers that takes the place of the one that runs: the same containers serve on. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Balancer } from '../helpers/balancer.ts';
import { docker, ensureReplicaImage, freshName, skipDocker } from '../helpers/docker/docker.ts';
import { add, healthy, instances, kill, placement, Stage, until } from '../helpers/docker/stage.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';

describe('a balancer over containers that takes over', {
  skip: skipDocker ?? false,
  timeout: 300_000,
}, () => {
  before(ensureReplicaImage);

  /** Starts a balancer in the place of `former`, and waits until it has the pool, or has ended. */
  async function takeOver(stage: Stage, former: Balancer, args = ''): Promise<Balancer> {
    const ports = `--port ${former.publicPort} --admin-port ${former.adminPort}`;
    const next = stage.spawn({ args: `${ports} --take-over ${args}` });
    next.publicPort = former.publicPort;
    next.adminPort = former.adminPort;
    await until('the take-over', () => next.stderr.includes('took over') || next.child.exitCode !== null);
    return next;
  }

  const containersOf = async (stage: Stage): Promise<string> =>
    docker(
      'inspect',
      '--format',
      '{{.Id}} {{.State.StartedAt}}',
      ...(await stage.containers()).map(({ id }) => id),
    );

  it('serves from the same containers, of which none was restarted', async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve();
    assert.equal((await add(first, freshName())).status, 200);
    const [ring, ran, containers] = [
      await placement(first),
      await instances(first),
      await containersOf(stage),
    ];
    const load = new SteadyLoad(first.publicPort, { clients: 4 });
    await load.more(20);
    const second = await takeOver(stage, first);
    assert.deepEqual(await first.exited, { code: 0, signal: null });
    await load.everyone();
    await load.end();
    assert.deepEqual(load.failures, []);
    await healthy(second, 4);
    assert.deepEqual([await placement(second), await instances(second)], [ring, ran]);
    assert.equal(await containersOf(stage), containers);
  });

  it('owns the pool from then on, and heals it', async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve();
    const second = await takeOver(stage, first);
    await first.exited;
    const [victim] = await healthy(second, 3);
    await docker('kill', victim!.instance!);
    await until('another instance', async () => {
      const replicas = await healthy(second, 3);
      return replicas.find(({ name }) => name === victim!.name)!.instance !== victim!.instance;
    });
    await stage.settled(second);
    assert.equal((await stage.claims()).length, 1);
  });

  it('changes nothing when it ends before its turn', async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve();
    const [ran, containers] = [await instances(first), await containersOf(stage)];
    const args = '--start-timeout 1s --probe-path /nowhere';
    const next = await takeOver(stage, first, args);
    assert.deepEqual(await next.exited, { code: 1, signal: null });
    assert.match(next.stderr, /the one that runs goes on/);
    assert.deepEqual(await instances(first), ran);
    assert.equal(await containersOf(stage), containers);
    await stage.settled(first);
  });

  it('takes the pool of one that is killed meanwhile', async (t) => {
    const stage = new Stage(t);
    const first = await stage.serve();
    const ran = await instances(first);
    const ports = `--port ${first.publicPort} --admin-port ${first.adminPort}`;
    const next = stage.spawn({ args: `${ports} --take-over` });
    next.publicPort = first.publicPort;
    next.adminPort = first.adminPort;
    await until('an adopted replica', () => next.stderr.includes('adopted'));
    await kill(first);
    await healthy(next, 3);
    assert.deepEqual(await instances(next), ran);
    // which only the owner of the pool can do
    const added = await next.askAdmin('POST', '/add', { body: { n: 1, hostnames: [freshName()] } });
    assert.equal(added.status, 200);
    await stage.settled(next);
  });
});
