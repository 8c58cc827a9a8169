import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endingIn } from '../helpers/fleet/endings.ts';
import { FakeDriver } from '../helpers/fleet/fake-driver.ts';
import { FleetRig, settle } from '../helpers/fleet/rig.ts';

/** `died S1 S1#1: SIGKILL`. */
function told(rig: FleetRig): readonly string[] {
  return rig.events.map(({ kind, replica, instance, cause }) =>
    [kind, replica, instance]
      .filter((word) => word !== null)
      .join(' ')
      .concat(cause === null ? '' : `: ${cause}`),
  );
}

describe('events of a fleet', () => {
  it('tell how a new fleet came to be', async () => {
    const rig = new FleetRig();
    await rig.supervisor.open();
    await rig.scaling.startFleet(1);
    await rig.advance(100);
    assert.deepEqual(told(rig), [
      'added S1: a new fleet',
      'started S1 S1#1: new',
      'healthy S1 S1#1: probe passed: 200',
    ]);
  });

  it('report a death and its replacement with its cost', async () => {
    const rig = await FleetRig.of(2);
    await rig.advance(1000);
    rig.driver.die('S1#1', 'SIGKILL');
    rig.cost = { retried: 3, held: 0, failed: 1 };
    await rig.advance(100);
    assert.deepEqual(told(rig), [
      'died S1 S1#1: SIGKILL',
      'started S1 S1#3: SIGKILL',
      'healthy S1 S1#3: probe passed: 200',
      'replaced S1 S1#3: probe passed: 200',
    ]);
    assert.deepEqual(rig.events.at(-1)!.cost, { retried: 3, held: 0, failed: 1 });
    assert.equal(rig.events.at(-1)!.ms, rig.events[2]!.ms);
  });

  it('begin an outage at once and give the full ending', async () => {
    const rig = await FleetRig.of(1);
    const asked = rig.driver.hold('endingOf');
    await rig.advance(1000);
    rig.driver.die('S1#1', 'exit 3: Error: boom', 'exit 3');
    await settle();
    assert.deepEqual([rig.states, rig.records, told(rig)], [['S1=starting'], [], []]);
    await rig.advance(500);
    asked.open();
    await settle();
    assert.deepEqual(told(rig), ['died S1 S1#1: exit 3: Error: boom']);
    assert.deepEqual(
      rig.logged('warn S1 ended').map(({ cause }) => cause),
      ['exit 3: Error: boom'],
    );
    await rig.advance(1500);
    const replaced = rig.events.find(({ kind }) => kind === 'replaced');
    assert.ok((replaced?.ms ?? 0) >= 1500, 'the outage began with the death');
  });

  it('give the full ending of a failed start', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.onStarted = ({ instanceId }) =>
      setImmediate(() => rig.driver.die(instanceId, 'exit 3: Error: boom', 'exit 3'));
    rig.driver.die('S1#1', 'SIGKILL');
    await rig.advance(100);
    assert.equal(told(rig).at(-1), 'start-failed S1 S1#2: exit 3: Error: boom');
    assert.deepEqual([...rig.driver.instances.keys()], []);
    assert.deepEqual(rig.replica('S1').ending, endingIn('exit 3: Error: boom'));
  });

  it('tell of a death that only the list shows', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.dieUnheard('S1#1', 'exit 3');
    rig.driver.hint({ kind: 'changed', cause: 'look' });
    await settle();
    assert.equal(told(rig)[0], 'died S1 S1#1: exit 3');
  });

  it('tell of a hang as unhealthy, and of no death', async () => {
    const rig = await FleetRig.of(1);
    rig.hang('S1');
    await rig.advance(15_000, 100);
    assert.deepEqual(told(rig), [
      'unhealthy S1 S1#1: probes failed: no response in 2000 ms',
      'started S1 S1#2: probes failed: no response in 2000 ms',
      'healthy S1 S1#2: probe passed: 200',
      'replaced S1 S1#2: probe passed: 200',
    ]);
  });

  it('report an ejection and its end without a replacement', async () => {
    const rig = await FleetRig.of(2);
    rig.checker.eject(rig.replica('S1'), 'requests failed in a row');
    await rig.advance(11_000, 100);
    assert.deepEqual(told(rig), [
      'ejected S1 S1#1: ejected for 10 s: requests failed in a row',
      'healthy S1 S1#1: probe passed: 200',
    ]);
    assert.deepEqual(rig.events[1]!.cost, { retried: 0, held: 0, failed: 0 });
  });

  it('tell of what /add started, once it is in service', async () => {
    const rig = await FleetRig.of(1);
    const adding = rig.scaling.add(1, ['web']);
    await rig.advance(100);
    await adding;
    assert.deepEqual(told(rig), [
      'started web web#2: new',
      'healthy web web#2: probe passed: 200',
      'added web web#2: added',
    ]);
    assert.ok(rig.events[2]!.ms! > 0);
  });

  it('report a failed addition and what it cancelled', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.failNext('start', 'start-failed', 'S2');
    const adding = rig.scaling.add(2, []);
    adding.catch(() => {});
    await rig.advance(100);
    await assert.rejects(adding);
    assert.deepEqual(told(rig), [
      'started S3 S3#2: new',
      'start-failed S2: start failed',
      'cancelled S2: start failed',
      'healthy S3 S3#2: probe passed: 200',
      'cancelled S3 S3#2: another of the same call did not start',
    ]);
  });

  it('tell of a start that never became healthy, with its instance', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.stillborn.add('S1');
    rig.driver.die('S1#1', 'exit 1');
    await rig.advance(1500);
    assert.deepEqual(told(rig).slice(0, 3), [
      'died S1 S1#1: exit 1',
      'started S1 S1#2: exit 1',
      'start-failed S1 S1#2: exit 1',
    ]);
  });

  it('report a removal and its drain with durations', async () => {
    const rig = await FleetRig.of(2);
    await rig.advance(1000);
    rig.threadTable.acquire(rig.replica('S1').ordinal, 9);
    const { ordinal } = rig.replica('S1');
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(500);
    rig.threadTable.release(ordinal);
    await rig.advance(100);
    assert.deepEqual(told(rig), ['removed S1 S1#1: removed', 'drained S1 S1#1: drained']);
    const [removed, drained] = rig.events.map(({ ms }) => ms!);
    assert.ok(removed! >= 1000 && drained! >= 500 && drained! < 600, `${removed} ${drained}`);
  });

  it('tell of a drain that was cut short', async () => {
    const rig = await FleetRig.of(2);
    rig.threadTable.acquire(rig.replica('S1').ordinal, 9);
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(31_000, 100);
    assert.equal(told(rig).at(-1), 'drained S1 S1#1: drain timed out; requests in flight are cut: 1');
  });

  it('report a lost engine and for how long it was lost', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.hint({ kind: 'engine-lost', cause: 'connection refused' });
    await rig.advance(3000, 100);
    rig.driver.hint({ kind: 'engine-back' });
    assert.deepEqual(told(rig), ['engine-lost: connection refused', 'engine-back']);
    assert.equal(rig.events[1]!.ms, 3000);
  });

  it('name the image that was started or adopted', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1, { image: 'app@sha256:1' });
    driver.image = 'app@sha256:2';
    const rig = new FleetRig({ driver });
    await rig.supervisor.open();
    await rig.advance(100);
    rig.driver.die('S1#1', 'SIGKILL');
    await rig.advance(100);
    const images = rig.events
      .filter(({ image }) => image !== null)
      .map(({ kind, image }) => `${kind} ${image}`);
    assert.deepEqual(images, ['adopted app@sha256:1', 'started app@sha256:2']);
    assert.equal(rig.view.replicas()[0]?.image, 'app@sha256:2');
    const logged = rig.lines
      .filter(({ fields }) => 'image' in fields)
      .map(({ text, fields }) => `${text} ${fields.image}`);
    assert.deepEqual(logged, ['info S1 adopted app@sha256:1', 'info S1 started app@sha256:2']);
  });

  it('tell whom it adopted', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1);
    const rig = new FleetRig({ driver });
    await rig.supervisor.open();
    await rig.advance(100);
    assert.deepEqual(told(rig), [
      'added S1: left by an earlier balancer',
      'adopted S1 S1#1',
      'healthy S1 S1#1: probe passed: 200',
    ]);
  });

  it('do not repeat failed starts while the engine is away', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.isLost = true;
    rig.driver.die('S1#1', 'SIGKILL');
    await rig.advance(10_000, 100);
    assert.deepEqual(told(rig), ['died S1 S1#1: SIGKILL']);
  });

  it('name the instance of a death in the transition too', async () => {
    const rig = await FleetRig.of(1);
    const { instances } = rig;
    instances.length = 0;
    rig.driver.die('S1#1', 'SIGKILL');
    assert.deepEqual(instances, ['S1→starting S1#1']);
  });

  it('have a transition for a reservation that is taken back', () => {
    const rig = new FleetRig();
    rig.registry.cancelReservation(rig.registry.reserve('S1'), 'not needed');
    assert.deepEqual(rig.transitions, ['S1 starting→gone: not needed']);
  });
});
