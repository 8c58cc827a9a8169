import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MetricsReader } from '../../lib/metrics/reader.ts';
import { Recorder } from '../../lib/metrics/recorder.ts';
import { ThreadHealth } from '../../lib/metrics/thread-health.ts';
import type { Clock } from '../../lib/platform/clock.ts';
import { eventually } from '../helpers/eventually.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const SHAPE = { ordinals: 1, workers: 1 };

function watched(t: { after(run: () => void): void }, clock: Clock) {
  const reader = new MetricsReader(SHAPE, () => 0);
  const health = new ThreadHealth(new Recorder(reader.memory, SHAPE, 0).thread, clock);
  t.after(() => health.close());
  return { health, read: () => reader.read([]).health };
}

test('a timer that is late counts with how late it is', (t) => {
  const clock = new FakeClock();
  const late: Clock = {
    nowMs: () => clock.nowMs(),
    wallMs: () => 0,
    after: (delayMs, run) => clock.after(delayMs + 30, run),
  };
  const { read } = watched(t, late);
  clock.advance(50);
  const { count, sumMs } = read()[0]!.loopDelay;
  assert.deepEqual([count, sumMs], [1, 30]);
});

test('timers that are in time count with nothing, fifty a second', (t) => {
  const clock = new FakeClock();
  const { read } = watched(t, clock);
  clock.advance(1000);
  const { count, sumMs } = read()[0]!.loopDelay;
  assert.deepEqual([count, sumMs], [50, 0]);
});

test('the thread has a heap, and has been active', async (t) => {
  const clock = new FakeClock();
  const { read } = watched(t, clock);
  // what it is doing is counted once the loop has turned
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(500);
  const [data, main] = read();
  assert.deepEqual([data!.name, main!.name, main!.heap.usedBytes], ['data-0', 'main', 0]);
  assert.ok(data!.heap.usedBytes > 1e6 && data!.heap.usedBytes <= data!.heap.totalBytes);
  assert.ok(data!.activeMs > 0);
});

test('collections count by their kind', async (t) => {
  const { read } = watched(t, new FakeClock());
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await eventually('a collection that was counted', () => {
    collect();
    return read()[0]!.gcRuns.major > 0;
  });
  assert.ok(read()[0]!.gcMs.major > 0);
});

test('nothing is looked at once it is closed', (t) => {
  const clock = new FakeClock();
  const { health } = watched(t, clock);
  health.close();
  assert.equal(clock.pending, 0);
});
