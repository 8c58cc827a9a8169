/** How often and where a failed request is retried, and when it is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, headerOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { REFUSING, Rig } from '../helpers/proxy/rig.ts';
import { allClose, requestsSeen } from '../helpers/proxy/scenes.ts';

test('request goes to no replica twice, and to at most retries', async (t) => {
  const rig = await Rig.open(t, { replicas: 5, retries: 2 });
  allClose(rig);
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 502);
  const seen = requestsSeen(rig);
  assert.equal(
    seen.reduce((sum, count) => sum + count),
    3,
  );
  assert.ok(
    seen.every((count) => count <= 1),
    String(seen),
  );
});

for (const method of ['GET', 'POST']) {
  test(`a ${method} goes on to the replica that lives, however many refuse the connection`, async (t) => {
    const rig = await Rig.open(t, { replicas: 6, retries: 1 });
    for (let ordinal = 0; ordinal < 5; ordinal++) rig.place(ordinal, REFUSING);
    rig.replicas[5]!.serve();
    const client = await rig.client();
    for (let ordinal = 0; ordinal < 6; ordinal++) {
      client.send(`${method} / HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(ordinal)}Content-Length: 0\r\n\r\n`);
      assert.equal(statusOf(await client.response()), 200);
    }
    await rig.settled();
  });
}

test('a request that every replica refuses waits for those that take their places', async (t) => {
  const rig = await Rig.open(t, { replicas: 5, retries: 1 });
  for (let ordinal = 0; ordinal < 5; ordinal++) rig.place(ordinal, REFUSING);
  const client = await rig.client();
  client.send(get('/'));
  await eventually('all have refused', () => rig.reports.length === 5);
  for (let ordinal = 0; ordinal < 5; ordinal++) rig.vacate(ordinal);
  rig.advance(4000);
  rig.replica.serve();
  rig.restore(0);
  assert.equal(statusOf(await client.response()), 200);
});

test('a request that instance after instance refuses ends at queue-timeout', async (t) => {
  const rig = await Rig.open(t, { retries: 1, queueTimeoutMs: 5000 });
  rig.place(0, REFUSING);
  const client = await rig.client();
  client.send(get('/'));
  let isOver = false;
  const response = client.response().finally(() => {
    isOver = true;
  });
  let passedMs = 0;
  for (let instances = 1; !isOver; instances++) {
    await eventually('a refusal or the end', () => rig.reports.length === instances || isOver);
    rig.advance(1000);
    passedMs += 1000;
    rig.place(0, REFUSING);
    // as the control plane does once a probe has passed
    rig.setState(0, 'unhealthy');
    rig.setState(0, 'healthy');
  }
  assert.equal(statusOf(await response), 502);
  assert.ok(passedMs <= 7000, String(passedMs));
});

test('retries 0 tries once', async (t) => {
  const rig = await Rig.open(t, { replicas: 3, retries: 0 });
  allClose(rig);
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 502);
  assert.equal(
    requestsSeen(rig).reduce((sum, count) => sum + count),
    1,
  );
});

test('with fewer replicas than retries each is tried once', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, retries: 9 });
  allClose(rig);
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(statusOf(await rig.elapse(client.response())), 502);
  assert.deepEqual(requestsSeen(rig), [1, 1]);
  await rig.settled();
});

test('an instance that failed a request does not get it again', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, retries: 9 });
  allClose(rig);
  const client = await rig.client();
  client.send(get('/'));
  await eventually('both have failed', () => rig.reports.length === 2);
  for (const ordinal of [0, 1]) rig.setState(ordinal, 'healthy');
  assert.equal(statusOf(await rig.elapse(client.response())), 502);
  assert.deepEqual(requestsSeen(rig), [1, 1]);
});

test('a request is not repeated once its response head was sent', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  const first = await rig.replicas[0]!.next();
  first.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  await client.take('half');
  first.close();
  await client.over();
  await rig.settled();
  assert.equal(rig.replicas[1]!.connections.length, 0);
});

test('a GET is retried after a 1xx was sent', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  const first = await rig.replicas[0]!.next();
  first.send('HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n');
  assert.equal(statusOf(await client.response()), 103);
  first.close();
  rig.replicas[1]!.serve(() => ok('second'));
  const response = await client.response();
  assert.ok(statusOf(response) === 502 || response.body === 'second');
});

for (const status of [500, 502, 503, 504]) {
  test(`a replica's own ${status} is passed on, not retried`, async (t) => {
    const rig = await Rig.open(t, { replicas: 2 });
    for (const replica of rig.replicas)
      replica.serve(() => `HTTP/1.1 ${status} X\r\nContent-Length: 2\r\nRetry-After: 9\r\n\r\nno`);
    const client = await rig.client();
    client.send(get('/'));
    const response = await client.response();
    assert.equal(statusOf(response), status);
    assert.equal(response.body, 'no');
    assert.equal(headerOf(response, 'retry-after'), '9');
    assert.equal(
      requestsSeen(rig).reduce((sum, count) => sum + count),
      1,
    );
  });
}

test('a malformed response is not retried', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  for (const replica of rig.replicas) replica.serve(() => 'HTTP/9 what\r\n\r\n');
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 502);
  assert.equal(
    requestsSeen(rig).reduce((sum, count) => sum + count),
    1,
  );
});

test('a GET without a response in time is retried', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, responseTimeoutMs: 1000 });
  rig.replicas[1]!.serve(() => ok('second'));
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  const first = await rig.replicas[0]!.next();
  await first.request();
  rig.advance(1100);
  assert.equal((await client.response()).body, 'second');
  await first.over();
  await rig.settled();
  assert.equal(rig.counts().replicas[0]!.retries['response-timeout'], 1);
});

test('each attempt has its own response-timeout', async (t) => {
  const rig = await Rig.open(t, { replicas: 3, retries: 2, responseTimeoutMs: 1000 });
  for (const replica of rig.replicas) replica.serve(() => undefined);
  const client = await rig.client();
  client.send(get('/'));
  for (const attempt of [1, 2, 3]) {
    await eventually('the next attempt', () => requestsSeen(rig).reduce((a, b) => a + b) === attempt);
    assert.equal(client.bytes, 0);
    rig.advance(1100);
  }
  assert.equal(statusOf(await client.response()), 504);
  await rig.settled();
});

test('request-timeout ends a request before another attempt', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, responseTimeoutMs: 1000, requestTimeoutMs: 1000 });
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  await (await rig.replicas[0]!.next()).request();
  rig.advance(1100);
  assert.equal(statusOf(await client.response()), 504);
  assert.equal(rig.counts().replicas[0]!.retries['response-timeout'], 0);
});

test('a POST without a response in time is not retried', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, responseTimeoutMs: 1000 });
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(0)}Content-Length: 2\r\n\r\nhi`);
  await (await rig.replicas[0]!.next()).request();
  rig.advance(1100);
  assert.equal(statusOf(await client.response()), 504);
  assert.equal(rig.replicas[1]!.connections.length, 0);
});

test('a response timeout after an interim response is not retried', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, responseTimeoutMs: 1000 });
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  const first = await rig.replicas[0]!.next();
  first.send('HTTP/1.1 102 Processing\r\n\r\n');
  assert.equal(statusOf(await client.response()), 102);
  rig.advance(1100);
  assert.equal(statusOf(await client.response()), 504);
  assert.equal(rig.replicas[1]!.connections.length, 0);
});

/** Sends so many GETs to the first of two replicas, which never responds, and lets response-timeout pass. */
async function timeOutAll(rig: Rig, count: number) {
  rig.replicas[0]!.serve(() => undefined);
  const clients = await Promise.all(Array.from({ length: count }, () => rig.client()));
  for (const client of clients) client.send(get('/', rig.ownedBy(0)));
  await eventually('all at the first replica', () => rig.replicas[0]!.requests.length === count);
  rig.advance(1100);
  return clients;
}

