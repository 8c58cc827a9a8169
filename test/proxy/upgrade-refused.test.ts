/** Upgrade requests that are refused, or wait. RFC 9110 section 7.8. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, headerOf, headersOf, ok, post, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { pathOf, SWITCHED, tunnel, UPGRADE } from '../helpers/proxy/scenes.ts';

test('a refused upgrade is passed on, its connection closed or kept', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: no\r\n\r\nno');
  const response = await client.response();
  assert.equal(statusOf(response), 403);
  assert.equal(response.body, 'no');
  assert.equal(headerOf(response, 'x-why'), 'no');
  if (headerOf(response, 'connection') === 'close') await client.over();
  await rig.settled();
});

test('a refusal with a chunked megabyte reaches the client whole', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  const body = 'x'.repeat(1 << 20);
  replica.send(
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
  );
  assert.equal((await client.response()).body, body);
  await rig.settled();
});

test('bytes sent early are never parsed as request after a refusal', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(UPGRADE + get('/smuggled'));
  const replica = await rig.replica.next();
  await replica.head();
  replica.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  assert.equal((await client.response()).body, 'no');
  await rig.settled();
  rig.replica.serve();
  if (!client.isEnded) await client.over();
  assert.equal(rig.replica.requests.length, 0);
  assert.doesNotMatch(replica.received, /smuggled/);
});

test('an upgrade whose replica refuses the connection goes to another', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  rig.place(0, { host: '127.0.0.1', port: 1 });
  const client = await rig.client();
  client.send(UPGRADE.replace('\r\n\r\n', `\r\n${rig.ownedBy(0)}\r\n`));
  const replica = await rig.replicas[1]!.next();
  await replica.request();
  replica.send(SWITCHED);
  assert.equal(statusOf(await client.response()), 101);
});

test('a client that disconnects before 101 frees everything', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  client.close();
  await replica.over();
  await rig.settled();
});

test('a replica that closes before 101 gives 502', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  replica.close();
  assert.equal(statusOf(await client.response()), 502);
  await rig.settled();
});

test('an upgrade queues like any request, with its early bytes', async (t) => {
  const rig = await Rig.open(t, { maxInFlight: 1 });
  const first = await rig.client();
  first.send(get('/'));
  const busy = await rig.replica.next();
  await busy.request();
  const client = await rig.client();
  client.send(`${UPGRADE}early`);
  while (rig.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  busy.send(ok('done'));
  const replica = await rig.replica.next();
  await replica.head();
  replica.send(SWITCHED);
  assert.equal(await replica.takeBytes(5), 'early');
});

test('another protocol than WebSocket tunnels too', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/', 'Connection: Upgrade\r\nUpgrade: tcp\r\n'));
  const replica = await rig.replica.next();
  assert.deepEqual(headersOf(await replica.request(), 'upgrade'), ['tcp']);
  replica.send('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
  assert.equal(statusOf(await client.response()), 101);
  client.send('raw');
  assert.equal(await replica.takeBytes(3), 'raw');
});

test('an HTTP/1.0 request cannot switch protocols', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const replica = await rig.replica.next();
  assert.deepEqual(headersOf(await replica.request(), 'upgrade'), []);
  replica.send(ok('plain'));
  assert.equal((await client.response()).body, 'plain');
});

test('the second request on a connection may upgrade', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((request, connection) => {
    if (!request.startLine.includes('/chat')) return ok('plain');
    connection.send(SWITCHED);
    return undefined;
  });
  const client = await rig.client();
  client.send(get('/'));
  assert.equal((await client.response()).body, 'plain');
  client.send(UPGRADE);
  assert.equal(statusOf(await client.response()), 101);
});

test("the replica's last bytes reach the client before the tunnel closes", async (t) => {
  const { rig, client, replica } = await tunnel(t);
  client.isKept = false;
  const before = client.bytes;
  replica.send(Buffer.alloc(4 << 20));
  replica.end();
  await client.until('all of it', () => client.bytes - before === 4 << 20);
  client.end();
  await rig.settled();
});

for (const protocols of ['h2c', 'h2c, h2c/2', 'H2C', 'h2c\r\nUpgrade: h2c', '', ',']) {
  test(`an upgrade to ${JSON.stringify(protocols)} is ignored`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve();
    const client = await rig.client();
    const lines = `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocols}\r\nHTTP2-Settings: AAMAAABk\r\n`;
    client.send(get('/', lines) + post('/body', 'body', lines) + get('/pipelined'));
    for (let count = 0; count < 3; count++) assert.equal(statusOf(await client.response()), 200);
    assert.deepEqual(
      rig.replica.requests.map(({ startLine, body }) => `${pathOf(startLine)} ${body}`),
      ['/ ', '/body body', '/pipelined '],
    );
    for (const name of ['upgrade', 'connection', 'http2-settings'])
      assert.deepEqual(headersOf(rig.replica.requests[0]!, name), []);
    client.send(get('/next'));
    assert.equal(statusOf(await client.response()), 200);
  });
}
