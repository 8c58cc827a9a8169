/** Time limits towards a client: the response, and the state of its connection. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flood } from '../helpers/proxy/flood.ts';
import { failureOf, get, headerOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

/** More than the kernel's buffers hold on both hops. */
const LARGE = 32 << 20;

test('client that stops within its body gets 408, both connections closed', async (t) => {
  const rig = await Rig.open(t, { bodyTimeoutMs: 2000 });
  const client = await rig.client();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf');
  const replica = await rig.replica.next();
  await replica.take('half');
  rig.advance(1900);
  assert.equal(client.bytes, 0);
  rig.advance(200);
  const response = await client.response();
  assert.equal(statusOf(response), 408);
  assert.equal(headerOf(response, 'connection'), 'close');
  assert.match(failureOf(response), /^<Error> /);
  assert.equal(await client.over(), '');
  await replica.over();
  await rig.settled();
  assert.deepEqual(rig.reports, []);
});

test('each byte of a request body starts body-timeout again', async (t) => {
  const rig = await Rig.open(t, { bodyTimeoutMs: 2000 });
  rig.replica.serve();
  const client = await rig.client();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n');
  const replica = await rig.replica.next();
  for (const byte of 'hello') {
    rig.advance(1500);
    client.send(byte);
    const before = replica.bytes;
    await replica.until('a byte more', () => replica.bytes > before).catch(() => undefined);
  }
  assert.equal((await client.response()).body, 'hello');
});

test('a client that does not read is closed at send-timeout', async (t) => {
  const rig = await Rig.open(t, { sendTimeoutMs: 2000 });
  const client = await rig.client();
  client.pause();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
  await new Flood(replica, LARGE).stalled();
  rig.advance(1900);
  assert.equal(replica.isEnded, false);
  rig.advance(400);
  await replica.over();
  await rig.settled();
});

test('a client that reads slowly but steadily is never cut', async (t) => {
  const rig = await Rig.open(t, { sendTimeoutMs: 2000, idleTimeoutMs: 2000 });
  const client = await rig.client();
  client.isKept = false;
  client.pause();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
  const flood = new Flood(replica, LARGE);
  for (let count = 0; count < 4; count++) {
    await flood.stalled();
    rig.advance(1500);
    const before = client.bytes;
    client.resume();
    await client.until('some more', () => client.bytes - before > 4 << 20);
    client.pause();
  }
  client.resume();
  await client.until('all of it', () => client.bytes > LARGE);
});

test('a request head that does not come gets 408 as JSON', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 200 });
  const client = await rig.client();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n');
  const ticking = setInterval(() => rig.advance(100), 100);
  t.after(() => clearInterval(ticking));
  const response = await client.response();
  assert.equal(statusOf(response), 408);
  assert.equal(headerOf(response, 'connection'), 'close');
  assert.match(failureOf(response), /^<Error> /);
  assert.equal(await client.over(), '');
});

test('a head sent byte by byte times out all the same', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 300 });
  const client = await rig.client();
  client.send('GET / HTTP/1.1\r\nHost: a\r\nX: ');
  const dripping = setInterval(() => client.send('y'), 50);
  const ticking = setInterval(() => rig.advance(100), 100);
  t.after(() => {
    clearInterval(dripping);
    clearInterval(ticking);
  });
  assert.equal(statusOf(await client.response()), 408);
  await client.over();
});

test('the second head on a connection has its limit too', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 300 });
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/'));
  await client.response();
  client.send('GET / HTTP/1.1\r\nHost');
  const ticking = setInterval(() => rig.advance(100), 100);
  t.after(() => clearInterval(ticking));
  assert.equal(statusOf(await client.response()), 408);
});

test('an idle connection is closed silently at keep-alive-timeout', async (t) => {
  const rig = await Rig.open(t, { keepAliveTimeoutMs: 500 });
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/'));
  await client.response();
  const ticking = setInterval(() => rig.advance(100), 100);
  t.after(() => clearInterval(ticking));
  assert.equal(await client.over(), '');
});

test('a connection without a request is closed', async (t) => {
  const rig = await Rig.open(t, { keepAliveTimeoutMs: 500, headerTimeoutMs: 500 });
  const client = await rig.client();
  const ticking = setInterval(() => rig.advance(100), 100);
  t.after(() => clearInterval(ticking));
  await client.over();
});

test('a connection whose request is under way is not idle', async (t) => {
  const rig = await Rig.open(t, { keepAliveTimeoutMs: 200, headerTimeoutMs: 200 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  rig.advance(5000);
  replica.send(ok('late'));
  assert.equal((await client.response()).body, 'late');
});

test('draining: a request under way is finished, and its connection closed', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  const drained = rig.drain();
  replica.send(ok('last'));
  const response = await client.response();
  assert.equal(response.body, 'last');
  assert.equal(headerOf(response, 'connection'), 'close');
  await client.over();
  await drained;
});

test('draining: a connection that has brought nothing yet may bring its first request', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const [used, unused] = [await rig.client(), await rig.client()];
  used.send(get('/'));
  await used.response();
  const drained = rig.beginDrain();
  await rig.elapse(used.over());
  unused.send(get('/'));
  assert.equal((await unused.response()).body, 'hello');
  await unused.over();
  await rig.elapse(drained);
});

test('draining: a connection that is slow to close is closed once', async (t) => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error): unknown => warnings.push(name);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/'));
  await client.response();
  const drained = rig.beginDrain();
  await rig.refusing();
  // in one turn, so that the socket has no time to close
  for (let tick = 0; tick < 60; tick++) rig.advance(100);
  await rig.elapse(drained);
  assert.deepEqual(warnings, []);
});

test('draining: a connection that brings nothing is closed in the end', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  const drained = rig.beginDrain();
  await rig.refusing();
  // long before its time for a request is up
  rig.advance(4000);
  assert.equal(await client.over(), '');
  await rig.elapse(drained);
});

test('half head behind a slow request times out after its response', async (t) => {
  const rig = await Rig.open(t, { headerTimeoutMs: 200 });
  const client = await rig.client();
  client.send(`${get('/slow')}GET / HT`);
  const replica = await rig.replica.next();
  await replica.request();
  await new Promise((resolve) => setTimeout(resolve, 1100));
  rig.advance(1100);
  replica.send(ok('slow'));
  assert.equal((await client.response()).body, 'slow');
  const ticking = setInterval(() => rig.advance(100), 100);
  t.after(() => clearInterval(ticking));
  await client.over();
  assert.match(client.received, /^(HTTP\/1\.1 408 .*)?$/s);
});
