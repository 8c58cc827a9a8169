/** Time limits towards a replica and of whole requests: the response, and the state of connections. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { Flood } from '../helpers/proxy/flood.ts';
import { failureOf, get, headerOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { unresponsiveEndpoint } from './unresponsive-endpoint.ts';

/** More than the kernel's buffers hold on both hops. */
const LARGE = 32 << 20;

test("a response timeout gives 504 and keeps the client's connection", async (t) => {
  const rig = await Rig.open(t, { responseTimeoutMs: 3000 });
  const client = await rig.client();
  client.send(get('/slow'));
  const replica = await rig.replica.next();
  await replica.request();
  rig.advance(2900);
  assert.equal(client.bytes, 0);
  rig.advance(200);
  const response = await client.response();
  assert.equal(statusOf(response), 504);
  assert.match(failureOf(response), /^<Error> /);
  await replica.over();
  await rig.settled();
  rig.replica.serve();
  client.send(get('/next'));
  assert.equal((await client.response()).body, 'hello');
});

test('half a response head is no response: 504', async (t) => {
  const rig = await Rig.open(t, { responseTimeoutMs: 1000 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 200 OK\r\nX: ');
  rig.advance(600);
  replica.send('y');
  rig.advance(600);
  assert.equal(statusOf(await client.response()), 504);
  await replica.over();
});

test('response-timeout does not run while the client sends its body', async (t) => {
  const rig = await Rig.open(t, { responseTimeoutMs: 1000, bodyTimeoutMs: 10_000 });
  const client = await rig.client();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello');
  const replica = await rig.replica.next();
  await replica.take('hello');
  rig.advance(3000);
  client.send('world');
  await replica.take('world');
  replica.send(ok('fine'));
  assert.equal((await client.response()).body, 'fine');
});

test('a body that stalls is cut at idle-timeout', async (t) => {
  const rig = await Rig.open(t, { idleTimeoutMs: 2000 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
  await client.take('half');
  rig.advance(1900);
  assert.equal(client.isEnded, false);
  rig.advance(200);
  assert.equal(await client.over(), '');
  await replica.over();
  await rig.settled();
});

test('each byte of a body starts idle-timeout again', async (t) => {
  const rig = await Rig.open(t, { idleTimeoutMs: 2000 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
  await client.take('\r\n\r\n');
  for (const byte of 'hell') {
    replica.send(byte);
    await client.take(byte);
    rig.advance(1500);
  }
  replica.send('o');
  await client.take('o');
  await rig.settled();
});

test('a body that never starts is cut at idle-timeout', async (t) => {
  const rig = await Rig.open(t, { idleTimeoutMs: 2000 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
  await client.take('\r\n\r\n');
  rig.advance(2100);
  await client.over();
  await replica.over();
  await rig.settled();
});

test('a connect timeout is retried on another replica', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, connectTimeoutMs: 2000 });
  rig.place(0, await unresponsiveEndpoint(t));
  rig.replicas[1]!.serve(() => ok('second'));
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  await eventually('in flight', () => rig.table.inFlight(0) === 1);
  rig.advance(2100);
  assert.equal((await client.response()).body, 'second');
  assert.deepEqual(
    rig.reports.map(({ code }) => code),
    ['connect-timeout'],
  );
  await rig.settled();
});

test('a connect timeout without another replica gives 504', async (t) => {
  const rig = await Rig.open(t, { connectTimeoutMs: 2000, retries: 0 });
  rig.place(0, await unresponsiveEndpoint(t));
  const client = await rig.client();
  client.send(get('/'));
  await eventually('in flight', () => rig.inFlight === 1);
  rig.advance(2100);
  const response = await client.response();
  assert.equal(statusOf(response), 504);
  assert.match(failureOf(response), /^<Error> /);
  await rig.settled();
});

test('a client that disconnects while connecting leaves nothing in flight', async (t) => {
  const rig = await Rig.open(t);
  rig.place(0, await unresponsiveEndpoint(t));
  const client = await rig.client();
  client.send(get('/'));
  await eventually('in flight', () => rig.inFlight === 1);
  client.close();
  await rig.settled();
});

test('body-timeout does not run while the replica reads nothing', async (t) => {
  const rig = await Rig.open(t, { bodyTimeoutMs: 1000, idleTimeoutMs: 60_000 });
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE}\r\n\r\n`);
  const replica = await rig.replica.next();
  await replica.head();
  replica.pause();
  await new Flood(client, LARGE).stalled();
  rig.advance(3000);
  replica.isKept = false;
  const before = replica.bytes;
  replica.resume();
  await replica.until('the whole body', () => replica.bytes - before >= LARGE);
  replica.send(ok('fine'));
  assert.equal(statusOf(await client.response()), 200);
});

test('a replica that reads no body until idle-timeout gives 504', async (t) => {
  const rig = await Rig.open(t, { bodyTimeoutMs: 1000, idleTimeoutMs: 5000 });
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE}\r\n\r\n`);
  const replica = await rig.replica.next();
  await replica.head();
  replica.pause();
  await new Flood(client, LARGE).stalled();
  rig.advance(5200);
  const response = await client.response();
  assert.equal(statusOf(response), 504);
  assert.equal(headerOf(response, 'connection'), 'close');
  await rig.settled();
  replica.isKept = false;
  replica.resume();
  await replica.over();
});

test('request-timeout gives 504 where no response has started', async (t) => {
  const rig = await Rig.open(t, { requestTimeoutMs: 3000, responseTimeoutMs: 60_000 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  rig.advance(3100);
  const response = await client.response();
  assert.equal(statusOf(response), 504);
  await replica.over();
  await rig.settled();
});

test('request-timeout cuts a response that has started', async (t) => {
  const rig = await Rig.open(t, { requestTimeoutMs: 3000 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (let count = 0; count < 5; count++) {
    replica.send('1\r\nx\r\n');
    await client.take('x\r\n').catch(() => undefined);
    rig.advance(700);
  }
  assert.doesNotMatch(await client.over(), /0\r\n/);
  await replica.over();
  await rig.settled();
});

test('request-timeout covers all attempts and the queue', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, requestTimeoutMs: 3000, queueTimeoutMs: 60_000 });
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  const first = await rig.replicas[0]!.next();
  await first.request();
  rig.advance(2000);
  first.close();
  await (await rig.replicas[1]!.next()).request();
  rig.advance(1100);
  assert.equal(statusOf(await client.response()), 504);
  await rig.settled();
});

test('idle connection to a replica closes before the replica closes it', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(ok('x', 'Keep-Alive: timeout=3\r\n'));
  await client.response();
  rig.advance(1500);
  assert.equal(replica.isEnded, false);
  rig.advance(1000);
  await replica.over();
});

test('a pipelined request has its own response-timeout', async (t) => {
  const rig = await Rig.open(t, { responseTimeoutMs: 1000 });
  const client = await rig.client();
  client.send(get('/1') + get('/2'));
  const replica = await rig.replica.next();
  await replica.request();
  rig.advance(900);
  replica.send(ok('1'));
  assert.equal((await client.response()).body, '1');
  const second = rig.replica.connections.at(-1)!;
  await second.request();
  rig.advance(900);
  second.send(ok('2'));
  assert.equal((await client.response()).body, '2');
});

test('each interim response restarts response-timeout', async (t) => {
  const rig = await Rig.open(t, { responseTimeoutMs: 2000 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  for (const head of ['102 Processing', '103 Early Hints', '100 Continue', '102 Processing', '199 Else']) {
    rig.advance(1800);
    replica.send(`HTTP/1.1 ${head}\r\n\r\n`);
    assert.equal((await client.response()).startLine, `HTTP/1.1 ${head}`);
  }
  rig.advance(1800);
  replica.send(ok('at last'));
  assert.equal((await client.response()).body, 'at last');
});

test('silence after an interim response gives 504 at response-timeout', async (t) => {
  const rig = await Rig.open(t, { responseTimeoutMs: 2000 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 102 Processing\r\n\r\n');
  assert.equal(statusOf(await client.response()), 102);
  rig.advance(2100);
  assert.equal(statusOf(await client.response()), 504);
});

test('interim responses do not extend request-timeout', async (t) => {
  const rig = await Rig.open(t, { responseTimeoutMs: 2000, requestTimeoutMs: 3000 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  rig.advance(1800);
  replica.send('HTTP/1.1 102 Processing\r\n\r\n');
  assert.equal(statusOf(await client.response()), 102);
  rig.advance(1300);
  assert.equal(statusOf(await client.response()), 504);
});

test('a hundred interim responses pass', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 102 Processing\r\n\r\n'.repeat(100) + ok('done'));
  for (let count = 0; count < 100; count++) assert.equal(statusOf(await client.response()), 102);
  assert.equal((await client.response()).body, 'done');
});
