import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReplicaSpeeds } from '../../../lib/fleet/health/replica-speeds.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { FleetRig } from '../../helpers/fleet/rig.ts';
import { silentLogger } from '../../helpers/silent-logger.ts';

const STEP_MS = 250;
const OPTIONS = {
  policy: { rise: 2, fall: 3 },
  intervalMs: 1000,
  replaceAfterMs: 30_000,
  panicThreshold: 0.5,
  ejectOutliers: false,
  startTimeoutMs: 10_000,
};

async function rigOf(isOn: boolean): Promise<FleetRig> {
  return FleetRig.of(3, { health: { comparesSpeeds: isOn } });
}

/** Responses of each replica for some time, those of S1 ten times slower. */
async function serve(rig: FleetRig, looks = 8): Promise<void> {
  for (let look = 0; look < looks; look++) {
    for (const { ordinal, name } of rig.registry.members) {
      const { count, octaves } = rig.responseTimes.get(ordinal) ?? { count: 0, octaves: 0 };
      const ms = name === 'S1' ? 50 : 5;
      rig.responseTimes.set(ordinal, { count: count + 4, octaves: octaves + 4 * Math.log2(ms) });
    }
    await rig.advance(STEP_MS, STEP_MS);
  }
}

const speeds = (rig: FleetRig): readonly number[] =>
  rig.registry.members.map(({ ordinal }) => rig.threadTable.speed(ordinal));

/** How often each replica of a fleet is looked at in five seconds. */
function looksAt(count: number): number {
  const members = Array.from({ length: count }, (_, ordinal) => ({
    name: `S${ordinal}`,
    ordinal,
    state: 'healthy' as const,
  }));
  const clock = new FakeClock();
  let looks = 0;
  const responseTimes = () => {
    looks++;
    return { count: 0, octaves: 0 };
  };
  const table = { setSpeed() {} };
  new ReplicaSpeeds({ registry: { members }, table, clock, log: silentLogger, responseTimes }).turn(true);
  for (let step = 0; step < 20; step++) clock.advance(STEP_MS);
  return looks / count;
}

describe('speeds of replicas', () => {
  it('are compared less often in a large fleet', () => {
    assert.deepEqual([10, 250, 1000].map(looksAt), [20, 20, 5]);
  });

  it('are in the route table', async () => {
    const rig = await rigOf(true);
    await serve(rig);
    assert.deepEqual(speeds(rig), [10, 100, 100]);
  });

  it('are not compared where they are of no use', async () => {
    const rig = await rigOf(false);
    await serve(rig);
    assert.deepEqual(speeds(rig), [100, 100, 100]);
  });

  it('begin anew with another instance', async () => {
    const rig = await rigOf(true);
    await serve(rig);
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(5000, STEP_MS);
    assert.deepEqual(rig.states, ['S1=healthy', 'S2=healthy', 'S3=healthy']);
    assert.deepEqual(speeds(rig), [100, 100, 100]);
  });

  it('are taken back when a replica leaves', async () => {
    const rig = await rigOf(true);
    await serve(rig);
    const { ordinal } = rig.registry.members[0]!;
    await rig.scaling.remove(1, ['S1']);
    await rig.advance(1000, STEP_MS);
    assert.equal(rig.threadTable.speed(ordinal), 100);
  });

  it('are taken back when requests are given by key from now on', async () => {
    const rig = await rigOf(true);
    await serve(rig);
    rig.health.configure({ ...OPTIONS, comparesSpeeds: false });
    assert.deepEqual(speeds(rig), [100, 100, 100]);
  });
});
