import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { FleetRig, INTERVAL_MS, PASSED } from '../../helpers/fleet/rig.ts';
import { CheckerRig } from './probes.ts';

describe('the checker', () => {
  let rig: CheckerRig;
  beforeEach(() => {
    rig = new CheckerRig();
  });

  it('probes a new instance at once, healthy after rise quick passes', async () => {
    const replica = rig.watched('S1');
    assert.equal(rig.probes.waiting.length, 1);
    await rig.probes.pass();
    assert.equal(replica.state, 'starting');
    assert.equal(await rig.untilNextProbe(), 5);
    await rig.probes.pass();
    assert.equal(replica.state, 'healthy');
    assert.deepEqual(rig.fleet.transitions, ['S1 starting→healthy: probe passed: 200']);
  });

  it('counts no failure of a starting instance', async () => {
    const told: boolean[] = [];
    rig = new CheckerRig({ onProbe: (_replica, _tookMs, passed) => told.push(passed) });
    const replica = rig.watched('S1');
    for (let count = 0; count < 4; count++) {
      await rig.probes.fail();
      await rig.fleet.advance(50);
    }
    assert.deepEqual(replica.probes, { passed: 0, failed: 0, last: 'connection refused', recent: [] });
    await rig.probes.pass();
    await rig.fleet.advance(50);
    await rig.probes.fail();
    assert.deepEqual(replica.probes.recent, [true, false]);
    assert.deepEqual([replica.probes.passed, replica.probes.failed], [1, 1]);
    assert.deepEqual(told, [true, false]);
  });

  it('counts no failure of a starting replacement', async () => {
    const replica = await rig.healthy('S1');
    const { registry, driver, checker } = rig.fleet;
    checker.unwatch(replica);
    void registry.clearInstance(replica, 'SIGKILL');
    void registry.placeInstance(replica, driver.leave('S1', replica.id));
    checker.watch(replica);
    await rig.probes.fail();
    assert.deepEqual(replica.probes.recent, [true, true]);
  });

  it('probes an instance that is healthy in its place already at the interval', async () => {
    const replica = await rig.healthy('S1');
    rig.fleet.checker.watch(replica);
    await rig.probes.pass();
    assert.equal(await rig.untilNextProbe(), INTERVAL_MS / 2);
    await rig.probes.fail();
    assert.equal(await rig.untilNextProbe(), INTERVAL_MS);
    assert.equal(replica.probes.failed, 1);
  });

  it('counts the failures of a fixed server from the first', async () => {
    rig = new CheckerRig({ ownsInstances: false });
    const replica = rig.watched('S1');
    await rig.probes.fail();
    assert.deepEqual([replica.probes.failed, replica.probes.recent], [1, [false]]);
  });

  describe('probes a starting instance', () => {
    /** The waits after that many failures in a row where so many are watched. */
    const waitsOf = async (
      failures: number,
      { watched = 1, intervalMs = INTERVAL_MS },
    ): Promise<number[]> => {
      rig = new CheckerRig({ intervalMs, maxConcurrent: watched });
      for (let id = 2; id <= watched; id++) rig.watched(`S${id}`);
      // theirs never get an answer
      rig.probes.waiting.length = 0;
      rig.watched('S1');
      const waits: number[] = [];
      while (waits.length < failures) {
        await rig.probes.fail();
        waits.push(await rig.untilNextProbe());
      }
      return waits;
    };

    for (const [watched, lookMs] of [
      [1, 5],
      [7, 7],
    ] as const) {
      it(`every ${lookMs} ms for a second, then less, where ${watched} are watched`, async () => {
        const looks = Math.round(1000 / lookMs);
        const waits = await waitsOf(looks + 9, { watched });
        assert.deepEqual(new Set(waits.slice(0, looks)), new Set([lookMs]));
        const later = [1, 2, 4, 8, 16, 32, 64, 128, 256].map((times) => Math.min(500, times * lookMs));
        assert.deepEqual(waits.slice(looks), later);
        assert.deepEqual(rig.downs, []);
      });
    }

    it('less often where many are watched', async () => {
      assert.deepEqual(await waitsOf(3, { watched: 12 }), [10, 12, 12]);
      const waits = await waitsOf(45, { watched: 30 });
      assert.deepEqual(waits.slice(0, 4), [10, 20, 25, 25]);
      assert.deepEqual(waits.slice(38), [25, 25, 25, 50, 100, 200, 400]);
    });

    it('at least at the interval', async () => {
      assert.deepEqual(await waitsOf(3, { intervalMs: 3 }), [3, 3, 3]);
      assert.deepEqual(await waitsOf(4, { watched: 30, intervalMs: 22 }), [10, 20, 22, 22]);
    });
  });

  for (const [chance, waitMs] of [
    [0, 1800],
    [0.5, 2000],
    [1, 2200],
  ] as const) {
    it(`probes after ${waitMs} of ${INTERVAL_MS} ms where chance is ${chance}`, async () => {
      rig = new CheckerRig({ random: () => chance });
      await rig.healthy('S1');
      await rig.untilNextProbe();
      await rig.probes.pass();
      // the clock goes in steps of one
      assert.ok(Math.abs((await rig.untilNextProbe()) - waitMs) <= 1);
    });
  }

  it('spreads first probes of replicas that became healthy together', async () => {
    const chances = [0, 0.1, 0.55, 0.9];
    rig = new CheckerRig({ random: () => chances.shift() ?? 0.5 });
    const waits: number[] = [];
    for (const name of ['S1', 'S2']) {
      await rig.healthy(name);
      waits.push(await rig.untilNextProbe());
      rig.fleet.checker.unwatch(rig.fleet.replica(name));
      await rig.probes.pass();
    }
    assert.deepEqual(waits, [0.1 * INTERVAL_MS, 0.9 * INTERVAL_MS]);
  });

  it('counts the interval from the start of a probe', async () => {
    await rig.healthy('S1');
    await rig.untilNextProbe();
    await rig.fleet.advance(700);
    await rig.probes.pass();
    assert.equal(await rig.untilNextProbe(), INTERVAL_MS - 700);
  });

  it('marks a replica unhealthy once after fall failures in a row', async () => {
    const replica = await rig.healthy('S1');
    for (const state of ['healthy', 'healthy', 'unhealthy', 'unhealthy']) {
      await rig.fleet.advance(INTERVAL_MS);
      await rig.probes.fail();
      assert.equal(replica.state, state);
    }
    assert.equal(rig.fleet.transitions.filter((line) => line.includes('→unhealthy')).length, 1);
  });

  it('forgets the failures before a pass', async () => {
    const replica = await rig.healthy('S1');
    for (const step of ['fail', 'fail', 'pass', 'fail', 'fail'] as const) {
      await rig.fleet.advance(INTERVAL_MS);
      await rig.probes[step]();
    }
    assert.equal(replica.state, 'healthy');
  });

  it('counts what the probes said', async () => {
    const replica = await rig.healthy('S1');
    await rig.fleet.advance(INTERVAL_MS);
    await rig.probes.fail();
    const recent = [true, true, false];
    assert.deepEqual(replica.probes, { passed: 2, failed: 1, last: 'connection refused', recent });
  });

  it('remembers what the last 20 probes found, and no more', async () => {
    const replica = await rig.healthy('S1');
    for (let count = 0; count < 25; count++) {
      await rig.fleet.advance(INTERVAL_MS, 100);
      if (count === 20) await rig.probes.fail();
      else await rig.probes.pass();
    }
    assert.equal(replica.probes.passed + replica.probes.failed, 27);
    const expected = Array.from({ length: 20 }, (_, probe) => probe !== 15);
    assert.deepEqual(replica.probes.recent, expected);
  });

  it('has at most one probe of a replica under way', async () => {
    rig.watched('S1');
    await rig.fleet.advance(10 * INTERVAL_MS, 100);
    assert.deepEqual([rig.probes.asked, rig.probes.most], [1, 1]);
  });

  it('limits the probes under way and forgets none', async () => {
    rig = new CheckerRig({ maxConcurrent: 2 });
    const replicas = ['S1', 'S2', 'S3', 'S4', 'S5'].map((name) => rig.watched(name));
    for (let count = 0; count < 10; count++) {
      if (rig.probes.waiting.length > 0) await rig.probes.pass();
      await rig.fleet.advance(10);
    }
    assert.equal(rig.probes.most, 2);
    assert.deepEqual(new Set(replicas.map(({ state }) => state)), new Set(['healthy']));
  });

  it('reuses probe connections only for many sound replicas', async () => {
    await rig.healthy('S1');
    await rig.untilNextProbe();
    assert.equal(rig.probes.mayReuse, false);
    rig = new CheckerRig({ intervalMs: 9 });
    await rig.healthy('S1');
    await rig.untilNextProbe();
    assert.equal(rig.probes.mayReuse, true);
    await rig.probes.fail();
    await rig.untilNextProbe();
    assert.equal(rig.probes.mayReuse, false);
  });

  it('batches the probes of many replicas, forty times an interval', async () => {
    const asked: number[] = [];
    let chance = 0;
    let fleet: FleetRig | undefined;
    fleet = await FleetRig.of(60, {
      maxReplicas: 60,
      ordinals: 64,
      health: {
        intervalMs: 400,
        random: () => (chance = (chance + 0.618) % 1),
        probe: async () => {
          asked.push(fleet?.clock.nowMs() ?? 0);
          return PASSED;
        },
      },
    });
    await fleet.advance(2000, 1);
    const [, , ...times] = [...new Set(asked.filter((atMs) => atMs > 1000))];
    assert.ok(
      times.every((atMs) => atMs % 10 === 0),
      `${times}`,
    );
    assert.ok(new Set(times.map((atMs) => atMs % 400)).size > 30);
  });

  it('takes no probe that could not be made for a failure', async () => {
    const replica = await rig.healthy('S1');
    for (let count = 0; count < 5; count++) {
      await rig.untilNextProbe();
      await rig.probes.find({ outcome: 'not-made', detail: 'too many open files' });
    }
    assert.deepEqual([replica.state, replica.probes.failed, rig.downs], ['healthy', 0, []]);
  });

  it('does not probe an overdue replica no longer watched', async () => {
    rig = new CheckerRig({ maxConcurrent: 1 });
    rig.watched('S1');
    const second = rig.watched('S2');
    rig.watched('S3');
    rig.fleet.checker.unwatch(second);
    await rig.probes.pass();
    assert.equal(rig.probes.waiting[0]!.endpoint, '127.0.0.1:10003');
  });

  it('throws away what a probe says of an earlier instance', async () => {
    const replica = rig.watched('S1');
    await rig.probes.pass();
    await rig.fleet.advance(10);
    void rig.fleet.registry.clearInstance(replica, 'SIGKILL');
    void rig.fleet.registry.placeInstance(replica, rig.fleet.driver.leave('S1', 1));
    rig.fleet.checker.watch(replica);
    assert.equal(rig.probes.waiting.length, 2);
    await rig.probes.pass();
    assert.deepEqual([replica.state, replica.health], ['starting', 0]);
    await rig.probes.pass();
    assert.equal(replica.state, 'starting');
  });

  it('drops the probe result of a replica no longer watched', async () => {
    const replica = await rig.healthy('S1');
    await rig.fleet.advance(INTERVAL_MS);
    rig.fleet.checker.unwatch(replica);
    await rig.probes.fail();
    assert.equal(replica.probes.failed, 0);
    assert.equal(await rig.untilNextProbe(), Number.POSITIVE_INFINITY);
  });

  it('leaves no timer behind when it is closed', async () => {
    await rig.healthy('S1');
    rig.watched('S2');
    rig.fleet.checker.close();
    assert.equal(rig.fleet.clock.pending, 0);
    await rig.probes.pass();
    assert.equal(rig.fleet.clock.pending, 0);
  });

  describe('over servers that nobody starts', () => {
    beforeEach(() => {
      rig = new CheckerRig({ ownsInstances: false });
    });

    it('marks one that never responded unhealthy after fall failures', async () => {
      const replica = rig.watched('S1');
      for (const state of ['starting', 'starting', 'unhealthy']) {
        await rig.probes.fail();
        assert.equal(replica.state, state);
        if (state === 'starting') await rig.untilNextProbe();
      }
      assert.equal(await rig.untilNextProbe(), 0.5 * INTERVAL_MS);
      await rig.probes.fail();
      assert.equal(await rig.untilNextProbe(), INTERVAL_MS);
    });

    it('calls it healthy after rise passes', async () => {
      const replica = rig.watched('S1');
      for (let count = 0; count < 3; count++) {
        await rig.probes.fail();
        await rig.untilNextProbe();
      }
      for (const state of ['unhealthy', 'healthy']) {
        await rig.probes.pass();
        assert.equal(replica.state, state);
        await rig.untilNextProbe();
      }
    });
  });
});
