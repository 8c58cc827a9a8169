/** Switching protocols after a request with a body, and what is left of a refused one. RFC 9110 sections 7.8, 15.5.22. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, headerOf, headersOf, type Message, ok, post, statusOf } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const TCP = 'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n';
const HEAD = 'POST /exec/1/start HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n';
const JSON_BODY = '{"Detach":false,"Tty":true}';

/** A request to switch with a body, and the body that its replica reads. */
const REQUESTS: Readonly<Record<string, readonly [string, string]>> = {
  'Content-Length: 0': [`${HEAD}Content-Length: 0\r\n\r\n`, ''],
  'a body of a length': [`${HEAD}Content-Length: ${JSON_BODY.length}\r\n\r\n${JSON_BODY}`, JSON_BODY],
  'a body in chunks': [
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n1;a\r\n!\r\n0\r\n\r\n`,
    'hello!',
  ],
  'no body': [`${HEAD}\r\n`, ''],
};

/** Switches, and says so; then gives back what it hears, in upper case. */
async function switching(rig: Rig): Promise<{ request: Message; replica: Peer }> {
  const replica = await rig.replica.next();
  const request = await replica.request();
  replica.send(TCP);
  return { request, replica };
}

async function assertTunnel(client: Peer, replica: Peer): Promise<void> {
  client.send('from the client');
  assert.equal(await replica.takeBytes(15), 'from the client');
  replica.send('from the replica');
  assert.equal(await client.takeBytes(16), 'from the replica');
}

for (const [what, [wire, body]] of Object.entries(REQUESTS)) {
  test(`a POST with ${what} switches protocols, its body first`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(wire);
    const { request, replica } = await switching(rig);
    assert.equal(request.body, body);
    assert.deepEqual(headersOf(request, 'upgrade'), ['tcp']);
    assert.deepEqual(headersOf(request, 'connection'), ['Upgrade']);
    const answer = await client.response();
    assert.equal(answer.startLine, 'HTTP/1.1 101 UPGRADED');
    assert.deepEqual(headersOf(answer, 'upgrade'), ['tcp']);
    await assertTunnel(client, replica);
    client.end();
    await replica.over();
    replica.end();
    await rig.settled();
  });

  for (const [place, before] of Object.entries({
    'the first': '',
    'after an upload': post('/up', 'body'),
    'after an upload in chunks': post('/up', '4\r\nbody\r\n0\r\n\r\n').replace(
      /Content-L.*/,
      'Transfer-Encoding: chunked',
    ),
  }))
    test(`a POST with ${what} that switches may be cut anywhere: ${place}`, async (t) => {
      const rig = await Rig.open(t);
      rig.replica.serve((request, connection) => {
        if (!request.startLine.includes('/exec')) return ok('before');
        assert.equal(request.body, body);
        return TCP + connection.received.toUpperCase();
      });
      const step = before === '' ? 1 : 3;
      for (let cut = 1; cut <= wire.length; cut += step) {
        const client = await rig.client();
        client.send(before + wire.slice(0, cut));
        await new Promise(setImmediate);
        client.send(wire.slice(cut));
        if (before !== '') assert.equal((await client.response()).body, 'before');
        assert.equal(statusOf(await client.response()), 101, `cut at ${cut}`);
        client.close();
      }
    });

  test(`bytes behind a POST with ${what} reach the replica after 101`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(`${wire}early`);
    const { request, replica } = await switching(rig);
    assert.equal(request.body, body);
    assert.equal(await replica.takeBytes(5), 'early');
    await client.response();
    await assertTunnel(client, replica);
  });

  test(`a refused POST with ${what} keeps its connection`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve((request) =>
      request.startLine.includes('/exec')
        ? 'HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno'
        : ok(request.body),
    );
    const client = await rig.client();
    for (let count = 0; count < 2; count++) {
      client.send(wire);
      const answer = await client.response();
      assert.deepEqual(
        [statusOf(answer), answer.body, headerOf(answer, 'connection')],
        [409, 'no', undefined],
      );
      client.send(post('/next', 'x'.repeat(count === 0 ? 10 : 1_000_000)));
      assert.equal((await client.response()).body.length, count === 0 ? 10 : 1_000_000);
    }
    assert.deepEqual(headersOf(rig.replica.requests.at(-1)!, 'upgrade'), []);
    await rig.settled();
  });
}

test('replica that switches early first gets the rest of the body', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
  const replica = await rig.replica.next();
  await replica.take('hello\r\n');
  replica.send(`${TCP}already`);
  assert.equal(statusOf(await client.response()), 101);
  assert.equal(await client.takeBytes(7), 'already');
  client.send('6 \r\n world\r\n0\r\n\r\nraw');
  assert.equal(await replica.takeBytes(19), '6\r\n world\r\n0\r\n\r\nraw');
  await assertTunnel(client, replica);
});

test('a large body is paced by a replica that has switched', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  const body = 'x'.repeat(16 << 20);
  client.send(`${HEAD}Content-Length: ${body.length}\r\n\r\n`);
  const replica = await rig.replica.next();
  await replica.head();
  replica.send(TCP);
  await client.response();
  client.send(`${body}raw`);
  assert.equal(await replica.takeBytes(body.length + 3), `${body}raw`);
  await assertTunnel(client, replica);
});

// where the last piece of a body ends decides whether the replica takes it at once: several lengths meet both
for (const extraKiB of [0, 128, 256, 384])
  test(`bytes behind body reach a slow replica: 8 MiB, ${extraKiB} KiB`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    const body = 'x'.repeat((8 << 20) + extraKiB * 1024);
    client.send(`${HEAD}Content-Length: ${body.length}\r\n\r\n`);
    const replica = await rig.replica.next();
    await replica.head();
    replica.send(TCP);
    await client.response();
    replica.socket.pause();
    client.send(`${body}raw`);
    await client.until('everything that can be sent', () => client.socket.writableNeedDrain);
    // one read at a time, so that more is always on its way than the kernel takes
    const readOne = (): void => {
      replica.socket.pause();
      setImmediate(() => replica.socket.resume());
    };
    replica.socket.on('data', readOne);
    replica.socket.resume();
    assert.equal((await replica.takeBytes(body.length + 3)).slice(-4), 'xraw');
    replica.socket.off('data', readOne);
    replica.socket.resume();
    await assertTunnel(client, replica);
  });

test('an endless body keeps no tunnel once its client closes', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${HEAD}Content-Length: 10\r\n\r\nhalf`);
  const replica = await rig.replica.next();
  await replica.take('half');
  replica.send(TCP);
  await client.response();
  client.close();
  await replica.over();
  await rig.settled();
});

