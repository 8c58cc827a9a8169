import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ReplicaFacts } from '../../lib/metrics/fleet-families.ts';
import { RETRY_REASONS } from '../../lib/metrics/layout.ts';
import { Metrics } from '../../lib/metrics/metrics.ts';
import { type EndedRequest, Recorder } from '../../lib/metrics/recorder.ts';
import { isBalancerError } from '../../lib/platform/errors.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { parseOpenMetrics } from '../helpers/metrics/open-metrics.ts';

const OPEN = 'application/openmetrics-text';
const REQUEST: EndedRequest = {
  respondedBy: 0,
  status: 200,
  totalMs: 0.3,
  firstByteMs: 0.1,
  bytesIn: 10,
  bytesOut: 100,
  ended: 'whole',
};

/** Metrics of a fleet that a test changes as the balancer does, with two data threads. */
class Stage {
  readonly replicas: ReplicaFacts[] = [];
  readonly ordinals = new Map<string, number>();
  readonly metrics: Metrics;
  readonly recorders: readonly Recorder[];

  constructor(t: { after(run: () => unknown): void } | undefined, ordinals: number) {
    const shape = { ordinals, workers: 2 };
    this.metrics = new Metrics(shape, new FakeClock(), {
      fastPath: true,
      replicas: () => this.replicas,
      table: { eligible: 1, totalWaiting: 0, version: 1 },
      log: { dropped: 0 },
    });
    t?.after(() => this.metrics.close());
    this.recorders = [0, 1].map((worker) => new Recorder(this.metrics.reader.memory, shape, worker));
  }

  add(name: string): void {
    const taken = new Set(this.ordinals.values());
    let ordinal = 0;
    while (taken.has(ordinal)) ordinal++;
    this.ordinals.set(name, ordinal);
    this.replicas.push({ name, state: 'healthy', inFlight: 0, slots: 1, share: 0.5 });
    this.metrics.began(name);
    this.metrics.reader.follow([...this.ordinals].map(([one, number]) => ({ name: one, ordinal: number })));
  }

  remove(name: string): void {
    this.replicas.splice(
      this.replicas.findIndex((one) => one.name === name),
      1,
    );
    this.ordinals.delete(name);
    this.metrics.removed(name);
  }

  async scrape(names?: readonly string[]) {
    const { text } = await this.metrics.expose(OPEN, names);
    return { text, families: parseOpenMetrics(text) };
  }
}

const replicaIn = (labels: string): string => /replica="([^"]*)"/.exec(labels)?.[1] ?? '';

describe('a fleet of up to a hundred', () => {
  test('is shown in full: a histogram and every word per replica', async (t) => {
    const stage = new Stage(t, 110);
    for (let number = 1; number <= 100; number++) stage.add(`S${number}`);
    const { families } = await stage.scrape();
    const duration = families.find(({ name }) => name === 'ringlb_request_duration_seconds')!;
    assert.equal(new Set(duration.samples.map(({ labels }) => replicaIn(labels))).size, 101);
    assert.equal(
      families.find(({ name }) => name === 'ringlb_retries')!.samples.length,
      100 * RETRY_REASONS.length,
    );
  });
});

describe('a larger fleet', () => {
  async function large(t: { after(run: () => unknown): void }) {
    const stage = new Stage(t, 1064);
    for (let number = 0; number < 1000; number++) stage.add(`127.0.0.1:${20_000 + number}`);
    for (let ordinal = 0; ordinal < 1000; ordinal++) {
      stage.recorders[ordinal % 2]!.request({ ...REQUEST, respondedBy: ordinal, totalMs: ordinal });
      stage.recorders[0]!.sent(ordinal, false);
      stage.recorders[0]!.pool(ordinal, 1, 0, 0);
      stage.metrics.fleet.probe(`127.0.0.1:${20_000 + ordinal}`, 1, true);
    }
    return stage;
  }

  test('of a thousand replicas stays under 1.5 MB', async (t) => {
    const stage = await large(t);
    const { text, families } = await stage.scrape();
    assert.ok(text.length < 1_500_000, `${text.length} bytes`);
    const requests = families.find(({ name }) => name === 'ringlb_requests')!.samples;
    const ofOne = requests.filter(({ labels }) => labels.includes('20007'));
    assert.deepEqual(
      ofOne.map(({ labels, value }) => [labels, value]),
      [['replica="127.0.0.1:20007",class="2xx"', 1]],
    );
    const states = families.find(({ name }) => name === 'ringlb_replica_state')!.samples;
    assert.equal(states.length, 1000);
  });

  test('has its histograms in full, of all replicas together', async (t) => {
    const stage = await large(t);
    const { families } = await stage.scrape();
    for (const name of ['request_duration', 'first_byte', 'connect_duration', 'probe_duration']) {
      const { samples } = families.find((family) => family.name === `ringlb_${name}_seconds`)!;
      assert.ok(
        samples.every(({ labels }) => replicaIn(labels) === '(all)'),
        name,
      );
      assert.equal(samples.length, 21, name);
    }
    const duration = families.find(({ name }) => name === 'ringlb_request_duration_seconds')!;
    assert.equal(duration.samples.find(({ labels }) => labels.includes('le="0.256"'))?.value, 256);
    assert.equal(duration.samples.find(({ name }) => name.endsWith('_count'))?.value, 1000);
  });

  test('shows the replicas asked for in full, and nothing else', async (t) => {
    const stage = await large(t);
    const names = ['127.0.0.1:20007', '127.0.0.1:20003'];
    const { families } = await stage.scrape(names);
    for (const { name, samples } of families) {
      const shown = samples.map(({ labels }) => replicaIn(labels));
      assert.deepEqual([...new Set(shown)], names, name);
    }
    const duration = families.find(({ name }) => name === 'ringlb_request_duration_seconds')!;
    assert.equal(duration.samples.length, 42);
    assert.equal(
      families.find(({ name }) => name === 'ringlb_retries')!.samples.length,
      2 * RETRY_REASONS.length,
    );
  });
});

