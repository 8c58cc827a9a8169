/** Bodies pass as they come, in both directions, and no faster than they are taken. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { Flood } from '../helpers/proxy-flood.ts';
import { get, headerOf, ok, statusOf } from '../helpers/proxy-message.ts';
import { Rig } from '../helpers/proxy-rig.ts';

/** Far more than the kernel's buffers on two hops (up to 6 MiB each) and what may be held between. */
const LARGE = 64 << 20;
const HELD = 24 << 20;

test('the first event of a stream reaches the client before the replica has said more', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/events', 'Accept: text/event-stream\r\n'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
  const head = await client.head();
  assert.equal(headerOf(head, 'content-type'), 'text/event-stream');
  for (const event of ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']) {
    replica.send(`9\r\n${event}\r\n`);
    assert.match(await client.take('\n\n'), new RegExp(event.trim()));
  }
});

test('a head without a body reaches the client at once', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  (await rig.replica.next()).send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
  assert.equal(statusOf(await client.head()), 200);
});

test('each piece of a body with a length reaches the client as it comes', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh');
  await client.head();
  assert.equal(await client.takeBytes(1), 'h');
  for (const byte of 'ello') {
    replica.send(byte);
    assert.equal(await client.takeBytes(1), byte);
  }
});

test('a close-delimited stream reaches the client as it comes', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\n\r\nfirst');
  await client.take('first');
  replica.send('second');
  await client.take('second');
});

test('each piece of an upload reaches the replica before the client has sent more', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n');
  const replica = await rig.replica.next();
  await replica.head();
  for (const piece of ['hello', 'again', 'third']) {
    client.send(piece);
    assert.equal(await replica.takeBytes(5), piece);
  }
});

test('each chunk of an upload reaches the replica before the client has sent more', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  const replica = await rig.replica.next();
  await replica.head();
  for (const piece of ['hello', 'again']) {
    client.send(`5\r\n${piece}\r\n`);
    assert.equal(await replica.take(`${piece}\r\n`), `5\r\n${piece}\r\n`);
  }
});

test('an answer streams while the request still does', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nping\r\n');
  const replica = await rig.replica.next();
  await replica.take('ping\r\n');
  replica.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npong\r\n');
  await client.take('pong\r\n');
  client.send('5\r\nagain\r\n');
  await replica.take('again\r\n');
  replica.send('5\r\nagain\r\n');
  await client.take('again\r\n');
  client.send('0\r\n\r\n');
  await replica.take('0\r\n\r\n');
  replica.send('0\r\n\r\n');
  await client.take('0\r\n\r\n');
  await rig.settled();
});

test('an answer that comes before the upload is done reaches the client, and no other request follows', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nstart');
  const replica = await rig.replica.next();
  await replica.take('start');
  replica.send('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig');
  const response = await client.response();
  assert.equal(statusOf(response), 413);
  assert.equal(response.body, 'big');
  assert.equal(headerOf(response, 'connection'), 'close');
  await replica.over();
  await rig.settled();
});

test('an early answer reaches a client that goes on sending until it is done', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${4 << 20}\r\n\r\nstart`);
  const replica = await rig.replica.next();
  await replica.take('start');
  replica.send('HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig');
  replica.close();
  client.send(Buffer.alloc((4 << 20) - 5));
  const response = await client.response();
  assert.equal(statusOf(response), 413);
  assert.equal(response.body, 'big');
});

test('a replica that answers an upload early and resets still has its answer passed on', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE}\r\n\r\n`);
  const replica = await rig.replica.next();
  await replica.head();
  replica.pause();
  await new Flood(client, LARGE).stalled();
  replica.send('HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno');
  const response = await client.response();
  assert.equal(statusOf(response), 400);
  assert.equal(response.body, 'no');
  await rig.settled();
});

test('a client that does not read makes the balancer stop reading from the replica', async (t) => {
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

test('a client that does not read a chunked answer makes the balancer stop reading too', async (t) => {
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

test('a client that does not read a close-delimited answer makes the balancer stop reading too', async (t) => {
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

test('a pipelined answer whose turn has not come is not gathered without end', async (t) => {
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
  test(`a replica that does not read a body with ${framing} makes the balancer stop reading from the client`, async (t) => {
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

test('a body is not gathered while its request waits in the queue', async (t) => {
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
  new Flood(replica, LARGE);
  await Promise.all([
    client.until('the answer', () => client.bytes > LARGE),
    replica.until('the request', () => replica.bytes > LARGE),
  ]);
  await rig.settled();
});

test('a client that reads one of two answers slowly does not hold up another client', async (t) => {
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
  test(`the connection that brought a slow client its ${size} bytes serves the next request`, async (t) => {
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

  test(`the connection whose last byte of ${size} a client has not taken serves the next request`, async (t) => {
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
