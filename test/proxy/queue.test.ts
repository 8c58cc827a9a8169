/** The request queue: which requests wait, for how long, and which is served first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { failureOf, get, headerOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { ask, line, pathOf } from '../helpers/proxy/scenes.ts';

test('requests over max-in-flight queue, and are served in order', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1 });
  const clients = await line(rig, 5);
  assert.equal(rig.inFlight, 1);
  assert.equal(rig.waiting, 4);
  rig.replica.serve((request) => ok(pathOf(request.startLine)));
  for (const [index, client] of clients.entries()) assert.equal((await client.response()).body, `/${index}`);
  assert.deepEqual(
    rig.replica.requests.map(({ startLine }) => pathOf(startLine)),
    ['/0', '/1', '/2', '/3', '/4'],
  );
  await rig.settled();
});

test('no more than max-in-flight requests are ever at a replica', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 3 });
  let now = 0;
  let most = 0;
  rig.replica.serve((_, connection) => {
    most = Math.max(most, ++now);
    setImmediate(() => {
      now--;
      connection.send(ok('x'));
    });
    return undefined;
  });
  const clients = await Promise.all(Array.from({ length: 15 }, () => rig.client()));
  for (const client of clients) client.send(get('/'));
  for (const client of clients) await client.response();
  assert.ok(most <= 3, String(most));
  assert.ok(rig.replica.connections.length <= 3);
});

test('a request whose owner is full goes to the next replica', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, maxInFlight: 1 });
  rig.replicas[1]!.serve(() => ok('next'));
  const one = await rig.client();
  ask(rig, one, '/one');
  await rig.replicas[0]!.next();
  const two = await rig.client();
  ask(rig, two, '/two');
  assert.equal((await two.response()).body, 'next');
  assert.equal(rig.waiting, 0);
});

test('a full queue gives 503 with Retry-After and keeps the connection', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1, queueDepth: 2 });
  const clients = await line(rig, 3);
  const late = await rig.client();
  ask(rig, late, '/late');
  const response = await late.response();
  assert.equal(statusOf(response), 503);
  assert.match(headerOf(response, 'retry-after') ?? '', /^\d+$/);
  assert.match(failureOf(response), /^<Error> /);
  rig.replica.serve();
  for (const client of clients) await client.response();
  ask(rig, late, '/again');
  assert.equal((await late.response()).body, 'hello');
});

test('queue depth 0 gives 503 at once', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1, queueDepth: 0 });
  await line(rig, 1);
  const late = await rig.client();
  ask(rig, late, '/late');
  assert.equal(statusOf(await late.response()), 503);
});

test('queue-timeout gives 503 with Retry-After and keeps the connection', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1, queueTimeoutMs: 2000 });
  const [first, second] = await line(rig, 2);
  rig.advance(1900);
  assert.equal(rig.waiting, 1);
  rig.advance(200);
  const response = await second!.response();
  assert.equal(statusOf(response), 503);
  assert.match(headerOf(response, 'retry-after') ?? '', /^\d+$/);
  assert.equal(rig.waiting, 0);
  rig.replica.serve();
  await first!.response();
  ask(rig, second!, '/again');
  assert.equal((await second!.response()).body, 'hello');
  await rig.settled();
});

test('client that disconnects while queued is dequeued, its request never sent', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1 });
  const [first, second, third] = await line(rig, 3);
  second!.close();
  await eventually('one waits', () => rig.waiting === 1);
  rig.replica.serve((request) => ok(pathOf(request.startLine)));
  assert.equal((await first!.response()).body, '/0');
  assert.equal((await third!.response()).body, '/2');
  await rig.settled();
  assert.deepEqual(
    rig.replica.requests.map(({ startLine }) => pathOf(startLine)),
    ['/0', '/2'],
  );
});

test('a client that disconnects frees its place in the queue', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1, queueDepth: 1 });
  const [first, second] = await line(rig, 2);
  second!.close();
  await eventually('nobody waits', () => rig.waiting === 0);
  const third = await rig.client();
  ask(rig, third, '/third');
  await eventually('one waits', () => rig.waiting === 1);
  rig.replica.serve();
  await first!.response();
  assert.equal((await third.response()).body, 'hello');
});

test('client that disconnects at the replica lets a queued one go', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1 });
  const [first, second] = await line(rig, 2);
  await (await rig.replica.next()).request();
  rig.replica.serve();
  first!.close();
  assert.equal((await second!.response()).body, 'hello');
  await rig.settled();
});

test('without eligible replicas requests queue, and go to the first back', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  rig.setState(0, 'unhealthy');
  rig.setState(1, 'starting');
  const clients = await line(rig, 2);
  assert.equal(rig.waiting, 2);
  rig.replicas[1]!.serve(() => ok('healed'));
  rig.setState(1, 'healthy');
  for (const client of clients) assert.equal((await client.response()).body, 'healed');
  await rig.settled();
});

test('without eligible replicas until queue-timeout a request gets 503', async (t) => {
  const rig = await Rig.open(t, { queueTimeoutMs: 1000 });
  rig.setState(0, 'unhealthy');
  const [client] = await line(rig, 1);
  rig.advance(1100);
  const response = await client!.response();
  assert.equal(statusOf(response), 503);
  assert.match(failureOf(response), /eligible/);
  assert.match(headerOf(response, 'retry-after') ?? '', /^\d+$/);
});
