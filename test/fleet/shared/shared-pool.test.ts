import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Members } from '../../../lib/drivers/driver.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import {
  DRAIN_TIMEOUT_MS,
  FleetRig,
  NOT_READY,
  REPLACE_AFTER_MS,
  START_TIMEOUT_MS,
  STOP_TIMEOUT_MS,
} from '../../helpers/fleet/rig.ts';
import { look, sharedRig } from '../../helpers/fleet/shared-rig.ts';

const BEING_STARTED = { status: 'dead', isStarting: true, endpoint: undefined } as const;

describe('a pool that is shared', () => {
  it('takes in a replica that another balancer added', async () => {
    const rig = await sharedRig();
    rig.driver.leave('web', 3);
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'web=healthy']);
    assert.deepEqual(rig.driver.calls, []);
    assert.equal(rig.replica('web').isElastic, false);
  });

  it('takes in what another balancer scaled as what may be scaled here', async () => {
    const rig = await sharedRig();
    rig.driver.leave('web', 3, { by: 'scale' });
    await look(rig);
    assert.equal(rig.replica('web').isElastic, true);
  });

  it('gets no second fleet where that of another balancer joins while the first is begun', async () => {
    const driver = new FakeDriver();
    driver.isShared = true;
    const names = driver.hold('heldNames');
    const rig = new FleetRig({ driver });
    assert.equal(await rig.supervisor.open(), 0);
    const begun = rig.scaling.startFleet(3);
    for (const id of [1, 2, 3]) driver.leave(`S${id}`, id);
    await look(rig);
    names.open();
    await begun;
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'S3=healthy']);
    assert.deepEqual(driver.calls, []);
  });

  it('keeps the names of a new fleet while another balancer has them for what it starts', async () => {
    const driver = new FakeDriver();
    driver.isShared = true;
    const rig = new FleetRig({ driver });
    assert.equal(await rig.supervisor.open(), 0);
    // created, and not listed yet
    for (let turn = 0; turn < 2; turn++) driver.failNext('start', 'name-held', 'S2');
    await rig.scaling.startFleet(3);
    await rig.advance(10_000);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'S3=healthy']);
  });

  it('takes in a new replica whose name one that drains has', async () => {
    const rig = await sharedRig();
    rig.load('S2', 1);
    await rig.scaling.remove(1, ['S2']);
    const { instanceId } = rig.driver.leave('S2', 2);
    await look(rig);
    assert.equal(rig.instanceOf('S2'), instanceId);
  });

  it('does not take in what drains here and is listed as it was before', async () => {
    const rig = await sharedRig();
    const instanceId = rig.instanceOf('S2');
    rig.load('S2', 1);
    await rig.scaling.remove(1, ['S2']);
    rig.driver.instances.get(instanceId)!.role = 'current';
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy']);
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
    // nor is it looked after
    rig.hung.add(rig.registry.leaving[0]!.instance!.endpoint!.port);
    await rig.advance(REPLACE_AFTER_MS - 1000, 1000);
    assert.deepEqual([rig.registry.leaving.length, rig.ends], [1, []]);
    finish();
    await rig.advance(100);
    assert.equal(rig.registry.leaving.length, 0);
    assert.deepEqual(rig.driver.calls, []);
  });

  /** Its instance was exchanged for another, without an engine that heals: the ids of both. */
  async function exchanged(rig: FleetRig): Promise<{ readonly old: string; readonly instanceId: string }> {
    rig.driver.heals = false;
    const old = rig.instanceOf('S2');
    rig.driver.instances.get(old)!.role = 'replaced';
    const { instanceId } = rig.driver.leave('S2', 2, { generation: 2 });
    await look(rig);
    assert.equal(rig.instanceOf('S2'), instanceId);
    return { old, instanceId };
  }

  it('lets a replica go that another balancer removed while the instance before drains', async () => {
    const rig = await sharedRig();
    const { instanceId } = await exchanged(rig);
    rig.driver.instances.get(instanceId)!.role = 'removed';
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy']);
    rig.driver.instances.delete(instanceId);
    await rig.advance(2000);
    assert.deepEqual([rig.states, rig.driver.of('start')], [['S1=healthy'], []]);
  });

  it('lets a replica go that was exchanged and removed before this balancer followed', async () => {
    const rig = await sharedRig();
    rig.driver.heals = false;
    rig.driver.instances.get(rig.instanceOf('S2'))!.role = 'replaced';
    rig.driver.leave('S2', 2, { role: 'removed', generation: 2 });
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy']);
  });

  it('keeps a replica that another balancer exchanges, whatever had the name before', async () => {
    const rig = await sharedRig();
    rig.driver.heals = false;
    const instance = rig.driver.instances.get(rig.instanceOf('S2'))!;
    Object.assign(instance, { role: 'replaced', generation: 2 });
    rig.driver.leave('S2', 2, { role: 'removed', generation: 1 });
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
  });

  it('takes the new replica of a name that was removed and added again', async () => {
    const rig = await sharedRig();
    rig.driver.heals = false;
    const old = rig.instanceOf('S2');
    const finish = rig.load('S2', 1);
    rig.driver.instances.get(old)!.role = 'removed';
    const { instanceId } = rig.driver.leave('S2', 2);
    await look(rig);
    assert.deepEqual([rig.instanceOf('S2'), rig.states], [instanceId, ['S1=healthy', 'S2=healthy']]);
    finish();
    await rig.advance(100);
    assert.deepEqual(rig.driver.released, [old]);
  });

  it('lets a replica go whose hung instance turns out to have been removed by another balancer', async () => {
    const rig = await sharedRig();
    rig.driver.heals = false;
    const renamed = rig.driver.hold('retire', 'S2');
    rig.supervisor.replace(rig.replica('S2'), 'no probe passed', 'drain');
    await rig.advance(500);
    rig.driver.failNext('retire', 'not-found', 'S2');
    renamed.open();
    await rig.advance(2000);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.deepEqual(rig.driver.current, ['S1']);
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

  for (const isActing of [true, false])
    it(`${isActing ? 'gives' : 'leaves it to who acts to give'} an instance its name back after a while`, async () => {
      const rig = await sharedRig();
      const peers = [{ isSelf: true }, { isSelf: false }];
      rig.driver.members = { peers, isActing } as unknown as Members;
      const instanceId = rig.instanceOf('S2');
      rig.driver.instances.get(instanceId)!.role = 'replaced';
      await look(rig);
      await rig.advance(9000, 1000);
      await look(rig);
      assert.deepEqual(rig.driver.of('promote'), []);
      await rig.advance(2000, 1000);
      await look(rig);
      assert.deepEqual(rig.driver.of('promote'), isActing ? [instanceId] : []);
    });

  it('tries again where the name could not be given back', async () => {
    const rig = await sharedRig();
    rig.driver.members = { peers: [{ isSelf: true }], isActing: true } as unknown as Members;
    const instanceId = rig.instanceOf('S2');
    rig.driver.instances.get(instanceId)!.role = 'replaced';
    rig.driver.failNext('promote', 'engine-unreachable');
    await look(rig);
    await rig.advance(11_000, 1000);
    for (let looks = 0; looks < 2; looks++) await look(rig);
    assert.deepEqual(rig.driver.of('promote'), [instanceId, instanceId]);
    assert.equal(rig.logged('warn failed to rename the instance').length, 1);
  });

  it('gives no name back to what is of no replica here, or was retired for good', async () => {
    const rig = await sharedRig();
    rig.driver.members = { peers: [{ isSelf: true }], isActing: true } as unknown as Members;
    const instance = rig.driver.instances.get(rig.instanceOf('S2'))!;
    instance.role = 'removed';
    const left = rig.driver.leave('web', 3, { role: 'replaced' });
    await look(rig);
    await rig.advance(12_000, 1000);
    await look(rig);
    assert.deepEqual([rig.driver.of('promote'), left.role], [[], 'replaced']);
  });

  it('keeps a replica where what another put in its place does not pass its probes', async () => {
    const rig = await sharedRig();
    const old = rig.instanceOf('S1');
    rig.driver.instances.get(old)!.role = 'replaced';
    const { endpoint, instanceId } = rig.driver.leave('S1', 1);
    rig.found.set(endpoint!.port, NOT_READY);
    await look(rig);
    await rig.advance(START_TIMEOUT_MS, 1000);
    assert.deepEqual([rig.instanceOf('S1'), rig.states], [old, ['S1=healthy', 'S2=healthy']]);
    assert.equal(rig.logged('warn failed to exchange the instance as another balancer did').length, 1);
    rig.found.delete(endpoint!.port);
    await look(rig);
    await rig.advance(1000);
    assert.equal(rig.instanceOf('S1'), instanceId);
  });

  it('takes nothing that does not run yet in the place of one that does', async () => {
    const rig = await sharedRig();
    const old = rig.instanceOf('S1');
    rig.driver.instances.get(old)!.role = 'replaced';
    rig.driver.leave('S1', 1, { ...BEING_STARTED });
    rig.driver.leave('S1', 1, { role: 'removed' });
    await look(rig);
    await rig.advance(START_TIMEOUT_MS + 1000, 1000);
    assert.deepEqual(
      [rig.instanceOf('S1'), rig.lines.filter(({ text }) => text.startsWith('warn'))],
      [old, []],
    );
  });

  it('begins once to take an instance whose probes do not pass yet', async () => {
    const rig = await sharedRig();
    const old = rig.instanceOf('S1');
    rig.driver.instances.get(old)!.role = 'replaced';
    const { endpoint, instanceId } = rig.driver.leave('S1', 1);
    rig.found.set(endpoint!.port, NOT_READY);
    for (let looks = 0; looks < 3; looks++) await look(rig);
    rig.found.delete(endpoint!.port);
    await rig.advance(2000);
    assert.equal(rig.instanceOf('S1'), instanceId);
    assert.deepEqual(rig.driver.released, [old]);
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

  it('starts nothing of its own beside a fleet that another balancer is starting', async () => {
    const driver = new FakeDriver();
    driver.isShared = true;
    const created = [driver.leave('S1', 1, BEING_STARTED), driver.leave('S2', 2, BEING_STARTED)];
    const rig = await FleetRig.of(2, { driver });
    assert.deepEqual([rig.states, driver.calls], [[], []]);
    for (const instance of created)
      Object.assign(instance, { status: 'running', endpoint: { host: '127.0.0.1', port: 1 } });
    await look(rig);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    assert.deepEqual(driver.calls, []);
  });

  it('takes in a replica that the last of the others had begun to start', async () => {
    const rig = await sharedRig();
    const peers = [{ isSelf: true }];
    rig.driver.members = { peers, isActing: true } as unknown as Members;
    const { instanceId } = rig.driver.leave('web', 3, BEING_STARTED);
    await look(rig);
    await rig.advance(20_000, 1000);
    assert.deepEqual(rig.driver.of('replace'), [instanceId]);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'web=healthy']);
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
