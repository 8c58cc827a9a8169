/** Several requests on one connection before their responses. RFC 9112 section 9.3.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, post, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

test('pipelined requests get their responses in order', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((request) => ok(request.startLine.split(' ')[1]!));
  const client = await rig.client();
  const paths = Array.from({ length: 50 }, (_, i) => `/${i}`);
  client.send(paths.map((path) => get(path)).join(''));
  for (const path of paths) assert.equal((await client.response()).body, path);
  await rig.settled();
});

test('slow response is not overtaken by a fast one behind it', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const [slow, quick] = rig.replicas;
  quick!.serve(() => ok('quick'));
  const client = await rig.client();
  client.send(get('/slow', rig.ownedBy(0)) + get('/quick', rig.ownedBy(1)));
  const replica = await slow!.next();
  await replica.request();
  assert.equal(client.received, '');
  replica.send(ok('slow'));
  assert.equal((await client.response()).body, 'slow');
  assert.equal((await client.response()).body, 'quick');
});

test('a request behind a non-idempotent one waits for its response', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(post('/one', 'abc') + post('/two', 'def'));
  const first = await rig.replica.next();
  await first.request();
  // a second one under way would show up in far less than this
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(rig.inFlight, 1, 'RFC 9112 section 9.3.2: only safe methods may be processed in parallel');
  first.send(ok('one'));
  assert.equal((await client.response()).body, 'one');
  rig.replica.serve(() => ok('two'));
  assert.equal((await client.response()).body, 'two');
});

test('bodies of pipelined requests do not mix', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((request) => ok(`${request.startLine.split(' ')[1]}=${request.body}`));
  const client = await rig.client();
  client.send(
    post('/1', 'one') +
      get('/2') +
      'POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\n' +
      post('/4', '') +
      post('/5', 'five'),
  );
  for (const body of ['/1=one', '/2=', '/3=three', '/4=', '/5=five'])
    assert.equal((await client.response()).body, body);
});

test('requests sent byte by byte are parsed alike', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((request) => ok(`${request.startLine.split(' ')[1]}=${request.body}`));
  const client = await rig.client();
  for (const byte of post('/1', 'one') + get('/2') + post('/3', 'three')) {
    client.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const body of ['/1=one', '/2=', '/3=three']) assert.equal((await client.response()).body, body);
});

test('a failed pipelined request does not affect the others', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, retries: 0 });
  rig.place(0, { host: '127.0.0.1', port: 1 });
  rig.replicas[1]!.serve(() => ok('fine'));
  const client = await rig.client();
  client.send(get('/fails', rig.ownedBy(0)) + get('/works', rig.ownedBy(1)));
  assert.equal(statusOf(await client.response()), 502);
  assert.equal((await client.response()).body, 'fine');
});

test('a cut behind a response leaves that whole', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const client = await rig.client();
  client.send(get('/slow', rig.ownedBy(0)) + get('/cut', rig.ownedBy(1)));
  const slow = await rig.replicas[0]!.next();
  await slow.request();
  slow.send('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
  await client.take('half');
  const cut = rig.replicas[1]!.connections[0];
  // where requests are taken one at a time it has not been sent
  if (cut !== undefined) {
    cut.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    await eventually('both are under way', () => rig.inFlight === 2);
    cut.close();
    await cut.closed();
  }
  slow.send('rest');
  assert.equal(await client.takeBytes(4), 'rest');
});

test('pipelined HEAD, 204 and 304 responses are kept apart', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((request) => {
    if (request.startLine.startsWith('HEAD')) return 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';
    if (request.startLine.includes('/204')) return 'HTTP/1.1 204 No Content\r\n\r\n';
    if (request.startLine.includes('/304')) return 'HTTP/1.1 304 Not Modified\r\n\r\n';
    return ok('body');
  });
  const client = await rig.client();
  client.send(`HEAD / HTTP/1.1\r\nHost: a\r\n\r\n${get('/204')}${get('/304')}${get('/')}`);
  assert.equal(statusOf(await client.response(true)), 200);
  assert.equal(statusOf(await client.response()), 204);
  assert.equal(statusOf(await client.response()), 304);
  assert.equal((await client.response()).body, 'body');
});

test('thousands of pipelined requests are not all sent at once', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(() => undefined);
  const client = await rig.client();
  client.send(get('/').repeat(5000));
  await eventually('some are under way', () => rig.inFlight > 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(rig.inFlight + rig.waiting <= 300, `${rig.inFlight} in flight, ${rig.waiting} wait`);
  client.close();
  // a client that is not read is seen to have left when it is written to
  rig.advance(rig.options.responseTimeoutMs + 1000);
  await rig.settled();
});

test('a thousand pipelined requests all get responses', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/').repeat(1000));
  for (let count = 0; count < 1000; count++) assert.equal((await client.response()).body, 'hello');
});

/** What may come behind a request that is still being answered, and the statuses that may follow its own. */
const BEHIND: readonly (readonly [string, string])[] = [
  ['an upgrade', get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\n')],
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'],
  ['an unknown expectation', get('/', 'Expect: magic\r\n')],
  [
    'Expect: 100-continue',
    'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc',
  ],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'],
  ['a request without Host', 'GET / HTTP/1.1\r\n\r\n'],
  ['a target that is too long', get(`/${'x'.repeat(20_000)}`)],
  ['a head that is too long', get('/', `X: ${'x'.repeat(80_000)}\r\n`)],
  ['no HTTP', 'nonsense\r\n\r\n'],
];
for (const [name, request] of BEHIND) {
  for (const isTogether of [true, false]) {
    test(`${name} behind a slow request, ${isTogether ? 'together' : 'later'}, leaves the first response whole`, async (t) => {
      const rig = await Rig.open(t);
      const client = await rig.client();
      client.send(isTogether ? get('/slow') + request : get('/slow'));
      const replica = await rig.replica.next();
      await replica.request();
      if (!isTogether) client.send(request);
      replica.send('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      assert.equal(statusOf(await client.head()), 200);
      assert.equal(await client.takeBytes(4), 'half');
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(client.received, '');
      rig.replica.serve();
      replica.send('rest');
      assert.equal(await client.takeBytes(4), 'rest');
      const next = await client.response();
      if (name === 'an upgrade' || name.startsWith('Expect: 100')) assert.equal(next.body, 'hello');
      else assert.ok([400, 414, 417, 431, 501, 505].includes(statusOf(next)), next.startLine);
      await rig.settled();
    });
  }
}

test('a client that disconnects with a pipelined upgrade frees everything', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/slow') + get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
  const replica = await rig.replica.next();
  await replica.request();
  client.close();
  await replica.over();
  await rig.settled();
});

test('a pipelined upgrade becomes a tunnel in its turn', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${get('/slow')}${get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\n')}early`);
  const slow = await rig.replica.next();
  await slow.request();
  slow.send(ok('slow'));
  assert.equal((await client.response()).body, 'slow');
  const replica = await rig.replica.next();
  await replica.head();
  replica.send('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  assert.equal(statusOf(await client.response()), 101);
  assert.equal(await replica.takeBytes(5), 'early');
});

/** Requests whose body can never be whole, behind one that is still being answered. */
const HALF: readonly (readonly [string, string, boolean])[] = [
  ['that ends half-way', 'POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf', true],
  [
    'of chunks that ends half-way',
    'POST /half HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    true,
  ],
  [
    'with a broken chunk',
    'POST /half HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n',
    false,
  ],
];
for (const [name, request, isEnded] of HALF) {
  test(`a body ${name} behind a slow request holds up nothing`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/slow'));
    const replica = await rig.replica.next();
    await replica.request();
    client.send(request);
    if (isEnded) client.end();
    replica.send(ok('slow'));
    // a client that has ended its side may count as gone
    const answer = await client.response().catch(() => undefined);
    if (!isEnded) assert.equal(answer?.body, 'slow');
    await rig.settled();
    await client.over();
    assert.match(client.received, /^(HTTP\/1\.1 400 .*)?$/s);
    for (const connection of rig.replica.connections)
      assert.doesNotMatch(connection.received, /\r\n0\r\n\r\n/);
  });
}
