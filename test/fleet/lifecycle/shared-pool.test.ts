import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { DRAIN_TIMEOUT_MS, FleetRig, type RigOptions, STOP_TIMEOUT_MS } from '../../helpers/fleet/rig.ts';

/** A fleet of two that other balancers change too. */
async function sharedRig(options: RigOptions = {}): Promise<FleetRig> {
  const driver = new FakeDriver();
  driver.isShared = true;
  driver.heals = true;
  return FleetRig.of(2, { driver, ...options });
}

const look = async (rig: FleetRig): Promise<void> => {
  rig.driver.hint({ kind: 'changed', cause: 'services' });
  await rig.advance(100);
};

describe('a pool that is shared', () => {
  it('takes in a replica that another balancer added', async () => {
    const rig = await sharedRig();
    rig.driver.leave('web', 3);
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'web=healthy']);
    assert.deepEqual(rig.driver.calls, []);
  });

  it('does not take in more than max-replicas', async () => {
    const rig = await sharedRig({ maxReplicas: 3 });
    rig.driver.leave('web', 3);
    rig.driver.leave('www', 4);
    await look(rig);
    assert.equal(rig.states.length, 3);
    assert.deepEqual(rig.driver.calls, []);
  });

  it('drains a replica that another balancer removed, and stops nothing', async () => {
    const rig = await sharedRig();
    const finish = rig.load('S2', 1);
    rig.driver.in('S2')!;
    rig.driver.instances.get(rig.instanceOf('S2'))!.role = 'removed';
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.equal(rig.registry.leaving.length, 1);
    finish();
    await rig.advance(100);
    assert.equal(rig.registry.leaving.length, 0);
    assert.deepEqual(rig.driver.calls, []);
  });

  it('lets a replica go whose instance another balancer has removed', async () => {
    const rig = await sharedRig();
    rig.driver.instances.delete(rig.instanceOf('S2'));
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.deepEqual(rig.driver.calls, []);
  });

  it('leaves an instance alone that another balancer is starting', async () => {
    const rig = await sharedRig();
    rig.driver.leave('web', 3, { status: 'dead', endpoint: undefined });
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    assert.deepEqual(rig.driver.calls, []);
  });

  it('removes retired instances once their balancer must have ended', async () => {
    const rig = await sharedRig();
    const { instanceId } = rig.driver.leave('web', 3, { role: 'removed' });
    await look(rig);
    assert.deepEqual(rig.driver.of('remove'), []);
    await rig.advance(DRAIN_TIMEOUT_MS + STOP_TIMEOUT_MS + 60_000, 1000);
    assert.deepEqual(rig.driver.of('remove'), [`${instanceId} ${STOP_TIMEOUT_MS}`]);
  });

  it('forgets when it saw an instance that is gone', async () => {
    const rig = await sharedRig();
    const { instanceId } = rig.driver.leave('web', 3, { role: 'removed' });
    const retired = rig.driver.instances.get(instanceId)!;
    await look(rig);
    rig.driver.instances.delete(instanceId);
    await rig.advance(DRAIN_TIMEOUT_MS + STOP_TIMEOUT_MS + 60_000, 1000);
    rig.driver.instances.set(instanceId, retired);
    await look(rig);
    assert.deepEqual(rig.driver.of('remove'), []);
  });

  it('lets go a replica that another balancer removed during its replacement', async () => {
    const rig = await sharedRig();
    const instanceId = rig.instanceOf('S2');
    rig.driver.die(instanceId, 'SIGKILL');
    rig.driver.instances.delete(instanceId);
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.deepEqual(rig.driver.of('start'), []);
  });

  it('retires no instance that has a name which is wanted', async () => {
    const driver = new FakeDriver();
    driver.isShared = true;
    driver.failNext('start', 'name-held', 'S1');
    const rig = await FleetRig.of(1, { driver });
    await rig.advance(3000);
    assert.deepEqual(rig.driver.of('retire'), []);
  });
});

describe('an engine that heals', () => {
  it('is asked for another instance, and nothing is started or removed', async () => {
    const rig = await sharedRig();
    const instanceId = rig.instanceOf('S2');
    rig.driver.calls.length = 0;
    rig.driver.die(instanceId, 'SIGKILL');
    await rig.advance(100);
    assert.deepEqual(rig.driver.calls, [`replace ${instanceId}`]);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
  });

  it('is told of a node where nothing is healthy', async () => {
    const driver = new FakeDriver();
    driver.heals = true;
    driver.leave('S1', 1, { node: 'n1' });
    driver.leave('S2', 2, { node: 'n2' });
    driver.leave('S3', 3, { node: 'n2' });
    const rig = await FleetRig.of(0, { driver });
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(100);
    rig.driver.die(rig.instanceOf('S2'), 'SIGKILL');
    await rig.advance(100);
    assert.deepEqual(rig.driver.of('replace'), ['S1#1 not on n1', 'S2#2']);
  });

  it('is asked again after it did not respond', async () => {
    const rig = await sharedRig();
    const instanceId = rig.instanceOf('S2');
    rig.driver.failNext('replace', 'engine-unreachable');
    rig.driver.die(instanceId, 'SIGKILL');
    await rig.advance(1000, 100);
    assert.deepEqual(rig.driver.of('replace'), [instanceId, instanceId]);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
  });
});
