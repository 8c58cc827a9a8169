/** What a deploy leaves when it ends: the release that is current, the one before, and what its view shows. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { DeployView } from '../../../lib/api/deploy.ts';
import { CHANGE as ONE_CHANGE } from '../../helpers/fleet/deploy-requests.ts';
import { FleetRig, START_TIMEOUT_MS } from '../../helpers/fleet/rig.ts';

const WATCH_MS = 1000;
const CHANGE = { ...ONE_CHANGE, watchMs: WATCH_MS };
/** Longer than any deploy of three replicas takes here. */
const LONG_MS = 3 * WATCH_MS + 3000;

describe('a deploy that has ended', () => {
  let rig: FleetRig;
  beforeEach(async () => {
    rig = await FleetRig.of(3);
  });

  const view = (): DeployView => rig.deploys.status().deploy!;
  const watched = (): string | undefined => view().replicas.find(({ phase }) => phase === 'watching')?.name;
  /** The generation that each member runs. */
  const generations = (): readonly string[] =>
    rig.registry.members.map(({ name, instance }) => `${name}=${instance?.generation}`);
  async function untilWatching(): Promise<string> {
    for (let turn = 0; turn < 100 && watched() === undefined; turn++) await rig.advance(10);
    return watched()!;
  }

  it('has taken the time until its end', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(LONG_MS);
    const { state, ms } = view();
    await rig.advance(5000);
    assert.deepEqual([state, view().ms], ['done', ms]);
  });

  it('leaves the release before it to go back to where the next one fails', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(LONG_MS);
    const { current, before } = rig.deploys.status();
    await rig.deploys.start({ ...CHANGE, env: [['VERSION', '3']] });
    await rig.advance(WATCH_MS + 200);
    rig.driver.die(rig.instanceOf(await untilWatching()), 'exit 1');
    await rig.advance(LONG_MS);
    assert.equal(view().state, 'rolled-back');
    const after = rig.deploys.status();
    assert.deepEqual([after.current, after.before], [current, before]);
  });

  it('keeps its number, also where nothing of it was left', async () => {
    rig.driver.failNext('start', 'image-missing');
    await rig.deploys.start(CHANGE);
    await rig.advance(LONG_MS);
    assert.equal(view().state, 'rolled-back');
    await rig.deploys.start(CHANGE);
    assert.equal(view().to.generation, 3);
  });

  it('counts for replicas to come where there was none', async () => {
    rig = await FleetRig.of(0);
    await rig.deploys.start(CHANGE);
    await rig.advance(100);
    assert.equal(view().state, 'done');
    const added = rig.scaling.add(1, ['S1']);
    await rig.advance(1000);
    await added;
    assert.equal(rig.replica('S1').instance?.generation, 2);
  });

  it('has not failed by a replica whose addition took long, and brings that along', async () => {
    const gate = rig.driver.hold('start', 'S9');
    const added = rig.scaling.add(1, ['S9']);
    await rig.advance(100);
    await rig.deploys.start(CHANGE);
    await rig.advance(LONG_MS + START_TIMEOUT_MS, 50);
    assert.equal(view().state, 'running');
    gate.open();
    await rig.advance(LONG_MS + 2000);
    await added;
    assert.deepEqual([view().state, rig.replica('S9').instance?.generation], ['done', 2]);
  });

  it('is over at once where it is taken back while it waits for an addition', async () => {
    const gate = rig.driver.hold('start', 'S9');
    const added = rig.scaling.add(1, ['S9']);
    await rig.advance(100);
    await rig.deploys.start(CHANGE);
    await rig.advance(LONG_MS);
    await rig.deploys.rollBack();
    await rig.advance(LONG_MS);
    assert.deepEqual(generations(), ['S1=1', 'S2=1', 'S3=1']);
    gate.open();
    await rig.advance(LONG_MS);
    await added;
    assert.deepEqual([view().state, ...generations()], ['rolled-back', 'S1=1', 'S2=1', 'S3=1', 'S9=1']);
  });

  it('has left nothing of a batch of which one did not start', async () => {
    const gate = rig.driver.hold('start', 'S2');
    rig.driver.failNext('start', 'image-missing', 'S1');
    await rig.deploys.start({ ...CHANGE, batch: 2 });
    await rig.advance(100);
    assert.equal(gate.waiting, 1);
    gate.open();
    await rig.advance(LONG_MS);
    assert.equal(view().state, 'rolled-back');
    assert.deepEqual([...rig.driver.instances.keys()], ['S1#1', 'S2#2', 'S3#3']);
  });

  it('has failed where the version before does not start in three attempts', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(WATCH_MS + 200);
    const watching = await untilWatching();
    rig.driver.calls.length = 0;
    for (let attempt = 0; attempt < 4; attempt++) rig.driver.failNext('start', 'image-missing', 'S1');
    rig.driver.die(rig.instanceOf(watching), 'exit 1');
    await rig.advance(LONG_MS);
    assert.deepEqual([view().state, ...generations()], ['failed', 'S1=2', 'S2=1', 'S3=1']);
    assert.deepEqual(rig.driver.of('start'), ['S1', 'S1', 'S1']);
    const event = rig.events.find(({ kind }) => kind === 'deploy-rolled-back');
    assert.equal(event?.cause, 'S2: exit 1; not back yet: S1');
  });

  it('has been taken back by as many at a time as its batch', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(2 * WATCH_MS + 400);
    assert.equal(view().replicas.filter(({ phase }) => phase === 'done').length, 2);
    const watching = await untilWatching();
    const gate = rig.driver.hold('start');
    rig.driver.die(rig.instanceOf(watching), 'exit 1');
    await rig.advance(1000);
    assert.equal(gate.waiting, 1);
    gate.open();
    await rig.advance(1000);
    assert.deepEqual(
      [view().state, ...view().replicas.map(({ phase }) => phase)],
      ['rolled-back', 'rolled-back', 'rolled-back', 'rolled-back'],
    );
  });

  it('has brought back what was being added in its version, however long that took', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(WATCH_MS + 200);
    const watching = await untilWatching();
    const gate = rig.driver.hold('start', 'S9');
    const added = rig.scaling.add(1, ['S9']);
    await rig.advance(100);
    rig.driver.die(rig.instanceOf(watching), 'exit 1');
    // longer than three starts may take
    await rig.advance(4 * START_TIMEOUT_MS, 50);
    assert.equal(view().state, 'rolling-back');
    gate.open();
    await rig.advance(LONG_MS);
    await added;
    assert.deepEqual([view().state, ...generations()], ['rolled-back', 'S1=1', 'S2=1', 'S3=1', 'S9=1']);
  });

  it('starts nothing more, and tells of no end, where the balancer closes in its rollback', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(2 * WATCH_MS + 400);
    const watching = await untilWatching();
    const gate = rig.driver.hold('start');
    rig.driver.die(rig.instanceOf(watching), 'exit 1');
    await rig.advance(1000);
    rig.driver.calls.length = 0;
    const closed = rig.deploys.close();
    gate.open();
    await rig.advance(100);
    await closed;
    assert.deepEqual(rig.driver.of('start'), []);
    assert.equal(view().state, 'rolling-back');
    assert.deepEqual(
      rig.events.filter(({ kind }) => kind === 'deploy-rolled-back'),
      [],
    );
  });

  it('has replaced nothing more where it is taken back twice', async () => {
    await rig.deploys.start(CHANGE);
    await rig.advance(WATCH_MS + 200);
    await untilWatching();
    const gate = rig.driver.hold('start');
    await rig.deploys.rollBack();
    await rig.advance(100);
    assert.equal(gate.waiting, 1);
    await rig.deploys.rollBack();
    gate.open();
    await rig.advance(1000);
    assert.equal(view().state, 'rolled-back');
    assert.deepEqual(rig.logged('warn the version before did not start'), []);
  });

  it('with the balancer leaves both instances of a watched replica to the next one', async () => {
    await rig.deploys.start(CHANGE);
    const name = await untilWatching();
    rig.driver.calls.length = 0;
    await rig.deploys.close();
    await rig.advance(100);
    assert.deepEqual(rig.driver.calls, []);
    assert.equal(rig.replica(name).instance?.generation, 2);
  });
});
