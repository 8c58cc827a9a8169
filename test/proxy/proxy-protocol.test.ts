/** Connections from a proxy that says in the PROXY protocol whose they are. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { failureOf, get, headerOf, statusOf } from '../helpers/proxy/message.ts';
import { proxyV1, proxyV2 } from '../helpers/proxy/proxy-headers.ts';
import { Rig, type RigSettings } from '../helpers/proxy/rig.ts';

const TRUSTED: RigSettings = { proxyProtocol: true, trustedProxies: ['127.0.0.1'] };

async function served(t: TestContext, settings: RigSettings = {}): Promise<Rig> {
  const rig = await Rig.open(t, { ...TRUSTED, ...settings });
  rig.replica.serve();
  return rig;
}

async function forwardedFor(rig: Rig, pieces: readonly (string | Buffer)[]): Promise<string | undefined> {
  const client = await rig.client();
  for (const piece of pieces) {
    client.send(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(statusOf(await client.response()), 200);
  return headerOf(rig.replica.requests.at(-1)!, 'x-forwarded-for');
}

for (const parser of ['fast', 'node'] as const) {
  test(`takes the client's address from version 1, read by ${parser}`, async (t) => {
    const rig = await served(t, { parser });
    assert.equal(await forwardedFor(rig, [proxyV1('192.0.2.1') + get('/')]), '192.0.2.1');
    assert.equal(await forwardedFor(rig, [proxyV1('192.0.2.2'), get('/')]), '192.0.2.2');
  });

  test(`takes the client's address from version 2, read by ${parser}`, async (t) => {
    const rig = await served(t, { parser });
    const head = Buffer.from(get('/'));
    assert.equal(await forwardedFor(rig, [Buffer.concat([proxyV2('2001:db8::1'), head])]), '2001:db8::1');
    assert.equal(await forwardedFor(rig, [proxyV2('192.0.2.1'), head]), '192.0.2.1');
  });

  test(`serves many requests behind one header, read by ${parser}`, async (t) => {
    const rig = await served(t, { parser });
    const client = await rig.client();
    client.send(proxyV1('192.0.2.1') + get('/a') + get('/b'));
    for (let count = 0; count < 2; count++) assert.equal(statusOf(await client.response()), 200);
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`);
    assert.equal(statusOf(await client.response()), 200);
    assert.equal(rig.replica.requests[2]!.body.length, 200_000);
  });
}

test('reads a header that comes byte by byte', async (t) => {
  const rig = await served(t);
  const bytes = Buffer.concat([proxyV2('192.0.2.1', { extra: Buffer.alloc(9) }), Buffer.from(get('/'))]);
  assert.equal(
    await forwardedFor(
      rig,
      Array.from(bytes, (byte) => Buffer.of(byte)),
    ),
    '192.0.2.1',
  );
});

test("takes a health check's connection for the proxy's own", async (t) => {
  const rig = await served(t);
  const local = proxyV2('192.0.2.1', { command: 0 });
  assert.equal(await forwardedFor(rig, [local, get('/')]), '127.0.0.1');
  assert.equal(await forwardedFor(rig, [`PROXY UNKNOWN\r\n${get('/')}`]), '127.0.0.1');
});

test('closes what begins with no header, without a response', async (t) => {
  const rig = await served(t);
  for (const start of [get('/'), 'PROXY TCP4 nonsense\r\n', Buffer.of(13, 10, 13, 10, 1)]) {
    const client = await rig.client();
    client.send(start);
    assert.equal(await client.over(), '');
  }
  assert.equal(rig.replica.requests.length, 0);
  assert.equal(rig.counts().threads.failuresByCode.get('bad-proxy-header'), 3);
});

test('closes a connection whose header does not come in time', async (t) => {
  const rig = await served(t, { headerTimeoutMs: 5000 });
  const client = await rig.client();
  client.send('PROXY TCP4 192.0.2.1');
  assert.equal(await rig.elapse(client.over()), '');
});

test('closes a connection that ends before its header', async (t) => {
  const rig = await served(t);
  const client = await rig.client();
  client.send('PROXY TCP4');
  client.end();
  await client.over();
});

test('serves addresses that are not trusted without a header', async (t) => {
  const rig = await served(t, { trustedProxies: ['192.0.2.7'] });
  assert.equal(await forwardedFor(rig, [get('/', 'X-Forwarded-For: 192.0.2.9\r\n')]), '127.0.0.1');
  const client = await rig.client();
  client.send(proxyV1('192.0.2.1') + get('/'));
  assert.equal(statusOf(await client.response()), 400);
});

test('believes headers of a client that is a trusted proxy itself', async (t) => {
  const rig = await served(t, { trustedProxies: ['127.0.0.1', '192.0.2.0/24'] });
  const named = get('/', 'X-Forwarded-For: 198.51.100.1\r\n');
  assert.equal(await forwardedFor(rig, [proxyV1('192.0.2.1') + named]), '198.51.100.1, 192.0.2.1');
  assert.equal(await forwardedFor(rig, [proxyV1('203.0.113.1') + named]), '203.0.113.1');
});

test("limits and logs by the client's address", async (t) => {
  const rig = await served(t, { rateLimit: 1, rateBurst: 1, accessLog: 'json', maxConnectionsPerClient: 1 });
  const ask = async (source: string): Promise<number> => {
    const client = await rig.client();
    client.send(proxyV1(source) + get('/'));
    const response = await client.response();
    client.close();
    await client.closed();
    return statusOf(response);
  };
  assert.deepEqual([await ask('192.0.2.1'), await ask('192.0.2.2')], [200, 200]);
  const [first, second] = [await rig.client(), await rig.client()];
  first.send(proxyV1('192.0.2.3') + get('/'));
  assert.equal(statusOf(await first.response()), 200);
  second.send(proxyV1('192.0.2.3') + get('/'));
  assert.match(failureOf(await second.response()), /connections/);
  first.send(get('/'));
  assert.match(failureOf(await first.response()), /Too many requests/);
  rig.tick();
  assert.deepEqual(
    [...rig.logged.matchAll(/"client":"([^"]*)"/g)].map(([, client]) => client),
    ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.3', '192.0.2.3'],
  );
});

test('connections awaiting their header count, and end with a drain', async (t) => {
  const rig = await served(t, { maxConnections: 2 });
  const waiting = [await rig.client(), await rig.client()];
  for (const client of waiting) client.send('PROXY');
  const third = await rig.client();
  assert.equal(statusOf(await third.response()), 503);
  await rig.drain();
  for (const client of waiting) await client.over();
});

test('a connection awaiting its header in a drain may bring a request', async (t) => {
  const rig = await served(t);
  const client = await rig.client();
  client.send('PROXY');
  const drained = rig.beginDrain();
  await rig.refusing();
  // by now a connection that has had a request would be closed
  rig.advance(1000);
  client.send(proxyV1('192.0.2.1').slice('PROXY'.length) + get('/'));
  assert.equal(statusOf(await client.response()), 200);
  await rig.elapse(drained);
});
