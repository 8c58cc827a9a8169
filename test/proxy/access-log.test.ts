/** The access-log lines of requests that pass through a worker. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, headerOf, ok, post } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { REFUSING, Rig, type RigSettings } from '../helpers/proxy/rig.ts';
import { SWITCHED, UPGRADE } from '../helpers/proxy/scenes.ts';

type Line = Readonly<Record<string, unknown>>;

async function logged(t: { after(run: () => unknown): void }, settings: RigSettings = {}) {
  const rig = await Rig.open(t, { accessLog: 'json', ...settings });
  const client = await rig.client();
  const lines = (): readonly Line[] => {
    rig.tick();
    return rig.logged
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  };
  return { rig, client, lines };
}

test('the line of a request has client, target, times and bytes', async (t) => {
  const { rig, client, lines } = await logged(t);
  rig.replica.serve();
  client.send(post('/a?b=c', '12345', 'X-Request-Id: my-id\r\n'));
  const answer = await client.response();
  const [line, ...more] = lines();
  assert.equal(more.length, 0);
  const { time, connectMs, firstByteMs, totalMs, ...rest } = line!;
  assert.deepEqual(rest, {
    requestId: 'my-id',
    client: '127.0.0.1',
    method: 'POST',
    path: '/a?b=c',
    status: 200,
    replica: 'S1',
    attempts: 1,
    queueMs: 0,
    bytesIn: rig.replica.requests[0]!.head.length + 5,
    bytesOut: answer.head.length + answer.body.length,
    ended: 'whole',
  });
  assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
  assert.ok(Number(connectMs) > 0 && Number(firstByteMs) >= Number(connectMs));
  assert.ok(Number(totalMs) >= Number(firstByteMs));
});

test('logged request id is the one that replica and client see', async (t) => {
  const { rig, client, lines } = await logged(t);
  rig.replica.serve();
  client.send(get('/'));
  const answer = await client.response();
  const [line] = lines();
  assert.equal(line?.requestId, headerOf(answer, 'x-request-id'));
  assert.equal(line?.requestId, headerOf(rig.replica.requests[0]!, 'x-request-id'));
});

test('a reused connection takes no time to connect', async (t) => {
  const { rig, client, lines } = await logged(t);
  rig.replica.serve();
  for (let times = 0; times < 2; times++) {
    client.send(get('/'));
    await client.response();
  }
  assert.equal(lines()[1]?.connectMs, 0);
});

test('line of retried request has its attempts and its last replica', async (t) => {
  const { rig, client, lines } = await logged(t, { replicas: 2 });
  rig.replicas[1]!.serve();
  rig.place(0, REFUSING);
  client.send(get('/', rig.ownedBy(0)));
  await client.response();
  const [line] = lines();
  assert.deepEqual([line?.replica, line?.attempts], ['S2', 2]);
});

test('line of a balancer failure has its code and no replica', async (t) => {
  const { rig, client, lines } = await logged(t);
  rig.setState(0, 'unhealthy');
  client.send(get('/'));
  await rig.elapse(client.response());
  const { status, replica, attempts, firstByteMs, ended, error } = lines()[0]!;
  assert.deepEqual(
    { status, replica, attempts, firstByteMs, ended, error },
    { status: 503, replica: null, attempts: 0, firstByteMs: null, ended: 'balancer', error: 'none-eligible' },
  );
  assert.ok(Number(lines()[0]!.queueMs) > 0);
});

test('client that disconnects before the response is logged as its end', async (t) => {
  const { rig, client, lines } = await logged(t);
  client.send(get('/'));
  await (await rig.replica.next()).request();
  client.close();
  await rig.settled();
  const { status, replica, ended } = lines()[0]!;
  assert.deepEqual({ status, replica, ended }, { status: null, replica: 'S1', ended: 'client' });
});

test('response that the replica cuts is logged as ended by it', async (t) => {
  const { rig, client, lines } = await logged(t);
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  await client.head();
  replica.close();
  await client.over();
  const { status, ended } = lines()[0]!;
  assert.deepEqual({ status, ended }, { status: 200, ended: 'replica' });
});

test('a tunnel is logged at its end, with all its bytes', async (t) => {
  const { rig, client, lines } = await logged(t);
  client.send(UPGRADE);
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(SWITCHED);
  await client.response();
  assert.deepEqual(lines(), []);
  client.send('x'.repeat(1000));
  await replica.takeBytes(1000);
  client.close();
  replica.close();
  await rig.settled();
  const [line, ...more] = lines();
  assert.deepEqual([line?.status, more.length], [101, 0]);
  assert.ok(Number(line?.bytesIn) > 1000);
});

for (const [ended, end] of [
  ['client', ({ client }) => client.reset()],
  ['replica', ({ replica }) => replica.reset()],
  ['balancer', ({ rig }) => rig.thread.active.tunnels.goAway(0, 0, 0)],
  [
    'whole',
    ({ client, replica }) => {
      client.end();
      replica.end();
    },
  ],
] as readonly (readonly [string, (ends: { rig: Rig; client: Peer; replica: Peer }) => void])[]) {
  test(`the line of a tunnel says how it ended: ${ended}`, async (t) => {
    const { rig, client, lines } = await logged(t);
    client.send(get('/', 'Connection: Upgrade\r\nUpgrade: echo\r\n'));
    const replica = await rig.replica.next();
    await replica.request();
    replica.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    await client.response();
    end({ rig, client, replica });
    await rig.settled();
    assert.equal(lines()[0]?.ended, ended);
  });
}

test('a refused request is logged as well, parsed or not', async (t) => {
  const { client, lines } = await logged(t);
  client.send('GET /no-host HTTP/1.1\r\n\r\n');
  await client.response();
  const { path, status, error } = lines()[0]!;
  assert.deepEqual({ path, status, error }, { path: '/no-host', status: 400, error: 'bad-request' });
});

for (const [what, bytes, settings] of [
  ['is not HTTP', 'nonsense\r\n\r\n', {}],
  ['has no Host', 'GET / HTTP/1.1\r\n\r\n', {}],
  ['has too large a head', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`, {}],
  ['is too large', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n', { maxBodyBytes: 100 }],
] as const) {
  test(`what ${what} is logged and counted with the bytes of its response`, async (t) => {
    const { rig, client, lines } = await logged(t, settings);
    client.send(bytes);
    const response = await client.response();
    const sent = response.head.length + response.body.length;
    assert.equal(lines()[0]?.bytesOut, sent);
    assert.equal(rig.counts().own.bytesOut, sent);
  });
}

for (const [status, bytes] of [
  [431, `GET /a HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
  [414, `GET /a?${'x'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  [400, 'GET /a HTTP/1.1\r\nHost: a\r\nBad name: x\r\n\r\n'],
  [505, 'GET /a HTTP/3.0\r\nHost: a\r\n\r\n'],
] as const) {
  test(`a head that is refused by ${status} is logged with its request line`, async (t) => {
    const { client, lines } = await logged(t);
    client.send(bytes);
    await client.over();
    const [line] = lines();
    assert.deepEqual([line?.method, String(line?.path).slice(0, 2), line?.status], ['GET', '/a', status]);
  });
}

test('a head that is refused behind another request is logged with its own request line', async (t) => {
  const { rig, client, lines } = await logged(t);
  rig.replica.serve();
  client.send(`${get('/first')}GET /second HTTP/1.1\r\nHost: a\r\nBad name: x\r\n\r\n`);
  await client.over();
  const found = lines().map(({ path, status }) => [path, status]);
  assert.deepEqual(found, [
    ['/first', 200],
    ['/second', 400],
  ]);
});

for (const [status, head, path] of [
  [501, 'CONNECT a:443 HTTP/1.1\r\nHost: a', 'a:443'],
  [501, 'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked', '/a'],
  [417, 'GET /a HTTP/1.1\r\nHost: a\r\nExpect: much', '/a'],
] as const) {
  test(`${head.slice(0, head.indexOf('\r'))}, which gets ${status}, is logged with its request line`, async (t) => {
    const { client, lines } = await logged(t);
    client.send(`${head}\r\n\r\n`);
    await client.over();
    const [line] = lines();
    assert.deepEqual([line?.path, line?.status], [path, status]);
  });
}

test('a head that does not come to its end is logged with what has come of its request line', async (t) => {
  const { rig, client, lines } = await logged(t, { headerTimeoutMs: 200 });
  client.send('GET /a HTTP/1.1\r\nHost: a\r\n');
  const ticking = setInterval(() => rig.advance(100), 100);
  t.after(() => clearInterval(ticking));
  await client.over();
  const [line] = lines();
  assert.deepEqual([line?.path, line?.status], ['/a', 408]);
});

test('what is not HTTP is a line without a request', async (t) => {
  const { client, lines } = await logged(t);
  client.send('nonsense\r\n\r\n');
  await client.over();
  const { client: address, method, path, status, ended } = lines()[0]!;
  assert.deepEqual(
    { address, method, path, status, ended },
    { address: '127.0.0.1', method: null, path: null, status: 400, ended: 'balancer' },
  );
});

test('quotes and backslashes in a request stay within their field', async (t) => {
  const { rig, client, lines } = await logged(t);
  rig.replica.serve();
  client.send(get('/"},{"x":"', 'X-Request-Id: "},{\\\r\n'));
  await client.response();
  const [line, ...more] = lines();
  assert.deepEqual([line?.path, line?.requestId, more.length], ['/"},{"x":"', '"},{\\', 0]);
  assert.match(rig.logged, /^[\x20-\x7e\n]+$/);
});

test('the logged client is the one that a trusted proxy names', async (t) => {
  const forwarded = 'X-Forwarded-For: 203.0.113.9\r\n';
  for (const [trustedProxies, expected] of [
    [['127.0.0.1'], '203.0.113.9'],
    [[], '127.0.0.1'],
  ] as const) {
    const { rig, client, lines } = await logged(t, { trustedProxies });
    rig.replica.serve();
    client.send(get('/', forwarded));
    await client.response();
    assert.equal(lines()[0]?.client, expected);
  }
});

test('only requests that the options select are logged', async (t) => {
  const { rig, client, lines } = await logged(t, { accessLogStatus: ['4xx'] });
  rig.replica.serve((_request, _peer, count) =>
    count === 1 ? ok('yes') : 'HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n',
  );
  for (let times = 0; times < 2; times++) {
    client.send(get('/'));
    await client.response();
  }
  assert.deepEqual(
    lines().map(({ status }) => status),
    [404],
  );
});

test('the combined format has agent and referer', async (t) => {
  const { rig, client } = await logged(t, { accessLog: 'combined' });
  rig.replica.serve();
  client.send(get('/', 'User-Agent: me/1\r\nREFERER: http://a.example/"x"\r\n'));
  await client.response();
  rig.tick();
  assert.match(
    rig.logged,
    /^127\.0\.0\.1 - - \[.*\] "GET \/ HTTP\/1\.1" 200 \d+ "http:\/\/a\.example\/\\"x\\"" "me\/1" /,
  );
});

test('nothing is logged while it is off', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/'));
  await client.response();
  rig.tick();
  assert.equal(rig.logged, '');
});

test('while nothing is written requests are served, and dropped lines counted', async (t) => {
  const { rig, client } = await logged(t);
  rig.replica.serve();
  const target = `/${'x'.repeat(16_000)}`;
  await eventually('a line that is dropped', async () => {
    client.send(get(target));
    await client.response();
    return rig.counts().threads.logDropped > 0;
  });
  rig.tick();
  assert.ok(rig.logged.length < 1_200_000);
  assert.equal(rig.counts().threads.logLines, rig.logged.split('\n').length - 1);
  rig.thread.access.log.written(rig.logged.length);
  client.send(get('/again'));
  await client.response();
  rig.tick();
  assert.match(rig.logged, /"path":"\/again"/);
});
