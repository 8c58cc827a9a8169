/** Requests that a worker passes to the control plane: they carry the client's address, and nobody can forge it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, headerOf, headersOf, ok, post } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const MARK = 'x-ringlb-peer';
const MINE = 'of-this-start 127.0.0.1';

test("the control plane gets the peer's address, behind the secret", async (t) => {
  const rig = await Rig.open(t);
  rig.admin.serve(() => ok('admin'));
  const client = await rig.client();
  client.send(get('/rep') + post('/add', '{"n":1}') + get('http://a.example/rm'));
  for (let count = 0; count < 3; count++) await client.response();
  assert.deepEqual(
    rig.admin.requests.map((request) => headersOf(request, MARK)),
    [[MINE], [MINE], [MINE]],
  );
});

for (const forged of [
  'X-Ringlb-Peer: of-this-start 10.0.0.1\r\n',
  'x-ringlb-peer: x\r\nX-RINGLB-PEER: y\r\n',
  `Connection: ${MARK}\r\n`,
  `Connection: close, ${MARK}\r\nx-ringlb-peer: x\r\n`,
  'X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n',
]) {
  test(`a client cannot change that with ${JSON.stringify(forged)}`, async (t) => {
    const rig = await Rig.open(t, { trustedProxies: ['127.0.0.1'] });
    rig.admin.serve(() => ok('admin'));
    const client = await rig.client();
    client.send(post('/add', '{"n":1}', forged));
    await client.response();
    assert.deepEqual(
      rig.admin.requests.map((request) => headersOf(request, MARK)),
      [[MINE]],
    );
  });
}

for (const path of [
  '/replicas',
  '/healthz',
  '/rep/../replicas',
  '//rep',
  '/%72ep',
  '/REP',
  '/rep/',
  '/rep;a',
  '/add%2f',
]) {
  test(`${path} goes to a replica`, async (t) => {
    const rig = await Rig.open(t);
    rig.admin.serve(() => ok('admin'));
    rig.replica.serve(() => ok('replica'));
    const client = await rig.client();
    client.send(get(path) + get(`http://a.example${path}`));
    assert.equal((await client.response()).body, 'replica');
    assert.equal((await client.response()).body, 'replica');
    assert.equal(rig.admin.requests.length, 0);
  });
}

for (const target of ['/rep', '/add', '/rm?dry-run', '/scale', 'http://a.example/rep']) {
  test(`${target} goes to a replica where these paths are the application's`, async (t) => {
    const rig = await Rig.open(t, { publicAdmin: false });
    rig.admin.serve(() => ok('admin'));
    rig.replica.serve(() => ok('replica'));
    const client = await rig.client();
    client.send(post(target, '{"n":1}', 'x-ringlb-peer: of-this-start 127.0.0.1\r\n') + get(target));
    assert.equal((await client.response()).body, 'replica');
    assert.equal((await client.response()).body, 'replica');
    assert.equal(rig.admin.requests.length, 0);
    assert.equal(rig.replica.requests[0]!.body, '{"n":1}');
  });
}

test("the body of a change may contain the header's name", async (t) => {
  const rig = await Rig.open(t);
  rig.admin.serve(() => ok('admin'));
  const client = await rig.client();
  const inner = 'GET /replicas HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const chunk = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
  client.send(`POST /add HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`);
  client.send(post('/add', inner) + get('/rep'));
  for (let count = 0; count < 3; count++) await client.response();
  assert.deepEqual(
    rig.admin.requests.map(({ startLine, body }) => [startLine, body]),
    [
      ['POST /add HTTP/1.1', inner],
      ['POST /add HTTP/1.1', inner],
      ['GET /rep HTTP/1.1', ''],
    ],
  );
});

test('a replica gets its own token and not the peer header', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/home', 'Authorization: Bearer of-the-site\r\n'));
  await client.response();
  const [request] = rig.replica.requests;
  assert.equal(headerOf(request!, 'authorization'), 'Bearer of-the-site');
  assert.equal(headerOf(request!, MARK), undefined);
});
