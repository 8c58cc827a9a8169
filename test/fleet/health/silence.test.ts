import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { REFUSED, SILENT } from '../../helpers/fleet/rig.ts';
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
