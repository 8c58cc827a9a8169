import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import parsePrometheus from 'parse-prometheus-text-format';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { parseOpenMetrics } from '../helpers/metrics/open-metrics.ts';

describe('the metrics of a balancer', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready('--workers 2 --replicas 2');
  });
  after(() => balancer.stop());

  /** The samples of one metric, each as `label=word … value`. */
  const samplesOf = async (name: string): Promise<readonly string[]> => {
    const { body } = await balancer.askAdmin('GET', '/metrics');
    const found = parsePrometheus(body).find((family) => family.name === name);
    return (found?.metrics ?? []).map(({ labels = {}, value, count }) =>
      [...Object.entries(labels).map(([label, word]) => `${label}=${word}`), value ?? count].join(' '),
    );
  };

  it('count every request once, by replica', async () => {
    for (let times = 0; times < 20; times++) await balancer.home();
    const answered = () =>
      samplesOf('ringlb_requests_total').then((all) => all.filter((one) => one.includes('2xx')));
    const names = (await answered()).map((sample) => sample.split(' ')[0]);
    assert.deepEqual(names, ['replica=S1', 'replica=S2', 'replica=-']);
    // the last may be counted a moment after its answer
    await eventually('20 requests', async () => {
      const counts = (await answered()).map((sample) => Number(sample.split(' ').at(-1)));
      return counts.reduce((sum, count) => sum + count) === 20;
    });
  });

  it('show the state of the fleet and of every thread', async () => {
    assert.deepEqual(await samplesOf('ringlb_replica_up'), ['replica=S1 1', 'replica=S2 1']);
    assert.deepEqual(await samplesOf('ringlb_eligible_replicas'), ['2']);
    const heaps = await samplesOf('ringlb_thread_heap_bytes');
    const threads = new Set(heaps.map((sample) => sample.split(' ')[0]));
    assert.deepEqual([...threads], ['thread=data-0', 'thread=data-1', 'thread=main']);
    assert.ok(heaps.every((sample) => Number(sample.split(' ').at(-1)) > 0));
  });

  it('are OpenMetrics for who asks for it', async () => {
    const headers = { accept: 'application/openmetrics-text' };
    const { body, headers: answered } = await balancer.askAdmin('GET', '/metrics', { headers });
    assert.match(answered['content-type'] ?? '', /^application\/openmetrics-text; version=1\.0\.0/);
    const probes = parseOpenMetrics(body).find(({ name }) => name === 'ringlb_probe_duration_seconds');
    assert.ok(probes?.samples.some(({ name, value }) => name.endsWith('_count') && value >= 2));
  });

  it('count a replica that died and was replaced', async () => {
    process.kill(await balancer.pidOf('S1'), 'SIGKILL');
    await eventually('a replacement', async () =>
      (await samplesOf('ringlb_replacements_total')).includes('replica=S1 cause=died 1'),
    );
    assert.deepEqual(await samplesOf('ringlb_replace_duration_seconds'), ['1']);
  });

  it('keep the counts of a removed replica apart', async () => {
    const all = () => samplesOf('ringlb_requests_total');
    const sumOf = (samples: readonly string[]) =>
      samples.reduce((sum, sample) => sum + Number(sample.split(' ').at(-1)), 0);
    const of = (samples: readonly string[], name: string) =>
      samples.filter((sample) => sample.includes(`=${name} `));
    const before = await all();
    await balancer.askAdmin('DELETE', '/rm', { body: { n: 1, hostnames: ['S2'] } });
    await eventually('S2 gone', async () => (await balancer.replicas()).every(({ name }) => name !== 'S2'));
    const without = await all();
    assert.deepEqual(of(without, 'S2'), []);
    assert.equal(sumOf(of(without, '(removed)')), sumOf(of(before, 'S2')));
    assert.equal(sumOf(without), sumOf(before));
    await balancer.askAdmin('POST', '/add', { body: { n: 1, hostnames: ['S2'] } });
    const again = await all();
    assert.equal(sumOf(of(again, 'S2')), 0);
    assert.equal(sumOf(again), sumOf(before));
    await balancer.home();
    await eventually('one request more', async () => sumOf(await all()) === sumOf(before) + 1);
  });

  it('are those of one replica where it is asked for', async () => {
    const { body } = await balancer.askAdmin('GET', '/metrics?replica=S1');
    const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    assert.ok(lines.length > 50 && lines.every((line) => line.includes('replica="S1"')));
    const { status, body: refusal } = await balancer.askAdmin('GET', '/metrics?replica=S7');
    assert.deepEqual([status, JSON.parse(refusal).message], [400, '<Error> There is no replica "S7"']);
  });
});