test('a replica that is asked for and is none is refused', async (t) => {
  const stage = new Stage(t, 2);
  stage.add('S1');
  await assert.rejects(
    stage.scrape(['S1', 'S2']),
    (error) => isBalancerError(error, 'bad-request') && error.message === 'There is no replica "S2"',
  );
});

test('what removed replicas counted is not shown before one was removed', async (t) => {
  const stage = new Stage(t, 2);
  stage.add('S1');
  assert.doesNotMatch((await stage.scrape()).text, /removed\)/);
  stage.remove('S1');
  assert.match(
    (await stage.scrape()).text,
    /^ringlb_requests_total\{replica="\(removed\)",class="2xx"\} 0$/m,
  );
});

const name = fc.constantFrom('S1', 'S2', 'S3');
const ORDINALS = 2;
const steps = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ add: name }) },
    { weight: 2, arbitrary: fc.record({ remove: name }) },
    {
      weight: 6,
      arbitrary: fc.record({
        request: fc.integer({ min: -1, max: ORDINALS - 1 }),
        worker: fc.integer({ min: 0, max: 1 }),
        totalMs: fc.double({ min: 0, max: 1e4, noNaN: true }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ probe: name, tookMs: fc.double({ min: 0, max: 1e4, noNaN: true }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        happened: fc.constantFrom('ejected', 'start-failed', 'replaced'),
        replica: name,
      }),
    },
    { weight: 1, arbitrary: fc.record({ threadDies: fc.integer({ min: 0, max: 1 }) }) },
    { weight: 4, arbitrary: fc.record({ scrape: fc.constant(true) }) },
  ),
  { minLength: 20, maxLength: 100 },
);

test('counters of the fleet never fall as replicas come and go', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const stage = new Stage(undefined, ORDINALS);
      const { metrics } = stage;
      // from then on what nobody has, requests that come late too, is told of as a removed replica's
      metrics.removed('S9');
      let requests = 0;
      let probes = 0;
      /** The values of the last scrape, of each series and of each sum over replicas. */
      let series = new Map<string, number>();
      let sums = new Map<string, number>();
      const begun = new Set<string>();
      const look = async (): Promise<void> => {
        const { families } = await stage.scrape();
        const [seriesNow, sumsNow] = [new Map<string, number>(), new Map<string, number>()];
        for (const { type, samples } of families.filter((one) =>
          one.samples[0]?.labels.includes('replica='),
        )) {
          if (type === 'gauge') continue;
          for (const { name: of, labels, value } of samples) {
            seriesNow.set(`${of}{${labels}}`, value);
            const sum = `${of}{${labels.replace(/replica="[^"]*",?/, '')}}`;
            sumsNow.set(sum, (sumsNow.get(sum) ?? 0) + value);
          }
        }
        for (const [what, value] of sums) {
          // a sum of fractions is rounded by who adds it up
          const slack = what.includes('_sum') ? value * 1e-12 : 0;
          assert.ok(sumsNow.get(what)! >= value - slack, `the sum ${what} fell from ${value}`);
        }
        for (const [what, value] of series) {
          const now = seriesNow.get(what);
          if (now === undefined || begun.has(replicaIn(what))) continue;
          assert.ok(now >= value, `${what} fell from ${value} to ${now}`);
        }
        const answered = [...sumsNow].filter(([what]) => what.startsWith('ringlb_requests_total{'));
        assert.equal(
          answered.reduce((sum, [, value]) => sum + value, 0),
          requests,
        );
        assert.equal(sumsNow.get('ringlb_request_duration_seconds_count{}'), requests);
        assert.equal(sumsNow.get('ringlb_probe_duration_seconds_count{}'), probes);
        [series, sums] = [seriesNow, sumsNow];
        begun.clear();
      };
      try {
        for (const step of all) {
          if ('add' in step) {
            if (stage.ordinals.has(step.add) || stage.ordinals.size === ORDINALS) continue;
            stage.add(step.add);
            begun.add(step.add);
          } else if ('remove' in step) {
            if (stage.ordinals.has(step.remove)) stage.remove(step.remove);
          } else if ('request' in step) {
            const { request: respondedBy, worker, totalMs } = step;
            stage.recorders[worker]!.request({ ...REQUEST, respondedBy, totalMs, firstByteMs: totalMs });
            requests++;
          } else if ('probe' in step) {
            metrics.fleet.probe(step.probe, step.tookMs, step.tookMs < 5000);
            probes++;
          } else if ('happened' in step) {
            metrics.fleet.countEvent({ kind: step.happened, replica: step.replica, ms: 1 });
          } else if ('threadDies' in step) metrics.reader.clear(step.threadDies);
          else await look();
        }
        await look();
      } finally {
        metrics.close();
      }
    }),
    { numRuns: 150 },
  );
});
