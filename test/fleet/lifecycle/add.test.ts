import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig, settle } from '../../helpers/fleet/rig.ts';

/** What came of a call once the clock had gone on far enough for it. */
async function after<T>(rig: FleetRig, ms: number, call: Promise<T>): Promise<T> {
  call.catch(() => {});
  await rig.advance(ms);
  return call;
}

/** Nothing but the replicas `names`, healthy, each with one instance. */
function assertFleet(rig: FleetRig, ...names: readonly string[]): void {
  assert.deepEqual(
    rig.states,
    names.map((name) => `${name}=healthy`),
  );
  assert.deepEqual(rig.registry.replicas.length, names.length);
  assert.deepEqual(rig.driver.current, [...names].sort());
  assert.equal(rig.driver.instances.size, names.length);
  assert.deepEqual(rig.owners, [...names].sort());
}

describe('adding replicas', () => {
  it('starts them together and returns all names, given ones first', async () => {
    const rig = await FleetRig.of(2);
    const names = await after(rig, 100, rig.scaling.add(3, ['web', 'S9']));
    assert.deepEqual(names, ['S1', 'S2', 'web', 'S9', 'S3']);
    assert.equal(rig.driver.mostStarts, 3);
    assertFleet(rig, 'S1', 'S2', 'web', 'S9', 'S3');
  });

  it('puts them on the ring together once all are healthy', async () => {
    const rig = await FleetRig.of(1);
    const [start, { version }] = [rig.driver.hold('start', 'S3'), rig.table];
    let isDone = false;
    void rig.scaling.add(2, []).then(() => {
      isDone = true;
    });
    await rig.advance(500);
    assert.deepEqual([isDone, rig.table.version, rig.table.eligible], [false, version, 1]);
    start.open();
    await rig.advance(100);
    assert.deepEqual([isDone, rig.table.version, rig.table.eligible], [true, version + 1, 3]);
  });

  it('starts them with the weights that are given', async () => {
    const rig = await FleetRig.of(1);
    await after(rig, 100, rig.scaling.add(2, ['S8', 'S9'], new Map([['S9', 4]])));
    assert.deepEqual(
      ['S8', 'S9'].map((name) => [rig.replica(name).weight, rig.driver.in(name)?.weight]),
      [
        [1, undefined],
        [4, 4],
      ],
    );
  });

  it('gives a name no weight where it was not added', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.failNext('start', 'start-failed');
    const failed = rig.scaling.add(1, ['S9'], new Map([['S9', 4]]));
    await assert.rejects(after(rig, 100, failed), { code: 'start-failed' });
    await after(rig, 100, rig.scaling.add(1, ['S9']));
    assert.equal(rig.replica('S9').weight, 1);
  });

  it('chooses free names, none twice where calls overlap', async () => {
    const rig = await FleetRig.of(1);
    const calls = [rig.scaling.add(2, ['S3']), rig.scaling.add(2, []), rig.scaling.add(1, [])];
    await after(rig, 100, Promise.all(calls));
    assertFleet(rig, 'S1', 'S3', 'S2', 'S4', 'S5', 'S6');
  });

  it('removes all that started when one does not, saying why', async () => {
    const rig = await FleetRig.of(1);
    const { version } = rig.table;
    rig.driver.failNext('start', 'image-missing', 'S3');
    await assert.rejects(after(rig, 100, rig.scaling.add(3, [])), {
      code: 'image-missing',
      message: 'S3 did not start: start failed',
    });
    await rig.advance(100);
    assertFleet(rig, 'S1');
    assert.equal(rig.table.version, version);
  });

  it('hides those from a balancer that may take over', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.outlivesBalancer = true;
    rig.driver.stillborn.add('S9');
    await assert.rejects(after(rig, 100, rig.scaling.add(2, ['S8', 'S9'])), { code: 'start-failed' });
    assert.deepEqual([...rig.driver.of('retire')].sort(), ['S8#2 removed', 'S9#3 removed']);
    assertFleet(rig, 'S1');
  });

  it('waits for those that are still starting before it removes them', async () => {
    const rig = await FleetRig.of(1);
    const start = rig.driver.hold('start', 'S2');
    rig.driver.failNext('start', 'start-failed', 'S3');
    const adding = rig.scaling.add(2, []);
    adding.catch(() => {});
    await rig.advance(100);
    start.open();
    await assert.rejects(after(rig, 100, adding), { code: 'start-failed' });
    assertFleet(rig, 'S1');
  });

  it('fails where one ends before its probes pass, and leaves nothing', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.stillborn.add('S2');
    await assert.rejects(after(rig, 100, rig.scaling.add(2, [])), {
      message: 'S2 did not start: exit 1',
    });
    await rig.advance(100);
    assertFleet(rig, 'S1');
  });

  it('heals one that dies while the others are still starting', async () => {
    const rig = await FleetRig.of(1);
    const start = rig.driver.hold('start', 'S3');
    const adding = rig.scaling.add(2, []);
    await rig.advance(100);
    rig.driver.die(rig.instanceOf('S2'), 'SIGKILL');
    await rig.advance(100);
    start.open();
    await after(rig, 100, adding);
    assertFleet(rig, 'S1', 'S2', 'S3');
  });

  it('removes one that died and was healed while another failed', async () => {
    const rig = await FleetRig.of(1);
    const start = rig.driver.hold('start', 'S3');
    rig.driver.failNext('start', 'start-failed', 'S3');
    const adding = assert.rejects(rig.scaling.add(2, []), { code: 'start-failed' });
    await rig.advance(100);
    rig.driver.die(rig.instanceOf('S2'), 'SIGKILL');
    const substitute = rig.driver.hold('start', 'S2');
    await settle();
    start.open();
    await adding;
    substitute.open();
    await rig.advance(100);
    assertFleet(rig, 'S1');
  });

  it('refuses a name taken by a replica or another addition', async () => {
    const rig = await FleetRig.of(2);
    const adding = rig.scaling.add(1, ['web']);
    await assert.rejects(rig.scaling.add(2, ['S2', 'web']), {
      code: 'bad-request',
      message: 'there is a replica called S2, web already',
    });
    await after(rig, 100, adding);
    assertFleet(rig, 'S1', 'S2', 'web');
  });

  it('refuses more than max-replicas, counting those that are being added', async () => {
    const rig = await FleetRig.of(2, { maxReplicas: 4 });
    const adding = rig.scaling.add(1, []);
    await assert.rejects(rig.scaling.add(2, []), {
      code: 'bad-request',
      message: 'n is 2, but with 3 replicas at most 1 more fit under max-replicas 4',
    });
    await after(rig, 100, adding);
    assertFleet(rig, 'S1', 'S2', 'S3');
  });

  it('cancels every reservation where not all fit', async () => {
    const rig = await FleetRig.of(2, { ordinals: 4 });
    await assert.rejects(rig.scaling.add(3, []), { code: 'bad-request', message: /still draining/ });
    await rig.advance(100);
    assertFleet(rig, 'S1', 'S2');
    await after(rig, 100, rig.scaling.add(2, []));
    assertFleet(rig, 'S1', 'S2', 'S3', 'S4');
  });

  it('reports a given name held by something else', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.strangers.add('web');
    await assert.rejects(after(rig, 100, rig.scaling.add(2, ['web'])), { code: 'name-held' });
    await rig.advance(100);
    assertFleet(rig, 'S1');
  });

  it('chooses another name where a stranger holds the one it chose', async () => {
    const rig = await FleetRig.of(1);
    for (const name of ['S2', 'S3']) rig.driver.strangers.add(name);
    assert.deepEqual(await after(rig, 100, rig.scaling.add(2, [])), ['S1', 'S4', 'S5']);
    assertFleet(rig, 'S1', 'S4', 'S5');
  });

  it('begins with names that no stranger holds', async () => {
    const driver = new FakeDriver();
    for (const name of ['S1', 'S3', 'proxy']) driver.strangers.add(name);
    const rig = await FleetRig.of(3, { driver });
    assertFleet(rig, 'S2', 'S4', 'S5');
  });

  it('chooses other names where the first ones get taken', async () => {
    const rig = new FleetRig();
    const held = rig.driver.hold('start');
    await rig.scaling.startFleet(3);
    await rig.advance(10);
    for (const name of ['S1', 'S3', 'S4']) rig.driver.strangers.add(name);
    held.open();
    await rig.advance(100);
    assert.deepEqual([...rig.scaling.names()].sort(), ['S2', 'S5', 'S6']);
    assert.deepEqual(rig.registry.members.map(({ id }) => id).sort(), [1, 2, 3]);
    assertFleet(rig, ...rig.scaling.names());
    assert.deepEqual(rig.registry.leaving, []);
  });

  it('fails at once where the engine does not answer', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.isLost = true;
    await assert.rejects(after(rig, 100, rig.scaling.add(2, [])), { code: 'engine-unreachable' });
    rig.driver.isLost = false;
    assertFleet(rig, 'S1');
  });

  it('is refused over fixed servers and during a shutdown', async () => {
    const fixed = await FleetRig.of(0, { driver: new FakeDriver(false) });
    await assert.rejects(fixed.scaling.add(1, []), { code: 'bad-request', message: /fixed list/ });
    const rig = await FleetRig.of(1);
    rig.view.startDraining();
    await assert.rejects(rig.view.add(1, []), { code: 'shutting-down' });
  });
});
