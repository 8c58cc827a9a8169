/** Options of health that change while replicas are probed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INTERVAL_MS } from '../../helpers/fleet/rig.ts';
import { CheckerRig } from './probes.ts';

const OPTIONS = { policy: { rise: 2, fall: 3 }, intervalMs: INTERVAL_MS, replaceAfterMs: 30_000 };

test('a replica that is up stays up under a higher rise', async () => {
  const rig = new CheckerRig();
  const replica = await rig.healthy('S1');
  rig.fleet.checker.configure({ ...OPTIONS, policy: { rise: 9, fall: 2 } });
  await rig.untilNextProbe();
  await rig.probes.fail();
  assert.equal(replica.state, 'healthy');
  await rig.untilNextProbe();
  await rig.probes.fail();
  assert.equal(replica.state, 'unhealthy');
});

test('a shorter interval begins with a probe at once', async () => {
  const rig = new CheckerRig();
  await rig.healthy('S1');
  assert.equal(rig.probes.waiting.length, 0);
  rig.fleet.checker.configure({ ...OPTIONS, intervalMs: 50 });
  assert.equal(rig.probes.waiting.length, 1);
  await rig.probes.pass();
  assert.ok((await rig.untilNextProbe()) <= 55);
});

test('switched-off probing leaves a replica healthy, whatever its last probe finds', async () => {
  const rig = new CheckerRig({ ownsInstances: false });
  const replica = await rig.healthy('S1');
  await rig.untilNextProbe();
  rig.fleet.checker.configure({ ...OPTIONS, policy: { rise: 1, fall: 1 }, intervalMs: 0 });
  await rig.probes.fail();
  assert.equal(replica.state, 'healthy');
  assert.equal(await rig.untilNextProbe(), Number.POSITIVE_INFINITY);
});

test('probing that is switched on probes what was never probed', async () => {
  const rig = new CheckerRig({ ownsInstances: false, intervalMs: 0 });
  const replica = rig.watched('S1');
  assert.equal(replica.state, 'healthy');
  rig.fleet.checker.configure({ ...OPTIONS, policy: { rise: 1, fall: 1 } });
  await rig.probes.fail();
  assert.equal(replica.state, 'unhealthy');
});
