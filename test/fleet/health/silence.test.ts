import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ProbeResult } from '../../../lib/fleet/health/probe-connection.ts';
import { NOT_READY, REFUSED, SILENT } from '../../helpers/fleet/rig.ts';
import { CheckerRig } from './probes.ts';

const LIMIT_MS = 2000;

describe('a limit of silence', () => {
  it('reports an instance whose first silent probe took that long', async () => {
    const rig = new CheckerRig({ silenceLimitMs: LIMIT_MS });
    const replica = await rig.healthy('S1');
    await rig.untilNextProbe();
    await rig.fleet.advance(LIMIT_MS, 100);
    await rig.probes.find(SILENT);
    assert.deepEqual(rig.downs, ['kill S1: no sign of life: no response in 2000 ms']);
    assert.equal(replica.state, 'unhealthy');
  });

  it('does not report an instance that was silent for less', async () => {
    const rig = new CheckerRig({ silenceLimitMs: LIMIT_MS });
    const replica = await rig.healthy('S1');
    await rig.untilNextProbe();
    await rig.fleet.advance(LIMIT_MS - 100, 100);
    await rig.probes.find(SILENT);
    assert.deepEqual([rig.downs, replica.state], [[], 'healthy']);
  });

  it('does not report an instance that refuses', async () => {
    const rig = new CheckerRig({ silenceLimitMs: LIMIT_MS });
    await rig.healthy('S1');
    await rig.untilNextProbe();
    await rig.fleet.advance(LIMIT_MS, 100);
    await rig.probes.find(REFUSED);
    assert.deepEqual(rig.downs, []);
  });

  it('is off by default: probes fail as often as `fall` says', async () => {
    const rig = new CheckerRig();
    await rig.healthy('S1');
    await rig.untilNextProbe();
    await rig.fleet.advance(60_000, 1000);
    await rig.probes.find(SILENT);
    assert.deepEqual(rig.downs, []);
  });
});

describe('a probe of a replica that responds to requests meanwhile', () => {
  async function busy(told: boolean[] = []) {
    let reads = 0;
    const onProbe = (_: unknown, _tookMs: number, passed: boolean) => told.push(passed);
    const rig = new CheckerRig({ onProbe });
    // grows whenever it is asked
    rig.fleet.reads.get = () => ++reads;
    const replica = await rig.healthy('S1');
    told.length = 0;
    const find = async (result: ProbeResult): Promise<void> => {
      await rig.untilNextProbe();
      await rig.probes.find(result);
    };
    return { rig, replica, find };
  }

  it('says nothing where it gets no response', async () => {
    const told: boolean[] = [];
    const { rig, replica, find } = await busy(told);
    for (let count = 0; count < 4; count++) await find(SILENT);
    assert.deepEqual([replica.state, replica.probes.failed, rig.downs], ['healthy', 0, []]);
    assert.deepEqual(told, [true, true, true, true]);
    assert.match(replica.probes.last!, /, but it responds to requests$/);
  });

  it('counts where it gets one, or is refused', async () => {
    for (const result of [NOT_READY, REFUSED]) {
      const told: boolean[] = [];
      const { replica, find } = await busy(told);
      for (let count = 0; count < 3; count++) await find(result);
      assert.deepEqual([replica.state, replica.probes.failed], ['unhealthy', 3]);
      assert.deepEqual(told, [false, false, false]);
    }
  });
});
