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
  const row = first.enter('a');
  assert.ok(row >= 0);
  assert.ok(second.enter('a') >= 0);
  assert.equal(first.enter('a'), TOO_MANY);
  assert.equal(second.enter('a'), TOO_MANY);
  assert.ok(second.enter('b') >= 0);
  first.leave(row);
  assert.ok(second.enter('a') >= 0);
});

test('what a dead thread had counted is taken back', () => {
  const { memory, counts } = threads(1, 3);
  assert.ok(counts[1]!.enter('a') >= 0);
  assert.equal(counts[2]!.enter('a'), TOO_MANY);
  forgetThread(memory, 3, 1);
  assert.ok(counts[2]!.enter('a') >= 0);
});

test('a row without connections becomes another client’s', () => {
  const [counts] = threads(1, 1, 8).counts as [ConnectionCounts];
  for (let key = 0; key < 1000; key++) {
    const row = counts.enter(`k${key}`);
    assert.ok(row >= 0);
    counts.leave(row);
  }
});

test('a client without a row is not counted and not refused', () => {
  const [counts] = threads(1, 1, 8).counts as [ConnectionCounts];
  for (let key = 0; key < 8; key++) assert.ok(counts.enter(`k${key}`) >= 0);
  assert.equal(counts.enter('another'), UNCOUNTED);
  counts.leave(UNCOUNTED);
});
