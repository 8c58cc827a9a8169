import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Instance } from '../../../lib/drivers/driver.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig, settle } from '../../helpers/fleet/rig.ts';

/** An engine that answers the first list last. */
class SlowFirstList extends FakeDriver {
  readonly #first = Promise.withResolvers<void>();
  #lists = 0;

  answerFirst(): void {
    this.#first.resolve();
  }

  override async list(): Promise<readonly Instance[]> {
    const isFirst = ++this.#lists === 1;
    const shown = await super.list();
    if (isFirst) await this.#first.promise;
    return shown;
  }
}

describe('a supervisor that opens', () => {
  it('finds nothing where nothing is', async () => {
    const rig = new FleetRig();
    assert.equal(await rig.supervisor.open(), 0);
    assert.deepEqual(rig.registry.replicas, []);
  });

  it('tells the caller that the engine does not list', async () => {
    const rig = new FleetRig();
    rig.driver.isLost = true;
    await assert.rejects(rig.supervisor.open(), { code: 'engine-unreachable' });
  });

  it('adopts what runs, with names and ids, and starts nothing', async () => {
    const driver = new FakeDriver();
    for (const [name, id] of [
      ['web', 3],
      ['S1', 1],
      ['S2', 2],
    ] as const)
      driver.leave(name, id);
    const rig = await FleetRig.of(0, { driver });
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'web=healthy']);
    assert.deepEqual(
      rig.registry.members.map(({ id }) => id),
      [1, 2, 3],
    );
    assert.deepEqual(driver.of('start'), []);
  });

  it('gives what it adopts no request before its probes passed', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1);
    const rig = new FleetRig({ driver });
    rig.hung.add(driver.in('S1')!.endpoint!.port);
    await rig.supervisor.open();
    await rig.advance(1000);
    assert.deepEqual([rig.states, rig.table.eligible], [['S1=starting'], 0]);
    rig.hung.clear();
    await rig.advance(1000);
    assert.deepEqual([rig.states, rig.table.eligible], [['S1=healthy'], 1]);
  });

  it('restarts dead replicas under the same name and id', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1);
    const dead = driver.leave('S2', 5);
    driver.dieUnheard(dead.instanceId, 'SIGKILL');
    const rig = await FleetRig.of(0, { driver });
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy']);
    assert.equal(rig.replica('S2').id, 5);
    assert.deepEqual([...driver.instances.keys()], ['S1#1', 'S2#3']);
  });

  it('finishes a replacement that was under way', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1, { role: 'replaced' });
    const rig = await FleetRig.of(0, { driver });
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.deepEqual([...driver.instances.keys()], ['S1#2']);
  });

  it('gives an instance its name once what had that is gone', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1, { status: 'dead', endpoint: undefined, generation: 2 });
    const { instanceId } = driver.leave('S1', 1, { role: 'replaced', generation: 1 });
    const remove = driver.hold('remove');
    const rig = await FleetRig.of(0, { driver });
    await rig.advance(1000);
    assert.deepEqual([remove.waiting, driver.instances.get(instanceId)?.role], [1, 'replaced']);
    remove.open();
    await rig.advance(1000);
    assert.deepEqual([rig.states, rig.instanceOf('S1')], [['S1=healthy'], instanceId]);
    assert.deepEqual([[...driver.instances.keys()], driver.current], [[instanceId], ['S1']]);
  });

  it('gives replicas the weights of their instances', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1, { weight: 4 });
    driver.leave('S2', 2, { weight: 3, status: 'dead', endpoint: undefined });
    driver.leave('S3', 3);
    const rig = await FleetRig.of(0, { driver });
    assert.deepEqual(
      rig.registry.members.map(({ weight }) => weight),
      [4, 3, 1],
    );
  });

  it('leaves alone what another balancer of the pool drains', async () => {
    const driver = new FakeDriver();
    driver.isShared = true;
    driver.leave('S1', 1);
    const { instanceId } = driver.leave('S1', 1, { role: 'replaced' });
    const rig = await FleetRig.of(0, { driver });
    await rig.advance(1000);
    assert.equal(driver.instances.get(instanceId)?.status, 'running');
  });

  it('looks again after a while where it has found nothing', async () => {
    const rig = await FleetRig.of(0);
    const { instanceId } = rig.driver.leave('S9', 9);
    await rig.advance(16_000, 100);
    assert.equal(rig.driver.instances.has(instanceId), false);
  });

  it('removes retired instances and duplicates', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1);
    driver.leave('S1', 1, { role: 'replaced' });
    driver.leave('S2', 2, { role: 'removed' });
    driver.leave('S1', 1);
    const rig = await FleetRig.of(0, { driver });
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.deepEqual([...driver.instances.keys()], ['S1#1']);
  });

  it('starts an adopted one that died while nobody looked', async () => {
    const driver = new FakeDriver();
    const list = driver.hold('list');
    const left = driver.leave('S1', 1);
    const rig = new FleetRig({ driver });
    const opened = rig.supervisor.open();
    driver.die(left.instanceId, 'SIGKILL');
    list.open();
    await opened;
    await rig.advance(20_000, 100);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.deepEqual(driver.current, ['S1']);
  });

  it('removes nothing before it knows what it adopts', async () => {
    const driver = new SlowFirstList();
    driver.leave('S1', 1);
    const rig = new FleetRig({ driver });
    const opened = rig.supervisor.open();
    driver.hint({ kind: 'changed', cause: 'subscribed to events' });
    await settle();
    driver.answerFirst();
    assert.equal(await opened, 1);
    await rig.advance(100);
    assert.deepEqual(rig.states, ['S1=healthy']);
    assert.deepEqual(driver.calls, []);
  });

  it('looks again at once after hints during adoption', async () => {
    const driver = new SlowFirstList();
    const rig = new FleetRig({ driver });
    const opened = rig.supervisor.open();
    driver.leave('S1', 1, { role: 'removed' });
    driver.hint({ kind: 'changed', cause: 'rename' });
    driver.answerFirst();
    await opened;
    await rig.advance(100);
    assert.equal(driver.instances.size, 0);
  });

  it('has the table of the balancer before it', async () => {
    const first = await FleetRig.of(4);
    await first.scaling.remove(1, ['S2']);
    const adding = first.scaling.add(1, ['web']);
    await first.advance(100);
    await adding;
    const slots = (rig: FleetRig) =>
      [...rig.table.slots].map((ordinal) => rig.registry.findByOrdinal(ordinal)?.name);
    const second = await FleetRig.of(0, { driver: first.driver });
    assert.deepEqual(slots(second), slots(first));
  });
});
