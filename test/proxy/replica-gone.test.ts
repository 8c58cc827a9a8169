/** A replica that disconnects within its response: the client sees a cut, never what looks whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, statusOf } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const WAYS: readonly (readonly [string, (replica: Peer) => void])[] = [
  ['ends', (replica) => replica.end()],
  ['resets', (replica) => replica.reset()],
];

for (const [way, leave] of WAYS) {
  test(`body that ${way} early is short at the client, and closes`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    replica.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    await client.take('half');
    leave(replica);
    assert.equal(await client.over(), '');
    await rig.settled();
  });

  test(`a chunked body that ${way} early has no last chunk`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    replica.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
    await client.take('half\r\n');
    leave(replica);
    assert.doesNotMatch(await client.over(), /0\r\n/);
    await rig.settled();
  });

  test(`chunked body that ${way} within a chunk has no last chunk`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    replica.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf');
    await client.take('half');
    leave(replica);
    assert.equal(await client.over(), '');
    await rig.settled();
  });

  test(`head and half a body before it ${way} are never whole`, async (t) => {
    const rig = await Rig.open(t, { retries: 0 });
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    await replica.request();
    replica.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    leave(replica);
    const text = await client.over();
    assert.ok(text === '' || text.startsWith('HTTP/1.1 502') || text.endsWith('\r\n\r\nhalf'), text);
    await rig.settled();
  });

  test(`HTTP/1.0 client sees a chunked body cut when it ${way} early`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send('GET / HTTP/1.0\r\n\r\n');
    const replica = await rig.replica.next();
    replica.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
    await client.take('half');
    leave(replica);
    await client.over();
    // a body that ends with its connection is whole when that ends well, so only a reset tells
    assert.equal(client.errno, 'ECONNRESET');
  });
}

test('a close-delimited body that is reset has no last chunk', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\n\r\nhalf');
  await client.take('half');
  replica.reset();
  assert.doesNotMatch(await client.over(), /0\r\n/);
  await rig.settled();
});

test('replica that closes without a response gives 502, the connection kept', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.close();
  assert.equal(statusOf(await client.response()), 502);
  rig.replica.serve();
  rig.setState(0, 'healthy');
  client.send(get('/'));
  assert.equal((await client.response()).body, 'hello');
});

test('an instance removed within its response cuts it', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
  await client.take('half');
  rig.vacate(0);
  assert.equal(await client.over(), '');
  await replica.over();
  await rig.settled();
});

test('a GET goes to the instance that replaced its own', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  rig.vacate(0);
  assert.equal(rig.inFlight, 0);
  assert.equal(rig.waiting, 1);
  rig.restore(0);
  const next = await rig.replica.next();
  await next.request();
  next.send(ok('healed'));
  assert.equal((await client.response()).body, 'healed');
  await rig.settled();
});

test('a cut does not affect another client', async (t) => {
  const rig = await Rig.open(t);
  const one = await rig.client();
  const two = await rig.client();
  one.send(get('/1'));
  const first = await rig.replica.next();
  await first.request();
  two.send(get('/2'));
  const second = await rig.replica.next();
  await second.request();
  first.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
  second.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
  await one.take('half\r\n');
  await two.take('half\r\n');
  first.close();
  await one.over();
  second.send('4\r\nrest\r\n0\r\n\r\n');
  await two.take('0\r\n\r\n');
});

test('nothing follows a cut on its connection', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/1'));
  const first = await rig.replica.next();
  first.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
  await client.take('half\r\n');
  client.send(get('/2'));
  first.close();
  assert.equal(await client.over(), '');
  await rig.settled();
});

for (const framing of ['Content-Length: 1000000', 'Transfer-Encoding: chunked']) {
  test(`what came before a cut reaches the client, ${framing}`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    await replica.request();
    const part = 'p'.repeat(200_000);
    const isChunked = framing.startsWith('Transfer');
    replica.send(
      `HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${isChunked ? `${part.length.toString(16)}\r\n${part}\r\n` : part}`,
    );
    replica.end();
    await client.over();
    const got = client.received.split('p').length - 1;
    assert.ok(got >= part.length, `${got} of ${part.length}`);
    assert.doesNotMatch(client.received, /\n0\r\n/);
  });
}

test('what came before a cut reaches a slow client too', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.isKept = false;
  client.pause();
  client.send(get('/'));
  const replica = await rig.replica.next();
  const part = 3 << 20;
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
  replica.send(Buffer.alloc(part));
  await eventually('all of it sent', () => replica.socket.writableLength === 0);
  replica.end();
  await eventually('the end is noticed', () => replica.isClosed || rig.inFlight === 0);
  client.resume();
  await client.over();
  assert.ok(client.bytes > part, `${client.bytes} of ${part}`);
});

test('a broken chunk in the packet of its head is a 502', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n');
  assert.equal(statusOf(await client.response()), 502);
  await replica.over();
  await rig.settled();
});
