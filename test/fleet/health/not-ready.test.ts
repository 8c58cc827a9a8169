/** Replicas that respond to probes, and not as expected: off the ring, and replaced without loss if it lasts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DRAIN_TIMEOUT_MS,
  FleetRig,
  INTERVAL_MS,
  NOT_READY,
  REPLACE_AFTER_MS,
  SILENT,
  STOP_TIMEOUT_MS,
} from '../../helpers/fleet/rig.ts';

function portOf(rig: FleetRig, name: string): number {
  return rig.replica(name).instance?.endpoint?.port ?? 0;
}

/** A fleet of five, of which one has just been found not ready. */
async function withOneNotReady(): Promise<FleetRig> {
  const rig = await FleetRig.of(5);
  rig.found.set(portOf(rig, 'S1'), NOT_READY);
  await rig.advance(3 * INTERVAL_MS + 200, 100);
  return rig;
}

describe('a replica that responds to probes with an unexpected status', () => {
  it('gets no requests after fall probes, its instance runs on', async () => {
    const rig = await withOneNotReady();
    assert.deepEqual(rig.transitions, ['S1 healthy→unhealthy: not ready: 503']);
    assert.equal(rig.table.eligible, 4);
    assert.deepEqual(rig.driver.calls, []);
    assert.equal(rig.records.length, 5, 'data threads keep its connections');
  });

  it('is back with a pass within replace-after, the same instance', async () => {
    const rig = await withOneNotReady();
    const before = rig.instanceOf('S1');
    await rig.advance(REPLACE_AFTER_MS - 2 * INTERVAL_MS, 100);
    rig.found.clear();
    await rig.advance(2 * INTERVAL_MS, 100);
    assert.equal(rig.replica('S1').state, 'healthy');
    assert.equal(rig.instanceOf('S1'), before);
    assert.deepEqual(rig.driver.calls, []);
  });

  it('is replaced after replace-after, its requests in flight finish', async () => {
    const rig = await withOneNotReady();
    const release = rig.load('S1', 1);
    const { ordinal } = rig.replica('S1');
    const before = rig.instanceOf('S1');
    await rig.advance(REPLACE_AFTER_MS + INTERVAL_MS, 100);
    assert.deepEqual(rig.driver.of('start'), ['S1']);
    assert.equal(rig.replica('S1').state, 'healthy');
    assert.notEqual(rig.instanceOf('S1'), before);
    assert.deepEqual(rig.driver.of('remove'), [], 'the old one still works');
    assert.ok(rig.records.some((record) => record.ordinal === ordinal));
    release();
    await rig.advance(100);
    assert.deepEqual(rig.driver.of('remove'), [`${before} ${STOP_TIMEOUT_MS}`]);
    assert.deepEqual(rig.registry.leaving, []);
  });

  it('is stopped after drain-timeout though something is still in flight', async () => {
    const rig = await withOneNotReady();
    rig.load('S1', 1);
    const before = rig.instanceOf('S1');
    await rig.advance(REPLACE_AFTER_MS + DRAIN_TIMEOUT_MS + 2 * INTERVAL_MS, 200);
    assert.deepEqual(rig.driver.of('remove'), [`${before} ${STOP_TIMEOUT_MS}`]);
  });

  it('moves no key when it is replaced', async () => {
    const rig = await withOneNotReady();
    const owners = [...rig.table.slots].map((ordinal) => rig.registry.findByOrdinal(ordinal)?.name);
    await rig.advance(REPLACE_AFTER_MS + INTERVAL_MS, 100);
    assert.deepEqual(
      [...rig.table.slots].map((ordinal) => rig.registry.findByOrdinal(ordinal)?.name),
      owners,
    );
  });

  it('is never replaced with replace-after 0', async () => {
    const rig = await FleetRig.of(5, { health: { replaceAfterMs: 0 } });
    rig.found.set(portOf(rig, 'S1'), NOT_READY);
    await rig.advance(20 * REPLACE_AFTER_MS, 500);
    assert.deepEqual(rig.driver.calls, []);
    assert.equal(rig.replica('S1').state, 'unhealthy');
  });

  it('is not replaced while too many others drain', async () => {
    const rig = await FleetRig.of(5, { ordinals: 5 });
    rig.found.set(portOf(rig, 'S1'), NOT_READY);
    await rig.advance(REPLACE_AFTER_MS + 10 * INTERVAL_MS, 100);
    assert.deepEqual(rig.driver.calls, []);
  });
});

