import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { outliersOf, summaryOf } from '../../../lib/admin/dashboard/replicas/trouble.js';
import type { ReplicaSnapshot, Sample } from '../../../lib/api/snapshot.ts';
import type { FleetEvent } from '../../../lib/api/types.ts';
import { replicaShown, snapshotOf } from './stage.ts';

const fleet = (differs: Readonly<Record<number, Partial<ReplicaSnapshot>>>, count = 5) =>
  Array.from({ length: count }, (_, index) => replicaShown(index + 1, count, differs[index + 1]));

const LIMITS = { maxInFlight: 256, queueDepth: 20, maxReplicas: 64 };

const NOW = Date.parse('2026-11-21T03:12:00Z');

const plain = (text: string) => text.replaceAll('\u202f', ' ');

describe('a cause in the line on top', () => {
  const cause = (text: string) => {
    const snapshot = snapshotOf(fleet({ 1: { state: 'unhealthy', cause: text } }));
    return plain(summaryOf({ ...snapshot, atMs: NOW }, [], []).text).replace('1 of 5 out: S1 ', '');
  };

  it('has room for why a replica was ejected', () => {
    const why = 'ejected for 300 s: most of its requests failed, and few of the others';
    assert.equal(cause(why), `unhealthy: ${why}`);
  });

  it('is cut between words', () => {
    assert.equal(cause('many words '.repeat(9).trim()), `unhealthy: ${'many words '.repeat(7).trim()}…`);
    assert.equal(cause('x'.repeat(90)), `unhealthy: ${'x'.repeat(79)}…`);
  });
});

describe('a replica that differs from its peers', () => {
  const found = (replicas: readonly ReplicaSnapshot[]) =>
    [...outliersOf(replicas)].map(([name, what]) => plain(`${name} ${what}`));

  it('has a p50 over three times the median', () => {
    assert.deepEqual(found(fleet({ 2: { p50Ms: 140 } })), ['S2 slow: p50 140 ms, median 1.50 ms']);
    assert.deepEqual(found(fleet({ 2: { p50Ms: 4.2 } })), []);
  });

  it('is not one for a fraction of a millisecond', () => {
    const fast = { p50Ms: 0.1 };
    assert.deepEqual(found(fleet({ 1: fast, 2: { p50Ms: 0.9 }, 3: fast, 4: fast, 5: fast })), []);
  });

  it('has a part of its requests that fails over three times the median, and over 1 %', () => {
    assert.deepEqual(found(fleet({ 3: { requestsPerSecond: 240, errorsPerSecond: 30 } })), [
      'S3 fails: 12.5 % of its requests, median 0.0 %',
    ]);
    assert.deepEqual(found(fleet({ 3: { errorsPerSecond: 0.2 } })), []);
    const all = { errorsPerSecond: 30 };
    assert.deepEqual(found(fleet({ 1: all, 2: all, 3: all, 4: all, 5: all })), []);
  });

  it('is not one because its weight brings it more requests, and so more errors', () => {
    const one = { requestsPerSecond: 100, errorsPerSecond: 5 };
    const five = { requestsPerSecond: 500, errorsPerSecond: 25 };
    assert.deepEqual(found(fleet({ 1: one, 2: one, 3: five, 4: one, 5: one })), []);
  });

  it('is not one by the chance of few requests', () => {
    // five seconds of 22 requests each, one of which failed, and four of one replica
    const usual = { requestsPerSecond: 4.4, errorsPerSecond: 0.2 };
    const unlucky = { requestsPerSecond: 4.4, errorsPerSecond: 0.8 };
    assert.deepEqual(found(fleet({ 1: usual, 2: usual, 3: unlucky, 4: usual, 5: usual })), []);
    assert.deepEqual(found(fleet({ 2: { requestsPerSecond: 0.2, p50Ms: 140 } })), []);
  });

  it('is one whose attempts all fail, so that it has no request to count', () => {
    assert.deepEqual(found(fleet({ 3: { requestsPerSecond: 0, errorsPerSecond: 4, p50Ms: null } })), [
      'S3 fails: 100.0 % of its requests, median 0.0 %',
    ]);
  });

  it('is found among three, and not among two', () => {
    assert.equal(found(fleet({ 3: { p50Ms: 140 } }, 3)).length, 1);
    assert.equal(found(fleet({ 2: { p50Ms: 140 } }, 2)).length, 0);
  });
});

