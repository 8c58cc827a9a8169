/** What a rollback gives as its reason where an instance fails requests and dies, in either order of the two. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { HISTOGRAM_CELLS, HistogramView } from '../../../lib/core/policy/histogram.ts';
import { CHANGE } from '../../helpers/fleet/deploy-requests.ts';
import { FleetRig, settle } from '../../helpers/fleet/rig.ts';

const LEAK = 'exit 4: it has a leak';
/** Of an instance, one of whose forty requests was cut. */
const CUT = {
  requests: 40,
  errors: 1,
  duration: new HistogramView(new Float64Array(HISTOGRAM_CELLS)),
};

describe('the reason of a rollback', () => {
  let rig: FleetRig;
  let name: string;
  let instance: string;

  const view = () => rig.deploys.status().deploy!;
  const running = (): readonly (string | undefined)[] =>
    [...rig.driver.instances.values()]
      .filter(({ status }) => status === 'running')
      .map(({ instanceId }) => instanceId);

  beforeEach(async () => {
    rig = await FleetRig.of(3);
    await rig.deploys.start(CHANGE);
    for (let turn = 0; turn < 100 && view().replicas[0]?.phase !== 'watching'; turn++) await rig.advance(10);
    name = view().replicas[0]!.name;
    instance = rig.instanceOf(name);
    assert.equal(rig.replica(name).instance?.generation, 2);
  });

  /** Until the gate has seen the failed request. */
  async function failRequest(): Promise<void> {
    rig.outcomes.set(rig.replica(name).ordinal, CUT);
    for (let turn = 0; turn < 100 && view().state === 'running'; turn++) await rig.advance(10, 10);
    assert.equal(view().state, 'rolling-back');
  }

  it('is the exit where errors are seen first', async () => {
    await failRequest();
    await rig.advance(200);
    rig.driver.die(instance, LEAK);
    await rig.advance(500);
    assert.deepEqual([view().state, view().reason], ['rolled-back', `${name}: ${LEAK}`]);
  });

  it('is the exit where errors are seen after it', async () => {
    rig.outcomes.set(rig.replica(name).ordinal, CUT);
    rig.driver.die(instance, LEAK);
    await rig.advance(500);
    assert.deepEqual([view().state, view().reason], ['rolled-back', `${name}: ${LEAK}`]);
  });

  it('is the exit where the engine tells of it too late', async () => {
    await failRequest();
    rig.driver.dieUnheard(instance, LEAK);
    await rig.advance(1000);
    assert.deepEqual([view().state, view().reason], ['rolled-back', `${name}: ${LEAK}`]);
  });

  it('is the errors where no exit comes', async () => {
    await failRequest();
    await rig.advance(1000);
    assert.equal(view().state, 'rolled-back');
    assert.match(view().reason ?? '', /^S1: 1 of 40 requests failed/);
  });

  it('is found while the old instance gets the requests already', async () => {
    await failRequest();
    assert.equal(rig.replica(name).instance?.generation, 1);
    assert.equal(rig.table.eligible, 3);
    assert.match(view().reason ?? '', /^S1: 1 of 40 requests failed/);
  });

  it('is found before the new instance is told to stop', async () => {
    await failRequest();
    await rig.advance(400);
    assert.ok(running().includes(instance));
    await rig.advance(400);
    assert.ok(!running().includes(instance));
  });

  it('is not waited for any longer once the exit is known', async () => {
    await failRequest();
    rig.driver.die(instance, LEAK);
    await settle();
    await rig.advance(20);
    assert.equal(view().state, 'rolled-back');
  });

  it('is not waited for where the balancer shuts down', async () => {
    await failRequest();
    let isClosed = false;
    void rig.deploys.close().then(() => {
      isClosed = true;
    });
    await settle();
    assert.equal(isClosed, true);
  });

  it('comes with the last five lines of the new instance, cut where they are long', async () => {
    rig.printed.set(instance, ['0', '1', '2', '3', '4', 'x'.repeat(1000)]);
    rig.driver.die(instance, LEAK);
    await rig.advance(500);
    const lastLines = ['1', '2', '3', '4', `${'x'.repeat(199)}…`];
    assert.deepEqual(view().lastLines, lastLines);
    const event = rig.events.find(({ kind }) => kind === 'deploy-rolled-back');
    assert.deepEqual(event?.lastLines, lastLines);
    assert.deepEqual(rig.logged('warn deploy rolled back')[0]?.lastLines, lastLines);
  });
});

describe('the reason of a rollback of what never got requests', () => {
  it('comes with the last lines of the instance that did not start', async () => {
    const rig = await FleetRig.of(3);
    rig.driver.onStarted = ({ instanceId }) => rig.printed.set(instanceId, ['no such table']);
    for (const name of ['S1', 'S2', 'S3']) rig.driver.stillborn.add(name);
    await rig.deploys.start(CHANGE);
    await rig.advance(1000);
    const { state, lastLines } = rig.deploys.status().deploy!;
    assert.deepEqual([state, lastLines], ['rolled-back', ['no such table']]);
  });

  it('has no lines of an operator who takes it back', async () => {
    const rig = await FleetRig.of(3);
    rig.driver.onStarted = ({ instanceId }) => rig.printed.set(instanceId, ['all is well']);
    await rig.deploys.start(CHANGE);
    await rig.advance(1000);
    await rig.deploys.rollBack();
    await rig.advance(1000);
    assert.deepEqual(rig.deploys.status().deploy?.lastLines, []);
  });
});
