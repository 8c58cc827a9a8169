/** Connections of each client, counted over threads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ConnectionCounts,
  createConnectionCounts,
  forgetThread,
  TOO_MANY,
  UNCOUNTED,
} from '../../../lib/core/policy/connection-counts.ts';

const draw = (): number => 12_345;

function threads(
  limit: number,
  workers: number,
  entries = 64,
): { memory: SharedArrayBuffer; counts: ConnectionCounts[] } {
  const memory = createConnectionCounts(entries, workers, draw);
  const counts = Array.from(
    { length: workers },
    (_, worker) => new ConnectionCounts(memory, workers, worker, limit),
  );
  return { memory, counts };
}

test('counts the connections of one client over all threads', () => {
  const [first, second] = threads(2, 2).counts as [ConnectionCounts, ConnectionCounts];
  const row = first.countOpened('a');
  assert.ok(row >= 0);
  assert.ok(second.countOpened('a') >= 0);
  assert.equal(first.countOpened('a'), TOO_MANY);
  assert.equal(second.countOpened('a'), TOO_MANY);
  assert.ok(second.countOpened('b') >= 0);
  first.countClosed(row);
  assert.ok(second.countOpened('a') >= 0);
});

test('what a dead thread had counted is taken back', () => {
  const { memory, counts } = threads(1, 3);
  assert.ok(counts[1]!.countOpened('a') >= 0);
  assert.equal(counts[2]!.countOpened('a'), TOO_MANY);
  forgetThread(memory, 3, 1);
  assert.ok(counts[2]!.countOpened('a') >= 0);
});

test('a row without connections becomes another client’s', () => {
  const [counts] = threads(1, 1, 8).counts as [ConnectionCounts];
  for (let key = 0; key < 1000; key++) {
    const row = counts.countOpened(`k${key}`);
    assert.ok(row >= 0);
    counts.countClosed(row);
  }
});

test('a client without a row is not counted and not refused', () => {
  const [counts] = threads(1, 1, 8).counts as [ConnectionCounts];
  for (let key = 0; key < 8; key++) assert.ok(counts.countOpened(`k${key}`) >= 0);
  assert.equal(counts.countOpened('another'), UNCOUNTED);
  counts.countClosed(UNCOUNTED);
});
