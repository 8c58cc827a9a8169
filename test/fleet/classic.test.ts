import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findFleet } from '../../lib/core/policy/reconcile.ts';
import { FleetCounts } from '../../lib/metrics/fleet-counts.ts';
import { endingIn } from '../helpers/fleet/endings.ts';
import { FakeDriver } from '../helpers/fleet/fake-driver.ts';
import {
  FleetRig,
  NOT_READY,
  REPLACE_AFTER_MS,
  START_TIMEOUT_MS,
  STOP_TIMEOUT_MS,
  settle,
} from '../helpers/fleet/rig.ts';

/** The classic profile, with names R1, R2… in the order in which they are chosen. */
const classic = (count: number): Promise<FleetRig> => FleetRig.of(count, { classic: true });

const idsOf = (rig: FleetRig): readonly string[] =>
  rig.registry.members.map(({ name, id }) => `${name}#${id}`);

describe('a replacement in the classic profile', () => {
  it('has a new name and comes last in the list', async () => {
    const rig = await classic(3);
    rig.driver.die(rig.instanceOf('R2'), 'SIGKILL');
    assert.deepEqual(rig.states, ['R1=healthy', 'R3=healthy', 'R4=starting']);
    await rig.advance(100);
    assert.deepEqual(rig.states, ['R1=healthy', 'R3=healthy', 'R4=healthy']);
    assert.deepEqual(rig.driver.current, ['R1', 'R3', 'R4']);
    assert.equal(rig.driver.instances.size, 3);
  });

  it("has the dead one's id unless a lower is free", async () => {
    const rig = await classic(3);
    rig.driver.die(rig.instanceOf('R2'), 'SIGKILL');
    await rig.advance(100);
    assert.deepEqual(idsOf(rig), ['R1#1', 'R3#3', 'R4#2']);
  });

  it('has the lowest id that is free', async () => {
    const rig = await classic(3);
    await rig.scaling.remove(1, ['R1']);
    await rig.advance(100);
    rig.driver.die(rig.instanceOf('R3'), 'SIGKILL');
    await rig.advance(100);
    assert.deepEqual(idsOf(rig), ['R2#2', 'R4#1']);
  });

  it('takes over at once in one new table', async () => {
    const rig = await classic(3);
    const { version } = rig.table;
    rig.driver.die(rig.instanceOf('R2'), 'SIGKILL');
    assert.equal(rig.table.version, version + 1);
    assert.deepEqual(rig.owners, ['R1', 'R3', 'R4']);
    assert.deepEqual(rig.records.map(({ name }) => name).sort(), ['R1', 'R3']);
  });

  it('replaces a hung instance and one removed by hand', async () => {
    const rig = await classic(2);
    rig.hang('R1');
    await rig.advance(6100);
    assert.deepEqual(rig.states, ['R2=healthy', 'R3=healthy']);
    rig.driver.instances.delete(rig.instanceOf('R2'));
    rig.driver.hint({ kind: 'changed', cause: 'destroy' });
    await rig.advance(100);
    assert.deepEqual(rig.states, ['R3=healthy', 'R4=healthy']);
    assert.deepEqual(rig.driver.current, ['R3', 'R4']);
  });

  for (const [what, trouble, cause] of [
    ['a hung one', (rig) => rig.hang('R1'), 'unhealthy'],
    ['a dead one', (rig) => rig.driver.die(rig.instanceOf('R1'), 'SIGKILL'), 'died'],
  ] as const satisfies readonly (readonly [string, (rig: FleetRig) => void, string])[]) {
    it(`of ${what} is counted as ${cause}`, async () => {
      const rig = await classic(2);
      const counts = new FleetCounts();
      rig.journal.countAll(counts);
      trouble(rig);
      await rig.advance(6100);
      assert.deepEqual(rig.states, ['R2=healthy', 'R3=healthy']);
      const none = { died: 0, unhealthy: 0, ejected: 0 };
      assert.deepEqual(counts.historyOf('R3').replacements, { ...none, [cause]: 1 });
    });
  }

  it('lets requests in flight finish on one that is not ready', async () => {
    const rig = await classic(3);
    const finish = rig.load('R1', 1);
    rig.found.set(rig.replica('R1').instance!.endpoint!.port, NOT_READY);
    await rig.advance(REPLACE_AFTER_MS + 10_000);
    assert.deepEqual(rig.states, ['R2=healthy', 'R3=healthy', 'R4=healthy']);
    assert.deepEqual(
      rig.registry.leaving.map(({ name, state }) => `${name}=${state}`),
      ['R1=draining'],
    );
    assert.deepEqual(rig.records.map(({ name }) => name).sort(), ['R1', 'R2', 'R3', 'R4']);
    finish();
    await rig.advance(100);
    assert.deepEqual(rig.driver.of('remove'), [`R1#1 ${STOP_TIMEOUT_MS}`]);
    assert.deepEqual(rig.registry.leaving, []);
  });

  it('gets another name when it is not healthy in time', async () => {
    const rig = await classic(1);
    rig.driver.stillborn.add('R2');
    rig.driver.die(rig.instanceOf('R1'), 'SIGKILL');
    await rig.advance(50);
    assert.deepEqual(rig.states, ['R3=starting']);
    rig.driver.onStarted = ({ endpoint }) => rig.hung.add(endpoint!.port);
    await rig.advance(1100 + START_TIMEOUT_MS);
    assert.deepEqual(rig.states, ['R4=starting']);
    rig.driver.onStarted = () => {};
    await rig.advance(2100);
    assert.deepEqual(rig.states, ['R4=healthy']);
    assert.equal(rig.driver.instances.size, 1);
  });

  it('keeps its name while the engine does not answer', async () => {
    const rig = await classic(1);
    rig.driver.isLost = true;
    rig.driver.die(rig.instanceOf('R1'), 'SIGKILL');
    await rig.advance(20_000);
    assert.deepEqual(rig.states, ['R2=starting']);
    rig.driver.isLost = false;
    await rig.advance(600);
    assert.deepEqual(rig.states, ['R2=healthy']);
  });

  it('keeps its name after a failed start, unless held', async () => {
    const rig = await classic(1);
    rig.driver.failNext('start', 'image-missing');
    rig.driver.strangers.add('R3');
    rig.driver.die(rig.instanceOf('R1'), 'SIGKILL');
    await rig.advance(500);
    assert.deepEqual(rig.states, ['R2=starting']);
    await rig.advance(700);
    assert.deepEqual(rig.states, ['R2=healthy']);
    rig.driver.die(rig.instanceOf('R2'), 'SIGKILL');
    await rig.advance(1100);
    assert.deepEqual(rig.states, ['R4=healthy']);
  });

  it('keeps slowing a crash loop down under new names', async () => {
    const rig = await classic(1);
    rig.driver.onStarted = ({ instanceId }) => setImmediate(() => rig.driver.die(instanceId, 'exit 1'));
    rig.driver.die(rig.instanceOf('R1'), 'exit 1');
    const startsAtMs: number[] = [];
    while (startsAtMs.length < 5) {
      const before = rig.driver.of('start').length;
      await rig.advance(50, 50);
      if (rig.driver.of('start').length > before) startsAtMs.push(rig.clock.nowMs());
    }
    const gapsMs = startsAtMs.slice(1).map((ms, index) => ms - startsAtMs[index]!);
    assert.deepEqual(gapsMs, [2000, 4000, 8000, 16_000]);
    assert.equal(new Set(rig.driver.of('start')).size, 5);
    const [view] = rig.view.replicas();
    assert.equal(view!.restarts, 5);
    assert.equal(view!.cause, 'exit 1');
    assert.equal(rig.registry.leaving.length, 0);
  });

  it('shows how many times its place was filled', async () => {
    const rig = await classic(1);
    for (const name of ['R1', 'R2']) {
      rig.driver.die(rig.instanceOf(name), 'SIGKILL');
      await rig.advance(100);
    }
    assert.equal(rig.replica('R3').restarts, 2);
  });

  it('continues the outage of the one before it', async () => {
    const rig = await classic(2);
    rig.driver.die(rig.instanceOf('R1'), 'SIGKILL');
    rig.cost = { retried: 2, held: 0, failed: 1 };
    await rig.advance(50);
    assert.deepEqual(
      rig.events.map(({ kind, replica, cause }) => `${kind} ${replica}: ${cause}`),
      [
        'died R1: SIGKILL',
        'removed R1: SIGKILL',
        'added R3: instead of R1',
        'started R3: SIGKILL',
        'healthy R3: probe passed: 200',
        'replaced R3: probe passed: 200',
      ],
    );
    assert.deepEqual(rig.events.at(-1)!.cost, { retried: 2, held: 0, failed: 1 });
    assert.equal(rig.events[1]!.cost, null);
  });

  it('gets requests although an operator drained the one before it', async () => {
    const rig = await classic(2);
    await rig.view.drain(['R1']);
    rig.driver.die(rig.instanceOf('R1'), 'SIGKILL');
    await rig.advance(100);
    assert.equal(rig.table.eligible, 2);
  });

  it('does not come where the replica was removed before', async () => {
    const rig = await classic(2);
    const dead = rig.instanceOf('R1');
    await rig.scaling.remove(1, ['R1']);
    rig.driver.die(dead, 'SIGKILL');
    await rig.advance(100);
    assert.deepEqual(rig.states, ['R2=healthy']);
    assert.deepEqual(rig.driver.of('start'), []);
  });

  it('leaves the name where too many that were removed still drain', async () => {
    const rig = await FleetRig.of(2, { classic: true, ordinals: 2 });
    rig.driver.die(rig.instanceOf('R2'), 'SIGKILL');
    await rig.advance(100);
    assert.deepEqual(rig.states, ['R1=healthy', 'R2=healthy']);
  });

  it('comes once, however often one death is heard of', async () => {
    const rig = await classic(2);
    const dead = rig.instanceOf('R1');
    for (let time = 0; time < 3; time++) rig.driver.die(dead, 'SIGKILL');
    rig.driver.hint({ kind: 'changed', cause: 'rename' });
    await rig.advance(100);
    assert.deepEqual(rig.states, ['R2=healthy', 'R3=healthy']);
    assert.deepEqual(rig.driver.of('start'), ['R3']);
  });

  it('is left running by a balancer that closes during its start', async () => {
    const rig = await classic(2);
    const start = rig.driver.hold('start');
    rig.driver.die(rig.instanceOf('R1'), 'SIGKILL');
    await settle();
    const closed = rig.supervisor.close(true);
    start.open();
    await closed;
    const { places } = findFleet([...rig.driver.instances.values()]);
    assert.deepEqual(
      places.map(({ name, id }) => `${name}#${id}`),
      ['R3#1', 'R2#2'],
    );
  });
});

