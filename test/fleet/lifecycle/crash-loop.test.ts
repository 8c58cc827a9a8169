import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FleetRig, NOT_READY, START_TIMEOUT_MS, settle } from '../../helpers/fleet/rig.ts';

/** Whose instances end by themselves as soon as they were started. */
function endAtOnce(rig: FleetRig, name: string): void {
  rig.driver.onStarted = (instance) => {
    if (instance.name === name) setImmediate(() => rig.driver.die(instance.instanceId, 'exit 1: broken'));
  };
}

/** Milliseconds from each start in the place to the next. */
async function gapsBetweenStarts(rig: FleetRig, name: string, starts: number): Promise<readonly number[]> {
  const atMs: number[] = [];
  const endMs = rig.clock.nowMs() + 300_000;
  for (let seen = rig.driver.of('start').length; atMs.length < starts && rig.clock.nowMs() < endMs; ) {
    const { length } = rig.driver.of('start').filter((one) => one === name);
    if (length > seen) atMs.push(rig.clock.nowMs());
    seen = length;
    await rig.advance(50, 50);
  }
  return atMs.slice(1).map((ms, index) => ms - atMs[index]!);
}

describe('a crash loop', () => {
  it('slows down from one second to one minute', async () => {
    const rig = await FleetRig.of(3);
    endAtOnce(rig, 'S2');
    rig.driver.die(rig.instanceOf('S2'), 'exit 1: broken');
    assert.deepEqual(
      await gapsBetweenStarts(rig, 'S2', 8),
      [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000],
    );
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=starting', 'S3=healthy']);
    assert.deepEqual(new Set(rig.driver.of('start')), new Set(['S2']));
  });

  it('shows when the next start is, and why it waits', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1: broken');
    await rig.advance(400);
    const [replica] = rig.view.replicas();
    assert.equal(replica!.nextStartInMs, 600);
    assert.equal(replica!.cause, 'exit 1: broken');
    assert.deepEqual(
      rig.logged('warn S1: crash loop').map(({ replica, cause, ms }) => [replica, cause, ms]),
      [['S1', 'exit 1: broken', 1000]],
    );
    await rig.advance(700);
    assert.equal(rig.view.replicas()[0]!.nextStartInMs, null);
    assert.deepEqual(rig.states, ['S1=healthy']);
  });

  it('restarts at one second after a life of ten', async () => {
    const rig = await FleetRig.of(1);
    for (let crash = 0; crash < 3; crash++) {
      rig.driver.die(rig.instanceOf('S1'), 'exit 1');
      await rig.advance(10_000);
    }
    await rig.advance(10_000);
    rig.driver.calls.length = 0;
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await settle();
    assert.deepEqual(rig.driver.of('start'), ['S1']);
  });

  it('does not count an instance unhealthy after a long life', async () => {
    const rig = await FleetRig.of(1);
    await rig.advance(10_000);
    rig.found.set(rig.replica('S1').instance!.endpoint!.port, NOT_READY);
    await rig.advance(8000);
    assert.deepEqual(rig.states, ['S1=unhealthy']);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await settle();
    assert.deepEqual(rig.driver.of('start'), ['S1']);
  });

  it('counts an instance that ended soon after its probes', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.advance(500);
    assert.deepEqual(rig.driver.of('start'), []);
    await rig.advance(600);
    assert.deepEqual(rig.driver.of('start'), ['S1']);
  });

  it('replaces one that was killed at once, however often', async () => {
    const rig = await FleetRig.of(1);
    for (let kill = 1; kill <= 5; kill++) {
      rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
      await settle();
      assert.equal(rig.driver.of('start').length, kill);
      await rig.advance(20);
      assert.deepEqual(rig.states, ['S1=healthy']);
    }
  });

  it('counts one that ran out of memory as a crash', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.die(rig.instanceOf('S1'), 'out of memory, SIGKILL');
    await rig.advance(500);
    assert.deepEqual(rig.driver.of('start'), []);
  });

  for (const text of [
    'exit 1: Error: lock file was removed',
    'exit 1: the worker got SIGKILL',
    'exit 143: stopped',
    'SIGABRT: terminate called',
    'SIGSEGV',
  ]) {
    it(`counts "${text}" as a crash, whatever its words are`, async () => {
      const rig = await FleetRig.of(1);
      rig.driver.die(rig.instanceOf('S1'), text);
      await rig.advance(500);
      assert.deepEqual(rig.driver.of('start'), []);
      assert.equal(rig.logged('warn S1: crash loop').length, 1);
    });
  }

  it('counts a crash found later to be out of memory', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.die(rig.instanceOf('S1'), 'out of memory', 'SIGKILL');
    await rig.advance(500);
    assert.deepEqual(rig.driver.of('start'), []);
    assert.equal(rig.replica('S1').ending?.kind, 'out-of-memory');
    assert.equal(rig.replica('S1').cause, 'out of memory');
    await rig.advance(600);
    assert.deepEqual(rig.states, ['S1=healthy']);
  });

  it('is not what a start is called that takes too long', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.onStarted = (instance) => rig.hung.add(instance.endpoint!.port);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(START_TIMEOUT_MS + 500, 100);
    assert.deepEqual(
      rig.logged('warn S1: not healthy in time (').map(({ ms }) => ms),
      [1000],
    );
    assert.deepEqual(rig.logged('warn S1: crash loop'), []);
    assert.equal(rig.events.at(-1)!.kind, 'start-failed');
    assert.match(rig.events.at(-1)!.cause!, /--start-timeout/);
  });

  it('is not what a start is called that the engine refuses', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.failNext('start', 'image-missing');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(500);
    assert.equal(rig.logged('warn S1: start failed (').length, 1);
    assert.deepEqual(rig.logged('warn S1: crash loop'), []);
  });

  it('counts no crash while the engine does not respond', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.isLost = true;
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(20_000);
    assert.deepEqual(rig.states, ['S1=starting', 'S2=healthy']);
    assert.equal(rig.view.replicas()[0]!.nextStartInMs, null);
    rig.driver.isLost = false;
    await rig.advance(600);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
  });

  it('removes the dead instance of a replica removed during its wait', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1: broken');
    await rig.advance(400);
    assert.deepEqual([...rig.driver.instances.keys()], ['S1#1', 'S2#2']);
    const timers = rig.clock.pending;
    await rig.scaling.remove(1, ['S1']);
    await settle();
    assert.equal(rig.clock.pending, timers - 1);
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2']);
    assert.deepEqual([rig.registry.leaving, [...rig.launcher.busy]], [[], []]);
  });
});
