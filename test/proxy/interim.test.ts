/** 1xx responses and Expect: 100-continue, end to end. RFC 9110 sections 10.1.1 and 15.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf, get, headerOf, headersOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const EXPECTING = 'POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n';

test('103 reaches the client before the final response, with its headers', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send(
    'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n',
  );
  const hints = await client.response();
  assert.equal(statusOf(hints), 103);
  assert.equal(headerOf(hints, 'link'), '</a>; rel=preload');
  assert.deepEqual(headersOf(hints, 'x-hop'), []);
  replica.send(ok('final'));
  assert.equal((await client.response()).body, 'final');
});

test("several 1xx responses in the final one's packet pass in order", async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  (await rig.replica.next()).send(
    `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <b>\r\n\r\n${ok('final')}`,
  );
  assert.equal(statusOf(await client.response()), 102);
  assert.equal(headerOf(await client.response(), 'link'), '<a>');
  assert.equal(headerOf(await client.response(), 'link'), '<b>');
  assert.equal((await client.response()).body, 'final');
});

test('a 1xx response never reaches an HTTP/1.0 client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET / HTTP/1.0\r\n\r\n');
  (await rig.replica.next()).send(`HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n${ok('final')}`);
  const response = await client.response();
  assert.equal(statusOf(response), 200);
  assert.equal(response.body, 'final');
});

test('a pipelined 1xx response stays behind the response before it', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/first') + get('/second'));
  const first = await rig.replica.next();
  await first.request();
  first.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc');
  await client.head();
  assert.equal(await client.takeBytes(3), 'abc');
  // where requests are taken one at a time the second one comes only after the first response
  const second = rig.replica.connections[1];
  second?.send('HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n');
  first.send('def');
  assert.equal(await client.takeBytes(3), 'def');
});

test('Expect reaches the replica, and 100 the client, before the body', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(EXPECTING);
  const replica = await rig.replica.next();
  assert.equal(headerOf(await replica.head(), 'expect'), '100-continue');
  assert.equal(client.received, '');
  replica.send('HTTP/1.1 100 Continue\r\n\r\n');
  assert.equal(statusOf(await client.response()), 100);
  client.send('hello');
  assert.equal(await replica.takeBytes(5), 'hello');
  replica.send(ok('done'));
  assert.equal((await client.response()).body, 'done');
  client.send(get('/next'));
  assert.match((await replica.request()).startLine, /next/);
});

test('a final response instead of 100 reaches the client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(EXPECTING);
  const replica = await rig.replica.next();
  await replica.head();
  replica.send('HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno');
  const response = await client.response();
  assert.equal(statusOf(response), 417);
  assert.equal(response.body, 'no');
  // neither side can know whether the body still comes
  assert.equal(headerOf(response, 'connection'), 'close');
  assert.equal(await client.over(), '');
  await replica.over();
  await rig.settled();
});

test('body sent after a final response is never parsed as request', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(EXPECTING);
  const replica = await rig.replica.next();
  await replica.head();
  replica.send('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno');
  await client.response();
  client.send(get('/smuggled'));
  await client.over();
  await rig.settled();
  assert.equal(rig.replica.connections.length, 1);
  assert.doesNotMatch(replica.received, /smuggled/);
});

test('a body sent without waiting for 100 is served', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${EXPECTING}hello`);
  const replica = await rig.replica.next();
  assert.equal((await replica.request()).body, 'hello');
  replica.send(ok('done'));
  assert.equal((await client.response()).body, 'done');
  client.send(get('/next'));
  assert.match((await replica.request()).startLine, /next/);
});

test('a client that stops waiting for 100 is served', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(EXPECTING);
  const replica = await rig.replica.next();
  await replica.head();
  client.send('hello');
  assert.equal(await replica.takeBytes(5), 'hello');
  replica.send(ok('done'));
  assert.equal((await client.response()).body, 'done');
});

test('an HTTP/1.0 client is never sent 100', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello');
  const replica = await rig.replica.next();
  await replica.head();
  replica.send(`HTTP/1.1 100 Continue\r\n\r\n${ok('done')}`);
  const response = await client.response();
  assert.equal(statusOf(response), 200);
});

test('Expect: 100-continue in another case is understood', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(EXPECTING.replace('100-continue', '100-Continue'));
  const replica = await rig.replica.next();
  await replica.head();
  replica.send('HTTP/1.1 100 Continue\r\n\r\n');
  assert.equal(statusOf(await client.response()), 100);
});

test('another expectation gets 417, its body never parsed as request', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 40\r\n\r\n${get('/smuggled')}`);
  const response = await client.response();
  assert.equal(statusOf(response), 417);
  assert.match(failureOf(response), /Expect/);
  await client.over();
  assert.equal(rig.replica.connections.length, 0);
});

test('a queued request with Expect gets its failure before its body', async (t) => {
  const rig = await Rig.open(t, { queueDepth: 0 });
  rig.setState(0, 'unhealthy');
  const client = await rig.client();
  client.send(EXPECTING);
  const response = await client.response();
  assert.equal(statusOf(response), 503);
  assert.equal(await client.over(), '');
});

for (const [value, sent] of [
  ['', undefined],
  [' ', undefined],
  [',', undefined],
  ['100-continue, ', '100-continue'],
  [' ,100-CONTINUE', '100-continue'],
  ['100-continue, 100-continue', '100-continue'],
] as const)
  for (const way of ['whole', 'in pieces', 'in chunks'])
    test(`Expect: ${JSON.stringify(value)} reaches the replica as ${sent}: ${way}`, async (t) => {
      const rig = await Rig.open(t);
      rig.replica.serve(({ body }) => ok(body));
      const client = await rig.client();
      const framing = way === 'in chunks' ? 'Transfer-Encoding: chunked' : 'Content-Length: 4';
      const body = way === 'in chunks' ? '4\r\nbody\r\n0\r\n\r\n' : 'body';
      const wire = `POST / HTTP/1.1\r\nHost: a\r\nExpect: ${value}\r\n${framing}\r\n\r\n${body}`;
      client.send(way === 'in pieces' ? wire.slice(0, 20) : wire);
      await new Promise(setImmediate);
      if (way === 'in pieces') client.send(wire.slice(20));
      assert.equal((await client.response()).body, 'body');
      assert.equal(headerOf(rig.replica.requests[0]!, 'expect'), sent);
    });

for (const value of ['100-continue, magic', '100-continue=1', 'x100-continue', '"100-continue"'])
  test(`Expect: ${value} is refused with 417`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(`GET / HTTP/1.1\r\nHost: a\r\nExpect: ${value}\r\n\r\n`);
    assert.equal(statusOf(await client.response()), 417);
    await client.over();
    assert.equal(rig.replica.connections.length, 0);
  });