describe('a balancer in the classic profile that comes back', () => {
  it('adopts what runs under the names it has', async () => {
    const driver = new FakeDriver();
    driver.leave('S500000', 1);
    driver.leave('S400000', 2);
    const rig = await FleetRig.of(0, { driver, classic: true });
    assert.deepEqual(idsOf(rig), ['S500000#1', 'S400000#2']);
    assert.deepEqual(driver.of('start'), []);
  });

  it('gives the place of a dead one to a new name', async () => {
    const driver = new FakeDriver();
    driver.leave('S500000', 1);
    driver.leave('S400000', 2, { status: 'dead', ending: endingIn('exit 137'), endpoint: undefined });
    const rig = await FleetRig.of(0, { driver, classic: true });
    assert.deepEqual(rig.states, ['S500000=healthy', 'R1=healthy']);
    assert.deepEqual(driver.current, ['R1', 'S500000']);
    assert.equal(driver.instances.size, 2);
  });

  it('counts a dead instance and its replacement as one replica', async () => {
    const driver = new FakeDriver();
    const dead = { status: 'dead', ending: endingIn('exit 137'), endpoint: undefined } as const;
    const old = driver.leave('S500000', 3, dead);
    driver.leave('S400000', 2, { instead: old.instanceId });
    const rig = await FleetRig.of(0, { driver, classic: true });
    assert.deepEqual(rig.states, ['S400000=healthy']);
    assert.equal(driver.instances.size, 1);
  });
});

