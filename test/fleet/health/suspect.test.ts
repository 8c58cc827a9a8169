import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { INTERVAL_MS, settle } from '../../helpers/fleet/rig.ts';
import { CheckerRig } from './probes.ts';

describe('a replica that traffic speaks against', () => {
  let rig: CheckerRig;
  beforeEach(() => {
    rig = new CheckerRig();
  });

  it('takes a suspect out and readmits it after one pass', async () => {
    const replica = await rig.healthy('S1');
    rig.fleet.checker.suspect(replica, 'traffic: connect refused');
    assert.deepEqual(
      [replica.state, rig.fleet.table.eligible, rig.probes.waiting.length],
      ['unhealthy', 0, 1],
    );
    await rig.probes.pass();
    assert.deepEqual([replica.state, rig.fleet.table.eligible], ['healthy', 1]);
    assert.ok((await rig.untilNextProbe()) >= INTERVAL_MS / 2);
    assert.deepEqual(rig.fleet.transitions.slice(1), [
      'S1 healthy→unhealthy: traffic: connect refused',
      'S1 unhealthy→healthy: probe passed: 200',
    ]);
  });

  it('ignores a pass that began before the suspicion', async () => {
    const replica = await rig.healthy('S1');
    await rig.fleet.advance(INTERVAL_MS);
    rig.fleet.checker.suspect(replica, 'traffic: connect refused');
    await rig.probes.pass();
    assert.deepEqual([replica.state, rig.probes.waiting.length], ['unhealthy', 1]);
    await rig.probes.pass();
    assert.equal(replica.state, 'healthy');
  });

  it('counts a failure that began before the suspicion', async () => {
    await rig.healthy('S1');
    await rig.fleet.advance(INTERVAL_MS);
    rig.fleet.checker.suspect(rig.fleet.replica('S1'), 'traffic: connect refused');
    await rig.probes.fail();
    assert.equal(rig.probes.waiting.length, 0);
    assert.equal(await rig.untilNextProbe(), 10);
    await rig.probes.fail();
    assert.equal(await rig.untilNextProbe(), 20);
    await rig.probes.fail();
    assert.deepEqual(rig.downs, ['drain S1: probes failed: connection refused']);
  });

  it('gives up a suspect after fall failures in quick succession', async () => {
    const replica = await rig.healthy('S1');
    rig.fleet.checker.suspect(replica, 'traffic: connect refused');
    await rig.probes.fail();
    assert.equal(await rig.untilNextProbe(), 10);
    await rig.probes.fail();
    assert.equal(await rig.untilNextProbe(), 20);
    assert.deepEqual(rig.downs, []);
    await rig.probes.fail();
    assert.deepEqual(rig.downs, ['drain S1: probes failed: connection refused']);
    assert.equal(replica.state, 'unhealthy');
  });

  it('suspects nobody who is not healthy', async () => {
    const replica = rig.watched('S1');
    rig.fleet.checker.suspect(replica, 'traffic: connect refused');
    assert.equal(replica.state, 'starting');
    assert.equal(rig.probes.asked, 1);
  });

  it('suspects the same replica twice, once', async () => {
    const replica = await rig.healthy('S1');
    rig.fleet.checker.suspect(replica, 'traffic: connect refused');
    rig.fleet.checker.suspect(replica, 'traffic: upstream reset');
    assert.equal(rig.probes.waiting.length, 1);
    assert.equal(replica.cause, 'traffic: connect refused');
  });

  describe('with probing off', () => {
    beforeEach(() => {
      rig = new CheckerRig({ intervalMs: 0, ownsInstances: false });
    });

    it('takes everybody as healthy without a probe or a timer', async () => {
      assert.equal(rig.watched('S1').state, 'healthy');
      await settle();
      assert.deepEqual([rig.probes.asked, rig.fleet.clock.pending], [0, 0]);
    });

    it('probes a suspect once a second until it passes', async () => {
      const replica = rig.watched('S1');
      rig.fleet.checker.suspect(replica, 'traffic: connect refused');
      for (let count = 0; count < 5; count++) {
        await rig.probes.fail();
        assert.equal(replica.state, 'unhealthy');
        assert.equal(await rig.untilNextProbe(), 1000);
      }
      await rig.probes.pass();
      assert.equal(replica.state, 'healthy');
      assert.equal(rig.fleet.clock.pending, 0);
    });

    it('takes a suspect out again after it was readmitted', async () => {
      const replica = rig.watched('S1');
      for (let count = 0; count < 3; count++) {
        rig.fleet.checker.suspect(replica, 'traffic: connect refused');
        assert.equal(replica.state, 'unhealthy');
        await rig.probes.pass();
        assert.equal(replica.state, 'healthy');
      }
    });
  });
});
