/** Deploys to a pool of real containers that two balancers on one host share. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { DeployPhase } from '../../lib/api/deploy.ts';
import type { Balancer } from '../helpers/balancer.ts';
import { skipDocker } from '../helpers/docker/docker.ts';
import { add, healthy, kill, noneLost, Stage, until } from '../helpers/docker/stage.ts';
import { endOf, GENTLE, running, statusOf, Versions } from '../helpers/docker/versions.ts';

const MANY = '--pool-members many --probe-interval 200ms';

describe('a deploy to a pool of two balancers', { skip: skipDocker ?? false, timeout: 600_000 }, () => {
  const versions = new Versions();
  before(() => versions.buildAll());
  after(() => versions.removeAll());

  async function pair(t: TestContext, drainTimeout = '2s') {
    const stage = new Stage(t, { ownNames: true });
    const args = `${MANY} --drain-timeout ${drainTimeout}`;
    const options = { image: versions.image('one'), args };
    const [a, b] = [await stage.start(options), await stage.start(options)];
    for (const balancer of [a, b]) await healthy(balancer, 3);
    for (const balancer of [a, b]) await until('two members', () => isShared(balancer));
    return { stage, options, a, b };
  }

  const isShared = async (balancer: Balancer): Promise<boolean> => {
    const { body } = await balancer.askAdmin('GET', '/metrics');
    return /^ringlb_pool_balancers 2$/m.test(body);
  };
  const deploy = (balancer: Balancer, version: string, watch = '300ms') =>
    balancer.askAdmin('POST', '/deploy', { body: { image: versions.image(version), watch } });
  const isIn = async (balancer: Balancer, phase: DeployPhase, count: number): Promise<boolean> =>
    ((await statusOf(balancer)).deploy?.replicas ?? []).filter((step) => step.phase === phase).length >=
    count;
  /** Waits until the engine runs just this, and every one of the balancers serves it. */
  async function settled(stage: Stage, balancers: readonly Balancer[], wanted: string): Promise<void> {
    for (const balancer of balancers) await stage.settled(balancer);
    const names = (await balancers[0]!.replicas()).map(({ name }) => `${name} ${wanted}`);
    assert.deepEqual(await running(stage), names.sort());
  }

  it('reaches both without losing a request at either', async (t) => {
    // longer than it takes until both have let an old container go
    const { stage, a, b } = await pair(t, '60s');
    const loads = [stage.load(a, GENTLE), stage.load(b, GENTLE)];
    const { state, reason } = await endOf(a, await deploy(a, 'two'));
    assert.equal(state, 'done', reason ?? '');
    await settled(stage, [a, b], '2 two');
    for (const load of loads) await noneLost(load);
    for (const balancer of [a, b]) {
      const { body } = await balancer.askAdmin('GET', '/events');
      assert.equal(body.match(/"kind":"died"/g), null, 'each was switched before its old container ended');
    }
    const { current, before: earlier } = await statusOf(b);
    assert.deepEqual([current.generation, earlier?.generation], [2, 1]);
    assert.equal((await add(b, 'web')).status, 200);
    await settled(stage, [a, b], '2 two');
  });

  it('brings along what is added and removed at both meanwhile', async (t) => {
    const { stage, a, b } = await pair(t);
    const loads = [stage.load(a, GENTLE), stage.load(b, GENTLE)];
    const answer = await deploy(a, 'two', '1s');
    const additions = [add(b, 'w1'), add(a, 'w2'), add(b, 'w3')];
    for (const { status, body } of await Promise.all(additions)) assert.equal(status, 200, body);
    const remove = (balancer: Balancer, name: string) =>
      balancer.ask('DELETE', '/rm', { body: { n: 1, hostnames: [name] } });
    for (const { status, body } of await Promise.all([remove(a, 'w1'), remove(b, 'S2')]))
      assert.equal(status, 200, body);
    const { state, reason } = await endOf(a, answer);
    assert.equal(state, 'done', reason ?? '');
    for (const balancer of [a, b]) await healthy(balancer, 4);
    await settled(stage, [a, b], '2 two');
    for (const load of loads) await noneLost(load);
  });

  it('is taken back at both by either', async (t) => {
    const { stage, a, b } = await pair(t);
    const answer = await deploy(a, 'two', '60s');
    const loads = [stage.load(a, GENTLE), stage.load(b, GENTLE)];
    await until('b has switched', () => isIn(b, 'done', 1));
    const refused = await deploy(b, 'two');
    assert.equal(refused.status, 409, refused.body);
    assert.match(refused.body, /another balancer of the pool deploys/);
    assert.equal((await b.askAdmin('DELETE', '/deploy')).status, 202);
    const { state, reason } = await endOf(a, answer);
    assert.deepEqual(
      [state, /asked for by an operator at process/.test(reason ?? '')],
      ['rolled-back', true],
    );
    await settled(stage, [a, b], '1 one');
    for (const load of loads) await noneLost(load);
  });

  it('rolls a bad version back at both', async (t) => {
    const { stage, a, b } = await pair(t);
    const load = stage.load(a, GENTLE);
    const { state } = await endOf(a, await deploy(a, 'bad', '60s'));
    assert.equal(state, 'rolled-back');
    await load.stop();
    await settled(stage, [a, b], '1 one');
  });

  for (const [when, end] of [
    ['while the first is watched', 'resumed'],
    ['while the second is exchanged', 'rolled back'],
  ] as const)
    it(`whose balancer is killed ${when} is ${end} by the other`, async (t) => {
      const { stage, options, a, b } = await pair(t);
      const load = stage.load(b, GENTLE);
      const isFirst = when === 'while the first is watched';
      assert.equal((await deploy(a, 'two', isFirst ? '60s' : '300ms')).status, 202);
      await until('b has switched', () => isIn(b, 'done', 1));
      if (!isFirst) await until('a has gone on', () => isIn(a, 'done', 1));
      await kill(a);
      await until('b knows', async () => (await statusOf(b)).deploy?.state === 'interrupted');
      const [method, body] =
        end === 'resumed' ? ['POST', { resume: true, watch: '200ms' }] : ['DELETE', undefined];
      const { state, reason } = await endOf(b, await b.askAdmin(method, '/deploy', { body }));
      assert.equal(state, end === 'resumed' ? 'done' : 'rolled-back', reason ?? '');
      await noneLost(load);
      const again = await stage.start(options);
      await healthy(again, 3);
      await settled(stage, [again, b], end === 'resumed' ? '2 two' : '1 one');
    });
});
