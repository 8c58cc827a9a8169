import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { MAX_REPLICAS } from '../../../lib/admin/routes/history.ts';
import { type Durations, LiveNumbers, type Reading } from '../../../lib/admin/routes/live-numbers.ts';
import { fakeFleet, REPLICA, SCALE } from '../../helpers/admin/admin.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';

/** Durations that are all the same. */
class Same implements Durations {
  readonly count: number;
  readonly ms: number;
  constructor(count: number, ms: number) {
    this.count = count;
    this.ms = ms;
  }
  quantileMs(rank: number): number {
    return this.count === 0 ? 0 : this.ms + rank;
  }
  minus(earlier: Same): Same {
    return new Same(this.count - earlier.count, this.ms);
  }
}

const LIMITS = { maxInFlight: 256, queueDepth: 1024, maxReplicas: 64 };

describe('the numbers of the dashboard', () => {
  let clock: FakeClock;
  let requests: number;
  let failures: number;
  /** Those that a client was told of. */
  let failed: number;
  let asked: (readonly string[])[];
  let numbers: LiveNumbers;
  const fleet = fakeFleet();
  beforeEach(() => {
    clock = new FakeClock();
    requests = 0;
    failures = 0;
    failed = 0;
    asked = [];
    fleet.replicas = () => [REPLICA];
    numbers = new LiveNumbers({
      canDeploy: true,
      version: '1.2.3',
      driver: { kind: 'process', ownsInstances: true },
      limits: Object.assign({ adminToken: 'secret' }, LIMITS),
      fleet,
      clock,
      table: { totalInFlight: 7, totalWaiting: 2 },
      scale: () => SCALE,
      read: (names): Reading => {
        asked.push(names);
        const byClass = [0, requests - failed, 0, 0, failed];
        const counters = { requests, byClass, failures, duration: new Same(requests, 4), waiting: 3 };
        return {
          atMs: clock.nowMs(),
          totals: counters,
          replicas: names.map((name) => ({ name, ...counters })),
        };
      },
    });
  });

  const next = () => {
    numbers.sample(true);
    return numbers.snapshot();
  };

  /** A second in which so many requests came. */
  const second = (more: number, errors = { failures: 0, failed: 0 }) => {
    clock.advance(1000);
    requests += more;
    failures += errors.failures;
    failed += errors.failed;
    return next();
  };

  it('are not known before a second has passed', () => {
    const { totals, replicas } = next();
    const unknown = { requestsPerSecond: null, errorsPerSecond: null, p50Ms: null, p99Ms: null };
    const levels = { inFlight: 7, queued: 2, desired: 3, ready: 3 };
    assert.deepEqual(totals, { ...unknown, byClass: [null, null, null, null], ...levels });
    assert.equal(replicas[0]?.requestsPerSecond, null);
  });

  it('span one second in total, five including retried failures per replica', () => {
    next();
    for (const more of [100, 100, 100, 100, 100]) second(more);
    const { totals, replicas } = second(400, { failures: 10, failed: 4 });
    assert.deepEqual([totals.requestsPerSecond, totals.errorsPerSecond], [400, 4]);
    assert.deepEqual([replicas[0]?.requestsPerSecond, replicas[0]?.errorsPerSecond], [160, 2]);
  });

  it('have no latency in a second without requests', () => {
    next();
    assert.deepEqual([second(10).totals.p50Ms, second(10).totals.p99Ms], [4.5, 4.99]);
    const { totals } = second(0);
    assert.deepEqual([totals.requestsPerSecond, totals.p50Ms, totals.p99Ms], [0, null, null]);
  });

  it('go by the time that passed, not the intended second', () => {
    next();
    clock.advance(1500);
    assert.equal(second(500).totals.requestsPerSecond, 200);
  });

  it('of a replica reach back one second only after nobody watched', () => {
    numbers.sample(false);
    for (const more of [100, 100, 100]) {
      clock.advance(1000);
      requests += more;
      numbers.sample(false);
    }
    assert.equal(second(400).replicas[0]?.requestsPerSecond, 250);
  });

  it('of replicas beyond the history are read for a page only', () => {
    const many = Array.from({ length: MAX_REPLICAS + 9 }, (_, id) => ({ ...REPLICA, name: `S${id}`, id }));
    fleet.replicas = () => many;
    numbers.sample(false);
    numbers.sample(true);
    assert.deepEqual(
      asked.map((names) => names.length),
      [MAX_REPLICAS, MAX_REPLICAS + 9],
    );
  });

  it('are kept as history per balancer and replica, watched or not', () => {
    numbers.sample(false);
    for (const [more, errors] of [
      [100, { failures: 0, failed: 0 }],
      [50, { failures: 5, failed: 2 }],
    ] as const) {
      clock.advance(1000);
      requests += more;
      failures += errors.failures;
      failed += errors.failed;
      numbers.sample(false);
    }
    const all = numbers.history.read();
    assert.deepEqual(all?.requestsPerSecond, [null, 100, 50]);
    assert.deepEqual(all?.byClass, [
      [null, 100, 48],
      [null, 0, 0],
      [null, 0, 0],
      [null, 0, 2],
    ]);
    assert.deepEqual(
      [all?.errorsPerSecond, all?.inFlight],
      [
        [null, 0, 2],
        [7, 7, 7],
      ],
    );
    const one = numbers.history.read('S1');
    assert.deepEqual(
      [one?.errorsPerSecond, one?.inFlight, one?.queued],
      [
        [null, 0, 5],
        [2, 2, 2],
        [3, 3, 3],
      ],
    );
  });

  it('of a name are those of its new instance while the old one finishes, and what is in flight is of both', () => {
    fleet.replicas = () => [REPLICA, { ...REPLICA, state: 'draining', draining: true, inFlight: 5 }];
    next();
    const { replicas } = second(100);
    assert.deepEqual(
      replicas.map(({ requestsPerSecond, queued, inFlight }) => [requestsPerSecond, queued, inFlight]),
      [
        [100, 3, 2],
        [null, 0, 5],
      ],
    );
    assert.deepEqual(numbers.history.read('S1')?.inFlight, [7, 7]);
  });

  it('of a replica that was removed are its own while it finishes', () => {
    fleet.replicas = () => [{ ...REPLICA, state: 'draining', draining: true }];
    next();
    assert.equal(second(100).replicas[0]?.requestsPerSecond, 100);
  });

  it('of a returning name begin without its earlier counts', () => {
    requests = 50_000;
    fleet.replicas = () => [];
    next();
    second(0);
    fleet.replicas = () => [REPLICA];
    assert.equal(second(5).replicas[0]?.requestsPerSecond, null);
    assert.equal(second(20).replicas[0]?.requestsPerSecond, 20);
    assert.deepEqual(asked.at(-1), ['S1']);
  });

  it('come with what the fleet is and says', () => {
    clock.advance(5000);
    const { atMs, startedAtMs, version, driver, desired, eligible, ring, readiness, replicas } = next();
    assert.deepEqual(
      [atMs - startedAtMs, version, driver, desired, eligible],
      [5000, '1.2.3', 'process', 3, 1],
    );
    assert.deepEqual(ring, { algorithm: 'maglev', slots: 65_537, vnodes: 0, version: 4, imbalance: 1 });
    assert.deepEqual([readiness.ready, replicas[0]?.queued], [true, 3]);
    assert.deepEqual(replicas[0]?.probes, { last: null, recent: REPLICA.probes.recent });
  });

  it('come with the limits, and no other configuration', () => {
    const snapshot = next();
    assert.deepEqual(snapshot.limits, LIMITS);
    assert.doesNotMatch(JSON.stringify(snapshot), /secret/);
  });
});
