import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Imbalance } from '../../lib/metrics/imbalance.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

function stage(counts: Readonly<Record<string, number>>) {
  const clock = new FakeClock();
  const requests = new Map(Object.entries(counts));
  const imbalance = new Imbalance(clock, () => new Map(requests));
  return { clock, requests, imbalance };
}

test('without requests it is 0', () => {
  assert.equal(stage({ S1: 5, S2: 5 }).imbalance.ratio, 0);
});

test('with as many at each replica it is 1', () => {
  const { requests, imbalance } = stage({ S1: 0, S2: 100 });
  requests.set('S1', 7).set('S2', 107);
  assert.equal(imbalance.ratio, 1);
});

test('it is the most divided by the mean', () => {
  const { requests, imbalance } = stage({ S1: 0, S2: 0, S3: 0 });
  requests.set('S1', 6).set('S2', 2).set('S3', 1);
  assert.equal(imbalance.ratio, 2);
});

test('what is longer ago than a minute does not count', () => {
  const { clock, requests, imbalance } = stage({ S1: 0, S2: 0 });
  requests.set('S1', 1000);
  clock.advance(30_000);
  assert.equal(imbalance.ratio, 2);
  clock.advance(65_000);
  assert.equal(imbalance.ratio, 0);
  requests.set('S1', 1001).set('S2', 1);
  assert.equal(imbalance.ratio, 1);
});

test('new replicas count in full, removed ones not at all', () => {
  const { clock, requests, imbalance } = stage({ S1: 10 });
  clock.advance(10_000);
  requests.set('S1', 20).set('S2', 10);
  assert.equal(imbalance.ratio, 1);
  requests.delete('S1');
  assert.equal(imbalance.ratio, 1);
});

test('it looks no more once it is closed', () => {
  const { clock, imbalance } = stage({ S1: 1 });
  imbalance.close();
  assert.equal(clock.pending, 0);
});
