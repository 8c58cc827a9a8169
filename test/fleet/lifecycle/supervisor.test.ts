import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Instance } from '../../../lib/drivers/driver.ts';
import { endingIn } from '../../helpers/fleet/endings.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig, STOP_TIMEOUT_MS, settle } from '../../helpers/fleet/rig.ts';

describe('a supervisor', () => {
  it('replaces a dead instance at once and moves no key', async () => {
    const rig = await FleetRig.of(3);
    const [slots, version, id] = [[...rig.table.slots], rig.table.version, rig.replica('S2').id];
    rig.driver.die(rig.instanceOf('S2'), 'SIGKILL');
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=starting', 'S3=healthy']);
    assert.equal(rig.table.eligible, 2);
    await rig.advance(20);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'S3=healthy']);
    assert.deepEqual([rig.table.version, rig.replica('S2').id, ...rig.table.slots], [version, id, ...slots]);
    assert.deepEqual(rig.transitions, [
      'S2 healthy→starting: SIGKILL',
      'S2 starting→healthy: probe passed: 200',
    ]);
  });

  it('reports how each instance ended, replaced ones included', async () => {
    const rig = await FleetRig.of(2);
    const [first, second] = [rig.replica('S1').generation, rig.replica('S2').generation];
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(20);
    rig.supervisor.replace(rig.replica('S2'), 'probes fail', 'kill');
    assert.deepEqual(
      rig.ends.map(({ generation, replica, ending }) => [generation, replica, ending.kind]),
      [
        [first, 'S1', 'signal'],
        [second, 'S2', 'unhealthy'],
      ],
    );
  });

  it('frees the name first and removes the old instance last', async () => {
    const rig = await FleetRig.of(1);
    const start = rig.driver.hold('start');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    assert.deepEqual(rig.driver.calls, ['retire S1#1 replaced', 'start S1']);
    start.open();
    await rig.advance(100);
    assert.deepEqual(rig.driver.calls.slice(2), ['remove S1#1 0']);
  });

  it('replaces once, however often it hears of one death', async () => {
    const rig = await FleetRig.of(2);
    const dead = rig.instanceOf('S1');
    for (let time = 0; time < 3; time++) rig.driver.die(dead, 'SIGKILL');
    await rig.advance(50);
    rig.driver.die(dead, 'SIGKILL');
    rig.driver.hint({ kind: 'changed', cause: 'rename' });
    await rig.advance(100);
    assert.deepEqual(rig.driver.of('start'), ['S1']);
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2', 'S1#3']);
  });

  it('finds a death whose hint was lost when it looks again', async () => {
    const rig = await FleetRig.of(2, { health: { intervalMs: 1_000_000 } });
    rig.driver.dieUnheard(rig.instanceOf('S2'), 'SIGKILL');
    await rig.advance(14_000, 100);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    await rig.advance(2000, 100);
    assert.deepEqual(rig.driver.of('start'), ['S2']);
    assert.equal(rig.transitions[0], 'S2 healthy→starting: SIGKILL');
  });

  it('puts back what was removed by hand', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.instances.delete(rig.instanceOf('S1'));
    rig.driver.hint({ kind: 'changed', cause: 'destroy' });
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    assert.equal(rig.transitions[0], 'S1 healthy→starting: its instance is gone');
    assert.deepEqual(rig.driver.current, ['S1', 'S2']);
  });

  it('removes a hung instance once the new one is healthy', async () => {
    const rig = await FleetRig.of(2);
    const start = rig.driver.hold('start');
    rig.hang('S1');
    await rig.advance(6100);
    assert.deepEqual(rig.states, ['S1=starting', 'S2=healthy']);
    assert.equal(rig.replica('S1').ending?.kind, 'unhealthy');
    assert.equal(rig.driver.instances.has('S1#1'), true);
    start.open();
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2', 'S1#3']);
  });

  it('keeps running instances while the engine is lost, heals afterwards', async () => {
    const rig = await FleetRig.of(3);
    rig.driver.isLost = true;
    rig.driver.hint({ kind: 'engine-lost', cause: 'socket hang up' });
    await rig.advance(60_000, 100);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'S3=healthy']);
    assert.deepEqual([rig.driver.calls, rig.transitions], [[], []]);
    rig.driver.dieUnheard(rig.instanceOf('S3'), 'SIGKILL');
    rig.driver.isLost = false;
    rig.driver.hint({ kind: 'engine-back' });
    await rig.advance(100);
    assert.deepEqual(rig.driver.of('start'), ['S3']);
    assert.deepEqual(rig.logged('warn engine lost')[0], { cause: 'socket hang up' });
    assert.deepEqual(rig.logged('info engine back'), [{ ms: 60_000 }]);
    assert.equal(rig.events.find(({ kind }) => kind === 'engine-back')?.ms, 60_000);
  });

  it('looks again soon after a failed list', async () => {
    const rig = await FleetRig.of(2, { health: { intervalMs: 1_000_000 } });
    rig.driver.dieUnheard(rig.instanceOf('S1'), 'SIGKILL');
    rig.driver.failNext('list', 'engine-unreachable');
    rig.driver.failNext('list', 'engine-unreachable');
    rig.driver.hint({ kind: 'changed', cause: 'die' });
    await rig.advance(190);
    assert.deepEqual(rig.driver.of('start'), []);
    await rig.advance(500);
    assert.deepEqual(rig.driver.of('start'), ['S1']);
  });

  it('looks once more, and no more often, where it is nudged during a look', async () => {
    let lists = 0;
    class CountedLists extends FakeDriver {
      override list(): Promise<readonly Instance[]> {
        lists++;
        return super.list();
      }
    }
    const rig = await FleetRig.of(1, { driver: new CountedLists() });
    const list = rig.driver.hold('list');
    lists = 0;
    for (let nudge = 0; nudge < 3; nudge++) rig.supervisor.nudge();
    await rig.advance(100);
    assert.equal(lists, 1);
    list.open();
    await rig.advance(100);
    assert.equal(lists, 2);
  });

  it('waits no longer after a failed list than before a list succeeded', async () => {
    const rig = await FleetRig.of(1, { health: { intervalMs: 1_000_000 } });
    rig.driver.isLost = true;
    rig.supervisor.nudge();
    await rig.advance(10_000, 50);
    rig.driver.isLost = false;
    await rig.advance(6000, 50);
    rig.driver.failNext('list', 'engine-unreachable');
    rig.supervisor.nudge();
    await rig.advance(10);
    rig.driver.dieUnheard(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(600, 50);
    assert.deepEqual(rig.driver.of('start'), ['S1']);
  });

  it('ignores a list older than what it knows', async () => {
    const rig = await FleetRig.of(2);
    const list = rig.driver.hold('list');
    rig.driver.hint({ kind: 'changed', cause: 'pause' });
    await settle();
    assert.equal(list.waiting, 1);
    // while the list is on its way one is replaced, one is added and one removed
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    const adding = rig.scaling.add(1, ['S3']);
    await rig.advance(50);
    await adding;
    await rig.scaling.remove(1, ['S2']);
    await rig.advance(50);
    rig.driver.calls.length = 0;
    list.open();
    await rig.advance(100);
    assert.deepEqual(rig.driver.calls, []);
    assert.deepEqual(rig.states, ['S1=healthy', 'S3=healthy']);
  });

  it('removes orphaned instances: running ones gracefully, dead ones at once', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.leave('S9', 9);
    rig.driver.leave('S8', 8, { status: 'dead', ending: endingIn('exit 0'), endpoint: undefined });
    rig.driver.hint({ kind: 'changed', cause: 'start' });
    await rig.advance(50);
    assert.deepEqual(rig.driver.calls, [`remove S9#2 ${STOP_TIMEOUT_MS}`, 'remove S8#3 0']);
    assert.deepEqual([...rig.driver.instances.keys()], ['S1#1']);
  });

  it('takes one thing away once, though it takes long', async () => {
    const rig = await FleetRig.of(1);
    const remove = rig.driver.hold('remove');
    rig.driver.leave('S9', 9);
    for (let look = 0; look < 3; look++) {
      rig.driver.hint({ kind: 'changed', cause: 'start' });
      await rig.advance(20);
    }
    assert.equal(remove.waiting, 1);
    remove.open();
    await rig.advance(20);
    assert.deepEqual([...rig.driver.instances.keys()], ['S1#1']);
  });

  it('survives two deaths of one replica in quick succession', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(10);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(1200);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    assert.deepEqual(rig.driver.current, ['S1', 'S2']);
    assert.equal(rig.driver.instances.size, 2);
  });

  it('replaces an instance killed in the moment it becomes healthy', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    rig.onHealthy = (replica) => {
      rig.onHealthy = () => {};
      rig.driver.die(replica.instance!.instanceId, 'SIGKILL');
    };
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2', 'S1#4']);
  });
});
