import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endingIn } from '../../helpers/fleet/endings.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig, START_TIMEOUT_MS, settle } from '../../helpers/fleet/rig.ts';

describe('the launcher', () => {
  it('starts the first replicas at the same time', async () => {
    const rig = new FleetRig();
    await rig.supervisor.open();
    await rig.scaling.startFleet(3);
    await settle();
    assert.equal(rig.driver.mostStarts, 3);
    assert.deepEqual(rig.states, ['S1=starting', 'S2=starting', 'S3=starting']);
    await rig.advance(20);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'S3=healthy']);
  });

  it('removes an instance that died before its probes passed', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    const substitute = rig.instanceOf('S1');
    rig.driver.die(substitute, 'exit 2: no such file');
    await settle();
    assert.equal(rig.replica('S1').cause, 'exit 2: no such file');
    assert.equal(rig.driver.instances.has(substitute), false);
    await rig.advance(1100);
    assert.deepEqual(rig.states, ['S1=healthy']);
  });

  it('notices a death reported before the start returned', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.stillborn.add('S1');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(50);
    assert.equal(rig.replica('S1').cause, 'exit 1');
    assert.deepEqual([...rig.driver.instances.keys()], []);
    rig.driver.stillborn.clear();
    await rig.advance(1100);
    assert.deepEqual(rig.states, ['S1=healthy']);
  });

  it('removes an instance not healthy in time and retries', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.onStarted = (instance) => rig.hung.add(instance.endpoint!.port);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    const hung = rig.instanceOf('S1');
    await rig.advance(START_TIMEOUT_MS - 10, 100);
    assert.equal(rig.driver.instances.has(hung), true);
    await rig.advance(20);
    assert.equal(rig.driver.instances.has(hung), false);
    assert.match(
      rig.replica('S1').cause,
      /^not healthy within 30000 ms \(--start-timeout\): .*no response in 2000 ms$/,
    );
    assert.equal(rig.replica('S1').ending?.kind, 'start-timeout');
    rig.driver.onStarted = () => {};
    await rig.advance(1100);
    assert.deepEqual(rig.states, ['S1=healthy']);
  });

  for (const code of ['start-failed', 'image-missing', 'name-held'] as const) {
    it(`tries again after a second where the engine says ${code}`, async () => {
      const rig = await FleetRig.of(1);
      rig.driver.failNext('start', code);
      rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
      await rig.advance(900);
      assert.equal(rig.replica('S1').cause, 'start failed');
      assert.deepEqual(rig.driver.of('start'), ['S1']);
      await rig.advance(200);
      assert.deepEqual(rig.states, ['S1=healthy']);
    });
  }

  it('retries after a second where a dead instance cannot be renamed', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.failNext('retire', 'internal');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(900);
    assert.deepEqual(rig.driver.calls, ['retire S1#1 replaced', 'remove S1#1 0']);
    await rig.advance(200);
    assert.deepEqual(rig.states, ['S1=healthy']);
  });

  it('gets its name back from what a failed start has left', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.failNext('start', 'start-failed');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    rig.driver.leave('S1', 1, { status: 'dead', endpoint: undefined, ending: endingIn('exit 1') });
    await rig.advance(10_000, 50);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.deepEqual([...rig.driver.instances.keys()], [rig.instanceOf('S1')]);
  });

  it('gets its name back from an instance that was not removed', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.onStarted = (instance) => rig.hung.add(instance.endpoint!.port);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    const left = rig.instanceOf('S1');
    rig.driver.failNext('remove', 'engine-unreachable');
    rig.driver.onStarted = () => {};
    rig.driver.die(left, 'exit 1');
    await rig.advance(10_000, 50);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.deepEqual([...rig.driver.instances.keys()], [rig.instanceOf('S1')]);
  });

  it('takes away what had started when its replica was removed meanwhile', async () => {
    const rig = await FleetRig.of(2);
    const start = rig.driver.hold('start');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    await rig.scaling.remove(1, ['S1']);
    start.open();
    await settle();
    assert.deepEqual(rig.driver.current, ['S2']);
    assert.deepEqual([...rig.launcher.busy, ...rig.launcher.instances.beingRemoved], []);
  });

  it('starts nothing for a replica removed during its wait', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.advance(500);
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(5000);
    assert.deepEqual(rig.driver.of('start'), []);
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2']);
  });

  it('removes a starting instance when its replica is removed', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.onStarted = (instance) => rig.hung.add(instance.endpoint!.port);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(100);
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(100);
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2']);
    assert.deepEqual([...rig.launcher.busy, ...rig.launcher.instances.beingRemoved], []);
  });

  it('works on a replica once, however often it is asked', async () => {
    const rig = await FleetRig.of(1);
    const start = rig.driver.hold('start');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    for (let time = 0; time < 3; time++) rig.launcher.launchUntilHealthy(rig.replica('S1'), {});
    await settle();
    start.open();
    await rig.advance(100);
    assert.deepEqual(rig.driver.of('start'), ['S1']);
    assert.deepEqual(rig.driver.current, ['S1']);
  });

  it('goes on with a replica whose name another had, whose launch ends later', async () => {
    const rig = await FleetRig.of(2);
    const first = rig.driver.hold('start', 'S1');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    await rig.scaling.remove(1, ['S1']);
    const added = rig.scaling.add(1, ['S1']);
    const second = rig.driver.hold('start', 'S1');
    first.open();
    await rig.advance(100);
    assert.deepEqual([second.waiting, [...rig.launcher.busy]], [1, ['S1']]);
    second.open();
    await rig.advance(100);
    assert.deepEqual(await added, ['S2', 'S1']);
    assert.deepEqual([[...rig.launcher.busy], rig.driver.of('start')], [[], ['S1', 'S1']]);
  });

  it('looks for no other name where a replica of a new fleet is removed meanwhile', async () => {
    const rig = new FleetRig();
    await rig.supervisor.open();
    const start = rig.driver.hold('start', 'S1');
    await rig.scaling.startFleet(2);
    rig.driver.strangers.add('S1');
    const names = rig.driver.hold('heldNames');
    start.open();
    await rig.advance(100);
    assert.equal(names.waiting, 1);
    await rig.scaling.remove(1, ['S1']);
    names.open();
    await rig.advance(100);
    assert.deepEqual([rig.states, rig.driver.current], [['S2=healthy'], ['S2']]);
  });

  it('starts an instance where the engine heals and has failed to replace one', async () => {
    const driver = new FakeDriver();
    driver.heals = true;
    const rig = await FleetRig.of(1, { driver });
    rig.driver.failNext('replace', 'start-failed');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(10_000, 50);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.equal(rig.driver.of('replace').length, 1);
  });

  it('retries a failed removal at the next look', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.failNext('remove', 'engine-unreachable');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.equal(rig.logged('warn instance of S1 not removed').length, 1);
    await rig.advance(15_000, 100);
    assert.deepEqual([...rig.driver.instances.keys()], ['S1#2']);
  });

  describe('where a name is free only once the engine has cleaned up', () => {
    async function steadyRig(): Promise<FleetRig> {
      const rig = await FleetRig.of(1);
      rig.driver.freesNamesLate = true;
      await rig.advance(11_000, 100);
      rig.driver.calls.length = 0;
      return rig;
    }

    it('starts the next instance beside the dead one, which makes room later', async () => {
      const rig = await steadyRig();
      const retire = rig.driver.hold('retire');
      rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
      await rig.advance(100);
      assert.deepEqual(rig.states, ['S1=healthy']);
      assert.deepEqual(rig.driver.in('S1')?.instanceId, 'S1#1');
      retire.open();
      await rig.advance(100);
      assert.deepEqual(rig.driver.calls, [
        'start S1 after S1#1',
        'retire S1#1 replaced',
        'promote S1#2',
        'remove S1#1 0',
      ]);
      assert.deepEqual(rig.driver.current, ['S1']);
    });

    it('makes room first where an earlier one still is the next', async () => {
      const rig = await steadyRig();
      rig.driver.failNext('promote', 'engine-unreachable');
      rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
      await rig.advance(11_000, 100);
      assert.equal(rig.logged('warn failed to rename the instance').length, 1);
      rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
      await rig.advance(100);
      assert.deepEqual(rig.states, ['S1=healthy']);
      assert.deepEqual([rig.driver.current, [...rig.driver.instances.keys()]], [['S1'], ['S1#3']]);
    });

    it('makes room first once a start beside the dead one has failed', async () => {
      const rig = await steadyRig();
      rig.driver.failNext('start', 'start-failed');
      rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
      await rig.advance(2000, 50);
      assert.deepEqual(rig.states, ['S1=healthy']);
      assert.deepEqual([rig.driver.current, [...rig.driver.instances.keys()]], [['S1'], ['S1#2']]);
      // it had the name from its start
      assert.deepEqual(rig.driver.of('promote'), []);
    });

    it('keeps the dead one until it is known how it ended', async () => {
      const rig = await steadyRig();
      const ending = rig.driver.hold('endingOf');
      rig.driver.die(rig.instanceOf('S1'), 'exit 7', 'exit 1');
      await rig.advance(100);
      assert.deepEqual(rig.states, ['S1=healthy']);
      assert.ok(rig.driver.instances.has('S1#1'));
      ending.open();
      await rig.advance(100);
      assert.equal(rig.replica('S1').ending?.text, 'exit 7');
      assert.deepEqual([...rig.driver.instances.keys()], ['S1#2']);
    });
  });

  it('waits to know how an instance ended that did not run for long', async () => {
    const rig = await FleetRig.of(1);
    const ending = rig.driver.hold('endingOf');
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    // longer than a crash has the next start wait
    await rig.advance(5000, 100);
    assert.deepEqual(rig.driver.of('start'), []);
    ending.open();
    await rig.advance(1200);
    assert.deepEqual(rig.states, ['S1=healthy']);
  });
});