test('an upgrade with a body may wait for 100', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(`${HEAD}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`);
  const replica = await rig.replica.next();
  const head = await replica.head();
  assert.deepEqual([headerOf(head, 'expect'), headerOf(head, 'upgrade')], ['100-continue', 'tcp']);
  replica.send('HTTP/1.1 100 Continue\r\n\r\n');
  assert.equal(statusOf(await client.response()), 100);
  client.send('hello');
  assert.equal(await replica.takeBytes(5), 'hello');
  replica.send(TCP);
  assert.equal(statusOf(await client.response()), 101);
  await assertTunnel(client, replica);
});

for (const [lines, wanted] of [
  ['Upgrade: h2c, websocket\r\n', 'websocket'],
  ['Upgrade: websocket, h2c\r\n', 'websocket'],
  ['Upgrade: h2c\r\nUpgrade: websocket\r\n', 'websocket'],
  ['Upgrade: websocket\r\nUpgrade: h2c\r\n', 'websocket'],
  ['Upgrade: SPDY/3.1\r\nupgrade: , websocket ,\r\n', 'SPDY/3.1, websocket'],
] as const)
  test(`${JSON.stringify(lines)} requests ${wanted}`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/', `Connection: keep-alive\r\n${lines}Connection: HTTP2-Settings, Upgrade\r\n`));
    const { request, replica } = await switching(rig);
    assert.deepEqual(headersOf(request, 'upgrade'), [wanted]);
    assert.equal(statusOf(await client.response()), 101);
    await assertTunnel(client, replica);
  });

test('426 keeps its Upgrade, and its connection', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(
    () => 'HTTP/1.1 426 Upgrade Required\r\nUpgrade: HTTP/3.0, websocket\r\nContent-Length: 2\r\n\r\nno',
  );
  const client = await rig.client();
  for (const [bytes, connection] of [
    [get('/'), 'Upgrade, keep-alive'],
    [`${HEAD}Content-Length: 0\r\n\r\n`, 'Upgrade, keep-alive'],
    [get('/', 'Connection: close\r\n'), 'Upgrade, close'],
  ] as const) {
    client.send(bytes);
    const answer = await client.response();
    assert.equal(statusOf(answer), 426);
    assert.deepEqual(headersOf(answer, 'upgrade'), ['HTTP/3.0, websocket']);
    assert.deepEqual(headersOf(answer, 'connection'), [connection]);
    assert.equal(answer.body, 'no');
  }
});

test('other responses do not advertise protocols', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(() => ok('x', 'Upgrade: h2,h2c\r\nConnection: Upgrade\r\n'));
  const client = await rig.client();
  client.send(get('/'));
  const answer = await client.response();
  assert.deepEqual([headersOf(answer, 'upgrade'), headersOf(answer, 'connection')], [[], []]);
});

test('the body of a request that becomes a tunnel counts as bytes from the client', async (t) => {
  const rig = await Rig.open(t, { accessLog: 'json' });
  const client = await rig.client();
  client.send(post('/', 'x'.repeat(1000), 'Connection: Upgrade\r\nUpgrade: echo\r\n'));
  const replica = await rig.replica.next();
  const { head } = await replica.request();
  replica.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await client.response();
  client.send('12345');
  await replica.takeBytes(5);
  client.end();
  replica.end();
  await rig.settled();
  rig.tick();
  const { bytesIn } = JSON.parse(rig.logged) as { bytesIn: number };
  assert.equal(bytesIn, head.length + 1000 + 5);
  assert.equal(rig.counts().replicas[0]?.bytesIn, bytesIn);
});
