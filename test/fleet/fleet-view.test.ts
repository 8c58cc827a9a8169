import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endingIn } from '../helpers/fleet/endings.ts';
import { FleetRig } from '../helpers/fleet/rig.ts';

describe('the view of a fleet', () => {
  it('shows of each replica what an operator needs', async () => {
    const rig = await FleetRig.of(2);
    rig.threadTable.acquire(rig.replica('S1').ordinal, 9);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(1000);
    const [first] = rig.view.replicas();
    const { slots, share, sinceMs, ...rest } = first!;
    assert.deepEqual(rest, {
      name: 'S1',
      id: 1,
      state: 'healthy',
      draining: false,
      endpoint: '127.0.0.1:10003',
      instance: 'S1#3',
      image: null,
      generation: 1,
      inFlight: 1,
      weight: 1,
      restarts: 1,
      ending: endingIn('SIGKILL'),
      probes: { passed: 4, failed: 0, last: '200', recent: [true, true, true, true] },
      cause: 'probe passed: 200',
      nextStartInMs: null,
    });
    assert.equal(share, Math.round((slots / 512) * 1e6) / 1e6);
    assert.ok(sinceMs > 900 && sinceMs <= 1000, `${sinceMs}`);
  });

  it('lists members, then joining, then draining replicas', async () => {
    const rig = await FleetRig.of(2);
    rig.threadTable.acquire(rig.replica('S1').ordinal, 9);
    await rig.scaling.remove(1, ['S1']);
    const start = rig.driver.hold('start');
    const adding = rig.scaling.add(1, ['new']);
    assert.deepEqual(
      rig.view.replicas().map(({ name, state, slots }) => [name, state, slots]),
      [
        ['S2', 'healthy', 512],
        ['new', 'starting', 0],
        ['S1', 'draining', 0],
      ],
    );
    assert.deepEqual(rig.view.names(), ['S2']);
    start.open();
    await rig.advance(100);
    await adding;
  });

  it('shows no endpoint and no instance where there is none', async () => {
    const rig = await FleetRig.of(1);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.advance(100);
    const [{ endpoint, instance, state, cause }] = rig.view.replicas() as [
      ReturnType<typeof rig.view.replicas>[0],
    ];
    assert.deepEqual([endpoint, instance, state, cause], [null, null, 'starting', 'exit 1']);
  });

  it('shows the slots of each member and the imbalance', async () => {
    const rig = await FleetRig.of(3);
    const { members, imbalance, version, hash, ...rest } = rig.view.ring();
    assert.match(hash, /^[0-9a-f]{8}$/);
    assert.deepEqual(rest, { algorithm: 'ring', slots: 512, vnodes: 40 });
    assert.equal(version, rig.table.version);
    assert.deepEqual(
      members.map(({ name, id }) => [name, id]),
      [
        ['S1', 1],
        ['S2', 2],
        ['S3', 3],
      ],
    );
    const slots = members.map((member) => member.slots);
    assert.equal(
      slots.reduce((sum, count) => sum + count, 0),
      512,
    );
    assert.ok(Math.abs(imbalance - (Math.max(...slots) / 512) * 3) < 1e-5, `${imbalance}`);
  });

  it('samples evenly spaced slots, at most all of them', async () => {
    const rig = await FleetRig.of(3);
    const { sample = [], members } = rig.view.ring(64);
    const owners = rig.view.ring(100_000).sample ?? [];
    assert.deepEqual([sample.length, owners.length], [64, 512]);
    assert.deepEqual(
      sample,
      sample.map((_, index) => owners[index * 8]),
    );
    for (const [place, { slots }] of members.entries())
      assert.equal(owners.filter((owner) => owner === place).length, slots);
    assert.equal(rig.view.ring().sample, undefined);
  });

  it('has the same hash again once an added replica is removed', async () => {
    const rig = await FleetRig.of(3);
    const { hash } = rig.view.ring();
    const adding = rig.view.add(1, ['web']);
    await rig.advance(100);
    await adding;
    const other = rig.view.ring().hash;
    await rig.view.remove(1, ['web']);
    assert.notEqual(other, hash);
    assert.equal(rig.view.ring().hash, hash);
  });

  it('shows an empty table as such', async () => {
    const rig = await FleetRig.of(1);
    await rig.scaling.remove(1, []);
    const { members, imbalance } = rig.view.ring();
    assert.deepEqual([members, imbalance], [[], 0]);
  });

  it('counts slots anew where the table has changed', async () => {
    const rig = await FleetRig.of(2);
    assert.notEqual(rig.view.replicas()[0]!.slots, 512);
    await rig.scaling.remove(1, ['S2']);
    assert.equal(rig.view.replicas()[0]!.slots, 512);
  });

  it('is ready while a replica is eligible', async () => {
    const rig = await FleetRig.of(2);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.advance(100);
    const one = { ready: true, draining: false, reason: '1 of 2 replicas are eligible' };
    assert.deepEqual(rig.view.readiness(), one);
    rig.driver.die(rig.instanceOf('S2'), 'exit 1');
    await rig.advance(100);
    const none = { ready: false, draining: false, reason: '0 of 2 replicas are eligible' };
    assert.deepEqual(rig.view.readiness(), none);
    await rig.advance(5000);
    rig.view.startDraining();
    const draining = { ready: false, draining: true, reason: 'The balancer is shutting down' };
    assert.deepEqual(rig.view.readiness(), draining);
  });
});
