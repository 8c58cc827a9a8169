import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Replica } from '../../lib/fleet/replica.ts';
import { FleetRig, settle } from '../helpers/fleet/rig.ts';

describe('the registry', () => {
  let rig: FleetRig;
  beforeEach(() => {
    rig = new FleetRig({ ordinals: 4 });
  });

  /** A replica that has joined, with an instance that passed its probes. */
  function healthy(name: string): Replica {
    const replica = rig.registry.reserve(name);
    rig.registry.addToRing([replica], 'added');
    void rig.registry.placeInstance(replica, rig.driver.leave(name, replica.id));
    rig.registry.states.set(replica, 'healthy', 'probe passed: 200');
    return replica;
  }

  it('gives a new replica the lowest free id', async () => {
    const ids = ['S1', 'S2', 'S3'].map((name) => rig.registry.reserve(name).id);
    assert.deepEqual(ids, [1, 2, 3]);
    rig.registry.cancelReservation(rig.replica('S2'), 'not needed');
    await settle();
    assert.deepEqual([rig.registry.reserve('S4').id, rig.registry.reserve('S5').id], [2, 4]);
  });

  it('gives an adopted replica its own id, unless another has it', () => {
    assert.equal(rig.registry.reserve('S1', 7).id, 7);
    assert.equal(rig.registry.reserve('S2', 7).id, 1);
  });

  it('puts replicas on the ring in one table, in joining order', () => {
    const [one, two] = [rig.registry.reserve('S1'), rig.registry.reserve('S2')];
    rig.registry.addToRing([two, one], 'added');
    assert.equal(rig.table.version, 1);
    assert.deepEqual(
      rig.registry.members.map(({ name }) => name),
      ['S2', 'S1'],
    );
    assert.deepEqual(rig.owners, ['S1', 'S2']);
  });

  it('counts a replica eligible once healthy and on the ring', () => {
    const early = rig.registry.reserve('S1');
    rig.registry.states.set(early, 'healthy', 'probe passed: 200');
    assert.equal(rig.table.eligible, 0);
    rig.registry.addToRing([early], 'added');
    assert.equal(rig.table.eligible, 1);
    const late = rig.registry.reserve('S2');
    rig.registry.addToRing([late], 'added');
    assert.equal(rig.table.eligible, 1);
    rig.registry.states.set(late, 'healthy', 'probe passed: 200');
    assert.equal(rig.table.eligible, 2);
  });

  it('removes replicas in one table and frees their names', () => {
    const replicas = [healthy('S1'), healthy('S2'), healthy('S3')];
    const { version } = rig.table;
    rig.registry.removeFromRing(replicas.slice(0, 2), 'removed');
    assert.equal(rig.table.version, version + 1);
    assert.deepEqual(rig.owners, ['S3']);
    assert.equal(rig.table.eligible, 1);
    assert.equal(rig.registry.find('S1'), undefined);
    assert.deepEqual(
      rig.registry.leaving.map(({ name, state }) => `${name} ${state}`),
      ['S1 draining', 'S2 draining'],
    );
  });

  it('keeps publishing a draining replica until it is forgotten', async () => {
    const replica = healthy('S1');
    rig.registry.removeFromRing([replica], 'removed');
    await rig.registry.whenPublished();
    assert.equal(rig.records.length, 1);
    await rig.registry.forget(replica, 'drained');
    assert.deepEqual(rig.records, []);
    assert.deepEqual(rig.registry.leaving, []);
  });

  it('reuses an ordinal only after every thread has released it', async () => {
    const gate = Promise.withResolvers<void>();
    for (const name of ['S1', 'S2', 'S3', 'S4']) healthy(name);
    const [first] = rig.registry.members;
    rig.registry.removeFromRing([first!], 'removed');
    rig.publication = gate.promise;
    const forgotten = rig.registry.forget(first!, 'drained');
    await settle();
    assert.throws(() => rig.registry.reserve('S5'), { code: 'bad-request', message: /still draining/ });
    gate.resolve();
    await forgotten;
    assert.equal(rig.registry.reserve('S5').ordinal, first!.ordinal);
  });

  it('forgets once', async () => {
    const replica = healthy('S1');
    rig.registry.removeFromRing([replica], 'removed');
    rig.transitions.length = 0;
    await Promise.all([rig.registry.forget(replica, 'drained'), rig.registry.forget(replica, 'drained')]);
    assert.deepEqual(rig.transitions, ['S1 draining→gone: drained']);
  });

  it('takes back a reservation as if it had never been', async () => {
    const replica = rig.registry.reserve('S1');
    rig.registry.cancelReservation(replica, 'not needed');
    await settle();
    assert.equal(rig.registry.has(replica), false);
    assert.equal(rig.registry.reserve('S1').ordinal, replica.ordinal);
  });

  it('publishes a placed instance under a new generation, not yet healthy', () => {
    const replica = healthy('S1');
    const before = rig.records[0]!.generation;
    void rig.registry.clearInstance(replica, 'SIGKILL');
    const substitute = rig.driver.leave('S1', 1);
    void rig.registry.placeInstance(replica, substitute);
    assert.equal(rig.table.eligible, 0);
    assert.equal(rig.records.length, 1);
    assert.deepEqual(rig.records[0]!.endpoint, substitute.endpoint);
    assert.ok(rig.records[0]!.generation > before);
    assert.equal(replica.restarts, 1);
  });

  it('moves no slot when an instance is replaced', () => {
    for (const name of ['S1', 'S2', 'S3']) healthy(name);
    const [slots, version] = [[...rig.table.slots], rig.table.version];
    const replica = rig.replica('S2');
    void rig.registry.clearInstance(replica, 'SIGKILL');
    assert.deepEqual([replica.state, rig.table.eligible, rig.records.length], ['starting', 2, 2]);
    void rig.registry.placeInstance(replica, rig.driver.leave('S2', 2));
    rig.registry.states.set(replica, 'healthy', 'probe passed: 200');
    assert.deepEqual([rig.table.version, ...rig.table.slots], [version, ...slots]);
  });

  it('reports each change of state once, with cause and duration', () => {
    const replica = rig.registry.reserve('S1');
    rig.clock.advance(250);
    rig.registry.states.set(replica, 'healthy', 'probe passed: 200');
    rig.registry.states.set(replica, 'healthy', 'probe passed: 204');
    assert.deepEqual(rig.transitions, ['S1 starting→healthy: probe passed: 200']);
    assert.equal(replica.sinceMs, 250);
    assert.equal(replica.cause, 'probe passed: 204');
  });

  it('confirms a state under a new word and tells nobody', () => {
    const replica = healthy('S1');
    rig.transitions.length = 0;
    const word = rig.table.stateWord(replica.ordinal);
    rig.registry.states.republish(replica);
    assert.notEqual(rig.table.stateWord(replica.ordinal), word);
    assert.deepEqual([rig.transitions, rig.table.eligible], [[], 1]);
  });

  it('changes no replica that has left, even under a reused name', () => {
    const replica = healthy('S1');
    rig.registry.removeFromRing([replica], 'removed');
    healthy('S1');
    assert.equal(rig.registry.has(replica), false);
    assert.throws(() => rig.registry.states.set(replica, 'healthy', ''), /S1 has left/);
    assert.throws(() => rig.registry.removeFromRing([replica], 'removed'), /S1 has left/);
  });

  it('knows replicas by name, ordinal and instance', () => {
    const replica = healthy('S1');
    assert.equal(rig.registry.findByOrdinal(replica.ordinal), replica);
    assert.equal(rig.registry.findByInstance(replica.instance!.instanceId), replica);
    assert.equal(rig.registry.findByInstance('another'), undefined);
    assert.equal(rig.registry.findByOrdinal(3), undefined);
  });
});
