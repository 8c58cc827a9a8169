/** What a worker counts of the requests that pass through it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, post } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { REFUSING, Rig } from '../helpers/proxy/rig.ts';
import { tunnel } from '../helpers/proxy/scenes.ts';

test('a served request is counted by replica, class, times and bytes', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((_request, _peer, count) =>
    count === 1 ? ok('hello') : 'HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n',
  );
  const client = await rig.client();
  client.send(get('/a'));
  const first = await client.response();
  client.send(post('/b', '12345'));
  const second = await client.response();
  const [s1] = rig.counts().replicas;
  assert.deepEqual([s1!.requests, s1!.byClass, s1!.failures], [2, [0, 1, 0, 1, 0], 0]);
  assert.deepEqual([s1!.duration.count, s1!.firstByte.count], [2, 2]);
  assert.ok(s1!.firstByte.sumMs > 0 && s1!.firstByte.sumMs <= s1!.duration.sumMs);
  assert.equal(s1!.bytesOut, first.head.length + first.body.length + second.head.length);
  const [asked, posted] = rig.replica.requests;
  assert.equal(s1!.bytesIn, asked!.head.length + posted!.head.length + 5);
});

test('the connection of the second request is counted as used again', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  for (let times = 0; times < 2; times++) {
    client.send(get('/'));
    await client.response();
  }
  rig.tick();
  const [s1] = rig.counts().replicas;
  assert.deepEqual([s1!.fresh, s1!.reused, s1!.connect.count], [1, 1, 1]);
  assert.deepEqual(s1!.connections, { idle: 1, busy: 0, connecting: 0 });
  rig.closeIdle();
  assert.deepEqual(rig.counts().replicas[0]!.connections, { idle: 0, busy: 0, connecting: 0 });
});

test('client connections are counted as they open and close', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/'));
  await client.response();
  const { clientConnections, openClientConnections } = rig.counts().threads;
  assert.deepEqual([clientConnections, openClientConnections], [1, 1]);
  client.close();
  await eventually('no open connection', () => rig.counts().threads.openClientConnections === 0);
});

test('retry is counted with its reason, the response with its replica', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  rig.replicas[1]!.serve();
  rig.place(0, REFUSING);
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  await client.response();
  const [s1, s2] = rig.counts().replicas;
  assert.deepEqual([s1!.requests, s1!.failedAttempts, s1!.connectFailures], [0, 1, 1]);
  assert.equal(s1!.retries['connect-refused'], 1);
  assert.deepEqual([s2!.requests, s2!.byClass[1], s2!.failures], [1, 1, 0]);
});

test('a request repeated on a new connection counts against no replica', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((_request, peer, count) => {
    if (count === 1) return ok('first');
    peer.end();
    return undefined;
  });
  const client = await rig.client();
  client.send(get('/'));
  await client.response();
  rig.replica.serve((_request, peer, count) => (count === 2 ? void peer.end() : ok('again')));
  client.send(get('/'));
  await client.response();
  const [s1] = rig.counts().replicas;
  assert.deepEqual([s1!.retries['stale-connection'], s1!.failedAttempts, s1!.requests], [1, 0, 2]);
});

test('balancer failure is counted by its code and for no replica', async (t) => {
  const rig = await Rig.open(t);
  rig.place(0, REFUSING);
  const client = await rig.client();
  client.send(post('/', 'x'));
  await rig.elapse(client.response());
  client.send('GET / HTTP/1.1\r\nno colon\r\n\r\n');
  await client.over();
  const { replicas, own, threads } = rig.counts();
  assert.equal(replicas[0]!.requests, 0);
  assert.deepEqual(own.byClass, [0, 0, 0, 1, 1]);
  const failed = [...threads.failuresByCode].filter(([, count]) => count > 0);
  assert.deepEqual(failed, [
    ['bad-request', 1],
    ['connect-refused', 1],
  ]);
});

test('a request without a Host is counted as refused', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET / HTTP/1.1\r\n\r\n');
  await client.response();
  const { own, threads } = rig.counts();
  assert.deepEqual([own.requests, threads.failuresByCode.get('bad-request')], [1, 1]);
});

test('a connection too many is counted as refused', async (t) => {
  const rig = await Rig.open(t, { maxConnections: 1 });
  await rig.client();
  await eventually('the first to be taken', () => rig.counts().threads.openClientConnections === 1);
  const second = await rig.client();
  const response = await second.over();
  assert.equal(rig.counts().threads.failuresByCode.get('too-many-connections'), 1);
  assert.equal(rig.counts().own.bytesOut, response.length);
});

test('a client that disconnects before its response is counted as aborting', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  await (await rig.replica.next()).request();
  client.close();
  await rig.settled();
  const [s1] = rig.counts().replicas;
  assert.deepEqual([s1!.requests, s1!.aborts], [1, { client: 1, replica: 0, balancer: 0 }]);
  assert.deepEqual(s1!.byClass, [0, 0, 0, 0, 0]);
});

test('response that its replica cuts is counted as aborted by it', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  await client.head();
  replica.close();
  await client.over();
  const [s1] = rig.counts().replicas;
  assert.deepEqual([s1!.byClass[1], s1!.aborts.replica, s1!.failedAttempts], [1, 1, 1]);
});

test('a stalled response is counted as aborted by the balancer', async (t) => {
  const rig = await Rig.open(t, { idleTimeoutMs: 1000 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  await client.head();
  await rig.elapse(client.over());
  assert.equal(rig.counts().replicas[0]!.aborts.balancer, 1);
});

test('a body that grows too large during the response counts once', async (t) => {
  const rig = await Rig.open(t, { maxBodyBytes: 100_000 });
  const client = await rig.client();
  client.send('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n');
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nfirst');
  await client.until('the first of the answer', () => client.received.endsWith('first'));
  client.send(`3e8\r\n${'x'.repeat(1000)}\r\n`.repeat(200));
  await client.over();
  const { replicas, threads } = rig.counts();
  assert.deepEqual([replicas[0]!.byClass[1], replicas[0]!.aborts.client], [1, 1]);
  assert.deepEqual(
    [...threads.failuresByCode].filter(([, count]) => count > 0),
    [],
  );
});

test('a queued request is counted with its wait, however it ends', async (t) => {
  const rig = await Rig.open(t);
  rig.setState(0, 'unhealthy');
  const client = await rig.client();
  client.send(get('/'));
  await eventually('a request that waits', () => rig.waiting === 1);
  assert.equal(rig.counts().threads.queueWait.count, 0);
  await rig.elapse(client.response());
  const { threads } = rig.counts();
  assert.equal(threads.queueWait.count, 1);
  assert.equal(threads.failuresByCode.get('none-eligible'), 1);
});

test('a request that overflows its owner is counted for the owner', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, maxInFlight: 1 });
  const [first, second] = [await rig.client(), await rig.client()];
  const [one, two] = rig.idsFor(0, 2);
  first.send(get('/', `X-Request-Id: ${one}\r\n`));
  await (await rig.replicas[0]!.next()).request();
  second.send(get('/', `X-Request-Id: ${two}\r\n`));
  await (await rig.replicas[1]!.next()).request();
  const [s1, s2] = rig.counts().replicas;
  assert.deepEqual([s1!.overflows, s2!.overflows], [1, 0]);
});

test('a request whose owner is not eligible is no overflow', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  rig.setState(0, 'unhealthy');
  rig.replicas[1]!.serve();
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  await client.response();
  assert.equal(rig.counts().totals.overflows, 0);
});

/** More than may be retried at once whatever the budget says. */
const CLIENTS = 8;

