/** Headers of one hop: they end here, and those that this hop adds are its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, headerOf, headersOf, ok } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

test('hop-by-hop request headers do not reach the replica', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(
    get(
      '/',
      'Connection: keep-alive\r\nKeep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nTE: gzip\r\nX-Kept: 1\r\n',
    ),
  );
  const { pairs } = await (await rig.replica.next()).request();
  const names = pairs.map(([name]) => name.toLowerCase());
  for (const gone of ['keep-alive', 'proxy-connection', 'upgrade', 'http2-settings', 'te', 'connection'])
    assert.ok(!names.includes(gone), gone);
  assert.ok(names.includes('x-kept'));
});

test('what Connection names does not reach the replica', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(
    get(
      '/',
      'X-One: 1\r\nConnection: close, X-OnE ,\tx-two\r\nx-Two: 2\r\nConnection: x-three\r\nX-Three: 3\r\nX-Four: 4\r\n',
    ),
  );
  const request = await (await rig.replica.next()).request();
  for (const name of ['x-one', 'x-two', 'x-three']) assert.deepEqual(headersOf(request, name), [], name);
  assert.equal(headerOf(request, 'x-four'), '4');
});

for (const name of ['Host', 'Content-Length', 'Transfer-Encoding', 'X-Forwarded-For', 'X-Request-Id']) {
  test(`Connection: ${name} does not remove ${name} from the request`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    const framing = name === 'Transfer-Encoding' ? 'Transfer-Encoding: chunked' : 'Content-Length: 3';
    const body = name === 'Transfer-Encoding' ? '3\r\nabc\r\n0\r\n\r\n' : 'abc';
    client.send(
      `POST / HTTP/1.1\r\nHost: h\r\nConnection: ${name}\r\nX-Request-Id: q\r\n${framing}\r\n\r\n${body}`,
    );
    const request = await (await rig.replica.next()).request();
    assert.equal(headersOf(request, name).length, 1);
    assert.equal(request.body, 'abc');
  });
}

test('hop-by-hop response headers, and those that Connection names, are removed', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  (await rig.replica.next()).send(
    ok(
      'x',
      'Connection: X-One, keep-alive\r\nX-One: 1\r\nKeep-Alive: timeout=3\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nX-Kept: 1\r\n',
    ),
  );
  const response = await client.response();
  for (const name of ['x-one', 'keep-alive', 'proxy-connection', 'upgrade', 'connection'])
    assert.deepEqual(headersOf(response, name), [], name);
  assert.equal(headerOf(response, 'x-kept'), '1');
  assert.equal(response.body, 'x');
});

test("a replica's Connection: close closes only its own connection", async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(() => ok('x', 'Connection: close\r\n'));
  const client = await rig.client();
  client.send(get('/'));
  assert.deepEqual(headersOf(await client.response(), 'connection'), []);
  client.send(get('/'));
  assert.equal((await client.response()).body, 'x');
  assert.equal(rig.replica.connections.length, 2);
  assert.equal(rig.replica.connections[0]!.isEnded, true);
});

test("a client's Connection: close closes only its own connection", async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const first = await rig.client();
  first.send(get('/', 'Connection: close\r\n'));
  assert.equal(headerOf(await first.response(), 'connection'), 'close');
  await first.over();
  const second = await rig.client();
  second.send(get('/'));
  await second.response();
  assert.equal(rig.replica.connections.length, 1);
});

test('TE: trailers goes on for this hop, in no other form', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/', 'TE: gzip;q=0.5, trailers\r\nConnection: TE\r\n'));
  const request = await (await rig.replica.next()).request();
  assert.deepEqual(headersOf(request, 'te'), ['trailers']);
  assert.deepEqual(headersOf(request, 'connection'), ['TE']);
});

test('Upgrade without Connection: Upgrade is ignored', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/', 'Upgrade: websocket\r\n'));
  const replica = await rig.replica.next();
  assert.deepEqual(headersOf(await replica.request(), 'upgrade'), []);
  replica.send(ok('fine'));
  assert.equal((await client.response()).body, 'fine');
  client.send(get('/next'));
  assert.match((await replica.request()).startLine, /next/);
});
