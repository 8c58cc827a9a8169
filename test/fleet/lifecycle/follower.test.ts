import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { DRAIN_TIMEOUT_MS, FleetRig, REFUSED, type RigOptions } from '../../helpers/fleet/rig.ts';

/** A fleet over servers that others run, `names` at first. */
async function rigOver(names: readonly string[], options: RigOptions = {}): Promise<FleetRig> {
  const driver = new FakeDriver(false);
  for (const [index, name] of names.entries()) driver.leave(name, index + 1);
  return FleetRig.of(0, { driver, ...options });
}

/** The driver lists exactly these names; those that were listed before keep their instances. */
function list({ driver }: FleetRig, names: readonly string[]): void {
  for (const [id, { name }] of driver.instances) if (!names.includes(name)) driver.instances.delete(id);
  const listed = new Set([...driver.instances.values()].map(({ name }) => name));
  for (const [index, name] of names.entries()) if (!listed.has(name)) driver.leave(name, index + 1);
  driver.hint({ kind: 'changed', cause: 'another list' });
}

describe('a fleet that follows a list', () => {
  it('has the listed servers on the ring, healthy by their probes', async () => {
    const rig = await rigOver(['a', 'b']);
    assert.deepEqual(rig.states, ['a=healthy', 'b=healthy']);
    assert.deepEqual(rig.owners, ['a', 'b']);
  });

  it('takes in a server that appears', async () => {
    const rig = await rigOver(['a']);
    list(rig, ['a', 'b']);
    await rig.advance(1200);
    assert.deepEqual(rig.states, ['a=healthy', 'b=healthy']);
    assert.deepEqual(rig.owners, ['a', 'b']);
  });

  it('drains a server that disappears', async () => {
    const rig = await rigOver(['a', 'b', 'c']);
    const finish = rig.load('b', 1);
    list(rig, ['a', 'c']);
    await rig.advance(1000);
    assert.deepEqual(rig.owners, ['a', 'c']);
    assert.deepEqual(
      rig.registry.leaving.map(({ name, state }) => [name, state]),
      [['b', 'draining']],
    );
    finish();
    await rig.advance(100);
    assert.deepEqual(rig.registry.leaving, []);
  });

  it('cuts what is still in flight after the drain timeout', async () => {
    const rig = await rigOver(['a', 'b']);
    rig.load('b', 1);
    list(rig, ['a']);
    await rig.advance(DRAIN_TIMEOUT_MS + 1000, 1000);
    assert.deepEqual(rig.registry.leaving, []);
  });

  it('takes a server back that returns while it drains', async () => {
    const rig = await rigOver(['a', 'b', 'c']);
    rig.load('b', 1);
    list(rig, ['a', 'c']);
    await rig.advance(2000);
    list(rig, ['a', 'b', 'c']);
    await rig.advance(2000);
    assert.deepEqual(rig.owners, ['a', 'b', 'c']);
    assert.equal(rig.registry.leaving.length, 1);
  });

  it('moves no key when a server has another address', async () => {
    const rig = await rigOver(['a', 'b']);
    const before = [...rig.table.slots].map((ordinal) => rig.registry.findByOrdinal(ordinal)?.name);
    const finish = rig.load('a', 1);
    rig.driver.instances.delete(rig.instanceOf('a'));
    list(rig, ['a', 'b']);
    await rig.advance(1200);
    assert.deepEqual(
      [...rig.table.slots].map((ordinal) => rig.registry.findByOrdinal(ordinal)?.name),
      before,
    );
    assert.deepEqual(rig.instanceOf('a'), 'a#3');
    assert.equal(rig.registry.leaving[0]?.instance?.instanceId, 'a#1');
    finish();
  });

  it('keeps requests away from a drained server that has another address', async () => {
    const rig = await rigOver(['a', 'b']);
    await rig.view.drain(['a']);
    rig.driver.instances.delete(rig.instanceOf('a'));
    list(rig, ['a', 'b']);
    await rig.advance(1200);
    assert.deepEqual(await rig.view.undrain(['a']), []);
    assert.equal(rig.table.eligible, 2);
  });

  it('publishes slots at most once a second while the list flaps', async () => {
    const rig = await rigOver(['a', 'b', 'c']);
    await rig.advance(5000);
    const { version } = rig.table;
    for (let flap = 0; flap < 100; flap++) {
      list(rig, flap % 2 === 0 ? ['a', 'b'] : ['a', 'b', 'c']);
      await rig.advance(600);
    }
    assert.ok(rig.table.version - version <= 60, `${rig.table.version - version} in a minute`);
    list(rig, ['a', 'b', 'c']);
    await rig.advance(2000);
    assert.deepEqual(rig.owners, ['a', 'b', 'c']);
  });

  it('has no more members than max-replicas, and says so once', async () => {
    const rig = await rigOver(['a', 'b'], { maxReplicas: 2 });
    list(rig, ['c', 'a', 'b']);
    await rig.advance(2000);
    list(rig, ['c', 'd', 'a', 'b']);
    await rig.advance(2000);
    assert.deepEqual(rig.owners, ['a', 'b']);
    assert.equal(rig.logged('warn more servers than max-replicas').length, 1);
  });

  it('waits for the ordinals of those that drain', async () => {
    const rig = await rigOver(['a', 'b'], { ordinals: 3 });
    const finish = rig.load('b', 1);
    list(rig, ['a', 'c', 'd']);
    await rig.advance(2000);
    assert.deepEqual(rig.owners, ['a', 'c']);
    finish();
    await rig.advance(3000);
    assert.deepEqual(rig.owners, ['a', 'c', 'd']);
  });

  it('gives a server that was long down requests once up', async () => {
    const driver = new FakeDriver(false);
    const { port } = driver.leave('a', 1).endpoint!;
    const rig = new FleetRig({ driver });
    rig.found.set(port, REFUSED);
    await rig.supervisor.open();
    await rig.advance(600_000, 1000);
    assert.deepEqual(rig.states, ['a=unhealthy']);
    rig.found.delete(port);
    await rig.advance(10_000, 1000);
    assert.deepEqual(rig.states, ['a=healthy']);
  });

  it('begins with an empty list, and goes on as servers appear', async () => {
    const rig = await rigOver([]);
    assert.deepEqual(rig.states, []);
    list(rig, ['a']);
    await rig.advance(100);
    assert.deepEqual(rig.states, ['a=healthy']);
  });

  it('journals lost sources, and how long they were lost', async () => {
    const rig = await rigOver(['a']);
    rig.driver.hint({ kind: 'source-lost', source: 'dns:a:1', cause: 'refused' });
    rig.driver.hint({ kind: 'source-back', source: 'dns:a:1', lostMs: 1500 });
    assert.deepEqual(
      rig.events.map(({ kind, cause, ms }) => [kind, cause, ms]),
      [
        ['source-lost', 'dns:a:1: refused', null],
        ['source-back', 'dns:a:1', 1500],
      ],
    );
  });

  it('leaves its servers alone when ending, even ones not yet healthy', async () => {
    const driver = new FakeDriver(false);
    driver.leave('a', 1);
    const rig = new FleetRig({ driver });
    rig.found.set(driver.leave('b', 2).endpoint!.port, REFUSED);
    await rig.supervisor.open();
    await rig.advance(10);
    assert.deepEqual(rig.states, ['a=healthy', 'b=starting']);
    await rig.supervisor.close(false);
    assert.deepEqual([rig.driver.calls, rig.logged('warn')], [[], []]);
  });

  it('follows nothing more once it is closed', async () => {
    const rig = await rigOver(['a']);
    await rig.supervisor.close(true);
    list(rig, ['a', 'b']);
    await rig.advance(2000);
    assert.deepEqual(rig.owners, ['a']);
    assert.ok(rig.driver.isClosed);
  });
});
