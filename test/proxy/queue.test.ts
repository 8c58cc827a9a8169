/** The sharded request queue: who waits, for how long, and who is taken first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { failureOf, get, headerOf, ok, statusOf } from '../helpers/proxy-message.ts';
import type { Peer } from '../helpers/proxy-peer.ts';
import { Rig } from '../helpers/proxy-rig.ts';

/** A request for the replica of this ordinal, whose path names it. */
function ask(rig: Rig, client: Peer, path: string, ordinal = 0): void {
  client.send(get(path, rig.ownedBy(ordinal)));
}

/** Sends `/0`, `/1` … each from its own client, one after the other, until `count` are there. */
async function line(rig: Rig, count: number, ordinal = 0): Promise<Peer[]> {
  const clients: Peer[] = [];
  for (let index = 0; index < count; index++) {
    const client = await rig.client();
    const before = rig.inFlight + rig.waiting;
    ask(rig, client, `/${index}`, ordinal);
    await eventually('the request is in flight or waits', () => rig.inFlight + rig.waiting === before + 1);
    clients.push(client);
  }
  return clients;
}

function pathOf(startLine: string): string {
  return startLine.split(' ')[1]!;
}

test('requests beyond max-in-flight wait, and are taken in the order they came', async (t) => {
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

test('a request whose owner is full goes to the next replica instead of waiting', async (t) => {
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

test('with a full queue a request is answered 503 at once, with Retry-After, and its connection goes on', async (t) => {
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

test('queue depth 0 answers 503 at once', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1, queueDepth: 0 });
  await line(rig, 1);
  const late = await rig.client();
  ask(rig, late, '/late');
  assert.equal(statusOf(await late.response()), 503);
});

test('a request that has waited for queue-timeout is answered 503 with Retry-After, and its connection goes on', async (t) => {
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

test('a client that leaves while it waits leaves the queue at once, and its request is never sent', async (t) => {
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

test('a client that leaves frees its place for the next that comes', async (t) => {
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

test('whoever leaves while at the replica lets the first that waits go on', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1 });
  const [first, second] = await line(rig, 2);
  await (await rig.replica.next()).request();
  rig.replica.serve();
  first!.close();
  assert.equal((await second!.response()).body, 'hello');
  await rig.settled();
});

test('with no eligible replica requests wait, and go to the first one back', async (t) => {
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

test('with no eligible replica for queue-timeout a request is answered 503', async (t) => {
  const rig = await Rig.open(t, { queueTimeoutMs: 1000 });
  rig.setState(0, 'unhealthy');
  const [client] = await line(rig, 1);
  rig.advance(1100);
  const response = await client!.response();
  assert.equal(statusOf(response), 503);
  assert.match(failureOf(response), /eligible/);
  assert.match(headerOf(response, 'retry-after') ?? '', /^\d+$/);
});

test('a replica that frees up takes the head of its own shard before others that came earlier', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, maxInFlight: 1 });
  await line(rig, 1, 0);
  await line(rig, 1, 1);
  const [first, second] = [await rig.replicas[0]!.next(), await rig.replicas[1]!.next()];
  await first.request();
  await second.request();
  const early = await rig.client();
  ask(rig, early, '/early', 1);
  await eventually('one waits', () => rig.waiting === 1);
  const own = await rig.client();
  ask(rig, own, '/own', 0);
  await eventually('two wait', () => rig.waiting === 2);
  first.send(ok('done'));
  assert.equal(pathOf((await first.request()).startLine), '/own');
});

test('a replica with nothing in its own shard takes the head of another: none is idle while a request waits', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, maxInFlight: 1 });
  await line(rig, 1, 0);
  await line(rig, 1, 1);
  const [, second] = [await rig.replicas[0]!.next(), await rig.replicas[1]!.next()];
  await second.request();
  const waiting = await rig.client();
  ask(rig, waiting, '/waiting', 0);
  await eventually('one waits', () => rig.waiting === 1);
  second.send(ok('done'));
  assert.equal(pathOf((await second.request()).startLine), '/waiting');
});

test('what waits for a replica that drains or dies goes to others', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, maxInFlight: 1 });
  await line(rig, 1, 0);
  await line(rig, 1, 1);
  const second = await rig.replicas[1]!.next();
  await second.request();
  const waiting = await rig.client();
  ask(rig, waiting, '/waiting', 0);
  await eventually('one waits', () => rig.waiting === 1);
  rig.setState(0, 'draining');
  second.send(ok('done'));
  assert.equal(pathOf((await second.request()).startLine), '/waiting');
  second.send(ok('moved'));
  assert.equal((await waiting.response()).body, 'moved');
});

