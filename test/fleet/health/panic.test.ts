/** Most of the fleet is not ready: better all of it serves than the few that are left fail under the load. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FleetRig, INTERVAL_MS, NOT_READY, REFUSED, REPLACE_AFTER_MS } from '../../helpers/fleet/rig.ts';

function find(rig: FleetRig, names: readonly string[], result = NOT_READY): void {
  for (const name of names) rig.found.set(rig.replica(name).instance?.endpoint?.port ?? 0, result);
}

function told(rig: FleetRig): readonly string[] {
  return rig.events
    .filter(({ kind }) => kind.startsWith('panic'))
    .map(({ kind, cause }) => `${kind}: ${cause}`);
}

describe('a fleet that panics', () => {
  it('begins and is logged above the threshold', async () => {
    const rig = await FleetRig.of(4);
    find(rig, ['S1', 'S2']);
    await rig.advance(4 * INTERVAL_MS, 100);
    assert.equal(rig.health.isPanicking, false, 'a half is not more than a half');
    assert.equal(rig.table.eligible, 2);
    find(rig, ['S3']);
    await rig.advance(4 * INTERVAL_MS, 100);
    assert.equal(rig.health.isPanicking, true);
    assert.equal(rig.table.eligible, 4);
    assert.equal(rig.view.readiness().reason, '4 of 4 replicas are eligible, panic: most are not ready');
    assert.deepEqual(told(rig), ['panic: 3 of 4 replicas are not ready']);
    assert.equal(rig.logged('warn panic').length, 1);
    assert.deepEqual(rig.states, ['S1=unhealthy', 'S2=unhealthy', 'S3=unhealthy', 'S4=healthy']);
  });

  it('replaces nothing for not being ready, nor soon after', async () => {
    const rig = await FleetRig.of(3);
    find(rig, ['S1', 'S2', 'S3']);
    await rig.advance(4 * REPLACE_AFTER_MS, 200);
    rig.found.clear();
    find(rig, ['S3']);
    await rig.advance(4 * INTERVAL_MS, 100);
    assert.deepEqual(rig.driver.calls, []);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'S3=unhealthy']);
    assert.match(told(rig).at(-1) ?? '', /^panic-over: /);
    await rig.advance(REPLACE_AFTER_MS + INTERVAL_MS, 100);
    assert.deepEqual(rig.driver.of('start'), ['S3'], 'its time began anew with the end of the panic');
  });

  it('takes those still not ready out again afterwards', async () => {
    const rig = await FleetRig.of(3);
    find(rig, ['S1', 'S2', 'S3']);
    await rig.advance(5 * INTERVAL_MS, 100);
    assert.equal(rig.table.eligible, 3);
    rig.found.clear();
    find(rig, ['S3']);
    await rig.advance(4 * INTERVAL_MS, 100);
    assert.equal(rig.table.eligible, 2);
  });

  it('gives nothing to a replica that takes no connections', async () => {
    const rig = await FleetRig.of(3);
    find(rig, ['S1', 'S2']);
    await rig.advance(4 * INTERVAL_MS, 100);
    assert.equal(rig.table.eligible, 3);
    find(rig, ['S1'], REFUSED);
    const { ordinal } = rig.replica('S1');
    rig.health.report(ordinal, rig.table.stateWord(ordinal), 'connect-refused');
    assert.equal(rig.table.eligible, 2);
  });

  it('never does with a threshold of all', async () => {
    const rig = await FleetRig.of(3, { health: { panicThreshold: 1 } });
    find(rig, ['S1', 'S2', 'S3']);
    await rig.advance(5 * INTERVAL_MS, 100);
    assert.equal(rig.health.isPanicking, false);
    assert.equal(rig.table.eligible, 0);
  });

  it('ends where replicas that are not ready are removed', async () => {
    const rig = await FleetRig.of(4);
    find(rig, ['S1', 'S2', 'S3']);
    await rig.advance(5 * INTERVAL_MS, 100);
    assert.equal(rig.health.isPanicking, true);
    await rig.scaling.remove(2, ['S1', 'S2']);
    assert.equal(rig.health.isPanicking, false);
  });

  it('still gives requests to none that an operator drains', async () => {
    const rig = await FleetRig.of(3);
    await rig.view.drain(['S1']);
    find(rig, ['S1', 'S2', 'S3']);
    await rig.advance(5 * INTERVAL_MS, 100);
    assert.equal(rig.table.eligible, 2);
  });
});
