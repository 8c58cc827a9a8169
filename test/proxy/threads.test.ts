/** The data plane on real worker threads: what they share, and what happens when one dies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { MessageFromWorker, MessageToWorker } from '../../lib/proxy/worker-protocol.ts';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, statusOf } from '../helpers/proxy/message.ts';
import { misbehaving, seeded } from '../helpers/proxy/storm.ts';
import { WorkerPoolRig } from './worker-pool-rig.ts';

test('a worker serves, and counts in flight in shared memory', async (t) => {
  const rig = await WorkerPoolRig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replicas[0]!.next();
  await replica.request();
  assert.equal(rig.table.totalInFlight, 1);
  replica.send(ok('hello'));
  assert.equal((await client.response()).body, 'hello');
  await rig.settled();
});

test('what a thread saw of a replica is reported', async (t) => {
  const rig = await WorkerPoolRig.open(t, { retries: 0 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replicas[0]!.next();
  await replica.request();
  replica.reset();
  assert.equal(statusOf(await client.response()), 502);
  await eventually('a report', () => rig.reports.length === 1);
  assert.equal(rig.reports[0]!.ordinal, 0);
});

test('a time limit is kept within a second', async (t) => {
  const rig = await WorkerPoolRig.open(t, { responseTimeoutMs: 100 });
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 504);
  await rig.settled();
});

test('publish resolves once a removed instance is no longer used', async (t) => {
  const rig = await WorkerPoolRig.open(t, { threads: 2 });
  const clients = await Promise.all(Array.from({ length: 8 }, () => rig.client()));
  for (const client of clients) client.send(get('/'));
  await eventually('all there', () => rig.replicas[0]!.connections.length === 8);
  rig.table.setState(0, 'unhealthy');
  await rig.plane.publish([]);
  assert.equal(rig.table.totalInFlight, 0);
});

test('max-in-flight holds over all workers, whichever queue a request is in', async (t) => {
  const rig = await WorkerPoolRig.open(t, { threads: 2, maxInFlight: 2 });
  let now = 0;
  let most = 0;
  rig.replicas[0]!.serve((_, connection) => {
    most = Math.max(most, ++now);
    setImmediate(() => {
      now--;
      connection.send(ok('x'));
    });
    return undefined;
  });
  const clients = await Promise.all(Array.from({ length: 32 }, () => rig.client()));
  await Promise.all(
    clients.map(async (client) => {
      for (let count = 0; count < 20; count++) {
        client.send(get('/'));
        assert.equal((await client.response()).body, 'x');
      }
    }),
  );
  assert.ok(most <= 2, String(most));
  await rig.settled();
});

test('a worker that dies gives back its requests, and is replaced', async (t) => {
  const rig = await WorkerPoolRig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replicas[0]!.next();
  await replica.request();
  assert.equal(rig.table.totalInFlight, 1);
  await rig.workers[0]!.terminate();
  await client.over();
  await replica.over();
  await rig.settled();
  rig.replicas[0]!.serve();
  const next = await eventually('a thread that listens', () => rig.client());
  next.send(get('/'));
  assert.equal((await next.response()).body, 'hello');
  await rig.settled();
});

test('no error on any raw socket ends a thread', async (t) => {
  const rig = await WorkerPoolRig.open(t, { replicas: 2, threads: 2 });
  const random = seeded(3);
  for (const replica of rig.replicas) replica.serve(misbehaving(random));
  const asks = [
    get('/'),
    get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'),
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
    'nonsense\r\n\r\n',
    get('/', 'Expect: 100-continue\r\nContent-Length: 5\r\n'),
  ];
  for (let count = 0; count < 400; count++) {
    const client = await rig.client();
    client.send(asks[random(asks.length)]!);
    for (let pacer = random(4); pacer > 0; pacer--) await new Promise((resolve) => setImmediate(resolve));
    client.reset();
    for (const ordinal of [0, 1]) if (rig.reports.length > 0) rig.table.setState(ordinal, 'healthy');
    rig.reports.length = 0;
  }
  await rig.settled();
  assert.equal(rig.workers.length, 2, 'no thread was started anew');
});

test('draining lets requests finish, and ends with the last', async (t) => {
  const rig = await WorkerPoolRig.open(t, { threads: 2 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replicas[0]!.next();
  await replica.request();
  const drained = rig.plane.drain(5000);
  replica.send(ok('last'));
  assert.equal((await client.response()).body, 'last');
  assert.equal(await drained, true);
});

test('no thread drains before all have stopped accepting', async (t) => {
  const rig = await WorkerPoolRig.open(t, { threads: 2 });
  const [first, second] = rig.workers;
  const kinds: string[] = [];
  let releaseSecond = (): void => {};
  const { postMessage } = Worker.prototype;
  t.mock.method(Worker.prototype, 'postMessage', function (this: Worker, message: MessageToWorker) {
    kinds.push(message.kind);
    const post = (): void => Reflect.apply(postMessage, this, [message]);
    if (message.kind === 'stop-accepting' && this === second) releaseSecond = post;
    else post();
  });
  const firstStopped = new Promise<void>((resolve) => {
    first!.on('message', ({ kind }: MessageFromWorker) => kind === 'applied' && setImmediate(resolve));
  });
  const drained = rig.plane.drain(60_000);
  await firstStopped;
  assert.deepEqual(kinds, ['stop-accepting', 'stop-accepting']);
  releaseSecond();
  assert.equal(await drained, true);
  assert.deepEqual(kinds.slice(2), ['drain', 'drain']);
});

test('draining past its timeout returns false', async (t) => {
  const rig = await WorkerPoolRig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  await (await rig.replicas[0]!.next()).request();
  assert.equal(await rig.plane.drain(200), false);
});

test('counts of a dead worker are kept, its in-flight requests dropped', async (t) => {
  const rig = await WorkerPoolRig.open(t);
  rig.replicas[0]!.serve();
  const ask = async (): Promise<void> => {
    const client = await rig.client();
    client.send(get('/'));
    await client.response();
  };
  const counts = () => rig.metrics.read(['S0']);
  await ask();
  // counted once it is answered
  await eventually('a request that was counted', () => counts().totals.requests === 1);
  assert.equal(counts().threads.openClientConnections, 1);
  await rig.workers[0]!.terminate();
  await eventually('the end to be noticed', () => counts().threads.ended === 1);
  assert.equal(counts().threads.openClientConnections, 0);
  await eventually('another thread', async () => {
    await ask().catch(() => {});
    return counts().replicas[0]!.requests > 1;
  });
});

test('counts of a removed replica go to no other', async (t) => {
  const rig = await WorkerPoolRig.open(t);
  rig.replicas[0]!.serve();
  const client = await rig.client();
  client.send(get('/'));
  await client.response();
  const { port } = rig.replicas[0]!;
  await rig.plane.publish([]);
  await rig.plane.publish([
    { ordinal: 0, name: 'other', endpoint: { host: '127.0.0.1', port }, generation: 2 },
  ]);
  client.send(get('/'));
  await client.response();
  const requests = (): readonly number[] => {
    const { removed, replicas } = rig.metrics.read(['other']);
    return [removed.requests, replicas[0]!.requests];
  };
  await eventually('two requests that were counted', () => requests().join() === '1,1');
});

test('requests that lose instances are judged, and every worker knows poison', async (t) => {
  const rig = await WorkerPoolRig.open(t, { replicas: 4, threads: 2, retries: 3, retryBudget: 1 });
  for (const replica of rig.replicas)
    replica.serve((_, peer) => {
      peer.close();
      return undefined;
    });
  /** How many instances a request is given to; its losses are told before its end is. */
  async function losses(): Promise<number> {
    const [before, ends] = [rig.losses.length, rig.settlements.length];
    const client = await rig.client();
    client.send(get('/boom'));
    assert.equal(statusOf(await client.response()), 502);
    await eventually('its end', () => rig.settlements.length > ends);
    return rig.losses.length - before;
  }
  assert.equal(await losses(), 4);
  rig.isPoison = true;
  assert.equal(await losses(), 2);
  rig.plane.setPoison(['GET /boom']);
  await rig.publish();
  for (let client = 0; client < 8; client++) assert.equal(await losses(), 1);
  await rig.workers[0]!.terminate();
  await eventually('another thread', () => rig.workers.length === 3);
  await rig.publish();
  for (let client = 0; client < 8; client++) assert.equal(await losses(), 1);
});
