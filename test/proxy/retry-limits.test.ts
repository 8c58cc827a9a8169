/** How often and where a failed request is retried, and when it is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, headerOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
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

test('a response timeout is not retried', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, responseTimeoutMs: 1000 });
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  await (await rig.replicas[0]!.next()).request();
  rig.advance(1100);
  assert.equal(statusOf(await client.response()), 504);
  assert.equal(rig.replicas[1]!.connections.length, 0);
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
