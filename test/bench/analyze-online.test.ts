/** on a small scale, through a balancer that runs, against what core says each request must meet. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { distributionOf, runA1 } from '../../bench/analyze/a1.ts';
import { runA2, stepBetween } from '../../bench/analyze/a2.ts';
import { runA3, timelineResult } from '../../bench/analyze/a3.ts';
import { binWidth } from '../../bench/analyze/a3-charts.ts';
import { Control } from '../../bench/analyze/client.ts';
import { faultProblem } from '../../bench/analyze/faults.ts';
import type { Lab } from '../../bench/analyze/lab.ts';
import { parseOptions } from '../../bench/analyze/options.ts';
import { ownersOf } from '../../bench/analyze/owners.ts';
import { requestIds } from '../../bench/analyze/random.ts';
import { timelineOf } from '../../bench/analyze/timeline.ts';
import type { ReplicaView } from '../../lib/api/types.ts';
import { Balancer } from '../helpers/balancer.ts';

const options = parseOptions(['--requests', '600', '--concurrency', '8', '--seed', '5'])!;
const ids = requestIds(5, 600);
const places = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ name: `S${at + 1}`, id: at + 1 }));
const ringOf = (count: number) => ({
  algorithm: 'maglev' as const,
  slots: 65_537,
  vnodes: 0,
  members: places(count),
});
const countsOf = (owners: readonly string[], count: number) =>
  places(count).map(({ name }) => owners.filter((owner) => owner === name).length);

describe('the study on a balancer without load bound', () => {
  let running: Balancer;
  let lab: Lab;
  before(async () => {
    running = await Balancer.ready('--load-factor 0 --probe-interval 200ms --probe-timeout 1s');
    const url = new URL(`http://127.0.0.1:${running.publicPort}`);
    const control = new Control(url, new URL(`http://127.0.0.1:${running.adminPort}`), '');
    const balancer = { url, control, isOurs: false, close: async () => control.close() };
    lab = { options, balancer: async () => balancer, unbounded: async () => undefined, progress() {} };
  });
  after(async () => {
    await (await lab.balancer()).close();
    await running.stop();
  });

  it('A-1 counts for each replica the requests that core gives it', async () => {
    const a1 = await runA1(lab);
    const expected = countsOf(ownersOf(ringOf(3), ids), 3);
    assert.deepEqual([a1.names, a1.counts, a1.owned], [['S1', 'S2', 'S3'], expected, expected]);
    assert.deepEqual([a1.load.errors, a1.overflow, a1.spread.total], [0, 0, 600]);
    assert.equal(a1.spread.imbalance, Math.max(...expected) / 200);
  });

  it('A-1 brings a fleet of another size to three, and back', async () => {
    const { control } = await lab.balancer();
    await control.add(['extra']);
    assert.deepEqual((await runA1(lab)).names, ['S1', 'S2', 'S3']);
    assert.deepEqual(await control.names(), ['S1', 'S2', 'S3', 'extra']);
    await control.remove(['extra']);
  });

  it('A-2 counts the requests that each step moves', async () => {
    const { bounded, unbounded } = await runA2(lab);
    assert.equal(unbounded, undefined);
    const { sizes, steps } = bounded;
    assert.deepEqual(
      sizes.map(({ counts }) => counts),
      [2, 3, 4, 5, 6].map((count) => countsOf(ownersOf(ringOf(count), ids), count)),
    );
    for (const { from, to, movedOwner, movedAnswer } of steps) {
      const [old, young] = [ownersOf(ringOf(from), ids), ownersOf(ringOf(to), ids)];
      const moved = old.filter((owner, at) => owner !== young[at]).length / 600;
      assert.deepEqual([movedOwner, movedAnswer], [moved, moved]);
    }
    assert.deepEqual(
      (await running.replicas()).map(({ name }) => name),
      ['S1', 'S2', 'S3'],
    );
  });

  it('A-1 repeats itself with as many seeds as told', async () => {
    const { repeats, counts } = await runA1({ ...lab, options: { ...options, seeds: 2 } });
    const expected = [5, 6].map((seed) => countsOf(ownersOf(ringOf(3), requestIds(seed, 600)), 3));
    assert.deepEqual([repeats.map((each) => each.counts), counts], [expected, expected[0]]);
  });

  it('A-2 has the load bound off first, where it can', async () => {
    const { unbounded, bounded } = await runA2({ ...lab, unbounded: lab.balancer });
    assert.deepEqual(unbounded?.sizes[0]?.counts, bounded.sizes[0]?.counts);
  });

  it('A-3 loses no request while it kills replicas', async () => {
    const a3 = await runA3(lab, { perSecond: 100, kills: 2, calmMs: 100 });
    assert.deepEqual(
      a3.endpoints.filter(({ isRight }) => !isRight),
      [],
    );
    assert.deepEqual(
      a3.moments.map(({ what, failed }) => [what, failed]),
      [
        ['kill one', 0],
        ['hang one', 0],
        ['add two', 0],
        ['remove two', 0],
      ],
    );
    assert.deepEqual([a3.failed, a3.killFailed, a3.killsMs.length, a3.left], [0, 0, 2, []]);
    assert.deepEqual(Math.max(...a3.looks.map(({ eligible }) => eligible)), 5);
    // S1 was killed, hung and killed again, S2 killed in its turn
    const restarts = (await running.replicas()).map(({ name, restarts: each }) => [name, each]);
    assert.deepEqual(restarts, [
      ['S1', 3],
      ['S2', 1],
      ['S3', 0],
    ]);
  });
});

const RING = {
  ...ringOf(3),
  version: 1,
  hash: '',
  imbalance: 1,
  members: places(3).map((place) => ({ ...place, slots: 1, share: 1 })),
};
const LOAD = { failures: [], errors: 0, perSecond: 1, p50Ms: 1, p99Ms: 1 };

describe('what A-1 and A-2 make of answers', () => {
  it('reckons owners of the textbook ring as the textbook has them', () => {
    const all = Array.from({ length: 10_000 }, (_, at) => String(at + 1));
    const classic = { algorithm: 'classic' as const, slots: 512, vnodes: 9, members: places(3) };
    assert.deepEqual(countsOf(ownersOf(classic, all), 3), [8435, 470, 1095]);
  });

  it('counts what another replica than the owner answered', () => {
    const four = ['100001', '100002', '100003', '100004'];
    const owners = ownersOf(RING, four);
    const respondedBy = [owners[0], owners[1] === 'S1' ? 'S2' : 'S1', owners[2], undefined];
    const { distribution } = distributionOf(RING, four, { ...LOAD, respondedBy }, 1);
    assert.equal(distribution.overflow, 1 / 3);
    assert.equal(distribution.spread.total, 3);
  });

  it('tells moves to the new replica from moves between old ones', () => {
    const measured = (names: readonly string[], owners: readonly string[]) => ({
      distribution: {
        ...distributionOf(RING, [], { ...LOAD, respondedBy: [] }, 1).distribution,
        names,
        replicas: names.length,
      },
      owners,
      respondedBy: owners,
    });
    const before = measured(['a', 'b'], ['a', 'a', 'b', 'b', 'b']);
    const step = stepBetween(before, measured(['a', 'b', 'c'], ['a', 'c', 'c', 'a', 'b']));
    assert.equal(step.ideal.toFixed(9), (1 / 3).toFixed(9));
    assert.deepEqual([step.movedOwner, step.movedBetweenOld, step.movedAnswer], [0.6, 0.2, 0.6]);
  });
});

describe('what A-3 makes of requests', () => {
  const sample = (dueMs: number, doneMs: number, failure?: string) => ({ dueMs, doneMs, failure });

  it('counts responses when they arrive, failures when they were due', () => {
    const samples = [
      sample(0, 10),
      sample(100, 510),
      sample(300, 310, 'lost'),
      sample(520, 530),
      sample(760, 761),
    ];
    assert.deepEqual(timelineOf(samples), [
      { fromMs: 0, perSecond: 4, failed: 0, p99Ms: 410 },
      { fromMs: 250, perSecond: 0, failed: 1, p99Ms: 10 },
      { fromMs: 500, perSecond: 8, failed: 0, p99Ms: 10 },
    ]);
  });

  it('counts a request to what was under way when it ended', () => {
    const begun = [
      { what: 'one', atMs: 100, wholeAfterMs: 1 },
      { what: 'two', atMs: 200, wholeAfterMs: 1 },
    ];
    const samples = [sample(50, 60), sample(90, 110), sample(150, 1500), sample(250, 260, 'lost')];
    const { moments, failures, failed, requests } = timelineResult(samples, begun);
    assert.deepEqual(
      moments.map((each) => [each.requests, each.failed, each.slow, each.worstMs]),
      [
        [1, 0, 0, 20],
        [2, 1, 1, 1350],
      ],
    );
    assert.deepEqual([failures, failed, requests], [['lost'], 1, 4]);
  });

  it('chooses bars of a round width, ten of them at most', () => {
    assert.deepEqual([binWidth([180, 245]), binWidth([700, 1390]), binWidth([5, 5])], [10, 100, 5]);
  });

  it('signals no process that is not known to be the replica', () => {
    const balancer = { isOurs: false } as Parameters<typeof faultProblem>[0];
    const replica = (instance: string | null) => ({ name: 'S1', instance }) as ReplicaView;
    assert.equal(faultProblem(balancer, replica(null)), 'S1 has no instance that the balancer started');
    assert.equal(faultProblem(balancer, replica('x y')), 'S1 is "x y", neither a process nor a container');
    assert.equal(
      faultProblem(balancer, replica(`${process.pid}-1`)),
      `process ${process.pid} is not known to be S1 on this machine`,
    );
    assert.equal(faultProblem(balancer, replica('0123456789ab')), undefined);
  });
});
