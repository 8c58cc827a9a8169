import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig, settle } from '../../helpers/fleet/rig.ts';

/** A change that is under way, and whether it has come to its end. */
async function outcomes(rig: FleetRig, changes: readonly Promise<readonly string[]>[]) {
  const settled = Promise.allSettled(changes);
  await rig.advance(1000);
  return (await settled).map((end) =>
    end.status === 'fulfilled' ? end.value.length : (end.reason as Error).message,
  );
}

describe('scaling to a number', () => {
  it('adds what is missing and resolves once all are healthy', async () => {
    const rig = await FleetRig.of(3);
    const scaling = rig.view.scale(5);
    await settle();
    assert.equal(rig.registry.members.length, 3);
    await rig.advance(100);
    assert.deepEqual(await scaling, ['S1', 'S2', 'S3', 'S4', 'S5']);
    assert.deepEqual(rig.driver.of('start'), ['S4', 'S5']);
  });

  it('removes drained replicas first, then those with fewest in flight', async () => {
    const rig = await FleetRig.of(4);
    await rig.view.drain(['S2']);
    for (const name of ['S2', 'S3', 'S4']) rig.load(name, 1);
    assert.deepEqual(await rig.view.scale(2), ['S3', 'S4']);
  });

  it('does nothing where the number is right already', async () => {
    const rig = await FleetRig.of(3);
    const { version } = rig.table;
    for (let time = 0; time < 3; time++) assert.deepEqual(await rig.view.scale(3), ['S1', 'S2', 'S3']);
    assert.deepEqual([rig.table.version, rig.driver.calls], [version, []]);
  });

  it('does nothing more when a cut call is retried', async () => {
    const rig = await FleetRig.of(3);
    assert.deepEqual(await outcomes(rig, [rig.view.scale(5), rig.view.scale(5)]), [5, 5]);
    assert.deepEqual(rig.driver.of('start'), ['S4', 'S5']);
  });

  it('ends at what was asked for last', async () => {
    const rig = await FleetRig.of(3);
    await outcomes(rig, [rig.view.scale(6), rig.view.scale(2), rig.view.scale(4)]);
    assert.equal(rig.states.length, 4);
    assert.equal(rig.driver.current.length, 4);
  });

  it('waits for earlier additions to start or fail', async () => {
    const rig = await FleetRig.of(3);
    rig.driver.failNext('start', 'start-failed', 'S5');
    const changes = [rig.view.add(1, []), rig.view.add(1, []), rig.view.scale(6)];
    const [first, second, third] = await outcomes(rig, changes);
    assert.deepEqual([first, third], [4, 6]);
    assert.match(String(second), /did not start/);
    assert.equal(rig.states.length, 6);
  });

  it('leaves room for an addition that comes after it', async () => {
    const rig = await FleetRig.of(3);
    const start = rig.driver.hold('start', 'S4');
    const scaling = rig.view.scale(4);
    await settle();
    const adding = rig.view.add(1, []);
    start.open();
    await outcomes(rig, [scaling, adding]);
    assert.deepEqual(
      rig.states,
      ['S1', 'S2', 'S3', 'S4', 'S5'].map((name) => `${name}=healthy`),
    );
  });

  it('adds all or none, and says why', async () => {
    const rig = await FleetRig.of(3);
    rig.driver.failNext('start', 'start-failed', 'S5');
    const [message] = await outcomes(rig, [rig.view.scale(5)]);
    assert.match(String(message), /^S5 did not start/);
    assert.deepEqual(rig.driver.current, ['S1', 'S2', 'S3']);
    assert.deepEqual(await outcomes(rig, [rig.view.scale(5)]), [5]);
  });

  it('is refused above max-replicas and over fixed servers', async () => {
    const rig = await FleetRig.of(3, { maxReplicas: 4 });
    const tooMany = { code: 'bad-request', message: 'n is 5, but max-replicas is 4' };
    await assert.rejects(rig.view.scale(5), tooMany);
    await assert.rejects(rig.view.previewScale(5), tooMany);
    const driver = new FakeDriver(false);
    driver.leave('S1', 1);
    const fixed = await FleetRig.of(0, { driver });
    for (const n of [1, 2])
      await assert.rejects(fixed.view.scale(n), { code: 'bad-request', message: /driver static/ });
  });

  it('does not leave only replicas that get no requests', async () => {
    const rig = await FleetRig.of(2);
    await rig.view.drain(['S1']);
    assert.deepEqual(await rig.view.scale(1), ['S2']);
  });

  it('is previewed as what it then does', async () => {
    const rig = await FleetRig.of(3);
    const [up, none, down] = [
      await rig.view.previewScale(4),
      await rig.view.previewScale(3),
      await rig.view.previewScale(1),
    ];
    assert.deepEqual([up.N, up.added, up.removed], [4, ['S4'], []]);
    assert.deepEqual([none.N, none.added, none.removed, none.moved], [3, [], [], 0]);
    assert.deepEqual([down.N, down.added.length, down.removed.length], [1, 0, 2]);
    assert.deepEqual(down.replicas, await rig.view.scale(1));
  });

  it('starts nothing any more once the balancer closes', async () => {
    const rig = await FleetRig.of(1);
    const start = rig.driver.hold('start', 'S2');
    const adding = rig.view.add(1, []);
    const scaling = rig.view.scale(3);
    await settle();
    const closed = rig.supervisor.close(false);
    start.open();
    await Promise.allSettled([adding, closed]);
    await assert.rejects(scaling, { code: 'shutting-down' });
    assert.deepEqual(rig.driver.of('start'), ['S2']);
    assert.equal(rig.driver.instances.size, 0);
  });
});

describe('the addresses of a fleet', () => {
  it('are those of all instances, starting and draining ones included', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.onStarted = (instance) =>
      Object.assign(instance, { endpoint: { ...instance.endpoint, host: '10.0.0.3' } });
    const has = () => ['127.0.0.1', '10.0.0.3', '10.0.0.4'].map((host) => rig.view.hasAddress(host));
    assert.deepEqual(has(), [true, false, false]);
    const adding = rig.view.add(1, []);
    await settle();
    assert.deepEqual(has(), [true, true, false]);
    await rig.advance(100);
    await adding;
    const letGo = rig.load('S3', 1);
    await rig.view.remove(3, []);
    await rig.advance(100);
    assert.deepEqual(has(), [false, true, false]);
    letGo();
    await rig.advance(100);
    assert.deepEqual(has(), [false, false, false]);
  });
});

describe('what autoscaling may remove', () => {
  const elastic = (rig: FleetRig): readonly string[] =>
    rig.registry.members.filter(({ isElastic }) => isElastic).map(({ name }) => name);

  it('has a name that the balancer chose', async () => {
    const rig = await FleetRig.of(1);
    const adding = rig.view.add(2, ['web']);
    await rig.advance(100);
    assert.deepEqual(
      [await adding, elastic(rig)],
      [
        ['S1', 'web', 'S2'],
        ['S1', 'S2'],
      ],
    );
  });

  it('stays so when its instance is replaced', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.advance(3000);
    assert.deepEqual(
      [rig.states, elastic(rig)],
      [
        ['S1=healthy', 'S2=healthy'],
        ['S1', 'S2'],
      ],
    );
    assert.equal(rig.driver.in('S1')?.by, 'scale');
  });

  it('is known by its label when it is adopted', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1, { by: 'scale' });
    driver.leave('S2', 2);
    assert.deepEqual(elastic(await FleetRig.of(0, { driver })), ['S1']);
  });
});
