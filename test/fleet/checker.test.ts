import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { CheckerParts } from '../../lib/fleet/checker.ts';
import type { Replica } from '../../lib/fleet/registry.ts';
import { HandProbes } from '../helpers/fleet-probes.ts';
import { FleetRig, INTERVAL_MS, settle } from '../helpers/fleet-rig.ts';

describe('the checker', () => {
  let rig: FleetRig;
  let probes: HandProbes;
  let downs: string[];

  function setUp(more: Partial<CheckerParts> = {}): void {
    probes = new HandProbes();
    downs = [];
    const onDown = (replica: Replica, cause: string) => downs.push(`${replica.name}: ${cause}`);
    rig = new FleetRig({ checker: { probe: probes.probe, onDown, ...more } });
  }
  beforeEach(() => setUp());

  /** A replica on the ring with an instance in its place, watched. */
  function watched(name: string): Replica {
    const replica = rig.registry.reserve(name);
    rig.registry.join([replica]);
    void rig.registry.place(replica, rig.driver.leave(name, replica.id));
    rig.checker.watch(replica);
    return replica;
  }

  async function healthy(name: string): Promise<Replica> {
    const replica = watched(name);
    await probes.pass();
    await rig.advance(10);
    await probes.pass();
    assert.equal(replica.state, 'healthy');
    return replica;
  }

  /** Milliseconds until the next probe is asked. */
  async function untilNextProbe(limitMs = 10_000): Promise<number> {
    const { asked } = probes;
    for (let waitedMs = 0; waitedMs <= limitMs; waitedMs++) {
      if (probes.asked > asked) return waitedMs;
      await rig.advance(1, 1);
    }
    return Number.POSITIVE_INFINITY;
  }

  it('probes a new instance at once, and calls it healthy after rise passes in quick succession', async () => {
    const replica = watched('S1');
    assert.equal(probes.waiting.length, 1);
    await probes.pass();
    assert.equal(replica.state, 'starting');
    assert.equal(await untilNextProbe(), 10);
    await probes.pass();
    assert.equal(replica.state, 'healthy');
    assert.deepEqual(rig.transitions, ['S1 starting→healthy: probe passed: 200']);
  });

  it('asks a starting instance again sooner, then less and less often', async () => {
    watched('S1');
    const waits: number[] = [];
    for (let count = 0; count < 8; count++) {
      await probes.fail();
      waits.push(await untilNextProbe());
    }
    assert.deepEqual(waits, [10, 20, 40, 80, 160, 320, 500, 500]);
    assert.deepEqual(downs, []);
  });

  it('never waits longer for a starting instance than the interval', async () => {
    setUp({ intervalMs: 30 });
    watched('S1');
    const waits: number[] = [];
    for (let count = 0; count < 4; count++) {
      await probes.fail();
      waits.push(await untilNextProbe());
    }
    assert.deepEqual(waits, [10, 20, 30, 30]);
  });

  for (const [chance, waitMs] of [
    [0, 1800],
    [0.5, 2000],
    [1, 2200],
  ] as const) {
    it(`probes a healthy replica after ${waitMs} of ${INTERVAL_MS} ms where chance says ${chance}`, async () => {
      setUp({ random: () => chance });
      await healthy('S1');
      assert.equal(await untilNextProbe(), waitMs);
    });
  }

  it('counts the interval from the beginning of a probe, however long it took', async () => {
    await healthy('S1');
    await rig.advance(INTERVAL_MS);
    await rig.advance(700);
    await probes.pass();
    assert.equal(await untilNextProbe(), INTERVAL_MS - 700);
  });

  it('calls a replica unhealthy after fall failures in a row, and says so once', async () => {
    const replica = await healthy('S1');
    for (const state of ['healthy', 'healthy', 'unhealthy', 'unhealthy']) {
      await rig.advance(INTERVAL_MS);
      await probes.fail();
      assert.equal(replica.state, state);
    }
    assert.deepEqual(downs, ['S1: probes failed: connection refused']);
  });

  it('forgets the failures before a pass', async () => {
    const replica = await healthy('S1');
    for (const step of ['fail', 'fail', 'pass', 'fail', 'fail'] as const) {
      await rig.advance(INTERVAL_MS);
      await probes[step]();
    }
    assert.equal(replica.state, 'healthy');
  });

  it('counts what the probes said', async () => {
    const replica = await healthy('S1');
    await rig.advance(INTERVAL_MS);
    await probes.fail();
    assert.deepEqual(replica.probes, { passed: 2, failed: 1, last: 'connection refused' });
  });

  it('has one probe of a replica under way at most, however long it takes', async () => {
    watched('S1');
    await rig.advance(10 * INTERVAL_MS, 100);
    assert.deepEqual([probes.asked, probes.most], [1, 1]);
  });

  it('has no more probes under way than it may, and forgets nobody', async () => {
    setUp({ maxConcurrent: 2 });
    const replicas = ['S1', 'S2', 'S3', 'S4', 'S5'].map(watched);
    for (let count = 0; count < 10; count++) {
      if (probes.waiting.length > 0) await probes.pass();
      await rig.advance(10);
    }
    assert.equal(probes.most, 2);
    assert.deepEqual(new Set(replicas.map(({ state }) => state)), new Set(['healthy']));
  });

  it('does not probe one whose turn comes after it was given up', async () => {
    setUp({ maxConcurrent: 1 });
    watched('S1');
    const second = watched('S2');
    watched('S3');
    rig.checker.unwatch(second);
    await probes.pass();
    assert.equal(probes.waiting[0]!.endpoint, '127.0.0.1:10003');
  });

  it('throws away what a probe says of an earlier instance', async () => {
    const replica = watched('S1');
    await probes.pass();
    await rig.advance(10);
    void rig.registry.vacate(replica, 'SIGKILL');
    void rig.registry.place(replica, rig.driver.leave('S1', 1));
    rig.checker.watch(replica);
    assert.equal(probes.waiting.length, 2);
    await probes.pass();
    assert.deepEqual([replica.state, replica.health], ['starting', 0]);
    await probes.pass();
    assert.equal(replica.state, 'starting');
  });

  it('throws away what a probe says of a replica that is no longer watched, and asks no more', async () => {
    const replica = await healthy('S1');
    await rig.advance(INTERVAL_MS);
    rig.checker.unwatch(replica);
    await probes.fail();
    assert.equal(replica.probes.failed, 0);
    assert.equal(await untilNextProbe(), Number.POSITIVE_INFINITY);
  });

  it('takes a suspect out at once, probes it at once, and readmits it with one pass', async () => {
    const replica = await healthy('S1');
    rig.checker.suspect(replica, 'traffic: connect refused');
    assert.deepEqual([replica.state, rig.table.eligible, probes.waiting.length], ['unhealthy', 0, 1]);
    await probes.pass();
    assert.deepEqual([replica.state, rig.table.eligible], ['healthy', 1]);
    assert.equal(await untilNextProbe(), INTERVAL_MS);
    assert.deepEqual(rig.transitions.slice(1), [
      'S1 healthy→unhealthy: traffic: connect refused',
      'S1 unhealthy→healthy: probe passed: 200',
    ]);
  });

  it('does not readmit a suspect on a probe that began before the suspicion', async () => {
    const replica = await healthy('S1');
    await rig.advance(INTERVAL_MS);
    rig.checker.suspect(replica, 'traffic: connect refused');
    await probes.pass();
    assert.deepEqual([replica.state, probes.waiting.length], ['unhealthy', 1]);
    await probes.pass();
    assert.equal(replica.state, 'healthy');
  });

  it('gives up a suspect after fall failures in quick succession', async () => {
    const replica = await healthy('S1');
    rig.checker.suspect(replica, 'traffic: connect refused');
    await probes.fail();
    assert.equal(await untilNextProbe(), 10);
    await probes.fail();
    assert.equal(await untilNextProbe(), 20);
    assert.deepEqual(downs, []);
    await probes.fail();
    assert.deepEqual(downs, ['S1: probes failed: connection refused']);
    assert.equal(replica.state, 'unhealthy');
  });

  it('suspects nobody who is not healthy', async () => {
    const replica = watched('S1');
    rig.checker.suspect(replica, 'traffic: connect refused');
    assert.equal(replica.state, 'starting');
    assert.equal(probes.asked, 1);
  });

  it('suspects the same replica twice, once', async () => {
    const replica = await healthy('S1');
    rig.checker.suspect(replica, 'traffic: connect refused');
    rig.checker.suspect(replica, 'traffic: upstream reset');
    assert.equal(probes.waiting.length, 1);
    assert.equal(replica.cause, 'traffic: connect refused');
  });

  it('leaves no timer behind when it is closed', async () => {
    await healthy('S1');
    watched('S2');
    rig.checker.close();
    assert.equal(rig.clock.pending, 0);
    await probes.pass();
    assert.equal(rig.clock.pending, 0);
  });

  describe('with probing off', () => {
    beforeEach(() => setUp({ intervalMs: 0, ownsInstances: false }));

    it('takes everybody as healthy without a probe or a timer', async () => {
      assert.equal(watched('S1').state, 'healthy');
      await settle();
      assert.deepEqual([probes.asked, rig.clock.pending], [0, 0]);
    });

    it('looks at a suspect once a second until it passes, and then no more', async () => {
      const replica = watched('S1');
      rig.checker.suspect(replica, 'traffic: connect refused');
      for (let count = 0; count < 5; count++) {
        await probes.fail();
        assert.equal(replica.state, 'unhealthy');
        assert.equal(await untilNextProbe(), 1000);
      }
      await probes.pass();
      assert.equal(replica.state, 'healthy');
      assert.equal(rig.clock.pending, 0);
    });

    it('takes a suspect out again after it was readmitted', async () => {
      const replica = watched('S1');
      for (let count = 0; count < 3; count++) {
        rig.checker.suspect(replica, 'traffic: connect refused');
        assert.equal(replica.state, 'unhealthy');
        await probes.pass();
        assert.equal(replica.state, 'healthy');
      }
    });
  });

  describe('over servers that nobody starts', () => {
    beforeEach(() => setUp({ ownsInstances: false }));

    it('calls one that never answered unhealthy after fall failures, and goes on at the interval', async () => {
      const replica = watched('S1');
      for (const state of ['starting', 'starting', 'unhealthy']) {
        await probes.fail();
        assert.equal(replica.state, state);
        if (state === 'starting') await untilNextProbe();
      }
      assert.equal(await untilNextProbe(), INTERVAL_MS);
    });

    it('calls it healthy after rise passes', async () => {
      const replica = watched('S1');
      for (let count = 0; count < 3; count++) {
        await probes.fail();
        await untilNextProbe();
      }
      for (const state of ['unhealthy', 'healthy']) {
        await probes.pass();
        assert.equal(replica.state, state);
        await untilNextProbe();
      }
    });
  });
});
