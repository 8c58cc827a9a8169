import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, post, statusOf } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { Rig, type RigSettings } from '../helpers/proxy/rig.ts';
import { message, ntlm } from './ntlm-replica.ts';

/** A request in each form in which requests are read: from its bytes, by Node's parser, by Node's server. */
const FORMS: Readonly<Record<string, (headers: string) => string>> = {
  'a plain request': (headers) => get('/', headers),
  "one for Node's parser": (headers) => `GET / HTTP/1.1\r\nHost:  a\r\n${headers}\r\n`,
  "one for Node's server": (headers) => `PROPFIND / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`,
  'one with a body': (headers) => post('/', 'x'.repeat(10_000), headers),
  'a chunked one': (headers) =>
    `POST / HTTP/1.1\r\nHost: a\r\n${headers}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
};

type Make = (headers: string) => string;
const plain: Make = (headers) => get('/', headers);

async function answerTo(client: Peer, request: string): Promise<string> {
  client.send(request);
  const response = await client.response();
  return `${statusOf(response)} ${response.body}`;
}

/** All of the handshake; the client is `user` afterwards. */
async function logIn(client: Peer, user: string, make: Make = plain, headers = ''): Promise<void> {
  assert.equal(await answerTo(client, make(headers)), '401 no');
  assert.equal(await answerTo(client, make(headers + message('type1'))), '401 no');
  assert.equal(await answerTo(client, make(headers + message(`type3-${user}`))), `200 you are ${user}`);
}

async function openRig(t: Parameters<typeof Rig.open>[0], settings: RigSettings = {}): Promise<Rig> {
  const rig = await Rig.open(t, settings);
  for (const replica of rig.replicas) replica.serve(ntlm());
  return rig;
}

for (const [form, make] of Object.entries(FORMS)) {
  test(`nobody else is served on a connection that was authenticated: ${form}`, async (t) => {
    const rig = await openRig(t);
    const alice = await rig.client();
    await logIn(alice, 'alice', make);
    const stranger = await rig.client();
    assert.equal(await answerTo(stranger, make('')), '401 no');
    assert.equal(await answerTo(alice, make('')), '200 you are alice');
    alice.close();
    await eventually('the connection of alice closed', () => rig.replica.open === 1);
    assert.equal(await answerTo(await rig.client(), make('')), '401 no');
  });
}

test('a connection is pinned from the first challenge on', async (t) => {
  const rig = await openRig(t);
  const [alice, bob] = [await rig.client(), await rig.client()];
  assert.equal(await answerTo(alice, plain('')), '401 no');
  assert.equal(await answerTo(alice, plain(message('type1'))), '401 no');
  assert.equal(await answerTo(bob, plain(message('type3-bob'))), '401 no');
  assert.equal(await answerTo(alice, plain(message('type3-alice'))), '200 you are alice');
});

test('a connection is pinned by credentials alone', async (t) => {
  const rig = await Rig.open(t);
  const users = new WeakMap<Peer, string>();
  rig.replica.serve((request, peer) => {
    if (request.head.includes('Negotiate ticket')) users.set(peer, 'alice');
    return ok(users.get(peer) ?? 'nobody');
  });
  const [alice, stranger] = [await rig.client(), await rig.client()];
  assert.equal(await answerTo(alice, plain(message('ticket', 'Negotiate'))), '200 alice');
  assert.equal(await answerTo(stranger, plain('')), '200 nobody');
  assert.equal(await answerTo(alice, plain('')), '200 alice');
});

for (const offer of [
  'Negotiate',
  'nEGOTIATE',
  'Basic realm="a, b", NTLM',
  'Negotiate, Basic realm="x"',
  'Basic realm="x"\r\nWWW-Authenticate: NTLM',
  'Negotiate oYG1MIG=\r\nX-Other: 1',
  'Digest realm="x",nonce="y",  ntlm',
]) {
  test(`a challenge is found in ${JSON.stringify(offer)}`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve(() => `HTTP/1.1 401 No\r\nWWW-Authenticate: ${offer}\r\nContent-Length: 0\r\n\r\n`);
    for (let count = 1; count <= 2; count++) {
      const client = await rig.client();
      client.send(get('/'));
      await client.response();
      client.send(get('/'));
      await client.response();
      assert.equal(rig.replica.connections.length, count);
    }
  });
}

test('a proxy behind us that authenticates connections is understood too', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(() => 'HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n');
  for (let count = 1; count <= 2; count++) {
    const client = await rig.client();
    client.send(get('/'));
    await client.response();
    assert.equal(rig.replica.connections.length, count);
  }
});

for (const [headers, challenge] of [
  ['Authorization: Basic abc\r\n', 'Basic realm="NTLM, Negotiate"'],
  ['Authorization: Bearer NTLM\r\n', 'Bearer scope=negotiate'],
  ['Authorization: Negotiator x\r\n', 'Digest realm=x, NTLMv9 a=b, qop="x, NTLM"'],
] as const) {
  test(`connections are shared where requests are authenticated: ${challenge}`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve(() => `HTTP/1.1 401 No\r\nWWW-Authenticate: ${challenge}\r\nContent-Length: 0\r\n\r\n`);
    for (let count = 0; count < 3; count++) {
      const client = await rig.client();
      client.send(get('/', headers));
      assert.equal(statusOf(await client.response()), 401);
    }
    assert.equal(rig.replica.connections.length, 1);
  });
}

test('requests of authenticated client go to its replica regardless of load', async (t) => {
  const rig = await openRig(t, { replicas: 3, loadFactor: 1.25, maxInFlight: 2 });
  const alice = await rig.client();
  await logIn(alice, 'alice', plain, rig.ownedBy(0));
  for (const ordinal of [1, 2])
    assert.equal(await answerTo(alice, plain(rig.ownedBy(ordinal))), '200 you are alice');
  // as many in flight as the replica may have
  rig.table.setState(1, 'unhealthy');
  rig.table.setState(2, 'unhealthy');
  rig.replicas[0]!.serve((request, peer) =>
    request.head.includes('wait') ? undefined : ntlmAgain(request, peer, 1),
  );
  const others = [await rig.client(), await rig.client()];
  for (const other of others) other.send(get('/wait'));
  await eventually('two in flight', () => rig.inFlight === 2);
  alice.send(get('/'));
  await alice.response();
  assert.equal(rig.inFlight, 2);
});
const ntlmAgain = ntlm();

test('pipelined requests of an authenticated client stay on its connection', async (t) => {
  const rig = await openRig(t);
  const alice = await rig.client();
  await logIn(alice, 'alice');
  alice.send(plain('').repeat(5));
  for (let count = 0; count < 5; count++) assert.equal((await alice.response()).body, 'you are alice');
  assert.equal(rig.replica.connections.length, 1);
});

test('a pipelined handshake is one user; HTTP/1.0 clients leave nothing', async (t) => {
  const rig = await openRig(t);
  const alice = await rig.client();
  const old = (headers: string): string => `GET / HTTP/1.0\r\nConnection: keep-alive\r\n${headers}\r\n`;
  alice.send(old('') + old(message('type1')) + old(message('type3-alice')));
  for (const status of [401, 401, 200]) assert.equal(statusOf(await alice.response()), status);
  const last = await rig.client();
  last.send(`GET / HTTP/1.0\r\n${message('type1')}\r\n`);
  assert.equal(statusOf(await last.response()), 401);
  await last.over();
  last.close();
  alice.close();
  await eventually('no connection to the replica', () => rig.replica.open === 0);
});

test('many clients in parallel are each themselves', async (t) => {
  const rig = await openRig(t, { replicas: 3 });
  const users = Array.from({ length: 40 }, (_, number) => `user${number}`);
  const clients = await Promise.all(users.map(() => rig.client()));
  await Promise.all(clients.map((client, number) => logIn(client, users[number]!)));
  const strangers = await Promise.all(users.map(() => rig.client()));
  for (let round = 0; round < 5; round++) {
    const asked = clients.map((client) => answerTo(client, plain('')));
    const refused = strangers.map((stranger) => answerTo(stranger, plain('')));
    assert.deepEqual(
      await Promise.all(asked),
      users.map((user) => `200 you are ${user}`),
    );
    assert.deepEqual(
      await Promise.all(refused),
      users.map(() => '401 no'),
    );
  }
  await rig.settled();
});

test('pinned connections take no capacity from others, and are counted', async (t) => {
  const rig = await openRig(t, { maxInFlight: 2 });
  const users = await Promise.all([0, 1, 2, 3].map(() => rig.client()));
  for (const [number, user] of users.entries()) await logIn(user, `user${number}`);
  rig.tick();
  assert.deepEqual(rig.counts().replicas[0]?.connections, { idle: 4, busy: 0, connecting: 0 });
  assert.equal(await answerTo(await rig.client(), plain('')), '401 no');
  rig.replica.serve(() => undefined);
  users[0]!.send(plain(''));
  await eventually('one in flight', () => rig.inFlight === 1);
  rig.tick();
  assert.deepEqual(rig.counts().replicas[0]?.connections, { idle: 4, busy: 1, connecting: 0 });
});

test('a pinned connection stays while its client does', async (t) => {
  const rig = await openRig(t);
  const alice = await rig.client();
  await logIn(alice, 'alice');
  rig.advance(30_000);
  assert.equal(await answerTo(alice, plain('')), '200 you are alice');
});

test("a pinned connection is closed before the replica's own limit", async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(ntlm({ headers: 'Keep-Alive: timeout=5\r\n' }));
  const alice = await rig.client();
  await logIn(alice, 'alice');
  rig.advance(3500);
  assert.equal(await answerTo(alice, plain('')), '200 you are alice');
  rig.advance(4000);
  await eventually('no connection', () => rig.replica.open === 0);
  assert.equal(await answerTo(alice, plain('')), '401 no');
});

test('after its end the client authenticates on another connection', async (t) => {
  const rig = await openRig(t);
  const alice = await rig.client();
  await logIn(alice, 'alice');
  rig.replica.connections[0]!.close();
  await rig.replica.connections[0]!.closed();
  assert.equal(await answerTo(alice, plain('')), '401 no');
  await logIn(alice, 'alice');
});

test('a safe request on a pinned connection that closes is repeated', async (t) => {
  const rig = await openRig(t);
  const alice = await rig.client();
  await logIn(alice, 'alice');
  const serve = ntlm();
  rig.replica.serve((request, peer, count) => {
    if (peer !== rig.replica.connections[0]) return serve(request, peer, count);
    peer.close();
    return undefined;
  });
  assert.equal(await answerTo(alice, plain('')), '401 no');
  assert.equal(rig.inFlight, 0);
});

for (const [what, end] of [
  ['is drained', (rig: Rig) => rig.setState(0, 'draining')],
  ['is unhealthy', (rig: Rig) => rig.setState(0, 'unhealthy')],
  ['has lost its instance', (rig: Rig) => rig.vacate(0)],
] as const) {
  test(`the next request goes elsewhere when the replica ${what}`, async (t) => {
    const rig = await openRig(t, { replicas: 2 });
    const alice = await rig.client();
    await logIn(alice, 'alice', plain, rig.ownedBy(0));
    end(rig);
    assert.equal(await answerTo(alice, plain(rig.ownedBy(0))), '401 no');
    assert.equal(rig.replicas[1]!.requests.length, 1);
    await eventually('no connection to the first', () => rig.replicas[0]!.open === 0);
    await logIn(alice, 'alice', plain, rig.ownedBy(0));
  });
}

test('a client that disconnects within a response closes its pinned connection', async (t) => {
  const rig = await openRig(t);
  const alice = await rig.client();
  await logIn(alice, 'alice');
  rig.replica.serve(() => 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
  alice.send(plain(''));
  await alice.take('half');
  alice.close();
  await eventually('no connection to the replica', () => rig.replica.open === 0);
  await rig.settled();
});

test('a response that ends its connection is no trouble', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((_request, peer) => {
    peer.send('HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    peer.end();
    return undefined;
  });
  const alice = await rig.client();
  for (let count = 0; count < 3; count++) {
    alice.send(plain(''));
    assert.equal(statusOf(await alice.response()), 401);
  }
});

test('requests to the control plane use no pinned connection', async (t) => {
  const rig = await openRig(t);
  rig.admin.serve(() => ok('names'));
  const alice = await rig.client();
  await logIn(alice, 'alice');
  assert.equal(await answerTo(alice, get('/rep', message('type1'))), '200 names');
  assert.equal(await answerTo(alice, plain('')), '200 you are alice');
  assert.equal(await answerTo(await rig.client(), get('/rep')), '200 names');
  assert.equal(rig.admin.connections.length, 1);
});
