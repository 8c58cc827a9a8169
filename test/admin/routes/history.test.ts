import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { historyRoute, MAX_REPLICAS, SECONDS, TrafficHistory } from '../../../lib/admin/routes/history.ts';
import type { History, Sample } from '../../../lib/api/snapshot.ts';
import { type Running, runAdmin } from '../../helpers/admin/admin.ts';

const sample = (requestsPerSecond: number | null): Sample => ({
  requestsPerSecond,
  byClass: [requestsPerSecond, 0, 0, 0],
  errorsPerSecond: 0,
  p50Ms: null,
  p99Ms: 1.239,
  inFlight: 2,
  queued: 0,
  desired: 4,
  ready: 3,
});

describe('the history of the traffic', () => {
  let history: TrafficHistory;
  beforeEach(() => {
    history = new TrafficHistory();
  });

  it('has each second with all its numbers, two decimals of each', () => {
    history.record(1000, sample(null), []);
    history.record(2000, sample(5), []);
    assert.deepEqual(history.read(), {
      atMs: [1000, 2000],
      requestsPerSecond: [null, 5],
      byClass: [
        [null, 5],
        [0, 0],
        [0, 0],
        [0, 0],
      ],
      errorsPerSecond: [0, 0],
      p50Ms: [null, null],
      p99Ms: [1.24, 1.24],
      inFlight: [2, 2],
      queued: [0, 0],
      desired: [4, 4],
      ready: [3, 3],
    });
  });

  it('keeps the last fifteen minutes', () => {
    for (let second = 0; second < SECONDS + 5; second++) history.record(second * 1000, sample(second), []);
    const { atMs, requestsPerSecond } = history.read()!;
    assert.deepEqual([atMs.length, atMs[0], atMs.at(-1)], [900, 5000, 904_000]);
    assert.deepEqual([requestsPerSecond[0], requestsPerSecond.at(-1)], [5, 904]);
  });

  it('has no values of a replica from before it came', () => {
    history.record(1000, sample(1), []);
    history.record(2000, sample(1), [{ name: 'S1', sample: sample(7) }]);
    assert.deepEqual(history.read('S1')?.requestsPerSecond, [null, 7]);
    assert.equal(history.read('S2'), undefined);
  });

  it('forgets a gone replica, even when another takes over its memory', () => {
    history.record(1000, sample(1), [{ name: 'S1', sample: sample(7) }]);
    history.record(2000, sample(1), [{ name: 'S2', sample: sample(8) }]);
    assert.equal(history.read('S1'), undefined);
    assert.deepEqual(history.read('S2')?.requestsPerSecond, [null, 8]);
    history.record(3000, sample(1), [{ name: 'S3', sample: sample(9) }]);
    assert.deepEqual(history.read('S3')?.requestsPerSecond, [null, null, 9]);
  });

  it('has no more replicas than fit its memory', () => {
    const many = Array.from({ length: MAX_REPLICAS + 1 }, (_, id) => ({ name: `S${id}`, sample: sample(1) }));
    history.record(1000, sample(1), many);
    assert.ok(history.read(`S${MAX_REPLICAS - 1}`));
    assert.equal(history.read(`S${MAX_REPLICAS}`), undefined);
  });

  it('begins anew where the clock went back', () => {
    history.record(5000, sample(1), [{ name: 'S1', sample: sample(1) }]);
    history.record(4000, sample(2), [{ name: 'S1', sample: sample(2) }]);
    history.record(5000, sample(3), [{ name: 'S1', sample: sample(3) }]);
    assert.deepEqual(
      [history.read()?.atMs, history.read('S1')?.requestsPerSecond],
      [
        [4000, 5000],
        [2, 3],
      ],
    );
  });
});

describe('/history', () => {
  let admin: Running;
  beforeEach(async () => {
    const history = new TrafficHistory();
    for (const second of [1, 2, 3])
      history.record(second * 1000, sample(second), [{ name: 'S1', sample: sample(10 * second) }]);
    admin = await runAdmin({ routes: [historyRoute(history)] });
  });
  afterEach(() => admin.stop());

  const read = async (query: string) => {
    const { status, body } = await admin.ask('GET', `/history${query}`);
    return { status, message: (JSON.parse(body) as { message: History }).message };
  };

  for (const [query, expected] of [
    ['', [1, 2, 3]],
    ['?replica=S1', [10, 20, 30]],
    ['?replica=S1&after=1000', [20, 30]],
    ['?after=3000', []],
  ] as const) {
    it(`gives what is asked for: "${query}"`, async () => {
      const { status, message } = await read(query);
      assert.deepEqual([status, message.requestsPerSecond], [200, expected]);
    });
  }

  for (const [query, problem] of [
    ['?replica=S2', /no history of a replica "S2"/],
    ['?after=now', /after must be a time in milliseconds since 1970, not "now"/],
    ['?replicas=S1', /Unknown parameter "replicas"/],
  ] as const) {
    it(`refuses ${query} and says why`, async () => {
      const { status, message } = await read(query);
      assert.equal(status, 400);
      assert.match(String(message), problem);
    });
  }
});
