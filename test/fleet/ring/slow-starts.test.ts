import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FleetRig } from '../../helpers/fleet/rig.ts';

const RAMP_MS = 10_000;

/** The part of its slots that the replica has, by a table in which it is in no slow start. */
function partOf(rig: FleetRig, name: string, slots: number): number {
  return rig.view.replicas().find((replica) => replica.name === name)!.slots / slots;
}

const slotsOf = (rig: FleetRig, name: string): number =>
  rig.view.replicas().find((replica) => replica.name === name)!.slots;

/** A fleet of three whose first has just got another instance, and the slots that it had. */
async function healed(): Promise<{ readonly rig: FleetRig; readonly slots: number }> {
  const rig = await FleetRig.of(3, { slowStartMs: RAMP_MS });
  const slots = slotsOf(rig, 'S1');
  rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
  await rig.advance(100);
  assert.equal(rig.replica('S1').state, 'healthy');
  return { rig, slots };
}

/** A fleet of three in which a deploy has just switched one to a new instance, and the slots that it had. */
async function switched(): Promise<{
  readonly rig: FleetRig;
  readonly slots: number;
  readonly name: string;
}> {
  const rig = await FleetRig.of(3, { slowStartMs: RAMP_MS });
  const slots = slotsOf(rig, 'S1');
  await rig.deploys.start({ kind: 'restart', batch: 1, watchMs: 60_000, maxErrorRate: 0.01 });
  await rig.advance(200);
  const { name, phase } = rig.deploys.status().deploy!.replicas[0]!;
  assert.deepEqual([name, phase], ['S1', 'watching']);
  return { rig, slots, name };
}

describe('a slow start', () => {
  it('begins at a tenth of slots after replacement, ends with all', async () => {
    const { rig, slots } = await healed();
    const parts: number[] = [];
    for (let step = 0; step <= 10; step++) {
      parts.push(partOf(rig, 'S1', slots));
      await rig.advance(RAMP_MS / 10);
    }
    assert.ok(parts[0]! < 0.2 && parts[0]! > 0, String(parts));
    assert.ok(
      parts.every((part, at) => at === 0 || part >= parts[at - 1]!),
      String(parts),
    );
    assert.equal(parts.at(-1), 1);
  });

  it('moves no slot of another replica', async () => {
    const rig = await FleetRig.of(3, { slowStartMs: RAMP_MS });
    const before = [...rig.table.slots];
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(100);
    const { ordinal } = rig.replica('S1');
    const after = [...rig.table.slots];
    assert.ok(before.every((owner, slot) => owner === after[slot] || owner === ordinal));
  });

  it('begins where a deploy switches to a new instance', async () => {
    const { rig, slots, name } = await switched();
    assert.ok(partOf(rig, name, slots) < 0.2);
    await rig.advance(RAMP_MS);
    assert.equal(partOf(rig, name, slots), 1);
  });

  it('does not begin where a deploy falls back to the old instance', async () => {
    const { rig, slots, name } = await switched();
    rig.driver.die(rig.instanceOf(name), 'exit 1');
    assert.equal(partOf(rig, name, slots), 1);
  });

  it('lowers the weight by which the load is judged', async () => {
    const { rig } = await healed();
    assert.equal(rig.threadTable.weight(rig.replica('S1').ordinal), 10);
    await rig.advance(RAMP_MS);
    assert.equal(rig.threadTable.weight(rig.replica('S1').ordinal), 100);
  });

  it('is had by added replicas from their first request on', async () => {
    const rig = await FleetRig.of(2, { slowStartMs: RAMP_MS });
    const adding = rig.scaling.add(1, ['S9']);
    await rig.advance(100);
    await adding;
    const early = slotsOf(rig, 'S9');
    await rig.advance(RAMP_MS);
    assert.ok(early > 0 && early < slotsOf(rig, 'S9') / 5);
  });

  it('is had by a replica whose drain ends', async () => {
    const rig = await FleetRig.of(2, { slowStartMs: RAMP_MS });
    const slots = slotsOf(rig, 'S1');
    await rig.view.drain(['S1']);
    await rig.view.undrain(['S1']);
    assert.ok(partOf(rig, 'S1', slots) < 0.3);
    await rig.advance(RAMP_MS);
    assert.equal(partOf(rig, 'S1', slots), 1);
  });

  it('is not had when the balancer starts', async () => {
    const rig = await FleetRig.of(3, { slowStartMs: RAMP_MS });
    const slots = slotsOf(rig, 'S1');
    await rig.advance(RAMP_MS);
    assert.equal(slotsOf(rig, 'S1'), slots);
  });

  it('begins anew for a replica that dies during it', async () => {
    const { rig, slots } = await healed();
    await rig.advance(RAMP_MS / 2);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(1000);
    assert.ok(partOf(rig, 'S1', slots) < 0.3);
  });

  it('holds nothing back where no other replica could take it over', async () => {
    const rig = await FleetRig.of(1, { slowStartMs: RAMP_MS });
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(100);
    assert.equal(slotsOf(rig, 'S1'), 512);
  });
});
