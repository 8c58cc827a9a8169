/** From measurements to rows: medians, percentiles, and ratios taken inside a round. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  compare,
  DIRECT,
  median,
  ONE_WORKER,
  percentile,
  type Sample,
  summarise,
} from '../../bench/proxy/stats.ts';

const cpu = (peer: string, cpuUs: number): Sample => ({ peer, values: { cpuUs } });

test("the median is the middle value, or the middle two's mean", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([9, 1, 5, 7]), 6);
  assert.ok(Number.isNaN(median([])));
});

test('half of the values lie on either side of a median', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
      const copy = [...values];
      const middle = median(values);
      assert.ok(values.filter((value) => value < middle).length <= values.length / 2);
      assert.ok(values.filter((value) => value > middle).length <= values.length / 2);
      assert.deepEqual(values, copy);
    }),
  );
});

test('a percentile is a value that was seen, by nearest rank', () => {
  const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);
  assert.deepEqual(
    [percentile(hundred, 0.5), percentile(hundred, 0.99), percentile(hundred, 1)],
    [50, 99, 100],
  );
  assert.equal(percentile([1, 2, 3], 0.5), 2);
  assert.equal(percentile([3], 0.01), 3);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test('ratios compare with the named peers of the same round', () => {
  const round = [cpu('ringlb', 25), cpu('nginx', 20), cpu('haproxy', 10), cpu('http-proxy', 100)];
  const { toNginx, toHaproxy, toHttpProxy } = compare(round)[0]!.values;
  assert.deepEqual([toNginx, toHaproxy, toHttpProxy], [1.25, 2.5, 0.25]);
});

test('a ratio to a peer that did not run is omitted', () => {
  const [row] = summarise([[cpu('ringlb', 25), cpu('nginx', 20)]]);
  assert.equal(row?.values.toNginx, 1.25);
  assert.ok(!('toHaproxy' in row!.values));
});

test("rows have the rounds' median ratio, not the ratio of medians", () => {
  const rounds = [
    [cpu('ringlb', 30), cpu('nginx', 30)],
    [cpu('ringlb', 20), cpu('nginx', 10)],
    [cpu('ringlb', 40), cpu('nginx', 40)],
  ];
  const row = summarise(rounds).find((each) => each.peer === 'ringlb')!;
  assert.equal(row.values.cpuUs, 30);
  assert.equal(row.values.toNginx, 1);
  assert.deepEqual(row.cpuRangeUs, [20, 40]);
  assert.equal(row.rounds, 3);
});

test('two workers are compared with one', () => {
  const rows = summarise([[cpu(ONE_WORKER, 20), cpu('ringlb, 2 workers', 22)]]);
  assert.equal(rows[1]?.values.toOneWorker, 1.1);
});

test('added latency is what a peer adds to direct backend requests', () => {
  const rows = summarise([
    [
      { peer: 'nginx', values: { p50Ms: 0.5, p99Ms: 2 } },
      { peer: DIRECT, values: { p50Ms: 0.25, p99Ms: 0.5 } },
    ],
  ]);
  assert.deepEqual([rows[0]?.values.addedP50Ms, rows[0]?.values.addedP99Ms], [0.25, 1.5]);
  assert.ok(!('addedP50Ms' in rows[1]!.values));
});

test('errors are summed over the rounds', () => {
  const rounds = [0, 7, 0].map((errors) => [{ peer: 'nginx', values: { errors } }]);
  assert.equal(summarise(rounds)[0]?.values.errors, 7);
});
