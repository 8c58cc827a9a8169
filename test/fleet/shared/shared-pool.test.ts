import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeployRequest } from '../../../lib/fleet/deploy/deploys.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FakePool } from '../../helpers/fleet/fake-pool.ts';
import {
  DRAIN_TIMEOUT_MS,
  FleetRig,
  NOT_READY,
  type RigOptions,
  STOP_TIMEOUT_MS,
} from '../../helpers/fleet/rig.ts';

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

  it('takes in a new replica whose name one that drains has', async () => {
    const rig = await sharedRig();
    rig.load('S2', 1);
    await rig.scaling.remove(1, ['S2']);
    const { instanceId } = rig.driver.leave('S2', 2);
    await look(rig);
    assert.equal(rig.instanceOf('S2'), instanceId);
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

  it('tells others once a replica that they removed has drained', async () => {
    const rig = await sharedRig();
    const instanceId = rig.instanceOf('S2');
    const finish = rig.load('S2', 1);
    rig.driver.instances.get(instanceId)!.role = 'removed';
    await look(rig);
    assert.deepEqual(rig.driver.released, []);
    finish();
    await rig.advance(100);
    assert.deepEqual(rig.driver.released, [instanceId]);
  });

  it('replaces what vanished, unless somebody removed it, without an engine that heals', async () => {
    const rig = await sharedRig();
    rig.driver.heals = false;
    rig.driver.instances.delete(rig.instanceOf('S2'));
    await look(rig);
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    assert.deepEqual(rig.driver.of('start'), ['S2']);
  });

  it('takes the instance that another balancer put in the place of one that runs', async () => {
    const rig = await sharedRig();
    const old = rig.instanceOf('S2');
    rig.driver.instances.get(old)!.role = 'replaced';
    const { instanceId } = rig.driver.leave('S2', 2);
    await look(rig);
    assert.deepEqual([rig.instanceOf('S2'), rig.states], [instanceId, ['S1=healthy', 'S2=healthy']]);
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

  it('takes in a replica whose balancer must have ended while it started', async () => {
    const rig = await sharedRig();
    const { instanceId } = rig.driver.leave('web', 3, { status: 'dead', endpoint: undefined });
    await look(rig);
    await rig.advance(120_000, 1000);
    assert.deepEqual(rig.driver.of('replace'), [instanceId]);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'web=healthy']);
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

describe('an addition to a shared pool', () => {
  it('counts where another balancer removes the replica before it is healthy', async () => {
    const rig = await sharedRig();
    rig.driver.failNext('start', 'not-found', 'S3');
    const added = rig.scaling.add(2, []);
    await rig.advance(100);
    assert.deepEqual(await added, ['S1', 'S2', 'S4']);
  });
});

describe('a removal from a shared pool', () => {
  /** Another balancer is about to remove the replica; nobody has looked yet. */
  const removedElsewhere = (rig: FleetRig, name: string): void => {
    rig.driver.instances.get(rig.instanceOf(name))!.role = 'removed';
  };

  it('chooses another replica where one was claimed elsewhere', async () => {
    const rig = await sharedRig();
    removedElsewhere(rig, 'S2');
    assert.deepEqual(await rig.scaling.remove(1, []), []);
    await rig.advance(100);
    assert.deepEqual(rig.driver.current, []);
  });

  it('goes on where the launch of what it claimed finds that it was removed', async () => {
    const rig = await sharedRig();
    const launch = rig.driver.hold('replace', 'S2');
    rig.driver.die(rig.instanceOf('S2'), 'SIGKILL');
    await rig.advance(100);
    const claim = rig.driver.hold('claimRemoval', 'S1');
    const removed = rig.scaling.remove(2, []);
    await rig.advance(100);
    rig.driver.failNext('replace', 'not-found', 'S2');
    launch.open();
    await rig.advance(100);
    claim.open();
    assert.deepEqual(await removed, []);
  });

  it('spares a replica that another balancer may still be adding', async () => {
    const rig = await sharedRig();
    const { endpoint } = rig.driver.leave('web', 3);
    rig.found.set(endpoint!.port, NOT_READY);
    await look(rig);
    assert.deepEqual(await rig.scaling.remove(1, []), ['S1', 'web']);
  });

  it('stops an instance that was not placed here as one that others use', async () => {
    const rig = await sharedRig();
    const gate = rig.driver.hold('replace', 'S2');
    rig.driver.die(rig.instanceOf('S2'), 'SIGKILL');
    await rig.advance(100);
    await rig.scaling.remove(1, ['S2']);
    await rig.advance(100);
    assert.deepEqual(rig.driver.of('remove'), [`S2#2 ${STOP_TIMEOUT_MS}`]);
    gate.open();
  });

  it('counts once what two calls remove at once', async () => {
    const rig = await sharedRig();
    const results = await Promise.all([rig.scaling.remove(1, []), rig.scaling.remove(1, [])]);
    assert.deepEqual(results, [['S1'], []]);
  });

  it('is refused for a name that was claimed elsewhere', async () => {
    const rig = await sharedRig();
    removedElsewhere(rig, 'S2');
    await assert.rejects(rig.scaling.remove(1, ['S2']), {
      code: 'bad-request',
      message: 'there is no replica called S2',
    });
    assert.deepEqual(rig.states, ['S1=healthy']);
  });

  it('takes back what it claimed where the engine is lost', async () => {
    const rig = await sharedRig();
    const instanceId = rig.instanceOf('S2');
    rig.driver.failNext('claimRemoval', 'engine-unreachable', 'S1');
    await assert.rejects(rig.scaling.remove(2, []), { code: 'engine-unreachable' });
    await look(rig);
    assert.deepEqual(rig.driver.of('undoRemoval'), [instanceId]);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
  });

  it('is not mistaken for one of another balancer while it is claimed', async () => {
    const rig = await sharedRig();
    const gate = rig.driver.hold('claimRemoval', 'S1');
    const removed = rig.scaling.remove(2, []);
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    gate.open();
    await removed;
    await rig.advance(100);
    assert.deepEqual([...rig.driver.instances.keys()], []);
  });
});

describe('the size of a shared pool', () => {
  it('is made from what others have added and removed before', async () => {
    const rig = await sharedRig();
    rig.driver.members = new FakePool().join('a');
    rig.driver.leave('web', 3);
    rig.driver.leave('www', 4);
    rig.driver.instances.get(rig.instanceOf('S1'))!.role = 'removed';
    const scaled = rig.scaling.scale(3);
    await rig.advance(1000);
    assert.deepEqual(await scaled, ['S2', 'web', 'www']);
    assert.deepEqual(rig.driver.of('start'), []);
  });

  it('is made by one balancer at a time', async () => {
    const rig = await sharedRig();
    const pool = new FakePool();
    rig.driver.members = pool.join('a');
    const endTurn = await pool.join('b').takeTurn();
    const scaled = rig.scaling.scale(1);
    await rig.advance(1000);
    assert.equal(rig.scaling.names().length, 2);
    await endTurn();
    await rig.advance(1000);
    assert.equal((await scaled).length, 1);
  });

  it('lets the next one have its turn after a failure', async () => {
    const rig = await sharedRig({ maxReplicas: 3 });
    rig.driver.members = new FakePool().join('a');
    await assert.rejects(rig.scaling.scale(9), { code: 'bad-request' });
    assert.equal((await rig.scaling.scale(1)).length, 1);
  });
});

describe('a deploy to a shared pool', () => {
  const RESTART: DeployRequest = { kind: 'restart', batch: 1, watchMs: 1000, maxErrorRate: 0.01 };

  it('is refused while there are other balancers, and begins without them', async () => {
    const rig = await sharedRig();
    const pool = new FakePool();
    rig.driver.members = pool.join('a');
    pool.join('b');
    await assert.rejects(rig.deploys.start(RESTART), {
      code: 'bad-request',
      message:
        'the other balancers of the pool (balancer b) would heal with the version that they know: stop them, deploy here, and start them again',
    });
    assert.deepEqual(rig.driver.calls, []);
    pool.leave('b');
    await rig.deploys.start(RESTART);
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
