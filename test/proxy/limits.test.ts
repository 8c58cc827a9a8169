/** Limits on what a client may send and hold, each with its own response. RFC 9110 section 15.5, RFC 6585 section 5. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { eventually } from '../helpers/eventually.ts';
import { failureOf, get, headerOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

test('a head over the limit gets 431 as JSON and closes', async (t) => {
  const rig = await Rig.open(t, { maxHeadBytes: 16_384 });
  const client = await rig.client();
  client.send(get('/', `X-Long: ${'x'.repeat(20_000)}\r\n`));
  const response = await client.response();
  assert.equal(statusOf(response), 431);
  assert.equal(headerOf(response, 'connection'), 'close');
  assert.match(failureOf(response), /^<Error> /);
  assert.equal(await client.over(), '');
  assert.equal(rig.replica.connections.length, 0);
});

test('a head just under the limit passes', async (t) => {
  const rig = await Rig.open(t, { maxHeadBytes: 16_384 });
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/', `X-Long: ${'x'.repeat(16_000)}\r\n`));
  assert.equal(statusOf(await client.response()), 200);
});

test('an endless head gets 431, and is not read for ever', async (t) => {
  const rig = await Rig.open(t, { maxHeadBytes: 16_384 });
  const client = await rig.client();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n');
  for (let count = 0; count < 40 && !client.isEnded; count++) {
    client.send(`X-${count}: ${'x'.repeat(1000)}\r\n`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(statusOf(await client.response()), 431);
});

test('client still sending a head far too long reads its 431', async (t) => {
  const rig = await Rig.open(t, { maxHeadBytes: 16_384 });
  const client = await rig.client();
  client.send(get('/', `X-Long: ${'x'.repeat(1_000_000)}\r\n`));
  assert.equal(statusOf(await client.response()), 431);
});

test('head over limit in a later packet gets 431, not 414', async (t) => {
  const rig = await Rig.open(t, { maxHeadBytes: 65_536, maxTargetBytes: 16_384 });
  const client = await rig.client();
  client.send('GET / HTTP/1.1\r\nHost: a\r\nX-Long: ');
  for (let count = 0; count < 10; count++) {
    await new Promise((resolve) => setImmediate(resolve));
    client.send('x'.repeat(10_000));
  }
  assert.equal(statusOf(await client.response()), 431);
});

test('too many headers get 431, and none is dropped', async (t) => {
  const rig = await Rig.open(t, { maxHeaders: 100 });
  rig.replica.serve();
  const client = await rig.client();
  const headers = (count: number): string =>
    Array.from({ length: count }, (_, i) => `X-${i}: 1\r\n`).join('');
  client.send(get('/', headers(99)));
  assert.equal(statusOf(await client.response()), 200);
  assert.ok(rig.replica.requests[0]!.pairs.filter(([name]) => /^X-\d/.test(name)).length === 99);
  client.send(get('/', headers(150)));
  const response = await client.response();
  assert.equal(statusOf(response), 431);
  assert.match(failureOf(response), /^<Error> /);
  assert.equal(rig.replica.requests.length, 1);
});

test('a target above the limit: 414 as JSON', async (t) => {
  const rig = await Rig.open(t, { maxTargetBytes: 8192 });
  rig.replica.serve();
  const client = await rig.client();
  client.send(get(`/${'a'.repeat(8191)}`));
  assert.equal(statusOf(await client.response()), 200);
  client.send(get(`/${'a'.repeat(8192)}`));
  const response = await client.response();
  assert.equal(statusOf(response), 414);
  assert.match(failureOf(response), /^<Error> /);
  assert.equal(rig.replica.requests.length, 1);
});

test('a target that alone is above the limit for heads: 414', async (t) => {
  const rig = await Rig.open(t, { maxHeadBytes: 16_384, maxTargetBytes: 8192 });
  const client = await rig.client();
  client.send(get(`/${'a'.repeat(20_000)}`));
  const response = await client.response();
  assert.equal(statusOf(response), 414);
  assert.equal(headerOf(response, 'connection'), 'close');
});

test('body declared over the limit gets 413, and is not forwarded', async (t) => {
  const rig = await Rig.open(t, { maxBodyBytes: 1000 });
  rig.replica.serve();
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(1000)}`);
  assert.equal(statusOf(await client.response()), 200);
  client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n');
  const response = await client.response();
  assert.equal(statusOf(response), 413);
  assert.equal(failureOf(response), '<Error> The request body is larger than 1000 bytes');
  assert.equal(headerOf(response, 'connection'), 'close');
  await rig.elapse(client.over());
  assert.equal(rig.replica.requests.length, 1);
});

test('chunked body growing over the limit gets 413, never forwarded whole', async (t) => {
  const rig = await Rig.open(t, { maxBodyBytes: 1000 });
  const client = await rig.client();
  client.send('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n');
  client.send(`${'x'.repeat(1000)}\r\n`);
  const replica = await rig.replica.next();
  await replica.until('what was sent', () => replica.received.includes('x'.repeat(1000)));
  client.send('1\r\nx\r\n0\r\n\r\n');
  assert.equal(statusOf(await client.response()), 413);
  assert.ok(!(await replica.over()).includes('0\r\n\r\n'));
  await rig.elapse(client.over());
  await rig.settled();
});

test('connections over the limit get 503 with Retry-After; logged once', async (t) => {
  const rig = await Rig.open(t, { maxConnections: 10 });
  rig.replica.serve();
  const kept = await Promise.all(Array.from({ length: 10 }, () => rig.client()));
  for (const client of kept) {
    client.send(get('/'));
    await client.response();
  }
  for (let count = 0; count < 5; count++) {
    const late = await rig.client();
    const response = await late.response();
    assert.equal(statusOf(response), 503);
    assert.match(headerOf(response, 'retry-after') ?? '', /^\d+$/);
    assert.match(failureOf(response), /^<Error> /);
    await late.over();
  }
  assert.deepEqual(rig.shedding, [true]);
  for (const client of kept) {
    client.send(get('/'));
    assert.equal(statusOf(await client.response()), 200);
  }
});

test('connections are accepted again when others have closed; logged once', async (t) => {
  const rig = await Rig.open(t, { maxConnections: 10 });
  rig.replica.serve();
  const kept = await Promise.all(Array.from({ length: 10 }, () => rig.client()));
  await (await rig.client()).response();
  for (const client of kept.slice(0, 5)) client.close();
  await eventually('room again', () => {
    rig.advance(1000);
    return rig.shedding.length === 2;
  });
  assert.deepEqual(rig.shedding, [true, false]);
  const next = await rig.client();
  next.send(get('/'));
  assert.equal(statusOf(await next.response()), 200);
});

test('a rejected client that has sent its request reads the 503', async (t) => {
  const rig = await Rig.open(t, { maxConnections: 1 });
  await rig.client();
  for (let count = 0; count < 20; count++) {
    const late = await rig.client();
    late.send(get('/', `X: ${'x'.repeat(10_000)}\r\n`));
    assert.equal(statusOf(await late.response()), 503);
  }
});

test('a rejected client that goes on sending reads the 503', async (t) => {
  const rig = await Rig.open(t, { maxConnections: 1 });
  await rig.client();
  const late = await rig.client();
  late.pause();
  await eventually('the rejection', () => rig.shedding.length === 1);
  for (let count = 0; count < 20; count++) {
    late.socket.write('x');
    await turn();
  }
  late.resume();
  assert.equal(statusOf(await late.response()), 503);
});

test('a rejected connection is closed after a moment', async (t) => {
  const rig = await Rig.open(t, { maxConnections: 1 });
  await rig.client();
  const late = await rig.client();
  await late.response();
  await late.over();
  await eventually('a reset', () => {
    rig.advance(100);
    late.socket.write('x');
    return late.isClosed;
  });
});

test('after a 4xx connection is kept where its state is known', async (t) => {
  const rig = await Rig.open(t, { maxTargetBytes: 8192 });
  rig.replica.serve(() => ok('next'));
  const client = await rig.client();
  client.send(get(`/${'a'.repeat(9000)}`) + get('/next'));
  const response = await client.response();
  assert.equal(statusOf(response), 414);
  if (headerOf(response, 'connection') === 'close') assert.equal(await client.over(), '');
  else assert.equal((await client.response()).body, 'next');
});

test('a failure sent before the body has come closes the connection', async (t) => {
  const rig = await Rig.open(t, { queueDepth: 0 });
  rig.setState(0, 'unhealthy');
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${get('/smuggled').length}\r\n\r\n`);
  const response = await client.response();
  assert.equal(statusOf(response), 503);
  client.send(get('/smuggled'));
  if (headerOf(response, 'connection') !== 'close') {
    // the body is read and dropped: what follows it is the next request
    client.send(get('/next'));
    assert.equal(statusOf(await client.response()), 503);
    assert.equal(client.received, '');
  } else assert.equal(await client.over(), '');
});

test('a client within a large upload reads its failure', async (t) => {
  const rig = await Rig.open(t, { queueDepth: 0 });
  rig.setState(0, 'unhealthy');
  for (let count = 0; count < 10; count++) {
    const client = await rig.client();
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${1 << 20}\r\n\r\n`);
    client.send(Buffer.alloc(1 << 20));
    assert.equal(statusOf(await client.response()), 503);
  }
});

test('hundreds of idle connections do not delay the timeouts of others', async (t) => {
  const rig = await Rig.open(t, { queueDepth: 500 });
  rig.replica.serve();
  const clients = await Promise.all(Array.from({ length: 500 }, () => rig.client()));
  await Promise.all(
    clients.map(async (client) => {
      client.send(get('/'));
      assert.equal((await client.response()).body, 'hello');
    }),
  );
  assert.ok(rig.replica.connections.length <= rig.options.maxInFlight);
  await rig.settled();
});

test('clients that keep sending after an error read the error', async (t) => {
  const rig = await Rig.open(t, { maxHeadBytes: 16_384 });
  const mistakes: readonly (readonly [string, number])[] = [
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(2_000_000)}\r\n\r\n`, 431],
    [`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\n${'x'.repeat(2_000_000)}`, 400],
    [`POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n${'x'.repeat(2_000_000)}`, 400],
    [`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n${'x'.repeat(2_000_000)}`, 400],
    [
      `POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 2000000\r\n\r\n${'x'.repeat(2_000_000)}`,
      417,
    ],
  ];
  for (let round = 0; round < 4; round++) {
    for (const [bytes, status] of mistakes) {
      const client = await rig.client();
      client.send(bytes);
      assert.equal(statusOf(await client.response()), status, bytes.slice(0, 60));
      client.close();
    }
  }
});

/** A client whose upload was answered 503 after its head. */
async function answeredEarly(t: TestContext) {
  const rig = await Rig.open(t, { queueDepth: 0 });
  rig.setState(0, 'unhealthy');
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${1 << 30}\r\n\r\n`);
  assert.equal(statusOf(await client.response()), 503);
  await client.over();
  return { rig, client };
}

test('a client that keeps sending after its last response is read', async (t) => {
  const { rig, client } = await answeredEarly(t);
  for (let second = 0; second < 20; second++) {
    client.send('x'.repeat(100_000));
    await eventually('it is read', () => client.socket.writableLength === 0);
    await new Promise((resolve) => setTimeout(resolve, 10));
    rig.advance(1000);
  }
  assert.equal(client.errno, '');
  rig.advance(5000);
  await eventually('the connection is closed for good', () => {
    client.send('and here');
    return client.isClosed;
  });
});

test('input after the last response is read only for a while', async (t) => {
  const { rig, client } = await answeredEarly(t);
  let seconds = 0;
  await eventually('the connection is closed for good', () => {
    client.send('still here');
    rig.advance(1000);
    seconds++;
    return client.isClosed;
  });
  assert.ok(seconds >= 5, `closed after ${seconds} s`);
});

for (const [kind, start] of [
  ['is not HTTP', 'no HTTP at all\r\n\r\n'],
  ['has too long a head', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(70_000)}`],
  ['has a coding that is not known', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n'],
  ['asks for a tunnel', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'],
  ['has no Host', 'GET / HTTP/1.1\r\n\r\n'],
] as const) {
  test(`bytes behind a request that ${kind} are read, not reset`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(start);
    assert.ok(statusOf(await client.response()) >= 400);
    await client.over();
    for (let count = 0; count < 20; count++) {
      client.send('x'.repeat(100_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually('it is read', () => client.socket.writableLength === 0);
    assert.equal(client.errno, '');
    client.end();
    await client.closed();
    assert.equal(client.errno, '');
  });
}
