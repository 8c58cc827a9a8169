/** HTTP/1.0 on either side. RFC 9112 sections 2.5, 6.1, 9.3 and appendix C.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, headerOf, headersOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

test('an HTTP/1.0 client without Host is served, and its connection closed', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET /old HTTP/1.0\r\n\r\n');
  const replica = await rig.replica.next();
  const request = await replica.request();
  assert.equal(request.startLine, 'GET /old HTTP/1.1');
  assert.equal(headersOf(request, 'host').length, 1);
  replica.send(ok('x'));
  const response = await client.response();
  assert.equal(response.body, 'x');
  assert.notEqual(headerOf(response, 'connection'), 'keep-alive');
  assert.equal(await client.over(), '');
});

test('an HTTP/1.0 client that asks for keep-alive gets it', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(() => ok('x'));
  const client = await rig.client();
  for (let count = 0; count < 2; count++) {
    client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    const response = await client.response();
    assert.equal(headerOf(response, 'connection'), 'keep-alive');
    assert.equal(response.body, 'x');
  }
});

test('an HTTP/1.0 client never gets chunks', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  (await rig.replica.next()).send(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: 1\r\n\r\n',
  );
  const response = await client.response();
  assert.deepEqual(headersOf(response, 'transfer-encoding'), []);
  assert.deepEqual(headersOf(response, 'trailer'), []);
  assert.equal(headerOf(response, 'connection'), 'close');
  assert.equal(response.body, 'abcde');
});

test('an empty chunked response reaches an HTTP/1.0 client as empty', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET / HTTP/1.0\r\n\r\n');
  (await rig.replica.next()).send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
  const response = await client.response();
  assert.deepEqual(headersOf(response, 'transfer-encoding'), []);
  assert.equal(response.body, '');
});

test('an HTTP/1.0 request with Transfer-Encoding is refused', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  rig.replica.serve();
  client.send('POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n');
  const response = await client.response();
  assert.equal(statusOf(response), 400);
  await client.over();
  assert.equal(rig.replica.requests.length, 0);
});

test("an HTTP/1.0 client's body keeps its length", async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello');
  assert.equal((await (await rig.replica.next()).request()).body, 'hello');
});

test("an HTTP/1.0 replica's close-delimited response is chunked for HTTP/1.1", async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello ');
  await client.take('hello ');
  client.received = '';
  replica.send('world');
  replica.end();
  await client.take('0\r\n\r\n');
  rig.replica.serve(() => ok('next'));
  client.send(get('/'));
  const next = await client.response();
  assert.match(next.startLine, /^HTTP\/1\.1 200/);
  assert.equal(next.body, 'next');
});

test('a close-delimited response reaches an HTTP/1.1 client whole', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\n\r\n');
  replica.send('x'.repeat(200_000));
  replica.end();
  const response = await client.response();
  assert.deepEqual(headersOf(response, 'transfer-encoding'), ['chunked']);
  assert.equal(response.body.length, 200_000);
});

test('an empty close-delimited response reaches an HTTP/1.1 client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.0 200 OK\r\n\r\n');
  replica.end();
  assert.equal((await client.response()).body, '');
});

test('an HTTP/1.0 replica that keeps alive is used again', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  for (let count = 0; count < 2; count++) {
    client.send(get('/'));
    const replica = count === 0 ? await rig.replica.next() : rig.replica.connections[0]!;
    await replica.request();
    replica.send('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx');
    assert.equal((await client.response()).startLine, 'HTTP/1.1 200 OK');
  }
  assert.equal(rig.replica.connections.length, 1);
});

test('a connection to an HTTP/1.0 replica without keep-alive is not reused', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(() => 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx');
  const client = await rig.client();
  for (let count = 0; count < 2; count++) {
    client.send(get('/'));
    assert.equal((await client.response()).body, 'x');
  }
  assert.equal(rig.replica.connections.length, 2);
});

for (const version of [
  'HTTP/0.9',
  'HTTP/2.0',
  'HTTP/1.2',
  'HTTP/1',
  'HTTP/11.1',
  'http/1.1',
  'HTTP/1.1 x',
  'HTCPCP/1.0',
]) {
  test(`request line ending in ${version} is refused, or served as 1.1`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    rig.replica.serve();
    client.send(`GET / ${version}\r\nHost: a\r\n\r\n`);
    const response = await client.response();
    if (version === 'HTTP/1.2' && statusOf(response) === 200) return;
    assert.ok([400, 505].includes(statusOf(response)), response.startLine);
    await client.over();
    assert.equal(rig.replica.requests.length, 0);
  });
}

test('a request line without a version is refused', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET /\r\n\r\n');
  assert.ok([400, 505].includes(statusOf(await client.response())));
  assert.equal(rig.replica.connections.length, 0);
});

for (const [name, head] of [
  ['HEAD', 'HTTP/1.1 200 OK'],
  ['GET', 'HTTP/1.1 304 Not Modified'],
] as const) {
  for (const keepAlive of ['', 'Connection: keep-alive\r\n']) {
    test(`an HTTP/1.0 client gets no Transfer-Encoding: ${name}, ${head.slice(9)} ${keepAlive.trim()}`, async (t) => {
      const rig = await Rig.open(t);
      const client = await rig.client();
      client.send(`${name} / HTTP/1.0\r\n${keepAlive}\r\n`);
      (await rig.replica.next()).send(`${head}\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n`);
      const response = await client.response(true);
      assert.deepEqual(headersOf(response, 'transfer-encoding'), []);
      assert.deepEqual(headersOf(response, 'trailer'), []);
      if (keepAlive === '') assert.equal(await client.over(), '');
    });
  }
}

test('HEAD over HTTP/1.1 keeps Transfer-Encoding: chunked', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
  (await rig.replica.next()).send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  assert.deepEqual(headersOf(await client.response(true), 'transfer-encoding'), ['chunked']);
});
