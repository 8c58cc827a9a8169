/** Client connections on which no request comes: how they are closed and counted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, post, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

function failuresOf(rig: Rig): number {
  const { threads, own } = rig.counts();
  return own.requests + [...threads.failuresByCode.values()].reduce((sum, count) => sum + count, 0);
}

test('an unused connection is closed silently at header-timeout', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 500, accessLog: 'json' });
  const client = await rig.client();
  await eventually('the connection', () => rig.counts().threads.openClientConnections === 1);
  rig.advance(400);
  assert.equal(client.isEnded, false);
  rig.advance(200);
  assert.equal(await client.over(), '');
  assert.equal(rig.counts().threads.idleCloses, 1);
  assert.equal(failuresOf(rig), 0);
  assert.equal(rig.logged, '');
});

test('an idle connection is closed at keep-alive-timeout, and counted', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 500, keepAliveTimeoutMs: 2000 });
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/'));
  await client.response();
  rig.advance(1500);
  assert.equal(client.isEnded, false);
  rig.advance(1000);
  assert.equal(await client.over(), '');
  assert.equal(rig.counts().threads.idleCloses, 1);
  assert.equal(failuresOf(rig), 0);
});

test('half a head gets 408, and is not counted as idle', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 200 });
  const client = await rig.client();
  client.send('GET / HT');
  const ticking = setInterval(() => rig.advance(100), 100);
  t.after(() => clearInterval(ticking));
  assert.equal(statusOf(await client.response()), 408);
  assert.equal(rig.counts().threads.idleCloses, 0);
});

test('a client that does not read is not closed as idle', async (t) => {
  const rig = await Rig.open(t, { sendTimeoutMs: 2000 });
  const client = await rig.client();
  client.pause();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${32 << 20}\r\n\r\n`);
  replica.send(Buffer.alloc(32 << 20));
  await eventually('the end, as time goes by', () => {
    rig.advance(100);
    return replica.isEnded;
  });
  assert.equal(rig.counts().threads.idleCloses, 0);
});

test('after an empty line behind a body the connection is idle', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 500, keepAliveTimeoutMs: 5000 });
  rig.replica.serve();
  const client = await rig.client();
  for (const lines of ['\r\n', '\r\n\r\n']) {
    client.send(post('/', 'body'));
    await client.response();
    client.send(lines);
    await new Promise(setImmediate);
    rig.advance(1500);
    assert.equal(client.isEnded, false);
  }
  client.send(get('/next'));
  assert.equal(statusOf(await client.response()), 200);
  rig.advance(6000);
  assert.equal(await client.over(), '');
  assert.equal(rig.counts().threads.idleCloses, 1);
});

test('large responses keep a connection from being idle', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 500, keepAliveTimeoutMs: 2000 });
  rig.replica.serve(() => ok('x'.repeat(200_000)));
  const client = await rig.client();
  for (let count = 0; count < 3; count++) {
    client.send(get('/'));
    await client.response();
    rig.advance(1500);
    assert.equal(client.isEnded, false);
  }
});
