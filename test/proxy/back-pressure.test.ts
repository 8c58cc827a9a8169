/** Neither side is read faster than the other reads, so memory stays bounded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { Flood } from '../helpers/proxy/flood.ts';
import { get, ok } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

/** Far more than the kernel's buffers on two hops (up to 6 MiB each) and what may be held between. */
const LARGE = 64 << 20;
const HELD = 24 << 20;

test('a client that does not read pauses reading from the replica', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.isKept = false;
  client.pause();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
  const flood = new Flood(replica, LARGE);
  const before = process.memoryUsage().arrayBuffers;
  const taken = await flood.stalled();
  assert.ok(taken < HELD, `${taken} bytes were taken from the replica`);
  assert.ok(process.memoryUsage().arrayBuffers - before < HELD / 2);
  client.resume();
  await client.until('all of it', () => client.bytes > LARGE);
  await rig.settled();
});

test('client that does not read a chunked response pauses the replica', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.isKept = false;
  client.pause();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${LARGE.toString(16)}\r\n`);
  const taken = await new Flood(replica, LARGE).stalled();
  assert.ok(taken < HELD, `${taken} bytes were taken from the replica`);
  client.resume();
  await client.until('all of it', () => client.bytes > LARGE);
  client.isKept = true;
  replica.send('\r\n0\r\n\r\n');
  await client.take('0\r\n\r\n');
});

test('client that does not read a close-delimited response pauses the replica', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.isKept = false;
  client.pause();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\n\r\n');
  const taken = await new Flood(replica, LARGE).stalled();
  assert.ok(taken < HELD, `${taken} bytes were taken from the replica`);
  client.resume();
  await client.until('all of it', () => client.bytes > LARGE);
});

test('a pipelined response is not buffered without bound before its turn', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/first') + get('/second'));
  const first = await rig.replica.next();
  await first.request();
  await eventually(
    'time for the second to be sent',
    () => new Promise((resolve) => setTimeout(() => resolve(true), 50)),
  );
  const second = rig.replica.connections[1];
  // where requests are taken one at a time there is nothing to gather
  if (second === undefined) return;
  second.send(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
  const taken = await new Flood(second, LARGE).stalled();
  assert.ok(taken < HELD, `${taken} bytes were taken from the replica`);
});

for (const framing of ['Content-Length', 'Transfer-Encoding']) {
  test(`replica that does not read a body with ${framing} pauses client`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    const isChunked = framing === 'Transfer-Encoding';
    client.send(`POST / HTTP/1.1\r\nHost: a\r\n${framing}: ${isChunked ? 'chunked' : LARGE}\r\n\r\n`);
    if (isChunked) client.send(`${LARGE.toString(16)}\r\n`);
    const replica = await rig.replica.next();
    await replica.head();
    replica.pause();
    const taken = await new Flood(client, LARGE).stalled();
    assert.ok(taken < HELD, `${taken} bytes were taken from the client`);
    replica.isKept = false;
    const before = replica.bytes;
    replica.resume();
    await replica.until('all of it', () => replica.bytes - before >= LARGE);
  });
}

test('a body is not buffered while its request is queued', async (t) => {
  const rig = await Rig.open(t);
  rig.setState(0, 'unhealthy');
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE}\r\n\r\n`);
  await eventually('it waits', () => rig.waiting === 1);
  const taken = await new Flood(client, LARGE).stalled();
  assert.ok(taken < HELD, `${taken} bytes were taken from the client`);
  rig.setState(0, 'healthy');
  const replica = await rig.replica.next();
  replica.isKept = false;
  await replica.until('all of it', () => replica.bytes > LARGE);
});

test('64 MiB pass through whole, both ways at once', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.isKept = false;
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE}\r\n\r\n`);
  const replica = await rig.replica.next();
  await replica.head();
  replica.isKept = false;
  new Flood(client, LARGE);
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
  // what still comes of a request whose answer is complete is nobody's any more
  new Flood(replica, LARGE - 1);
  await replica.until('the request', () => replica.bytes > LARGE);
  replica.send('f');
  await client.until('the answer', () => client.bytes > LARGE);
  await rig.settled();
});

test('a client that reads slowly does not hold up another client', async (t) => {
  const rig = await Rig.open(t);
  const slow = await rig.client();
  slow.pause();
  slow.send(get('/slow'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
  await new Flood(replica, LARGE).stalled();
  const quick = await rig.client();
  quick.send(get('/quick'));
  (await rig.replica.next()).send(ok('quick'));
  assert.equal((await quick.response()).body, 'quick');
});

for (const size of [40_000, 65_536, 200_000, 1 << 20, 4 << 20]) {
  test(`the connection that served a slow client ${size} bytes is reused`, async (t) => {
    const rig = await Rig.open(t);
    const slow = await rig.client();
    slow.isKept = false;
    slow.pause();
    slow.send(get('/slow'));
    const replica = await rig.replica.next();
    await replica.request();
    replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    await new Flood(replica, size).stalled();
    slow.resume();
    await slow.until('all of it', () => slow.bytes > size);
    await rig.settled();
    rig.replica.serve(() => ok('next'));
    const next = await rig.client();
    next.send(get('/next'));
    assert.equal((await next.response()).body, 'next');
    assert.equal(rig.replica.connections.length, 1);
  });

  test(`connection is reused although client has not read all of ${size}`, async (t) => {
    const rig = await Rig.open(t);
    const slow = await rig.client();
    slow.isKept = false;
    slow.pause();
    slow.send(get('/slow'));
    const replica = await rig.replica.next();
    await replica.request();
    replica.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    await new Flood(replica, size).stalled();
    rig.replica.serve(() => ok('next'));
    const next = await rig.client();
    next.send(get('/next'));
    assert.equal((await next.response()).body, 'next');
    slow.resume();
    await slow.until('all of it', () => slow.bytes > size);
  });
}
