/** The shared rate limit: what GCRA admits, over threads, and what becomes of memory under a flood of keys. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { createRateMemory, type RateLimit, RateLimiter } from '../../../lib/core/policy/rate-limit.ts';

const START_MS = 123_456_789.25;
let drawn = 7;
const draw = (): number => (drawn = Math.imul(drawn, 1_664_525) + 1_013_904_223);
const limiter = (limit: RateLimit, entries = 64): RateLimiter =>
  new RateLimiter(createRateMemory(entries, draw), limit);

test('admits a burst at once and not one more', () => {
  const limit = limiter({ perSecond: 10, burst: 5 });
  const waits = Array.from({ length: 7 }, () => limit.admit('a', START_MS));
  assert.deepEqual(waits.slice(0, 5), [0, 0, 0, 0, 0]);
  for (const waitMs of waits.slice(5)) assert.ok(waitMs > 75 && waitMs <= 100, String(waitMs));
});

test('admits a refused client after the wait it was told', () => {
  const limit = limiter({ perSecond: 3, burst: 2 });
  let nowMs = START_MS;
  for (let count = 0; count < 50; count++) {
    const waitMs = limit.admit('a', nowMs);
    if (waitMs === 0) continue;
    nowMs += waitMs;
    assert.equal(limit.admit('a', nowMs), 0);
  }
});

test('limits each key by itself', () => {
  const limit = limiter({ perSecond: 1, burst: 1 });
  assert.equal(limit.admit('a', START_MS), 0);
  assert.ok(limit.admit('a', START_MS) > 0);
  assert.equal(limit.admit('b', START_MS), 0);
});

test('a pause earns no more than one burst', () => {
  const limit = limiter({ perSecond: 10, burst: 3 });
  assert.equal(limit.admit('a', START_MS), 0);
  const later = START_MS + 3_600_000;
  const admitted = Array.from({ length: 10 }, () => limit.admit('a', later)).filter((waitMs) => waitMs === 0);
  assert.equal(admitted.length, 3);
});

test('admits the rate times the time plus burst, however requests come', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 1, max: 200 }),
      fc.array(fc.double({ min: 0.001, max: 1.9, noNaN: true }), { minLength: 200, maxLength: 400 }),
      (perSecond, burst, gaps) => {
        const limit = limiter({ perSecond, burst });
        const gapMs = 1000 / perSecond;
        let nowMs = START_MS;
        let admitted = 0;
        for (const gap of gaps) {
          nowMs += gap * gapMs;
          if (limit.admit('a', nowMs) === 0) admitted++;
        }
        // one more where the clock's quarter of an interval falls so
        assert.ok(admitted <= (perSecond * (nowMs - START_MS)) / 1000 + burst + 1);
      },
    ),
  );
});

test('a saturated key gets its whole rate', () => {
  const limit = limiter({ perSecond: 700, burst: 70 });
  let admitted = 0;
  for (let step = 0; step < 100_000; step++) if (limit.admit('a', START_MS + step * 0.1) === 0) admitted++;
  assert.ok(Math.abs(admitted - 7070) <= 2, String(admitted));
});

/** What four threads are told of `requests` requests of one key, whose times are `stepMs` apart. */
async function admittedByFour(limit: RateLimit, requests: number, stepMs: number): Promise<number> {
  const memory = createRateMemory(1024, draw);
  const gate = new SharedArrayBuffer(8);
  const module = new URL('../../../lib/core/policy/rate-limit.ts', import.meta.url).href;
  const code = `
    const { parentPort, workerData: { memory, gate, module, limit, requests, stepMs } } = require('node:worker_threads');
    import(module).then(({ RateLimiter }) => {
      const limiter = new RateLimiter(memory, limit);
      const word = new Int32Array(gate);
      Atomics.add(word, 0, 1);
      while (Atomics.load(word, 0) < 4);
      let admitted = 0;
      for (;;) {
        const step = Atomics.add(word, 1, 1);
        if (step >= requests) break;
        if (limiter.admit('the one key', 5000 + step * stepMs) === 0) admitted++;
      }
      parentPort.postMessage(admitted);
    });`;
  const workerData = { memory, gate, module, limit, requests, stepMs };
  const workers = Array.from({ length: 4 }, () => new Worker(code, { eval: true, workerData }));
  const counts = await Promise.all(
    workers.map(async (worker) => (await once(worker, 'message'))[0] as number),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

test("four threads together admit one key's rate within a percent", async () => {
  const admitted = await admittedByFour({ perSecond: 1000, burst: 100 }, 400_000, 0.005);
  assert.ok(Math.abs(admitted - 2100) <= 21, String(admitted));
});

test('four threads at one moment admit exactly the burst', async () => {
  assert.equal(await admittedByFour({ perSecond: 1, burst: 300_000 }, 600_000, 0), 300_000);
});

test('a million keys stay in the memory of the start', () => {
  const memory = createRateMemory(65_536, draw);
  const limit = new RateLimiter(memory, { perSecond: 1, burst: 1 });
  let refused = 0;
  for (let key = 0; key < 1_000_000; key++) if (limit.admit(`k${key}`, START_MS + key / 100) > 0) refused++;
  // those that were taken for another: once in 130,000 keys
  assert.ok(refused < 40, String(refused));
  assert.equal(memory.byteLength, 8 + 65_536 * 8);
});

test('a flood of keys does not refuse an infrequent client', () => {
  const limit = limiter({ perSecond: 1, burst: 1 }, 8);
  for (let key = 0; key < 1000; key++) limit.admit(`k${key}`, START_MS);
  assert.equal(limit.admit('a', START_MS), 0);
});

test('forgets the client that was limited longest ago', () => {
  const limit = limiter({ perSecond: 1, burst: 1 }, 8);
  for (let key = 0; key < 7; key++) limit.admit(`k${key}`, START_MS);
  limit.admit('a', START_MS + 900);
  for (let key = 7; key < 14; key++) limit.admit(`k${key}`, START_MS + 950);
  assert.ok(limit.admit('a', START_MS + 1000) > 0);
});