describe('a replica that does not respond to probes', () => {
  it('loses nothing by a silent probe during a response', async () => {
    const rig = await FleetRig.of(3);
    const { ordinal } = rig.replica('S1');
    rig.hang('S1');
    let reads = 0;
    // grows whenever it is asked
    rig.reads.get = (of) => (of === ordinal ? ++reads : 0);
    await rig.advance(20 * INTERVAL_MS, 100);
    assert.equal(rig.replica('S1').state, 'healthy');
    assert.deepEqual(rig.transitions, []);
    assert.equal(rig.replica('S1').probes.failed, 0);
    assert.match(rig.replica('S1').probes.last ?? '', /but it responds to requests/);
  });

  it('is killed after fall probes without a sign of life', async () => {
    const rig = await FleetRig.of(3);
    const before = rig.instanceOf('S1');
    rig.load('S1', 1);
    rig.hang('S1');
    await rig.advance(4 * INTERVAL_MS, 100);
    assert.deepEqual(rig.driver.of('start'), ['S1']);
    assert.deepEqual(rig.driver.of('remove'), [`${before} 0`]);
  });

  it('is drained, not killed, if it responded between its probes', async () => {
    const rig = await FleetRig.of(3);
    const { ordinal } = rig.replica('S1');
    const before = rig.instanceOf('S1');
    rig.hang('S1');
    let reads = 0;
    rig.reads.set(ordinal, 0);
    for (let count = 0; count < 4 * (INTERVAL_MS / 100); count++) {
      await rig.advance(100);
      rig.reads.set(ordinal, ++reads);
    }
    assert.equal(rig.replica('S1').state, 'unhealthy');
    assert.deepEqual(rig.driver.calls, []);
    for (let count = 0; count < (REPLACE_AFTER_MS + 2 * INTERVAL_MS) / 100; count++) {
      await rig.advance(100);
      rig.reads.set(ordinal, ++reads);
    }
    assert.deepEqual(rig.driver.of('start'), ['S1']);
    assert.deepEqual(rig.driver.of('remove'), [`${before} ${STOP_TIMEOUT_MS}`]);
  });

  it('is killed only once the last killed one is healthy', async () => {
    const rig = await FleetRig.of(5);
    for (const name of ['S1', 'S2', 'S3']) rig.found.set(portOf(rig, name), SILENT);
    const gate = rig.driver.hold('start');
    await rig.advance(10 * INTERVAL_MS, 100);
    assert.equal(rig.driver.of('start').length, 1);
    gate.open();
    await rig.advance(10 * INTERVAL_MS, 100);
    assert.deepEqual(rig.driver.of('start').toSorted(), ['S1', 'S2', 'S3']);
  });

  it('that recovers while it waits for its turn is not killed', async () => {
    const rig = await FleetRig.of(5);
    for (const name of ['S1', 'S2']) rig.found.set(portOf(rig, name), SILENT);
    const gate = rig.driver.hold('start');
    await rig.advance(5 * INTERVAL_MS, 100);
    rig.found.clear();
    await rig.advance(3 * INTERVAL_MS, 100);
    gate.open();
    await rig.advance(5 * INTERVAL_MS, 100);
    assert.equal(rig.driver.of('start').length, 1);
    assert.ok(rig.registry.members.every(({ state }) => state === 'healthy'));
  });
});