test('the first response timeouts of a hung replica are all retried', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, responseTimeoutMs: 1000, loadFactor: 0 });
  rig.replicas[1]!.serve();
  for (const client of await timeOutAll(rig, 30)) assert.equal(statusOf(await client.response()), 200);
});

test('response timeouts beyond the retry budget are not retried', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, responseTimeoutMs: 1000, retryBudget: 0 });
  rig.replicas[1]!.serve(() => undefined);
  const clients = await timeOutAll(rig, 8);
  await eventually('three retries', () => rig.replicas[1]!.requests.length === 3);
  await eventually('five failures', () => rig.inFlight === 3);
  const statuses = clients.map(({ received }) => received.slice(9, 12)).sort();
  assert.deepEqual(statuses, ['', '', '', '504', '504', '504', '504', '504']);
});

test('failed requests beyond the retry budget are not repeated', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, retryBudget: 0 });
  // the second replica keeps what it gets, so that every retry stays under way
  rig.replicas[1]!.serve(() => undefined);
  const clients = await Promise.all(Array.from({ length: 8 }, () => rig.client()));
  for (const client of clients) client.send(get('/', rig.ownedBy(0)));
  const first = rig.replicas[0]!;
  await eventually('all at the first replica', () => first.connections.length === 8);
  await Promise.all(first.connections.map((connection) => connection.request()));
  for (const connection of first.connections) connection.close();
  await eventually('three retries', () => rig.replicas[1]!.requests.length === 3);
  await eventually('five failures', () => rig.inFlight === 3);
  const statuses = clients.map(({ received }) => received.slice(9, 12)).sort();
  assert.deepEqual(statuses, ['', '', '', '502', '502', '502', '502', '502']);
});

test('all requests in flight on replica that dies early are retried', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, retryBudget: 0.2 });
  rig.replicas[1]!.serve();
  const clients = await Promise.all(Array.from({ length: 20 }, () => rig.client()));
  for (const client of clients) client.send(get('/', rig.ownedBy(0)));
  const first = rig.replicas[0]!;
  await eventually('all at the first replica', () => first.connections.length === 20);
  await Promise.all(first.connections.map((connection) => connection.request()));
  for (const connection of first.connections) connection.close();
  for (const client of clients) assert.equal(statusOf(await client.response()), 200);
});