describe('the line on the fleet', () => {
  const says = (
    replicas: readonly ReplicaSnapshot[],
    events: readonly FleetEvent[] = [],
    differs: Parameters<typeof snapshotOf>[1] = {},
    seconds: readonly Partial<Sample>[] = [],
  ) => {
    const snapshot = snapshotOf(replicas, { limits: LIMITS, ...differs });
    const { level, word, text } = summaryOf(
      { ...snapshot, atMs: NOW },
      events,
      seconds.map((second) => ({ ...snapshot.totals, ...second })),
    );
    return plain(`${level} ${word}: ${text}`);
  };
  const replaced = (replica: string, time: string): FleetEvent => ({
    ...{ id: 'a-1', time, kind: 'replaced', replica, instance: null, image: null, cause: null },
    ...{ ms: 600, count: 1, since: time, cost: null },
  });

  it('says that all is well', () => {
    assert.equal(says(fleet({})), 'good Healthy: all 5 replicas are eligible');
  });

  it('names who is out, worst first, with cause and next step', () => {
    const replicas = fleet({
      1: { drained: true },
      2: { state: 'starting', ending: { kind: 'signal', code: null, signal: 'SIGKILL' }, sinceMs: 3000 },
      3: { state: 'unhealthy', cause: 'probe failed: 503' },
      4: {
        ...{ state: 'starting', nextStartInMs: 11_500 },
        ending: { kind: 'exit', code: 1, signal: null },
      },
    });
    assert.equal(
      says(replicas),
      'partly Degraded: 4 of 5 out: S4 crash loop (exit 1), next start in 12 s; S3 unhealthy: probe failed: 503; ' +
        'S2 SIGKILL, starting for 3 s; S1 drained',
    );
  });

  it('names four of many', () => {
    const down = (id: number) => [id, { state: 'unhealthy', cause: `refused ${id}` }] as const;
    const replicas = fleet(Object.fromEntries([1, 2, 3, 4, 5, 6].map(down)), 9);
    assert.match(says(replicas), /6 of 9 out: S1 unhealthy: refused 1; .*S4 unhealthy: refused 4; 2 more$/);
  });

  it('says once what is the same for several', () => {
    const down: Partial<ReplicaSnapshot> = { state: 'unhealthy', cause: 'probe failed: 503' };
    const replicas = (many: number) =>
      fleet(
        Object.fromEntries(
          Array.from({ length: many }, (_, index) => [index + 1, index === 2 ? { drained: true } : down]),
        ),
        9,
      );
    assert.match(says(replicas(4)), /4 of 9 out: S1, S2, S4 unhealthy: probe failed: 503; S3 drained$/);
    assert.match(
      says(replicas(8)),
      /8 of 9 out: S1, S2, S4, S5 and 3 more unhealthy: probe failed: 503; S3 drained$/,
    );
  });

  it('says that no replica runs, and that this is well where a request starts one', () => {
    const atRest = { ready: true, draining: false, reason: 'No replica runs; the next request starts one' };
    assert.equal(
      says([], [], { readiness: atRest }),
      'good Healthy: No replica runs; the next request starts one',
    );
    assert.equal(says([]), 'bad Down: 0 of 0 replicas are eligible');
  });

  it('says what was replaced in the last five minutes', () => {
    const recent = replaced('S3', '2026-11-21T03:11:20Z');
    assert.equal(
      says(fleet({}), [recent]),
      'good Healthy: all 5 replicas are eligible; S3 replaced in 600 ms, 40 s ago',
    );
    assert.doesNotMatch(says(fleet({}), [replaced('S3', '2026-11-21T03:01:20Z')]), /replaced/);
    assert.doesNotMatch(says(fleet({ 3: { state: 'unhealthy' } }), [recent]), /replaced/);
  });

  it('is degraded by an outlier alone', () => {
    assert.equal(says(fleet({ 2: { p50Ms: 140 } })), 'partly Degraded: S2 slow: p50 140 ms, median 1.50 ms');
  });

  it('is degraded where over 5 % of all requests fail, whoever is healthy', () => {
    const over = (...seconds: readonly Partial<Sample>[]) => says(fleet({}), [], {}, seconds);
    const second = { requestsPerSecond: 40, errorsPerSecond: 30, queued: 0 };
    assert.equal(over(second, second), 'partly Degraded: 75.0 % of requests fail');
    assert.equal(
      over({ ...second, queued: 12 }, second),
      'partly Degraded: 75.0 % of requests fail, 12 wait for a replica',
    );
    assert.equal(
      over({ ...second, queued: 20 }, { ...second, queued: 19 }),
      'partly Degraded: 75.0 % of requests fail, the queue is full',
    );
    assert.match(over({ requestsPerSecond: 400, errorsPerSecond: 19 }), /^good/);
  });

  it('is not degraded by the chance of few failures', () => {
    const seconds = [0, 1, 0, 1, 1].map((errorsPerSecond) => ({ requestsPerSecond: 1, errorsPerSecond }));
    assert.match(says(fleet({}), [], {}, seconds), /^good/);
  });

  it('does not count a replica that was removed and finishes', () => {
    const leaving = replicaShown(6, 5, { state: 'draining' });
    assert.match(says([...fleet({}), leaving], [], { desired: 5 }), /^good/);
  });

  it('says when none is left, on shutdown and in panic', () => {
    const down = fleet({ 1: { state: 'unhealthy', cause: null } }, 1);
    assert.equal(says(down), 'bad Down: 1 of 1 out: S1 unhealthy');
    const readiness = { ready: false, draining: true, reason: 'The balancer is shutting down' };
    assert.equal(says(fleet({}), [], { readiness }), 'bad Draining: The balancer is shutting down');
    const panic = {
      ready: true,
      draining: false,
      reason: '1 of 5 replicas are eligible, panic: most are not ready',
    };
    const one = fleet({ 1: { state: 'unhealthy', cause: null } });
    assert.match(
      says(one, [], { readiness: panic }),
      /1 of 5 out: panic: all replicas get requests, healthy or not; S1/,
    );
  });
});
