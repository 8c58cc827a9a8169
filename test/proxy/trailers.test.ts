/** Chunked bodies and trailers, both ways. RFC 9112 section 7.1, RFC 9110 section 6.5. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, headersOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const CHUNKED = 'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n';

test('a chunked request body reaches the replica chunked, with no length', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${CHUNKED}\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n`);
  const replica = await rig.replica.next();
  const request = await replica.request();
  assert.equal(request.body, 'hello world');
  assert.deepEqual(headersOf(request, 'transfer-encoding'), ['chunked']);
  assert.deepEqual(headersOf(request, 'content-length'), []);
  // what an extension may hide from one of two readers goes no further
  assert.doesNotMatch(request.rawBody, /;/);
  replica.send(ok('done'));
  assert.equal((await client.response()).body, 'done');
});

test('an empty chunked request body reaches the replica', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${CHUNKED}\r\n0\r\n\r\n`);
  const replica = await rig.replica.next();
  assert.equal((await replica.request()).body, '');
  replica.send(ok('done'));
  await client.response();
  client.send(get('/next'));
  assert.match((await replica.request()).startLine, /next/);
});

test('request trailers reach the replica', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${CHUNKED}Trailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 77\r\nx-sum: 78\r\n\r\n`);
  const request = await (await rig.replica.next()).request();
  assert.deepEqual(request.trailers, [
    ['X-Sum', '77'],
    ['x-sum', '78'],
  ]);
  assert.deepEqual(headersOf(request, 'trailer'), ['X-Sum']);
});

for (const name of [
  'Transfer-Encoding',
  'Content-Length',
  'Host',
  'Authorization',
  'Connection',
  'X-Forwarded-For',
]) {
  test(`${name} among request trailers does not reach the replica`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    rig.replica.serve();
    client.send(`${CHUNKED}\r\n1\r\na\r\n0\r\n${name}: 1\r\n\r\n`);
    assert.ok([200, 400].includes(statusOf(await client.response())));
    for (const { trailers } of rig.replica.requests) assert.deepEqual(trailers, []);
    for (const { received } of rig.replica.connections) assert.doesNotMatch(received, /: 1\r\n\r\n$/);
  });
}

test('a chunked response reaches the client chunked, with its trailers', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/', 'TE: trailers\r\nConnection: TE\r\n'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 9\r\n\r\n',
  );
  const response = await client.response();
  assert.equal(response.body, 'abcde');
  assert.deepEqual(response.trailers, [['X-Sum', '9']]);
  assert.deepEqual(headersOf(response, 'trailer'), ['X-Sum']);
  client.send(get('/next'));
  assert.match((await replica.request()).startLine, /next/);
});

for (const name of ['Content-Length', 'Transfer-Encoding', 'Set-Cookie', 'Connection']) {
  test(`${name} among a response's trailers does not reach the client`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    (await rig.replica.next()).send(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n${name}: 1\r\n\r\n`,
    );
    const response = await client.response();
    assert.equal(response.body, 'a');
    assert.deepEqual(response.trailers, []);
  });
}

test('a chunked response is the same cut at every byte', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  const text =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10;e=1\r\n0123456789abcdef\r\n0\r\nX: 1\r\n\r\n';
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  for (const byte of text) {
    replica.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const response = await client.response();
  assert.equal(response.body, 'hello0123456789abcdef');
  assert.deepEqual(response.trailers, [['X', '1']]);
});

test('a chunked request cut at every byte is the same request', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  for (const byte of `${CHUNKED}\r\n5\r\nhello\r\na\r\n0123456789\r\n0\r\nX: 1\r\n\r\n`) {
    client.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const request = await (await rig.replica.next()).request();
  assert.equal(request.body, 'hello0123456789');
  assert.deepEqual(request.trailers, [['X', '1']]);
});

test('many chunks of one byte reach the replica whole', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${CHUNKED}\r\n${'1\r\nx\r\n'.repeat(5000)}0\r\n\r\n`);
  const replica = await rig.replica.next();
  assert.equal((await replica.request()).body, 'x'.repeat(5000));
  replica.send(ok('done'));
  assert.equal(statusOf(await client.response()), 200);
});
