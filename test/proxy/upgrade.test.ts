/** Switching protocols: a tunnel both ways. RFC 9110 section 7.8, RFC 6455 sections 4 and 7. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flood } from '../helpers/proxy/flood.ts';
import { get, headerOf, headersOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { SWITCHED, tunnel, UPGRADE } from '../helpers/proxy/scenes.ts';

test('upgrade reaches the replica with its headers, and 101 the client', async (t) => {
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

test('bytes in the packet of 101 reach the client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(`${SWITCHED}early`);
  await client.response();
  assert.equal(await client.takeBytes(5), 'early');
});

test('bytes in packet of the request reach the replica after 101', async (t) => {
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

test('bytes between request and 101 reach the replica in order', async (t) => {
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

test("the client's half-close passes, and the replica's rest reaches it", async (t) => {
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

test("the replica's half-close passes, and the client's rest reaches it", async (t) => {
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
  test(`a reset of the ${end} closes the other end alone`, async (t) => {
    const ends = await tunnel(t);
    ends[end].reset();
    await ends[other].over();
    await ends.rig.settled();
    ends.rig.replica.serve();
    const next = await ends.rig.client();
    next.send(get('/'));
    assert.equal((await next.response()).body, 'hello');
  });

  test(`${end} that closes while the other is written to frees both`, async (t) => {
    const ends = await tunnel(t);
    ends[end].pause();
    await new Flood(ends[other], 32 << 20).stalled();
    ends[end].reset();
    await ends[other].over();
    await ends.rig.settled();
  });

  test(`a slow ${end} pauses reading from the other end`, async (t) => {
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

test('a tunnel silent for idle-timeout is closed at both ends', async (t) => {
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
