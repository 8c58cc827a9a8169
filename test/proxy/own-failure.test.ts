/** A failure of the balancer's own while it handles one request: 500 for that request alone, and nothing leaked. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { failureOf, get, ok, post, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

/** Makes one call of a method fail, and then lets it work again. */
function failOnce<T extends object>(t: TestContext, target: T, method: keyof T & string): void {
  const real = (target as Record<string, unknown>)[method] as (...args: unknown[]) => unknown;
  let isDue = true;
  t.mock.method(
    target as Record<string, (...args: unknown[]) => unknown>,
    method,
    function fail(this: T, ...args: unknown[]) {
      if (!isDue) return real.apply(this, args);
      isDue = false;
      throw new Error('made to fail');
    },
  );
}

async function answers500(t: TestContext, rig: Rig, fail: () => void): Promise<void> {
  const other = await rig.client();
  other.send(get('/other'));
  const busy = await rig.replica.next();
  await busy.request();
  fail();
  const client = await rig.client();
  client.send(get('/fails'));
  const response = await client.response();
  assert.equal(statusOf(response), 500);
  assert.equal(failureOf(response), '<Error> The balancer failed on this request');
  assert.doesNotMatch(response.body, /made to fail/);
  busy.send(ok('unharmed'));
  assert.equal((await other.response()).body, 'unharmed');
  await rig.settled();
  rig.replica.serve();
  const next = await rig.client();
  next.send(get('/next'));
  assert.equal((await next.response()).body, 'hello');
  for (const peer of [client, other, next]) peer.close();
  await rig.drain();
  t.mock.restoreAll();
}

test('a picker that fails', async (t) => {
  const rig = await Rig.open(t);
  await answers500(t, rig, () => failOnce(t, rig.thread.picker, 'lease'));
});

test('a pool that fails while the lease is held', async (t) => {
  const rig = await Rig.open(t);
  await answers500(t, rig, () => failOnce(t, rig.thread.pools, 'get'));
});

test('a pool that fails to send', async (t) => {
  const rig = await Rig.open(t);
  await answers500(t, rig, () => failOnce(t, rig.thread.pools.get(0)!, 'send'));
});

test('a budget that fails', async (t) => {
  const rig = await Rig.open(t);
  await answers500(t, rig, () => failOnce(t, rig.thread.budget, 'save'));
});

test('failure while the response head is read gives 500, no cut', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  const { date } = rig.thread;
  Object.defineProperty(rig.thread, 'date', {
    configurable: true,
    get: () => {
      Object.defineProperty(rig.thread, 'date', { value: date, writable: true, configurable: true });
      throw new Error('made to fail');
    },
  });
  replica.send(ok('never seen'));
  const response = await client.response();
  assert.equal(statusOf(response), 500);
  await replica.over();
  await rig.settled();
});

test('failure while a request is queued gives 500 and dequeues it', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1 });
  const first = await rig.client();
  first.send(get('/first'));
  const replica = await rig.replica.next();
  await replica.request();
  const client = await rig.client();
  client.send(get('/waits'));
  while (rig.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  failOnce(t, rig.thread.picker, 'lease');
  replica.send(ok('first'));
  assert.equal((await first.response()).body, 'first');
  assert.equal(statusOf(await client.response()), 500);
  await rig.settled();
});

test('failure while a body is forwarded gives 500 to it alone', async (t) => {
  const rig = await Rig.open(t);
  failOnce(t, rig.thread.picker, 'lease');
  const client = await rig.client();
  client.send(post('/fails', 'abc'));
  assert.equal(statusOf(await client.response()), 500);
  await rig.settled();
});
