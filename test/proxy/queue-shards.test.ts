/** The shards of the queue: which request a freed replica serves, over replicas and workers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { ask, line, pathOf } from '../helpers/proxy/scenes.ts';

test('a freed replica serves its own shard before older requests', async (t) => {
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

test('a freed replica with an empty shard serves another shard', async (t) => {
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

test('requests queued for a replica that drains or dies go elsewhere', async (t) => {
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

test('queued requests are counted for their owner, whoever serves them', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, maxInFlight: 1 });
  const waiting = () => rig.counts().replicas.map((replica) => replica.waiting);
  await line(rig, 1, 0);
  await line(rig, 1, 1);
  const second = await rig.replicas[1]!.next();
  await second.request();
  for (const owner of [0, 0, 1]) ask(rig, await rig.client(), '/waiting', owner);
  await eventually('three wait', () => rig.waiting === 3);
  assert.deepEqual(waiting(), [2, 1]);
  for (const left of [
    [2, 0],
    [1, 0],
    [0, 0],
  ]) {
    second.send(ok('done'));
    await second.request();
    assert.deepEqual(waiting(), left);
  }
});

test('a new request does not overtake queued ones', async (t) => {
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

test('body of queued request is read a little, and arrives whole', async (t) => {
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

test('capacity that one worker frees serves a request of another', async (t) => {
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

test('a busy worker leaves capacity to requests queued in another', async (t) => {
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

test('bounded load sends requests over the bound to the next replica', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, loadFactor: 1.25 });
  const clients = await Promise.all(Array.from({ length: 8 }, () => rig.client()));
  for (const client of clients) ask(rig, client, '/');
  await eventually('all in flight', () => rig.inFlight === 8);
  assert.deepEqual([rig.table.inFlight(0), rig.table.inFlight(1)], [5, 3]);
});
