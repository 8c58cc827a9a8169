import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { DeployPhase, DeployState } from '../../../lib/api/deploy.ts';
import { HISTOGRAM_CELLS, HistogramView, recordMs } from '../../../lib/core/policy/histogram.ts';
import { CHANGE as ONE_CHANGE } from '../../helpers/fleet/deploy-requests.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import {
  FleetRig,
  INTERVAL_MS,
  NOT_READY,
  REFUSED,
  START_TIMEOUT_MS,
  settle,
} from '../../helpers/fleet/rig.ts';
import { specWith } from '../../helpers/replica-spec.ts';

const WATCH_MS = 10_000;
const CHANGE = { ...ONE_CHANGE, watchMs: WATCH_MS };

/** So many requests, each of `ms`. */
function outcomes(requests: number, errors = 0, ms = 1) {
  const cells = new Float64Array(HISTOGRAM_CELLS);
  for (let count = 0; count < requests; count++) recordMs(cells, 0, ms);
  return { requests, errors, duration: new HistogramView(cells) };
}

describe('a deploy', () => {
  let rig: FleetRig;
  beforeEach(async () => {
    rig = await FleetRig.of(3);
  });

  const state = (): DeployState | undefined => rig.deploys.status().deploy?.state;
  const reason = (): string => rig.deploys.status().deploy?.reason ?? '';
  const phases = (): Readonly<Record<string, DeployPhase>> =>
    Object.fromEntries((rig.deploys.status().deploy?.replicas ?? []).map(({ name, phase }) => [name, phase]));
  /** The generation that each member runs. */
  const generations = (): readonly string[] =>
    rig.registry.members.map(({ name, instance }) => `${name}=${instance?.generation}`);
  const kinds = (): readonly string[] =>
    rig.events.map(({ kind }) => kind).filter((kind) => kind.startsWith('deploy-'));
  const running = (): number =>
    [...rig.driver.instances.values()].filter(({ status }) => status === 'running').length;
  /** Until the first replica is switched. */
  const untilWatching = async (): Promise<string> => {
    for (let turn = 0; turn < 100; turn++) {
      const [name] = Object.entries(phases()).find(([, phase]) => phase === 'watching') ?? [];
      if (name !== undefined) return name;
      await rig.advance(10);
    }
    throw new Error(`nothing is watched: ${JSON.stringify(rig.deploys.status())}`);
  };

  it('lets the old instance finish in-flight requests, whatever is listed meanwhile', async () => {
    rig = await FleetRig.of(1);
    const { ordinal } = rig.replica('S1');
    rig.load('S1', 1);
    await rig.deploys.start(CHANGE);
    await rig.advance(WATCH_MS + 2000);
    assert.equal(state(), 'done');
    rig.supervisor.nudge();
    await settle();
    assert.equal(running(), 2);
    rig.threadTable.release(ordinal);
    await rig.advance(1000);
    assert.equal(running(), 1);
  });

  it('has instances probed at the interval once they are switched', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(3 * WATCH_MS + 3000);
    assert.equal(state(), 'done');
    const passed = (): number => rig.registry.members.reduce((sum, { probes }) => sum + probes.passed, 0);
    const before = passed();
    await rig.advance(10 * INTERVAL_MS);
    assert.equal(passed() - before, 3 * 10);
  });

  it('keeps a switched instance that is not renamed yet', async () => {
    const renamed = Promise.withResolvers<void>();
    class SlowRename extends FakeDriver {
      override async promote(instanceId: string): Promise<void> {
        await renamed.promise;
        return super.promote(instanceId);
      }
    }
    rig = await FleetRig.of(3, { driver: new SlowRename() });
    await rig.deploys.start(CHANGE);
    await untilWatching();
    rig.supervisor.nudge();
    await settle();
    assert.deepEqual([state(), running()], ['running', 4]);
    renamed.resolve();
    await rig.advance(3 * WATCH_MS + 3000);
    assert.deepEqual([state(), ...generations()], ['done', 'S1=2', 'S2=2', 'S3=2']);
  });

  it('counts generations on from those of adopted instances', async () => {
    const driver = new FakeDriver();
    driver.leave('S1', 1, { generation: 1 });
    driver.leave('S2', 2, { generation: 2 });
    rig = await FleetRig.of(0, { driver });
    await rig.deploys.start(CHANGE);
    await rig.advance(3 * WATCH_MS + 3000);
    assert.deepEqual([state(), ...generations()], ['done', 'S1=3', 'S2=3']);
  });

  it('brings every replica to the new release', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(3 * WATCH_MS + 3000);
    assert.equal(state(), 'done');
    assert.deepEqual(generations(), ['S1=2', 'S2=2', 'S3=2']);
    assert.deepEqual(rig.driver.current, ['S1', 'S2', 'S3']);
    assert.equal(running(), 3);
    assert.deepEqual(kinds(), [
      'deploy-started',
      'deploy-switched',
      'deploy-switched',
      'deploy-switched',
      'deploy-done',
    ]);
  });

  it('moves no key', async () => {
    const owners = (): readonly (string | undefined)[] =>
      [...rig.table.slots].map((ordinal) => rig.registry.findByOrdinal(ordinal)?.name);
    const before = owners();
    await rig.deploys.start(CHANGE);
    await untilWatching();
    assert.deepEqual(owners(), before);
    await rig.advance(3 * WATCH_MS + 3000);
    assert.deepEqual(owners(), before);
  });

  it('keeps every replica eligible all the time', async () => {
    let least = 3;
    await rig.deploys.start(CHANGE);
    for (let turn = 0; turn < 330; turn++) {
      await rig.advance(100);
      least = Math.min(least, rig.table.eligible);
    }
    assert.equal(state(), 'done');
    assert.equal(least, 3);
  });

  it('lets the old instance live until the gate has passed', async () => {
    await rig.deploys.start(CHANGE);
    const name = await untilWatching();
    await rig.advance(WATCH_MS - 200);
    const isOld = (one: { name: string; generation?: number | undefined }): boolean =>
      one.name === name && one.generation === 1;
    assert.equal([...rig.driver.instances.values()].filter(isOld).length, 1);
    await rig.advance(1000);
    assert.equal([...rig.driver.instances.values()].filter(isOld).length, 0);
  });

  it('stops the old instance once its requests have ended', async () => {
    const release = rig.load('S1', 1);
    rig.load('S2', 2);
    rig.load('S3', 3);
    const old = rig.instanceOf('S1');
    await rig.deploys.start({ ...CHANGE, watchMs: 1000 });
    await rig.advance(2000);
    assert.equal(phases().S1, 'done');
    assert.equal(rig.driver.instances.get(old)?.role, 'replaced');
    release();
    await rig.advance(100);
    assert.equal(rig.driver.instances.has(old), false);
  });

  it('begins with the replica that has the fewest requests in flight', async () => {
    rig.load('S1', 2);
    rig.load('S2', 1);
    rig.load('S3', 3);
    await rig.deploys.start(CHANGE);
    assert.equal(await untilWatching(), 'S2');
  });

  it('switches as many at a time as the batch says', async () => {
    await rig.deploys.start({ ...CHANGE, batch: 2 });
    await untilWatching();
    assert.equal(Object.values(phases()).filter((phase) => phase === 'watching').length, 2);
  });

  it('gives no requests to an instance whose probes have not passed', async () => {
    rig.driver.onStarted = ({ endpoint }) => rig.found.set(endpoint!.port, NOT_READY);
    await rig.deploys.start(CHANGE);
    await rig.advance(5000);
    assert.deepEqual(generations(), ['S1=1', 'S2=1', 'S3=1']);
    assert.equal(phases().S1, 'starting');
  });

  describe('goes back', () => {
    /** That nothing is left of it. */
    const assertOld = (): void => {
      assert.equal(state(), 'rolled-back');
      assert.equal(running(), 3);
      assert.ok(rig.registry.members.every(({ instance }) => instance?.generation === 1));
      assert.equal(rig.table.eligible, 3);
      assert.equal(rig.deploys.status().current.generation, 1);
      assert.equal(kinds().at(-1), 'deploy-rolled-back');
    };

    it('when the new instance exits at once', async () => {
      for (const name of ['S1', 'S2', 'S3']) rig.driver.stillborn.add(name);
      await rig.deploys.start(CHANGE);
      await rig.advance(1000);
      assertOld();
      assert.match(reason(), /exit 1/);
    });

    it('when the new instance never listens', async () => {
      rig.driver.onStarted = ({ endpoint }) => rig.found.set(endpoint!.port, REFUSED);
      await rig.deploys.start(CHANGE);
      await rig.advance(START_TIMEOUT_MS + 1000);
      assertOld();
      assert.match(reason(), /not healthy within/);
    });

    it('when the engine does not start it', async () => {
      rig.driver.failNext('start', 'image-missing');
      await rig.deploys.start(CHANGE);
      await rig.advance(1000);
      assertOld();
    });

    it('when the new instance dies while it is watched', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      rig.driver.die(rig.instanceOf(name), 'exit 3: out of luck');
      // in the same turn, before anything is noticed or restarted
      assert.equal(rig.replica(name).instance?.generation, 1);
      assert.equal(rig.table.eligible, 3);
      await rig.advance(1000);
      assertOld();
      assert.equal(reason(), `${name}: exit 3: out of luck`);
    });

    it('with an event and a record of the death of the new instance', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      const { generation } = rig.replica(name);
      const instance = rig.instanceOf(name);
      rig.driver.die(instance, 'exit 3: out of luck');
      await settle();
      assert.deepEqual(
        rig.ends.map((end) => [end.replica, end.generation, end.ending.text]),
        [[name, generation, 'exit 3: out of luck']],
      );
      const dead = rig.events.filter((event) => event.kind === 'died');
      assert.deepEqual(
        dead.map((event) => [event.replica, event.instance]),
        [[name, instance]],
      );
    });

    it('with an outage that is over at once', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      rig.driver.die(rig.instanceOf(name), 'exit 3');
      await settle();
      const { ms, instance } = rig.events.find(({ kind }) => kind === 'replaced')!;
      assert.deepEqual([ms, instance], [0, rig.instanceOf(name)]);
    });

    it('with a record of the new instance that hangs', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      const { generation } = rig.replica(name);
      rig.hang(name);
      await rig.advance(9000);
      assertOld();
      assert.deepEqual(
        rig.ends.map((end) => [end.replica, end.generation]),
        [[name, generation]],
      );
    });

    it('when the new instance fails its probes', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      rig.found.set(rig.replica(name).instance!.endpoint!.port, NOT_READY);
      await rig.advance(9000);
      assertOld();
      assert.match(reason(), /not ready/);
    });

    it('when the new instance fails requests', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      rig.outcomes.set(rig.replica(name).ordinal, outcomes(100, 50));
      await rig.advance(1000);
      assertOld();
      assert.match(reason(), /^S1: 50 of 100 requests failed/);
    });

    it('for its failed requests, also where they have had it ejected', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      const { ordinal, instance } = rig.replica(name);
      rig.found.set(instance!.endpoint!.port, NOT_READY);
      rig.registry.states.eject(rig.replica(name), 'ejected');
      rig.outcomes.set(ordinal, outcomes(100, 50));
      await rig.advance(1000);
      assertOld();
      assert.match(reason(), /^S1: 50 of 100 requests failed/);
    });

    it('when the new instance is slow', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      for (const windows of [1, 2]) {
        for (const { ordinal } of rig.registry.members) rig.outcomes.set(ordinal, outcomes(100 * windows));
        rig.outcomes.set(rig.replica(name).ordinal, outcomes(100 * windows, 0, 200));
        await rig.advance(1000);
      }
      assertOld();
      assert.match(reason(), /p99/);
    });

    it('when the new instance is slow and gets few requests', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      for (const { ordinal } of rig.registry.members) rig.outcomes.set(ordinal, outcomes(100));
      rig.outcomes.set(rig.replica(name).ordinal, outcomes(20, 0, 200));
      await rig.advance(WATCH_MS - 500);
      assert.equal(state(), 'running');
      await rig.advance(2000);
      assertOld();
      assert.match(reason(), /median/);
    });

    it('not for a hundred slow requests alone', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      for (const { ordinal } of rig.registry.members) rig.outcomes.set(ordinal, outcomes(100));
      rig.outcomes.set(rig.replica(name).ordinal, outcomes(100, 0, 200));
      await rig.advance(1000);
      assert.equal(state(), 'running');
    });

    it('not for a pause that slows hundreds of requests', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      for (const windows of [1, 2, 3, 4]) {
        for (const { ordinal } of rig.registry.members) rig.outcomes.set(ordinal, outcomes(100 * windows));
        rig.outcomes.set(rig.replica(name).ordinal, outcomes(100 * windows, 0, 200));
        await rig.advance(50);
      }
      await rig.advance(1000);
      assert.equal(state(), 'running');
    });

    it('when an operator says so', async () => {
      await rig.deploys.start(CHANGE);
      await untilWatching();
      await rig.deploys.rollBack();
      await rig.advance(1000);
      assertOld();
      assert.match(reason(), /operator/);
    });

    it('when an operator says so while an instance starts', async () => {
      rig.driver.onStarted = ({ endpoint }) => rig.found.set(endpoint!.port, NOT_READY);
      await rig.deploys.start(CHANGE);
      await rig.advance(1000);
      await rig.deploys.rollBack();
      await rig.advance(1000);
      assertOld();
    });

    it('with all replicas, also those that had passed', async () => {
      await rig.deploys.start({ ...CHANGE, watchMs: 1000 });
      await rig.advance(1500);
      assert.equal(Object.values(phases()).filter((phase) => phase === 'done').length, 1);
      const name = await untilWatching();
      rig.driver.die(rig.instanceOf(name), 'exit 1');
      await rig.advance(2000);
      assertOld();
    });

    it('although the old instance has ended too', async () => {
      await rig.deploys.start(CHANGE);
      const name = await untilWatching();
      const old = [...rig.driver.instances.values()].find(
        (one) => one.name === name && one.generation === 1,
      )!;
      rig.driver.die(old.instanceId, 'SIGKILL');
      rig.driver.die(rig.instanceOf(name), 'exit 1');
      await rig.advance(5000);
      assertOld();
    });

    it('although the old instance does not start at once', async () => {
      await rig.deploys.start({ ...CHANGE, watchMs: 1000 });
      await rig.advance(1500);
      const name = await untilWatching();
      rig.driver.failNext('start', 'start-failed');
      rig.driver.die(rig.instanceOf(name), 'exit 1');
      await rig.advance(2000);
      assertOld();
    });
  });

  it('heals an old instance that ends to its own release', async () => {
    await rig.deploys.start(CHANGE);
    const name = await untilWatching();
    const other = name === 'S3' ? 'S2' : 'S3';
    rig.driver.die(rig.instanceOf(other), 'exit 1');
    await rig.advance(2000);
    assert.equal(rig.replica(other).instance?.generation, 1);
    await rig.advance(3 * WATCH_MS + 3000);
    assert.equal(state(), 'done');
    assert.deepEqual(generations(), ['S1=2', 'S2=2', 'S3=2']);
  });

  it('starts the new release where an old one keeps crashing', async () => {
    for (let crash = 0; crash < 6; crash++) {
      rig.driver.die(rig.instanceOf('S2'), 'exit 1');
      await rig.advance(100);
    }
    assert.equal(rig.replica('S2').instance, undefined);
    await rig.deploys.start(CHANGE);
    await rig.advance(3 * WATCH_MS + 3000);
    assert.equal(state(), 'done');
    assert.deepEqual(generations(), ['S1=2', 'S2=2', 'S3=2']);
  });

  it('gives added replicas the old release before the first gate', async () => {
    await rig.deploys.start(CHANGE);
    await untilWatching();
    const added = rig.scaling.add(1, ['S9']);
    await rig.advance(1000);
    await added;
    assert.equal(rig.replica('S9').instance?.generation, 1);
    await rig.advance(4 * WATCH_MS + 4000);
    assert.equal(state(), 'done');
    assert.equal(rig.replica('S9').instance?.generation, 2);
  });

  it('gives added replicas the new release after the first gate', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(WATCH_MS + 1000);
    const added = rig.scaling.add(1, ['S9']);
    await rig.advance(1000);
    await added;
    assert.equal(rig.replica('S9').instance?.generation, 2);
  });

  it('goes on where a replica that it watches is removed', async () => {
    await rig.deploys.start(CHANGE);
    const name = await untilWatching();
    await rig.scaling.remove(1, [name]);
    await rig.advance(3 * WATCH_MS + 3000);
    assert.equal(state(), 'done');
    assert.equal(running(), 2);
    assert.equal(phases()[name], 'gone');
  });

  it('goes on where a replica is removed while its instance starts', async () => {
    const gate = rig.driver.hold('start');
    await rig.deploys.start(CHANGE);
    await rig.advance(100);
    await rig.scaling.remove(1, ['S1']);
    gate.open();
    await rig.advance(3 * WATCH_MS + 3000);
    assert.equal(state(), 'done');
    assert.equal(running(), 2);
  });

  it('is refused while another is under way', async () => {
    await rig.deploys.start(CHANGE);
    await assert.rejects(rig.deploys.start(CHANGE), { code: 'deploy-running', message: /is running/ });
  });

  it('shows in a dry run what it would replace, doing nothing', async () => {
    const preview = await rig.deploys.preview(CHANGE);
    assert.deepEqual(preview.to.generation, 2);
    assert.deepEqual(
      preview.replicas.map(({ name, from }) => `${name} ${from.title}`),
      ['S1 v1', 'S2 v1', 'S3 v1'],
    );
    await rig.advance(1000);
    assert.equal(rig.driver.calls.length, 0);
    assert.equal(rig.deploys.status().deploy, null);
  });

  it('starts the same again with a restart', async () => {
    await rig.deploys.start({ ...CHANGE, kind: 'restart', watchMs: 100 });
    await rig.advance(2000);
    assert.equal(state(), 'done');
    assert.deepEqual(generations(), ['S1=2', 'S2=2', 'S3=2']);
    const switched = rig.events.find(({ kind }) => kind === 'deploy-switched');
    assert.equal(switched?.cause, 'v1, generation 1 → 2');
  });

  it('goes back to the release before with a rollback', async () => {
    await rig.deploys.start({ ...CHANGE, watchMs: 100 });
    await rig.advance(2000);
    const before = rig.releases.before;
    await rig.deploys.rollBack();
    await rig.advance(2000);
    assert.equal(state(), 'done');
    assert.deepEqual(rig.releases.current.spec, before?.spec);
  });

  it('goes back over restarts to another release with a rollback', async () => {
    await rig.deploys.start({ ...CHANGE, watchMs: 100 });
    await rig.advance(2000);
    await rig.deploys.start({ ...CHANGE, kind: 'restart', watchMs: 100 });
    await rig.advance(2000);
    await rig.deploys.rollBack();
    await rig.advance(2000);
    assert.deepEqual([state(), rig.releases.current.overrides], ['done', {}]);
    assert.deepEqual(generations(), ['S1=4', 'S2=4', 'S3=4']);
  });

  it('comes back with a second rollback', async () => {
    await rig.deploys.start({ ...CHANGE, watchMs: 100 });
    await rig.advance(2000);
    for (let rollback = 0; rollback < 2; rollback++) {
      await rig.deploys.rollBack();
      await rig.advance(2000);
    }
    assert.deepEqual([state(), rig.releases.current.overrides], ['done', { env: CHANGE.env }]);
  });

  it('has nothing to go back to after a restart alone', async () => {
    await rig.deploys.start({ ...CHANGE, kind: 'restart', watchMs: 100 });
    await rig.advance(2000);
    await assert.rejects(rig.deploys.rollBack(), {
      code: 'bad-request',
      message: /nothing was deployed before/,
    });
  });

  it('lets what it has not set follow the options', async () => {
    await rig.deploys.start({ ...CHANGE, watchMs: 100 });
    await rig.advance(2000);
    const env = [
      ['VERSION', '1'],
      ['LEVEL', 'debug'],
    ] as const;
    rig.releases.reconfigure(specWith({ env, args: ['--new'] }));
    const { spec } = rig.releases.of('S1');
    assert.deepEqual([spec.env, spec.args], [[env[1], ['VERSION', '2']], ['--new']]);
  });

  it('counts as no restart', async () => {
    await rig.deploys.start({ ...CHANGE, watchMs: 100 });
    await rig.advance(2000);
    assert.equal(rig.replica('S1').restarts, 0);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(100);
    assert.equal(rig.replica('S1').restarts, 1);
  });

  it('sets nothing with a restart', async () => {
    await rig.deploys.start({ ...CHANGE, kind: 'restart', watchMs: 100 });
    await rig.advance(2000);
    const options = specWith({ env: [['LEVEL', 'debug']] });
    rig.releases.reconfigure(options);
    assert.deepEqual(rig.releases.of('S1').spec, options);
  });

  it('sets nothing any more after its rollback', async () => {
    await rig.deploys.start({ ...CHANGE, watchMs: 100 });
    await rig.advance(2000);
    await rig.deploys.rollBack();
    await rig.advance(2000);
    const options = specWith({ env: [['VERSION', '3']] });
    rig.releases.reconfigure(options);
    assert.deepEqual(rig.releases.of('S1').spec, options);
  });

  it('has nothing to go back to at first', async () => {
    await assert.rejects(rig.deploys.rollBack(), /nothing was deployed before/);
  });

  it('can be taken back while a replica is being healed', async () => {
    const gate = rig.driver.hold('start', 'S1');
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.advance(100);
    await rig.deploys.start({ ...CHANGE, batch: 3 });
    await rig.advance(100);
    await rig.deploys.rollBack();
    await rig.advance(1000);
    assert.equal(state(), 'rolled-back');
    gate.open();
  });

  it('can be taken back while it waits for a free ordinal', async () => {
    rig = await FleetRig.of(3, { ordinals: 3 });
    await rig.deploys.start(CHANGE);
    await rig.advance(1000);
    assert.equal(state(), 'running');
    await rig.deploys.rollBack();
    await rig.advance(1000);
    assert.deepEqual([state(), running()], ['rolled-back', 3]);
  });

  it('ends with the balancer while a replica is being healed', async () => {
    const gate = rig.driver.hold('start', 'S1');
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.advance(100);
    await rig.deploys.start({ ...CHANGE, batch: 3 });
    await rig.advance(100);
    let isClosed = false;
    void rig.deploys.close().then(() => {
      isClosed = true;
    });
    await rig.advance(1000);
    assert.equal(isClosed, true);
    gate.open();
  });

  it('leaves nothing beside the replicas when the balancer closes', async () => {
    await rig.deploys.start(CHANGE);
    await untilWatching();
    await rig.deploys.close();
    const closed = rig.supervisor.close(false);
    await rig.advance(100);
    await closed;
    await settle();
    assert.equal(rig.driver.instances.size, 0);
  });
});