test('a retry for which there is no budget is counted', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, retryBudget: 0 });
  // all fail at once, so that no retry ends before another is asked for
  const asked: Peer[] = [];
  for (const replica of rig.replicas)
    replica.serve((_request, peer) => {
      asked.push(peer);
      if (asked.length === CLIENTS) for (const each of asked) each.reset();
      return undefined;
    });
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => rig.client()));
  for (const client of clients) client.send(get('/'));
  await eventually('a retry that was not made', () => rig.counts().threads.budgetExhausted > 0);
});

test('tunnel is counted as open, and its bytes, until it ends', async (t) => {
  const { rig, client, replica } = await tunnel(t);
  const before = rig.counts().replicas[0]!;
  assert.deepEqual([before.byClass[0], before.tunnels, before.openTunnels], [1, 1, 1]);
  client.send('12345');
  await replica.takeBytes(5);
  replica.send('123');
  await client.takeBytes(3);
  const during = rig.counts().replicas[0]!;
  assert.deepEqual([during.bytesIn - before.bytesIn, during.bytesOut - before.bytesOut], [5, 3]);
  client.close();
  replica.close();
  await rig.settled();
  const after = rig.counts().replicas[0]!;
  assert.deepEqual([after.requests, after.tunnels, after.openTunnels], [1, 1, 0]);
});

test('responses of the control plane are counted for no replica', async (t) => {
  const rig = await Rig.open(t);
  rig.admin.serve();
  const client = await rig.client();
  client.send(get('/rep'));
  await client.response();
  const { replicas, own } = rig.counts();
  assert.deepEqual([replicas[0]!.requests, own.byClass], [0, [0, 1, 0, 0, 0]]);
});
