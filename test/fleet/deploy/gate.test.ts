/** What the gate of a deploy counts: of the new instances and of the rest, since the switch, window by window. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { DeployView, GateView } from '../../../lib/api/deploy.ts';
import { HISTOGRAM_CELLS, HistogramView, recordMs } from '../../../lib/core/policy/histogram.ts';
import type { Outcomes } from '../../../lib/fleet/deploy/gate.ts';
import { CHANGE } from '../../helpers/fleet/deploy-requests.ts';
import { FleetRig, NOT_READY } from '../../helpers/fleet/rig.ts';

const ORDINALS = 8;

/** Counts of one replica, which only grow. */
class Counts {
  readonly #cells = new Float64Array(HISTOGRAM_CELLS);
  #requests = 0;
  #errors = 0;

  add(requests: number, { errors = 0, ms = 1 } = {}): Outcomes {
    for (let count = 0; count < requests; count++) recordMs(this.#cells, 0, ms);
    this.#requests += requests;
    this.#errors += errors;
    return {
      requests: this.#requests,
      errors: this.#errors,
      duration: new HistogramView(this.#cells.slice()),
    };
  }
}

/** The p99 that a histogram gives where every request took `ms`. */
const p99 = (ms: number): number =>
  Math.round(new Counts().add(100, { ms }).duration.quantileMs(0.99) * 10) / 10;

describe('the gate of a deploy', () => {
  let rig: FleetRig;
  let counts: ReadonlyMap<string, Counts>;
  beforeEach(async () => {
    rig = await FleetRig.of(3, { ordinals: ORDINALS });
    counts = new Map(['S1', 'S2', 'S3'].map((name) => [name, new Counts()]));
  });

  const view = (): DeployView => rig.deploys.status().deploy!;
  const gateOf = (name: string): GateView | null | undefined =>
    view().replicas.find((one) => one.name === name)?.gate;
  /** So many more requests have ended on the replica. */
  const serve = (name: string, requests: number, how: { errors?: number; ms?: number } = {}): void => {
    rig.outcomes.set(rig.replica(name).ordinal, counts.get(name)!.add(requests, how));
  };
  /** On all three: on S1, the only one watched, each request takes `ms`. */
  const serveAll = (requests: number, ms: number): void => {
    serve('S1', requests, { ms });
    for (const name of ['S2', 'S3']) serve(name, requests);
  };
  async function start(batch = 1): Promise<void> {
    await rig.deploys.start({ ...CHANGE, batch });
    for (let turn = 0; turn < 100 && gateOf('S1') == null; turn++) await rig.advance(10);
  }

  it('shows what was counted since the switch, of the replica and of the rest', async () => {
    // also of whatever had the place in the table before that the new instance gets
    const earlier = counts.get('S1')!.add(1000, { errors: 500, ms: 900 });
    for (let ordinal = 0; ordinal < ORDINALS; ordinal++) rig.outcomes.set(ordinal, earlier);
    for (const name of ['S2', 'S3']) serve(name, 1000, { errors: 500, ms: 900 });
    await start();
    serve('S1', 10, { errors: 2, ms: 40 });
    serve('S2', 3, { errors: 1, ms: 10 });
    serve('S3', 4, { errors: 2, ms: 10 });
    await rig.advance(30);
    const [own, rest] = [p99(40), p99(10)];
    assert.deepEqual(gateOf('S1'), {
      requests: 10,
      errors: 2,
      p99Ms: own,
      restRequests: 7,
      restErrors: 3,
      restP99Ms: rest,
    });
  });

  it('counts no other replica of the batch as the rest', async () => {
    await start(2);
    for (const name of ['S1', 'S2', 'S3']) serve(name, 5);
    await rig.advance(30);
    assert.deepEqual([gateOf('S1')?.restRequests, gateOf('S2')?.restRequests], [5, 5]);
  });

  it('counts no replica as the rest that has joined since the switch', async () => {
    await start();
    const added = rig.scaling.add(1, ['S4']);
    await rig.advance(1000);
    await added;
    rig.outcomes.set(rig.replica('S4').ordinal, new Counts().add(50));
    await rig.advance(30);
    assert.equal(gateOf('S1')?.restRequests, 0);
  });

  it('fails at the second slow window in a row, and not at one with a fast one between', async () => {
    await start();
    for (const ms of [200, 1, 200]) {
      serveAll(1000, ms);
      await rig.advance(600);
      assert.equal(view().state, 'running');
    }
    serveAll(1000, 200);
    await rig.advance(1200);
    assert.equal(view().state, 'rolled-back');
    assert.match(view().reason ?? '', /^S1: its p99 /);
  });

  it('judges each window by its own requests alone', async () => {
    await start();
    serveAll(5000, 200);
    await rig.advance(600);
    serveAll(150, 1);
    await rig.advance(600);
    assert.equal(view().state, 'running');
  });

  it('judges no window that is shorter than half a second', async () => {
    await start();
    serveAll(1000, 200);
    await rig.advance(600);
    serveAll(1000, 200);
    await rig.advance(50);
    assert.equal(view().state, 'running');
    await rig.advance(500);
    assert.equal(view().state, 'rolling-back');
  });

  it('lets a window go on until it has enough requests', async () => {
    await start();
    for (let part = 0; part < 4; part++) {
      assert.equal(view().state, 'running');
      serveAll(50, 200);
      await rig.advance(600);
    }
    await rig.advance(600);
    assert.equal(view().state, 'rolled-back');
  });

  it('goes on where the new instance is as unready as most of the others, so that all get requests', async () => {
    const portOf = (name: string): number => rig.replica(name).instance!.endpoint!.port;
    for (const name of ['S2', 'S3']) rig.found.set(portOf(name), NOT_READY);
    await rig.advance(8000);
    await start();
    rig.found.set(portOf('S1'), NOT_READY);
    await rig.advance(8000);
    const { state, isAdmitted } = rig.replica('S1');
    assert.deepEqual([state, isAdmitted, view().state], ['unhealthy', true, 'running']);
  });
});
