import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import parsePrometheus from 'parse-prometheus-text-format';
import { Exposer, prefersOpenMetrics } from '../../lib/metrics/exposition.ts';
import { familiesOf } from '../../lib/metrics/families.ts';
import { counter, type Family, gauge } from '../../lib/metrics/family.ts';
import { FleetCounts } from '../../lib/metrics/fleet-counts.ts';
import { MetricsReader } from '../../lib/metrics/reader.ts';
import { Recorder } from '../../lib/metrics/recorder.ts';
import { parseOpenMetrics } from '../helpers/metrics/open-metrics.ts';

const OPEN = 'application/openmetrics-text';
const SHAPE = { ordinals: 4, workers: 1 };

/** Everything there is, of a fleet of two that has answered some requests. */
function families(): readonly Family[] {
  const reader = new MetricsReader(SHAPE, () => 0);
  reader.follow([
    { ordinal: 0, name: 'S1' },
    { ordinal: 1, name: 'web.a-2' },
  ]);
  const recorder = new Recorder(reader.memory, SHAPE, 0);
  const request = { status: 200, bytesIn: 7, bytesOut: 9, ended: 'whole' } as const;
  for (const totalMs of [0.75, 3, 3, 100_000])
    recorder.request({ ...request, respondedBy: 0, totalMs, firstByteMs: totalMs / 2 });
  recorder.request({ ...request, respondedBy: -1, status: 503, totalMs: 1, firstByteMs: -1 });
  for (const ms of [0.5, 20]) recorder.thread.queueWait(ms);
  const fleet = new FleetCounts();
  fleet.probe('S1', 5, false);
  const facts = { inFlight: 3, slots: 10, share: 0.5 };
  return familiesOf({
    replicas: [
      { name: 'S1', state: 'healthy', ...facts },
      { name: 'web.a-2', state: 'draining', ...facts },
    ],
    counts: reader.read(['S1', 'web.a-2']),
    fleet,
    eligible: 1,
    waiting: 4,
    logDropped: 0,
    detail: 'full' as const,
    hasRemoved: false,
    tableVersion: 12,
    fastPath: true,
    imbalance: 1.5,
  });
}

const exposer = new Exposer();
const textOf = async (accept?: string): Promise<string> => (await exposer.expose(families(), accept)).text;

describe('everything as text', () => {
  test('is what a parser of Prometheus text reads back', async () => {
    const parsed = parsePrometheus(await textOf());
    const requests = parsed.find(({ name }) => name === 'ringlb_requests_total');
    assert.equal(requests?.type, 'COUNTER');
    assert.deepEqual(
      requests?.metrics.filter(({ value }) => value !== '0'),
      [
        { labels: { replica: 'S1', class: '2xx' }, value: '4' },
        { labels: { replica: '-', class: '5xx' }, value: '1' },
      ],
    );
    const names = parsed.map(({ name }) => name);
    for (const family of families()) assert.ok(names.includes(family.name), family.name);
  });

  test('has histograms whose buckets add up, in seconds', async () => {
    // this parser throws labels of histograms away
    const wait = parsePrometheus(await textOf()).find(({ name }) => name === 'ringlb_queue_wait_seconds');
    const { count, sum, buckets } = wait!.metrics[0]!;
    assert.deepEqual([wait?.type, count, sum], ['HISTOGRAM', '2', '0.0205']);
    assert.deepEqual([buckets?.['0.0005'], buckets?.['0.001'], buckets?.['0.016']], ['0', '1', '1']);
    assert.deepEqual([buckets?.['0.032'], buckets?.['65.536'], buckets?.['+Inf']], ['2', '2', '2']);
  });

  test('has a histogram for each replica', async () => {
    const parsed = parseOpenMetrics(await textOf(OPEN));
    const duration = parsed.find(({ name }) => name === 'ringlb_request_duration_seconds')!;
    const ofS1 = duration.samples.filter(({ labels }) => labels.includes('replica="S1"'));
    const buckets = ofS1.filter(({ name }) => name.endsWith('_bucket')).map(({ value }) => value);
    assert.deepEqual(buckets, [0, 1, 1, ...new Array<number>(15).fill(3), 4]);
    assert.equal(ofS1.find(({ name }) => name.endsWith('_sum'))?.value, 100.006_75);
    assert.equal(ofS1.find(({ name }) => name.endsWith('_count'))?.value, 4);
    assert.equal(duration.samples.length, 3 * ofS1.length);
  });

  test('is OpenMetrics where that is asked for', async () => {
    const parsed = parseOpenMetrics(await textOf(OPEN));
    const requests = parsed.find(({ name }) => name === 'ringlb_requests');
    assert.equal(requests?.type, 'counter');
    assert.ok(requests?.samples.every(({ name }) => name === 'ringlb_requests_total'));
    assert.equal(parsed.find(({ name }) => name === 'ringlb_gc_duration_seconds')?.type, 'summary');
  });

  test('has the same metrics in both formats', async () => {
    const names = async () => parsePrometheus(await textOf()).map(({ name }) => name.replace(/_total$/, ''));
    const first = await names();
    const open = parseOpenMetrics(await textOf(OPEN)).map(({ name }) => name);
    assert.deepEqual(open, first);
    assert.deepEqual(await names(), first);
  });

  test('says with its content type which it is', async () => {
    const { contentType } = await exposer.expose([], undefined);
    const open = await exposer.expose([], OPEN);
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    assert.match(open.contentType, /^application\/openmetrics-text; version=1\.0\.0/);
  });

  test('has memory, descriptors and CPU time of the process', async () => {
    const { user, system } = process.cpuUsage();
    const parsed = parsePrometheus(await textOf());
    const numberOf = (name: string) =>
      Number(parsed.find((family) => family.name === name)?.metrics[0]?.value);
    assert.ok(numberOf('process_resident_memory_bytes') > 1e6);
    assert.ok(numberOf('process_open_fds') > 2);
    assert.ok(numberOf('process_cpu_seconds_total') >= (user + system) / 1e6);
  });

  test('escapes what stands in quotes and in help', async () => {
    const odd = gauge('odd', 'back\\slash\nand line', [{ labels: { name: 'a"b\\c\nd' }, value: 1 }]);
    const { text } = await exposer.expose([odd], undefined);
    const parsed = parsePrometheus(text).find(({ name }) => name === 'odd');
    assert.equal(parsed?.metrics[0]?.labels?.name, 'a"b\\c\nd');
    assert.equal(parsed?.help, 'back\\slash\nand line');
  });
});

