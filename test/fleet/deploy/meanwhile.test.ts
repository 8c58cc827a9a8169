/** What happens to replicas while a deploy exchanges their instances. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { DeployPhase, DeployState } from '../../../lib/api/deploy.ts';
import { CHANGE as ONE_CHANGE } from '../../helpers/fleet/deploy-requests.ts';
import { FleetRig, NOT_READY } from '../../helpers/fleet/rig.ts';

const WATCH_MS = 1000;
const CHANGE = { ...ONE_CHANGE, watchMs: WATCH_MS };

describe('a replica in a deploy', () => {
  let rig: FleetRig;
  beforeEach(async () => {
    rig = await FleetRig.of(3);
  });

  const state = (): DeployState | undefined => rig.deploys.status().deploy?.state;
  const phaseOf = (name: string): DeployPhase | undefined =>
    rig.deploys.status().deploy?.replicas.find((one) => one.name === name)?.phase;
  const running = (): readonly string[] =>
    [...rig.driver.instances.values()]
      .filter(({ status }) => status === 'running')
      .map(({ name, generation }) => `${name}=${generation ?? 1}`)
      .sort();
  const next = (name: string): string =>
    [...rig.driver.instances.values()].find((one) => one.name === name && one.role === 'next')!.instanceId;
  const untilDone = (): Promise<void> => rig.advance(4 * WATCH_MS + 3000);

  /** S1 is about to be switched, and waits for S2. */
  async function untilWaiting(): Promise<ReturnType<typeof rig.driver.hold>> {
    const gate = rig.driver.hold('start', 'S2');
    await rig.deploys.start({ ...CHANGE, batch: 2 });
    await rig.advance(500);
    return gate;
  }

  it('may be removed before its new instance does not start', async () => {
    const gate = rig.driver.hold('start', 'S1');
    await rig.deploys.start(CHANGE);
    await rig.advance(100);
    await rig.scaling.remove(1, ['S1']);
    rig.driver.failNext('start', 'start-failed', 'S1');
    gate.open();
    await untilDone();
    assert.deepEqual([state(), running()], ['done', ['S2=2', 'S3=2']]);
  });

  it('may be removed while it is healed, and gets nothing beside that then', async () => {
    const gate = rig.driver.hold('start', 'S1');
    rig.driver.die(rig.instanceOf('S1'), 'SIGKILL');
    await rig.advance(100);
    await rig.deploys.start(CHANGE);
    await rig.advance(100);
    await rig.scaling.remove(1, ['S1']);
    await untilDone();
    gate.open();
    await rig.advance(100);
    assert.deepEqual([state(), running()], ['done', ['S2=2', 'S3=2']]);
    assert.deepEqual(rig.driver.of('start'), ['S1', 'S2', 'S3']);
  });

  it('may be removed before it is switched', async () => {
    const gate = await untilWaiting();
    await rig.scaling.remove(1, ['S1']);
    gate.open();
    await untilDone();
    assert.deepEqual([state(), phaseOf('S1'), running()], ['done', 'gone', ['S2=2', 'S3=2']]);
    assert.deepEqual(
      rig.events.filter(({ kind }) => kind === 'deploy-switched').map(({ replica }) => replica),
      ['S2', 'S3'],
    );
  });

  it('may be removed in the moment in which another goes back', async () => {
    await rig.deploys.start({ ...CHANGE, batch: 2 });
    await rig.advance(500);
    assert.deepEqual([phaseOf('S1'), phaseOf('S2')], ['watching', 'watching']);
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await rig.scaling.remove(1, ['S2']);
    await untilDone();
    assert.deepEqual([state(), phaseOf('S2'), running()], ['rolled-back', 'gone', ['S1=1', 'S3=1']]);
  });

  it('gets no requests on a new instance that has ended before its switch', async () => {
    const gate = await untilWaiting();
    rig.driver.die(next('S1'), 'exit 1: broken');
    await rig.advance(100);
    gate.open();
    await untilDone();
    assert.deepEqual([state(), running()], ['rolled-back', ['S1=1', 'S2=1', 'S3=1']]);
    assert.deepEqual(
      rig.instances.filter((line) => line.startsWith('S1→healthy') && !line.endsWith('S1#1')),
      [],
    );
    assert.equal(rig.deploys.status().deploy?.reason, 'S1: exit 1: broken');
  });

  it('is switched once it is healed where its old instance ends before that', async () => {
    rig.driver.onStarted = ({ endpoint }) => rig.found.set(endpoint!.port, NOT_READY);
    await rig.deploys.start(CHANGE);
    await rig.advance(100);
    const healing = rig.driver.hold('start', 'S1');
    rig.driver.die('S1#1', 'SIGKILL');
    await rig.advance(100);
    rig.driver.onStarted = () => {};
    rig.found.clear();
    await rig.advance(500);
    assert.equal(phaseOf('S1'), 'starting');
    healing.open();
    await untilDone();
    assert.deepEqual([state(), running()], ['done', ['S1=2', 'S2=2', 'S3=2']]);
  });

  it('is watched as others are where it is healed with the new release', async () => {
    rig.driver.die('S1#1', 'exit 1');
    await rig.advance(100);
    await rig.deploys.start(CHANGE);
    await rig.advance(300);
    assert.deepEqual([phaseOf('S1'), rig.replica('S1').instance?.generation], ['watching', 2]);
    assert.deepEqual(
      rig.events.filter(({ kind }) => kind === 'deploy-switched').map(({ replica }) => replica),
      ['S1'],
    );
    rig.driver.die(rig.instanceOf('S1'), 'exit 1');
    await untilDone();
    assert.deepEqual([state(), running()], ['rolled-back', ['S1=1', 'S2=1', 'S3=1']]);
  });

  it('goes back where its old instance has ended and the new one runs', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(500);
    assert.equal(phaseOf('S1'), 'watching');
    rig.driver.die('S1#1', 'SIGKILL');
    await rig.advance(100);
    await rig.deploys.rollBack();
    await untilDone();
    assert.deepEqual([state(), running()], ['rolled-back', ['S1=1', 'S2=1', 'S3=1']]);
  });

  it('is renamed no more where both of its instances have ended', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(500);
    const now = rig.instanceOf('S1');
    rig.driver.die('S1#1', 'SIGKILL');
    await rig.advance(100);
    rig.driver.calls.length = 0;
    rig.driver.die(now, 'exit 1');
    await untilDone();
    assert.deepEqual([state(), running()], ['rolled-back', ['S1=1', 'S2=1', 'S3=1']]);
    assert.deepEqual(rig.driver.of('promote'), []);
  });

  it('is exchanged also where its instances cannot be renamed', async () => {
    rig.driver.failNext('promote', 'name-held', 'S1');
    await rig.deploys.start(CHANGE);
    await untilDone();
    assert.deepEqual([state(), rig.replica('S1').instance?.generation], ['done', 2]);
    assert.equal(rig.logged('warn failed to rename the instances').length, 1);
  });
});