test('who comes later does not overtake who waits', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 2 });
  const clients = await line(rig, 4);
  const [first, second] = [await rig.replica.next(), await rig.replica.next()];
  await first.request();
  await second.request();
  first.send(ok('0'));
  await clients[0]!.response();
  ask(rig, clients[0]!, '/late');
  assert.equal(pathOf((await first.request()).startLine), '/2');
  second.send(ok('1'));
  assert.equal(pathOf((await second.request()).startLine), '/3');
});

test('a body that comes while its request waits is read no further than a little, and arrives whole', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1 });
  await line(rig, 1);
  const first = await rig.replica.next();
  await first.request();
  const client = await rig.client();
  const body = 'x'.repeat(8 << 20);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`);
  await eventually('it waits', () => rig.waiting === 1);
  client.send(body);
  rig.replica.serve();
  first.send(ok('done'));
  assert.equal((await client.response()).body, 'hello');
  assert.equal(rig.replica.requests.at(-1)!.body.length, body.length);
});

test('a place that one thread frees is taken by a request that waits in another', async (t) => {
  const rig = await Rig.open(t, { threads: 2, maxInFlight: 1 });
  const here = await rig.client(0);
  const there = await rig.client(1);
  ask(rig, here, '/here');
  const first = await rig.replica.next();
  await first.request();
  ask(rig, there, '/there');
  await eventually('it waits', () => rig.waiting === 1);
  rig.replica.serve();
  first.send(ok('done'));
  assert.equal((await here.response()).body, 'done');
  assert.equal((await there.response()).body, 'hello');
  await rig.settled();
});

test('a thread that is always busy does not keep the places from one where requests wait', async (t) => {
  const rig = await Rig.open(t, { threads: 2, maxInFlight: 1 });
  const busy = await Promise.all(Array.from({ length: 4 }, () => rig.client(0)));
  rig.replica.serve(() => ok('x'));
  let isOver = false;
  const loops = busy.map(async (client) => {
    while (!isOver) {
      ask(rig, client, '/busy');
      await client.response();
    }
  });
  const there = await rig.client(1);
  const before = rig.replica.requests.length;
  ask(rig, there, '/there');
  await there.response();
  const served = rig.replica.requests.length - before;
  isOver = true;
  await Promise.all(loops);
  assert.ok(served < 1000, `${served} requests of the other thread were served first`);
  await rig.settled();
});

test('the queue depth is one for all threads', async (t) => {
  const rig = await Rig.open(t, { threads: 2, maxInFlight: 1, queueDepth: 1 });
  ask(rig, await rig.client(0), '/0');
  await rig.replica.next();
  ask(rig, await rig.client(0), '/1');
  await eventually('one waits', () => rig.waiting === 1);
  const late = await rig.client(1);
  ask(rig, late, '/2');
  assert.equal(statusOf(await late.response()), 503);
});

test('a bounded load sends what is over the bound to the next replica', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, loadFactor: 1.25 });
  const clients = await Promise.all(Array.from({ length: 8 }, () => rig.client()));
  for (const client of clients) ask(rig, client, '/');
  await eventually('all in flight', () => rig.inFlight === 8);
  assert.deepEqual([rig.table.inFlight(0), rig.table.inFlight(1)], [5, 3]);
});