describe('the names', () => {
  const all = families();

  test('are each there once, in both formats', () => {
    const names = all.map(({ name }) => name.replace(/_total$/, ''));
    assert.deepEqual(names, [...new Set(names)]);
  });

  test('of what only grows, and of nothing else, end in _total', () => {
    for (const { name, type } of all) assert.equal(name.endsWith('_total'), type === 'counter', name);
  });

  test('of times and sizes have their base unit, no other', () => {
    for (const { name, type } of all) {
      if (type === 'histogram' || type === 'summary') assert.match(name, /_seconds$/);
      assert.doesNotMatch(name, /_(ms|millis|milliseconds|kb|percent)\b/);
    }
  });

  test('of labels are few, none an instance, path or address', () => {
    const labels = new Set(
      all.flatMap(({ values }) => values.flatMap((sample) => Object.keys(sample.labels))),
    );
    assert.deepEqual(
      [...labels].sort(),
      [
        'by',
        'cause',
        'class',
        'code',
        'connection',
        'generation',
        'image',
        'kind',
        'reason',
        'replica',
        'result',
        'state',
        'thread',
      ].sort(),
    );
  });

  test('have help, and every sample is a number', () => {
    for (const { name, help, values } of all) {
      assert.match(help, /^[A-Z1].*\.$/, name);
      for (const { value } of values) assert.ok(Number.isFinite(value), name);
    }
  });
});

for (const [accept, isOpen] of [
  [undefined, false],
  ['', false],
  ['*/*', false],
  ['text/plain', false],
  [OPEN, true],
  ['Application/OpenMetrics-Text; Version="1.0.0"', true],
  ['application/openmetrics-text; version=0.0.1', false],
  ['application/openmetrics-text; version=2.0.0', false],
  [
    'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
    true,
  ],
  ['application/openmetrics-text;q=0.2, text/plain', false],
  ['application/openmetrics-text;q=0.2, text/*;q=0.1', true],
  ['application/openmetrics-text;q=0', false],
  ['application/openmetrics-text;q=2', false],
  ['application/openmetrics-text;q=x', false],
  ['text/html', false],
] as const) {
  test(`Accept: ${accept} gets ${isOpen ? 'OpenMetrics' : 'Prometheus text'}`, () => {
    assert.equal(prefersOpenMetrics(accept), isOpen);
  });
}

test('a counter of the registry keeps its name in OpenMetrics', async () => {
  const families = [counter('a_total', 'A.', [{ labels: {}, value: 1 }])];
  const { text } = await exposer.expose(families, OPEN);
  assert.match(text, /^# TYPE a counter\na_total 1$/m);
  assert.equal(families[0]!.name, 'a_total');
});
