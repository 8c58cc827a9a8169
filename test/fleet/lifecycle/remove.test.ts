import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { DRAIN_TIMEOUT_MS, FleetRig, STOP_TIMEOUT_MS, settle } from '../../helpers/fleet/rig.ts';

describe('removing replicas', () => {
  it('removes the named and returns the survivors in order', async () => {
    const rig = await FleetRig.of(4);
    assert.deepEqual(await rig.scaling.remove(2, ['S3', 'S1']), ['S2', 'S4']);
    await rig.advance(100);
    assert.deepEqual(rig.driver.current, ['S2', 'S4']);
    assert.equal(rig.driver.instances.size, 2);
  });

  it('chooses those with fewest in flight, the youngest of equals', async () => {
    const rig = await FleetRig.of(5);
    for (const [name, requests] of [
      ['S1', 2],
      ['S2', 5],
      ['S5', 3],
    ] as const)
      rig.load(name, requests);
    assert.deepEqual(await rig.scaling.remove(1, []), ['S1', 'S2', 'S3', 'S5']);
    assert.deepEqual(await rig.scaling.remove(2, []), ['S2', 'S5']);
  });

  it('chooses what serves nobody before a younger one with as few in flight', async () => {
    const rig = await FleetRig.of(4);
    rig.load('S1', 1);
    const starting = rig.driver.hold('start', 'S2');
    rig.driver.die(rig.instanceOf('S2'), 'SIGKILL');
    await rig.advance(2000);
    assert.deepEqual(await rig.scaling.remove(1, []), ['S1', 'S3', 'S4']);
    starting.open();
  });

  it('takes as many more as n says beside the named ones', async () => {
    const rig = await FleetRig.of(4);
    rig.load('S4', 1);
    assert.deepEqual(await rig.scaling.remove(2, ['S1']), ['S2', 'S4']);
  });

  it('takes them off the ring at once, in one table', async () => {
    const rig = await FleetRig.of(4);
    const { version } = rig.table;
    void rig.scaling.remove(2, ['S1', 'S2']);
    assert.deepEqual([rig.table.version, rig.table.eligible], [version + 1, 2]);
    assert.deepEqual(rig.owners, ['S3', 'S4']);
  });

  it('can take all of them', async () => {
    const rig = await FleetRig.of(2);
    assert.deepEqual(await rig.scaling.remove(2, []), []);
    await rig.advance(100);
    assert.equal(rig.driver.instances.size, 0);
    assert.deepEqual([...new Set(rig.table.slots)], [0xffff]);
  });

  it('stops no instance that a data thread may still choose, and has its place taken until it is gone', async () => {
    const rig = await FleetRig.of(2);
    const published = Promise.withResolvers<void>();
    rig.publication = published.promise;
    const remove = rig.driver.hold('remove');
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(1000);
    assert.equal(remove.waiting, 0);
    published.resolve();
    await rig.advance(1000);
    assert.deepEqual([remove.waiting, rig.registry.leaving.map(({ name }) => name)], [1, ['S1']]);
    remove.open();
    await rig.advance(100);
    assert.deepEqual(rig.registry.leaving, []);
  });

  it('stops an instance once nothing is in flight on it', async () => {
    const rig = await FleetRig.of(2);
    const { ordinal } = rig.replica('S1');
    rig.load('S1', 2);
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(5000);
    rig.threadTable.release(ordinal);
    await rig.advance(5000);
    assert.deepEqual(rig.driver.calls, ['retire S1#1 removed']);
    assert.equal(rig.records.length, 2);
    rig.threadTable.release(ordinal);
    await rig.advance(50);
    assert.deepEqual(rig.driver.calls.slice(1), [`remove S1#1 ${STOP_TIMEOUT_MS}`]);
    assert.deepEqual(rig.transitions, ['S1 healthy→draining: removed', 'S1 draining→gone: drained']);
    assert.equal(rig.records.length, 1);
  });

  it('waits for drain-timeout at most and logs the cut requests', async () => {
    const rig = await FleetRig.of(2);
    rig.load('S1', 2);
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(DRAIN_TIMEOUT_MS - 100, 100);
    assert.equal(rig.driver.instances.size, 2);
    await rig.advance(300);
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2']);
    assert.equal(rig.logged('warn drain of ')[0]!.inFlight, 2);
  });

  it('has tunnels closed in the last part of the drain', async () => {
    const rig = await FleetRig.of(2);
    const { ordinal } = rig.replica('S1');
    rig.load('S1', 1);
    const sinceMs = rig.clock.nowMs();
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(DRAIN_TIMEOUT_MS - 5100, 100);
    assert.equal(rig.closedTunnels.length, 0);
    await rig.advance(200);
    const [closed, ...more] = rig.closedTunnels;
    assert.deepEqual([closed?.ordinal, closed?.withinMs, more.length], [ordinal, 4000, 0]);
    assert.equal(Math.round((closed!.atMs - sinceMs) / 100), (DRAIN_TIMEOUT_MS - 5000) / 100);
  });

  it('has no tunnels closed where nothing is in flight', async () => {
    const rig = await FleetRig.of(2);
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(DRAIN_TIMEOUT_MS, 100);
    assert.deepEqual(rig.closedTunnels, []);
  });

  it('is not undone by a look while it drains', async () => {
    const rig = await FleetRig.of(2);
    rig.load('S1', 1);
    await rig.scaling.remove(1, ['S1']);
    rig.driver.hint({ kind: 'changed', cause: 'rename' });
    await rig.advance(20_000, 100);
    assert.deepEqual(rig.driver.of('remove'), []);
    assert.deepEqual(rig.driver.of('start'), []);
  });

  it('does not mind that a draining instance dies', async () => {
    const rig = await FleetRig.of(2);
    const { ordinal } = rig.replica('S1');
    rig.load('S1', 1);
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(100);
    rig.driver.die('S1#1', 'SIGKILL');
    await rig.advance(100);
    rig.threadTable.release(ordinal);
    await rig.advance(100);
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2']);
    assert.deepEqual(rig.driver.of('start'), []);
    assert.deepEqual(rig.registry.leaving, []);
  });

  it('frees a name at once, while the old instance drains', async () => {
    const rig = await FleetRig.of(2);
    rig.load('S1', 1);
    await rig.scaling.remove(1, ['S1']);
    const adding = rig.scaling.add(1, ['S1']);
    await rig.advance(100);
    assert.deepEqual(await adding, ['S2', 'S1']);
    assert.deepEqual(rig.driver.current, ['S1', 'S2']);
    assert.equal(rig.driver.instances.size, 3);
  });

  it('frees a name though the engine is slow', async () => {
    const rig = await FleetRig.of(2);
    const retire = rig.driver.hold('retire', 'S1');
    await rig.scaling.remove(1, ['S1']);
    const adding = rig.scaling.add(2, ['S1']);
    await rig.advance(500);
    assert.deepEqual(rig.driver.of('start'), ['S3']);
    retire.open();
    await rig.advance(100);
    assert.deepEqual(await adding, ['S2', 'S1', 'S3']);
    assert.deepEqual(rig.driver.current, ['S1', 'S2', 'S3']);
  });

  it('does not reuse the name of a draining replica', async () => {
    const rig = await FleetRig.of(2);
    rig.load('S1', 1);
    await rig.scaling.remove(1, ['S1']);
    const adding = rig.scaling.add(1, []);
    await rig.advance(100);
    assert.deepEqual(await adding, ['S2', 'S3']);
  });

  it('refuses more than there are, and does nothing', async () => {
    const rig = await FleetRig.of(2);
    await assert.rejects(rig.scaling.remove(3, []), {
      code: 'bad-request',
      message: 'n is 3, but there are only 2 replicas',
    });
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
  });

  it('refuses names that are unknown or being added', async () => {
    const rig = await FleetRig.of(2);
    const start = rig.driver.hold('start');
    const adding = rig.scaling.add(1, ['web']);
    await assert.rejects(rig.scaling.remove(2, ['S1', 'web', 'S9']), {
      code: 'bad-request',
      message: 'there is no replica called web, S9',
    });
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    start.open();
    await rig.advance(100);
    await adding;
  });

  it('names five of many that nobody has', async () => {
    const rig = await FleetRig.of(9);
    const names = Array.from({ length: 8 }, (_, index) => `x${index}`);
    await assert.rejects(rig.scaling.remove(8, names), { message: /called x0, x1, x2, x3, x4 and 3 more$/ });
  });

  it('removes one that has no instance', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.advance(100);
    assert.deepEqual(await rig.scaling.remove(1, ['S1']), ['S2']);
    await settle();
    assert.deepEqual(rig.registry.leaving, []);
  });

  it('finds what it could not take away at the next look', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.failNext('remove', 'engine-unreachable');
    rig.driver.failNext('retire', 'engine-unreachable');
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(100);
    assert.equal(rig.driver.instances.size, 2);
    await rig.advance(16_000, 100);
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2']);
  });

  it('is refused over fixed servers and during a shutdown', async () => {
    const fixed = await FleetRig.of(0, { driver: new FakeDriver(false) });
    await assert.rejects(fixed.scaling.remove(1, []), { code: 'bad-request', message: /fixed list/ });
    const rig = await FleetRig.of(1);
    rig.view.startDraining();
    await assert.rejects(rig.view.remove(1, []), { code: 'shutting-down' });
  });
});
