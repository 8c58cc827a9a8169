/** Two balancers of which one takes the place of the other, each over a fleet without an engine. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { handOver, openChanges, takePool } from '../../lib/compose/ports/hand-over.ts';
import type { DeployRequest } from '../../lib/fleet/deploy/deploys.ts';
import { FakeDriver } from '../helpers/fleet/fake-driver.ts';
import { DRAIN_TIMEOUT_MS, FleetRig, STOP_TIMEOUT_MS, settle } from '../helpers/fleet/rig.ts';

const RESTART: DeployRequest = { kind: 'restart', batch: 1, watchMs: 1000, maxErrorRate: 0.01 };

/** Whether the promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  promise.then(mark, mark);
  await settle();
  return settled;
}

describe('a balancer whose place is taken', () => {
  let rig: FleetRig;
  beforeEach(async () => {
    const driver = new FakeDriver();
    driver.outlivesBalancer = true;
    rig = await FleetRig.of(2, { driver });
  });

  it('refuses changes that come later', async () => {
    await handOver(rig);
    await assert.rejects(rig.view.add(1, []), { code: 'shutting-down' });
    await assert.rejects(rig.view.remove(1, []), { code: 'shutting-down' });
    await assert.rejects(rig.deploys.start(RESTART), { code: 'shutting-down' });
    assert.deepEqual(rig.driver.calls, []);
  });

  it('waits for a replica that is being added', async () => {
    const start = rig.driver.hold('start');
    const added = rig.view.add(1, []);
    await settle();
    const handed = handOver(rig);
    assert.equal(await isSettled(handed), false);
    start.open();
    await rig.advance(100);
    assert.deepEqual(await added, ['S1', 'S2', 'S3']);
    await handed;
  });

  it('gives up a replica that takes too long, so that the other knows', async () => {
    rig.driver.onStarted = (instance) => rig.hung.add(instance.endpoint!.port);
    const added = assert.rejects(rig.view.add(1, []), { code: 'shutting-down' });
    await settle();
    const handed = handOver(rig);
    await rig.advance(6000, 100);
    await Promise.all([added, handed]);
    assert.deepEqual(rig.driver.of('retire'), ['S3#3 removed']);
    assert.deepEqual(rig.driver.current, ['S1', 'S2']);
  });

  it('takes back what was added with one that failed, so that the other knows', async () => {
    rig.driver.stillborn.add('S4');
    const added = assert.rejects(rig.view.add(2, []), { code: 'start-failed' });
    await rig.advance(1000, 100);
    await added;
    assert.ok(rig.driver.of('retire').includes('S3#3 removed'));
    assert.deepEqual(rig.driver.current, ['S1', 'S2']);
  });

  it('waits for no instance that takes long to stop', async () => {
    const removal = rig.driver.hold('remove');
    await rig.view.remove(1, ['S2']);
    await settle();
    assert.equal(await isSettled(handOver(rig)), true);
    const closed = rig.supervisor.close(true);
    assert.equal(await isSettled(closed), false);
    removal.open();
    await closed;
    assert.deepEqual(rig.driver.current, ['S1']);
  });

  it('lets requests finish on what it removed', async () => {
    const finish = rig.load('S2', 1);
    await rig.view.remove(1, ['S2']);
    await handOver(rig);
    await rig.advance(1000);
    assert.deepEqual(rig.driver.of('remove'), []);
    finish();
    await rig.advance(100);
    assert.deepEqual(rig.driver.of('remove'), [`S2#2 ${STOP_TIMEOUT_MS}`]);
  });

  it('goes on where a deploy is under way', async () => {
    await rig.deploys.start(RESTART);
    await assert.rejects(handOver(rig), { code: 'deploy-running' });
    await rig.advance(100);
    const added = rig.view.add(1, []);
    await rig.advance(100);
    assert.deepEqual(await added, ['S1', 'S2', 'S3']);
  });
});

describe('a balancer that takes the place of another', () => {
  let rig: FleetRig;
  beforeEach(async () => {
    const driver = new FakeDriver();
    driver.isShared = true;
    driver.leave('S1', 1);
    driver.leave('S2', 2);
    rig = new FleetRig({ driver });
    await rig.supervisor.open();
    await rig.advance(100);
  });

  it('keeps changes waiting until it has the pool', async () => {
    const changes = [rig.view.add(1, []), rig.view.remove(1, ['S1'])];
    assert.equal(await isSettled(Promise.race(changes)), false);
    await takePool(rig);
    await rig.advance(100);
    await Promise.all(changes);
    assert.deepEqual(rig.driver.current, ['S2', 'S3']);
  });

  it('keeps deploys waiting until it has the pool', async () => {
    const started = rig.deploys.start(RESTART);
    assert.equal(await isSettled(started), false);
    await takePool(rig);
    await started;
    assert.equal(rig.deploys.isRunning, true);
  });

  it('refuses what waits where it ends before that', async () => {
    const added = assert.rejects(rig.view.add(1, []), { code: 'shutting-down' });
    rig.view.startDraining();
    await added;
  });

  it('leaves what the other one removed last to that one', async () => {
    rig.driver.instances.get(rig.instanceOf('S2'))!.role = 'removed';
    await takePool(rig);
    await rig.advance(DRAIN_TIMEOUT_MS, 100);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.deepEqual(rig.driver.of('remove'), []);
    await rig.advance(120_000, 1000);
    assert.deepEqual(rig.driver.of('remove'), [`S2#2 ${STOP_TIMEOUT_MS}`]);
  });

  it('has what the other one added last', async () => {
    rig.driver.leave('web', 3);
    await takePool(rig);
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'web=healthy']);
  });
});

it('a deploy waits until the fleet is known', async () => {
  const rig = new FleetRig();
  const started = rig.deploys.start(RESTART);
  assert.equal(await isSettled(started), false);
  await rig.scaling.startFleet(1);
  openChanges(rig);
  await started;
  await rig.advance(5000, 50);
  assert.equal(rig.deploys.status().deploy?.replicas.length, 1);
});
