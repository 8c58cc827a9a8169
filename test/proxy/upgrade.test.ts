/** Switching protocols: a tunnel both ways. RFC 9110 section 7.8, RFC 6455 sections 4 and 7. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Flood } from '../helpers/proxy-flood.ts';
import { get, headerOf, headersOf, ok, statusOf } from '../helpers/proxy-message.ts';
import type { Peer } from '../helpers/proxy-peer.ts';
import { Rig, type RigSettings } from '../helpers/proxy-rig.ts';

const UPGRADE = get(
  '/chat',
  'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n',
);
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

async function tunnel(
  t: TestContext,
  settings: RigSettings = {},
): Promise<{ rig: Rig; client: Peer; replica: Peer }> {
  const rig = await Rig.open(t, settings);
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(SWITCHED);
  assert.equal(statusOf(await client.response()), 101);
  return { rig, client, replica };
}

test('an upgrade reaches the replica with what it needs, and 101 the client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  const request = await replica.request();
  assert.deepEqual(headersOf(request, 'upgrade'), ['websocket']);
  assert.deepEqual(
    headersOf(request, 'connection').map((value) => value.toLowerCase()),
    ['upgrade'],
  );
  assert.equal(headerOf(request, 'sec-websocket-key'), 'dGhlIHNhbXBsZSBub25jZQ==');
  replica.send(SWITCHED);
  const response = await client.response();
  assert.deepEqual(headersOf(response, 'upgrade'), ['websocket']);
  assert.match(headerOf(response, 'connection') ?? '', /^upgrade$/i);
  assert.equal(headerOf(response, 'sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test('bytes pass both ways, whatever they are', async (t) => {
  const { client, replica } = await tunnel(t);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1');
  client.send(bytes);
  assert.equal(await replica.takeBytes(256), bytes);
  replica.send(bytes);
  assert.equal(await client.takeBytes(256), bytes);
  client.send(get('/not-a-request'));
  assert.equal(await replica.take('\r\n\r\n'), get('/not-a-request'));
});

test('what the replica says in the same packet as 101 reaches the client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(`${SWITCHED}early`);
  await client.response();
  assert.equal(await client.takeBytes(5), 'early');
});

test('what the client says in the same packet as its request reaches the replica after 101', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${UPGRADE}early`);
  const replica = await rig.replica.next();
  await replica.head();
  replica.send(SWITCHED);
  assert.equal(await replica.takeBytes(5), 'early');
  await client.response();
  client.send('later');
  assert.equal(await replica.takeBytes(5), 'later');
});

test('what the client says before 101 but after its request reaches the replica in order', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${UPGRADE}one `);
  const replica = await rig.replica.next();
  await replica.head();
  client.send('two ');
  replica.send(SWITCHED);
  await client.response();
  client.send('three');
  assert.equal(await replica.takeBytes(13), 'one two three');
});

test('the client s half-close reaches the replica, whose rest still reaches the client', async (t) => {
  const { rig, client, replica } = await tunnel(t);
  client.send('last');
  client.end();
  assert.equal(await replica.over(), 'last');
  replica.send('answer');
  assert.equal(await client.takeBytes(6), 'answer');
  replica.end();
  await client.closed();
  await rig.settled();
});

test('the replica s half-close reaches the client, whose rest still reaches the replica', async (t) => {
  const { rig, client, replica } = await tunnel(t);
  replica.send('last');
  replica.end();
  assert.equal(await client.over(), 'last');
  client.send('answer');
  assert.equal(await replica.takeBytes(6), 'answer');
  client.end();
  await replica.closed();
  await rig.settled();
});

for (const [end, other] of [
  ['client', 'replica'],
  ['replica', 'client'],
] as const) {
  test(`a reset of the ${end} closes the other end, and harms nobody else`, async (t) => {
    const ends = await tunnel(t);
    ends[end].reset();
    await ends[other].over();
    await ends.rig.settled();
    ends.rig.replica.serve();
    const next = await ends.rig.client();
    next.send(get('/'));
    assert.equal((await next.response()).body, 'hello');
  });

  test(`the ${end} that goes while the other is being written to frees both`, async (t) => {
    const ends = await tunnel(t);
    ends[end].pause();
    await new Flood(ends[other], 32 << 20).stalled();
    ends[end].reset();
    await ends[other].over();
    await ends.rig.settled();
  });

  test(`a slow ${end} makes the balancer stop reading from the other end`, async (t) => {
    const ends = await tunnel(t);
    ends[end].pause();
    ends[end].isKept = false;
    const taken = await new Flood(ends[other], 64 << 20).stalled();
    assert.ok(taken < 24 << 20, `${taken} bytes`);
    const before = ends[end].bytes;
    ends[end].resume();
    await ends[end].until('all of it', () => ends[end].bytes - before >= 64 << 20);
  });
}

test('a tunnel counts as a request in flight until it ends', async (t) => {
  const { rig, client, replica } = await tunnel(t);
  assert.equal(rig.inFlight, 1);
  client.close();
  await replica.over();
  replica.close();
  await rig.settled();
});

test('a tunnel without a byte either way for idle-timeout is closed at both ends', async (t) => {
  const { rig, client, replica } = await tunnel(t, { idleTimeoutMs: 400 });
  const ticking = setInterval(() => rig.advance(100), 100);
  t.after(() => clearInterval(ticking));
  await Promise.all([client.over(), replica.over()]);
  await rig.settled();
});

test('a byte either way keeps a tunnel open', async (t) => {
  const { rig, client, replica } = await tunnel(t, { idleTimeoutMs: 1000 });
  for (let count = 0; count < 8; count++) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    rig.advance(250);
    replica.send('x');
    await client.takeBytes(1);
  }
  assert.equal(replica.isEnded, false);
});

test('a refusal is passed on as an ordinary answer, and the connection closed or usable', async (t) => {
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

test('a refusal with a chunked body of a megabyte reaches the client whole', async (t) => {
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

test('what a client sent early is never taken for a request after a refusal', async (t) => {
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

test('a client that leaves before 101 frees everything', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  client.close();
  await replica.over();
  await rig.settled();
});

test('a replica that goes before 101 is answered for with 502', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  replica.close();
  assert.equal(statusOf(await client.response()), 502);
  await rig.settled();
});

test('an upgrade waits in the queue like any request, with what it said early', async (t) => {
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

test('a second request on a connection may be the one that switches', async (t) => {
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

test('what the replica says last reaches the client before the tunnel closes', async (t) => {
  const { rig, client, replica } = await tunnel(t);
  client.isKept = false;
  const before = client.bytes;
  replica.send(Buffer.alloc(4 << 20));
  replica.end();
  await client.until('all of it', () => client.bytes - before === 4 << 20);
  client.end();
  await rig.settled();
});
