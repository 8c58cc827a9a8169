import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLoad, QueueingServer } from '../../bench/analyze/a8-stage.ts';
import { seeded } from '../../bench/analyze/random.ts';

test('an open load waits for no response, and a server serves one at a time', async (t) => {
  const server = await new QueueingServer(10).open();
  t.after(() => server.close());
  let warm = -1;
  const { p50Ms, p99Ms, errors } = await openLoad({
    port: server.port,
    perSecond: 1000,
    warmUp: 10,
    requests: 90,
    random: seeded(1),
    onMeasure: () => {
      warm = server.requests;
    },
  });
  assert.equal(server.requests, 100);
  assert.ok(warm <= 10);
  assert.equal(errors, 0);
  // a hundred services take 1,000 ms, and the requests some 100: those at the end wait for those before
  assert.ok(p99Ms > p50Ms && p99Ms > 300, `${p50Ms} ${p99Ms}`);
});

test('an open load counts what gets no 200', async () => {
  const { errors } = await openLoad({
    port: 1,
    perSecond: 1000,
    warmUp: 0,
    requests: 5,
    random: seeded(1),
  });
  assert.equal(errors, 5);
});
