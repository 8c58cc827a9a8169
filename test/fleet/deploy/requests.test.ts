/** What becomes of a request to deploy: when it is taken, what it changes, and how it is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEPLOY_DEFAULTS } from '../../../lib/core/policy/deploy-gate.ts';
import { CHANGE as ONE_CHANGE } from '../../helpers/fleet/deploy-requests.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig, settle } from '../../helpers/fleet/rig.ts';

const CHANGE = { ...ONE_CHANGE, watchMs: 100 };
/** Longer than any deploy of three replicas takes here. */
const LONG_MS = 3000;

/** An engine that looks images up. */
class PinningDriver extends FakeDriver {
  readonly pinning = Promise.withResolvers<void>();

  async pin(image: string): Promise<{ readonly reference: string; readonly title: string }> {
    await this.pinning.promise;
    return { reference: `${image}@sha256:1`, title: `${image} (1)` };
  }
}

describe('a request to deploy', () => {
  it('waits until it is known what an earlier balancer left', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1, { generation: 4 });
    const rig = new FleetRig({ driver });
    const starting = rig.deploys.start(CHANGE);
    const refused = assert.rejects(rig.deploys.preview(CHANGE), { code: 'deploy-running' });
    await settle();
    assert.equal(rig.deploys.status().deploy, null);
    await rig.supervisor.open();
    rig.deploys.open();
    await Promise.all([starting, refused]);
    await rig.advance(LONG_MS);
    assert.equal(rig.replica('S1').instance?.generation, 5);
  });

  it('is refused where the balancer closes before that', async () => {
    for (const close of [
      (rig: FleetRig) => rig.deploys.close(),
      (rig: FleetRig) => rig.deploys.refuseAll(),
    ]) {
      const rig = new FleetRig();
      const starting = rig.deploys.start(CHANGE);
      await close(rig);
      await assert.rejects(starting, { code: 'shutting-down' });
    }
  });

  it('is refused while another is about to start', async () => {
    const driver = new PinningDriver();
    const rig = await FleetRig.of(3, { driver });
    const first = rig.deploys.start({ ...CHANGE, image: 'app:2' });
    await settle();
    await assert.rejects(rig.deploys.start(CHANGE), { code: 'deploy-running', message: /about to start/ });
    driver.pinning.resolve();
    await first;
    await rig.advance(LONG_MS);
    assert.equal(rig.deploys.status().deploy?.id, await first);
  });

  it('is taken again once one was refused', async () => {
    const rig = await FleetRig.of(1);
    await assert.rejects(rig.deploys.start({ ...CHANGE, kind: 'resume' }), { code: 'bad-request' });
    await rig.deploys.start(CHANGE);
    await rig.advance(LONG_MS);
    assert.equal(rig.deploys.status().deploy?.state, 'done');
  });

  it('is refused where the balancer closes while its image is looked up', async () => {
    const driver = new PinningDriver();
    const rig = await FleetRig.of(1, { driver });
    const starting = rig.deploys.start({ ...CHANGE, image: 'app:2' });
    await settle();
    await rig.deploys.close();
    driver.pinning.resolve();
    await assert.rejects(starting, { code: 'shutting-down' });
    assert.equal(rig.deploys.status().deploy, null);
  });

  it('has its image pinned, and shows that under its title', async () => {
    const driver = new PinningDriver();
    driver.pinning.resolve();
    const rig = await FleetRig.of(1, { driver });
    await rig.deploys.start({ ...CHANGE, image: 'app:2' });
    await rig.advance(LONG_MS);
    assert.deepEqual(rig.deploys.status().current, { generation: 2, title: 'app:2 (1)' });
    assert.equal(driver.started.get(rig.instanceOf('S1'))?.spec.image, 'app:2@sha256:1');
  });

  it('is under way until its end, and has an id of its own', async () => {
    const rig = await FleetRig.of(1);
    const first = await rig.deploys.start(CHANGE);
    assert.deepEqual([rig.deploys.isRunning, rig.deploys.isUnderWay], [true, true]);
    await rig.advance(LONG_MS);
    assert.deepEqual([rig.deploys.isRunning, rig.deploys.isUnderWay], [false, false]);
    assert.notEqual(await rig.deploys.start(CHANGE), first);
  });

  it('changes what it names of the release before, and no more', async () => {
    const rig = await FleetRig.of(1);
    await rig.deploys.start({ ...CHANGE, command: 'serve --fast' });
    await rig.advance(LONG_MS);
    await rig.deploys.start({ ...CHANGE, env: [['LEVEL', 'debug']] });
    await rig.advance(LONG_MS);
    const { args, env } = rig.driver.started.get(rig.instanceOf('S1'))!.spec;
    assert.deepEqual(args, ['serve', '--fast']);
    assert.deepEqual(env, [
      ['VERSION', '2'],
      ['LEVEL', 'debug'],
    ]);
    await rig.deploys.start({ ...DEPLOY_DEFAULTS, kind: 'restart', watchMs: 100 });
    await rig.advance(LONG_MS);
    assert.deepEqual(rig.driver.started.get(rig.instanceOf('S1'))!.spec.args, ['serve', '--fast']);
  });

  it('to roll back goes as carefully as the deploy before', async () => {
    const rig = await FleetRig.of(3);
    await rig.deploys.start({ ...CHANGE, batch: 3, maxErrorRate: 0.2 });
    await rig.advance(LONG_MS);
    await rig.deploys.rollBack();
    const { batch, watchMs, maxErrorRate } = rig.deploys.status().deploy!;
    assert.deepEqual([batch, watchMs, maxErrorRate], [3, 100, 0.2]);
  });

  it('is shown in a dry run with the replicas in the order in which they are replaced', async () => {
    const rig = await FleetRig.of(3);
    rig.load('S1', 2);
    rig.load('S2', 1);
    const { replicas } = await rig.deploys.preview(CHANGE);
    assert.deepEqual(
      replicas.map(({ name }) => name),
      ['S3', 'S2', 'S1'],
    );
  });
});

describe('a fleet that can be deployed to', () => {
  it('is none of servers that others run, nor of replicas without names of their own', async () => {
    const rigs = [
      new FleetRig(),
      new FleetRig({ classic: true }),
      new FleetRig({ driver: new FakeDriver(false) }),
    ];
    assert.deepEqual(
      rigs.map(({ deploys }) => deploys.isPossible),
      [true, false, false],
    );
  });
});

describe('a balancer that refuses deploys since another takes over', () => {
  it('refuses nothing while one is under way', async () => {
    const rig = await FleetRig.of(1);
    await rig.deploys.start(CHANGE);
    assert.throws(() => rig.deploys.refuseAll(), { code: 'deploy-running' });
    await rig.advance(LONG_MS);
    await rig.deploys.start(CHANGE);
    await rig.advance(LONG_MS);
    rig.deploys.refuseAll();
    await assert.rejects(rig.deploys.start(CHANGE), { code: 'shutting-down' });
  });
});