describe('removing more replicas than there are', () => {
  it('takes all of them in the classic profile', async () => {
    const rig = await classic(3);
    assert.deepEqual(await rig.view.remove(10, ['R2']), []);
    await rig.advance(100);
    assert.equal(rig.driver.instances.size, 0);
    assert.deepEqual(await rig.view.remove(1, []), []);
    const adding = rig.view.add(1, []);
    await rig.advance(100);
    assert.deepEqual(await adding, ['R4']);
  });

  it('is previewed in the classic profile as what it is', async () => {
    const rig = await classic(2);
    const { N, removed, moves } = await rig.view.previewRemove(7, []);
    assert.deepEqual([N, [...removed].sort()], [0, ['R1', 'R2']]);
    assert.deepEqual(new Set(moves.map(({ to }) => to)), new Set([null]));
    assert.equal(rig.states.length, 2);
  });

  it('is still refused with a name that no replica has', async () => {
    const rig = await classic(2);
    await assert.rejects(rig.view.remove(7, ['R9']), { code: 'bad-request', message: /R9/ });
    assert.equal(rig.states.length, 2);
  });

  it('is refused elsewhere', async () => {
    const rig = await FleetRig.of(2);
    await assert.rejects(rig.view.remove(3, []), { message: 'n is 3, but there are only 2 replicas' });
  });
});
