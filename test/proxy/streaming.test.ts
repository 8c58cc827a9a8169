/** Bodies stream in both directions, no faster than they are read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flood } from '../helpers/proxy/flood.ts';
import { get, headerOf, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

/** Far more than the kernel's buffers on two hops hold (up to 6 MiB each). */
const LARGE = 64 << 20;

test('the first event of a stream reaches the client at once', async (t) => {
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

test('each piece of a body with a length streams to client', async (t) => {
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

test('a close-delimited response streams to the client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\n\r\nfirst');
  await client.take('first');
  replica.send('second');
  await client.take('second');
});

test('each piece of an upload streams to the replica', async (t) => {
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

test('each chunk of an upload streams to the replica', async (t) => {
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

test('response and request stream at once, however the request was read', async (t) => {
  const rig = await Rig.open(t);
  // the first request of a method comes as a stream, those after it directly
  for (const way of ['as a stream', 'directly']) {
    const client = await rig.client();
    client.send('PATCH / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nping\r\n');
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
    assert.equal(await client.over(), '', way);
    rig.closeIdle();
  }
});

test("a response before the upload's end reaches the client, then closes", async (t) => {
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

test('an early response reaches a client that sends to the end', async (t) => {
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

test('an early response followed by a reset is passed on', async (t) => {
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
