import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakePool } from '../../helpers/fleet/fake-pool.ts';
import { type FleetRig, NOT_READY, STOP_TIMEOUT_MS, settle } from '../../helpers/fleet/rig.ts';
import { look, sharedRig } from '../../helpers/fleet/shared-rig.ts';

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
    await assert.rejects(rig.scaling.remove(2, ['S2']), {
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
    assert.deepEqual(await rig.scaling.remove(1, []), ['S1']);
  });

  it('takes all there are where more are asked for in the classic profile', async () => {
    const rig = await sharedRig({ classic: true });
    assert.deepEqual(await rig.scaling.remove(3, []), []);
  });

  it('ends the wait for the next start of what was claimed elsewhere', async () => {
    const rig = await sharedRig();
    rig.driver.heals = false;
    rig.driver.die(rig.instanceOf('S2'), 'exit 1: broken');
    await rig.advance(400);
    rig.driver.instances.get('S2#2')!.role = 'removed';
    await assert.rejects(rig.scaling.remove(1, ['S2']), { code: 'bad-request' });
    await settle();
    assert.deepEqual([rig.states, [...rig.launcher.busy]], [['S1=healthy'], []]);
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
