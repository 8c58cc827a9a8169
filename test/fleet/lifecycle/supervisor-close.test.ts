import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FleetRig, STOP_TIMEOUT_MS, settle } from '../../helpers/fleet/rig.ts';

describe('a supervisor that closes', () => {
  it('asks every instance to stop, and resolves when all are gone', async () => {
    const rig = await FleetRig.of(3);
    const remove = rig.driver.hold('remove', 'S2');
    let isClosed = false;
    void rig.supervisor.close(false).then(() => {
      isClosed = true;
    });
    await settle();
    assert.deepEqual(
      rig.driver.of('remove'),
      ['S1#1', 'S2#2', 'S3#3'].map((id) => `${id} ${STOP_TIMEOUT_MS}`),
    );
    assert.equal(isClosed, false);
    remove.open();
    await settle();
    assert.equal(isClosed, true);
    assert.equal(rig.driver.instances.size, 0);
    assert.ok(rig.driver.isClosed);
  });

  it('starts nothing in the place of what it stops', async () => {
    const rig = await FleetRig.of(3);
    const remove = rig.driver.hold('remove', 'S3');
    void rig.supervisor.close(false);
    await rig.advance(60_000, 100);
    remove.open();
    await rig.advance(60_000, 100);
    assert.deepEqual(rig.driver.of('start'), []);
    assert.equal(rig.clock.pending, 0);
  });

  it('leaves nothing of a replica that is waiting for its probes', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.onStarted = (instance) => rig.hung.add(instance.endpoint!.port);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(100);
    const remove = rig.driver.hold('remove', 'S2');
    const closed = rig.supervisor.close(false);
    await rig.advance(5000);
    remove.open();
    await closed;
    await rig.advance(5000);
    assert.deepEqual(rig.driver.of('start'), ['S1']);
    assert.equal(rig.driver.instances.size, 0);
  });

  it('leaves nothing of a replica whose start is under way', async () => {
    const rig = await FleetRig.of(2);
    const start = rig.driver.hold('start');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    let left = Number.NaN;
    void rig.supervisor.close(false).then(() => {
      left = rig.driver.instances.size;
    });
    await settle();
    start.open();
    await settle();
    assert.equal(left, 0);
  });

  it('does not wait for the turn of a crash loop', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.advance(100);
    await rig.supervisor.close(false);
    assert.equal(rig.driver.instances.size, 0);
    await rig.advance(5000);
    assert.deepEqual(rig.driver.of('start'), []);
  });

  it('takes away at once what was draining', async () => {
    const rig = await FleetRig.of(2);
    const { ordinal } = rig.replica('S1');
    rig.threadTable.acquire(ordinal, 9);
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(100);
    await rig.supervisor.close(false);
    assert.equal(rig.driver.instances.size, 0);
  });

  it('aborts an addition under way and leaves nothing', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.onStarted = (instance) => rig.hung.add(instance.endpoint!.port);
    const adding = assert.rejects(rig.scaling.add(2, []), { code: 'shutting-down' });
    await rig.advance(100);
    await rig.supervisor.close(false);
    await adding;
    assert.equal(rig.driver.instances.size, 0);
  });

  it('lets everything run where it is to be kept', async () => {
    const rig = await FleetRig.of(3);
    await rig.supervisor.close(true);
    await rig.advance(60_000, 100);
    assert.deepEqual(rig.driver.current, ['S1', 'S2', 'S3']);
    assert.deepEqual(rig.driver.calls, []);
  });

  it('keeps a starting instance for the next balancer', async () => {
    const rig = await FleetRig.of(2);
    const start = rig.driver.hold('start');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    const closed = rig.supervisor.close(true);
    start.open();
    await closed;
    assert.deepEqual(rig.driver.current, ['S1', 'S2']);
  });

  it('keeps an instance that waits for its probes for the next balancer', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.onStarted = ({ endpoint }) => rig.hung.add(endpoint!.port);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(100);
    const started = rig.instanceOf('S1');
    await rig.supervisor.close(true);
    await settle();
    assert.equal(rig.driver.instances.get(started)?.status, 'running');
    assert.deepEqual(rig.driver.current, ['S1', 'S2']);
  });

  it('keeps nothing of a replica that was removed during its start', async () => {
    const rig = await FleetRig.of(2);
    const start = rig.driver.hold('start');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await settle();
    await rig.scaling.remove(1, ['S1']);
    const closed = rig.supervisor.close(true);
    start.open();
    await closed;
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2']);
  });

  for (const [during, advanceMs] of [
    ['the wait before the next start', 100],
    ['the next start, which fails', 1500],
  ] as const) {
    it(`keeps the dead instance in ${during}, to tell the next balancer of its replica`, async () => {
      const rig = await FleetRig.of(2);
      const start = rig.driver.hold('start');
      rig.driver.failNext('start', 'start-failed');
      rig.driver.die(rig.instanceOf('S1'), 'exit 1');
      await rig.advance(advanceMs);
      assert.equal(start.waiting, advanceMs > 1000 ? 1 : 0);
      const closed = rig.supervisor.close(true);
      start.open();
      await closed;
      assert.deepEqual([...rig.driver.instances.keys()], ['S1#1', 'S2#2']);
    });
  }

  it('waits for what is being removed, also where the rest is to be kept', async () => {
    const rig = await FleetRig.of(2);
    const remove = rig.driver.hold('remove', 'S1');
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(100);
    let isClosed = false;
    const closed = rig.supervisor.close(true).then(() => {
      isClosed = true;
    });
    await settle();
    assert.deepEqual([remove.waiting, isClosed, rig.driver.isClosed], [1, false, false]);
    remove.open();
    await closed;
    assert.deepEqual([...rig.driver.instances.keys()], ['S2#2']);
  });

  it('leaves instances alone once another balancer owns them', async () => {
    const rig = await FleetRig.of(3);
    rig.driver.evict();
    await settle();
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    rig.hung.add(rig.registry.find('S2')!.instance!.endpoint!.port);
    await rig.advance(60_000, 100);
    await rig.supervisor.close(false);
    assert.deepEqual(rig.driver.calls, []);
    assert.ok(rig.driver.isClosed);
  });

  it('closes once', async () => {
    const rig = await FleetRig.of(1);
    await Promise.all([rig.supervisor.close(false), rig.supervisor.close(false)]);
    assert.deepEqual(rig.driver.of('remove').length, 1);
  });
});
