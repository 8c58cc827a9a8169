/** A client that disconnects at any stage frees everything: lease, place in the queue, the replica's connection. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flood } from '../helpers/proxy/flood.ts';
import { get, ok, post } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const WAYS: readonly (readonly [string, (client: Peer) => void])[] = [
  ['closes', (client) => client.close()],
  ['resets', (client) => client.reset()],
];

for (const [way, leave] of WAYS) {
  test(`a client that ${way} within its head leaves nothing behind`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send('GET / HTTP/1.1\r\nHost: a\r\nX-');
    leave(client);
    await rig.drain();
    assert.equal(rig.replica.connections.length, 0);
  });

  test(`a client that ${way} before the response cancels its request`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    await replica.request();
    assert.equal(rig.inFlight, 1);
    leave(client);
    await replica.over();
    await rig.settled();
    assert.deepEqual(rig.reports, []);
  });

  test(`client that ${way} while the replica is connecting leaves no request`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    leave(client);
    await rig.settled();
    rig.replica.serve();
    const other = await rig.client();
    other.send(get('/other'));
    assert.equal((await other.response()).body, 'hello');
    await rig.settled();
  });

  test(`a client that ${way} within its body aborts the request`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf');
    const replica = await rig.replica.next();
    await replica.take('half');
    leave(client);
    await replica.over();
    await rig.settled();
    assert.deepEqual(rig.reports, []);
  });

  test(`a client that ${way} within a chunked body never completes it`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
    const replica = await rig.replica.next();
    await replica.take('half');
    leave(client);
    assert.doesNotMatch(await replica.over(), /0\r\n\r\n/);
    await rig.settled();
  });

  test(`a client that ${way} within the response closes the replica's connection`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    replica.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    await client.take('half');
    leave(client);
    await replica.over();
    await rig.settled();
    assert.deepEqual(rig.reports, []);
  });

  test(`client that ${way} while its response is paused frees the replica`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.pause();
    client.send(get('/'));
    const replica = await rig.replica.next();
    replica.send('HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n');
    while (replica.send(Buffer.alloc(1 << 20)) && !replica.isClosed);
    leave(client);
    await replica.closed();
    await rig.settled();
  });

  test(`a client that ${way} with several requests under way frees all`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/1') + get('/2') + get('/3'));
    const replica = await rig.replica.next();
    await replica.request();
    leave(client);
    await replica.over();
    await rig.settled();
    for (const connection of rig.replica.connections) if (connection.bytes > 0) await connection.over();
  });

  test(`a client that ${way} between requests keeps the replica's connection`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve();
    const client = await rig.client();
    client.send(get('/'));
    await client.response();
    leave(client);
    const other = await rig.client();
    other.send(get('/'));
    await other.response();
    assert.equal(rig.replica.connections.length, 1);
  });
}

test('half-closing after a request gets a response, or counts as gone', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  client.end();
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(ok('late'));
  await client.over();
  assert.match(client.received, /^(HTTP\/1\.1 200 .*late)?$/s);
  await rig.settled();
});

test('a client that half-closes within its body aborts the request', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf');
  const replica = await rig.replica.next();
  await replica.take('half');
  client.end();
  await replica.over();
  await rig.settled();
  await client.over();
});

test('response that its client abandoned does not reach the next client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/gone'));
  const replica = await rig.replica.next();
  await replica.request();
  client.close();
  replica.send(ok('gone'));
  await rig.settled();
  replica.received = '';
  rig.replica.serve(() => ok('fresh'));
  const other = await rig.client();
  other.send(get('/'));
  assert.equal((await other.response()).body, 'fresh');
});

test('a POST is not sent again after its client disconnects', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const client = await rig.client();
  client.send(post('/', 'abc', rig.ownedBy(0)));
  const replica = await rig.replicas[0]!.next();
  await replica.request();
  client.close();
  await replica.over();
  await rig.settled();
  assert.equal(rig.replicas[1]!.connections.length, 0);
});

test('a client that disconnects during a paused upload frees the replica', async (t) => {
  const rig = await Rig.open(t, { idleTimeoutMs: 2000 });
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 << 20}\r\n\r\n`);
  const replica = await rig.replica.next();
  await replica.head();
  replica.pause();
  await new Flood(client, 64 << 20).stalled();
  client.reset();
  rig.advance(2200);
  await rig.settled();
  replica.isKept = false;
  replica.resume();
  await replica.over();
  assert.deepEqual(rig.reports, []);
});

test('a client that disconnects with a second request behind frees both', async (t) => {
  const rig = await Rig.open(t, { responseTimeoutMs: 2000 });
  const client = await rig.client();
  client.send(get('/slow'));
  const replica = await rig.replica.next();
  await replica.request();
  client.send(`POST /next HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 << 20}\r\n\r\n`);
  await new Flood(client, 64 << 20).stalled();
  client.reset();
  rig.advance(2200);
  await rig.settled();
  await replica.over();
});
