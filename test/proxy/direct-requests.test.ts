/** Requests that are taken straight from Node's parser, and those that are not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type DirectRequest, takeDirectly } from '../../lib/proxy/direct-requests.ts';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, statusOf } from '../helpers/proxy-message.ts';
import { Peer } from '../helpers/proxy-peer.ts';
import { Rig } from '../helpers/proxy-rig.ts';

interface Stage {
  readonly server: Server;
  readonly port: number;
  /** What was taken, and what came the ordinary way, as method and target. */
  readonly direct: string[];
  readonly ordinary: string[];
  readonly requests: DirectRequest[];
  client(): Promise<Peer>;
}

/** Answers every request with how it came. */
async function stage(t: TestContext): Promise<Stage> {
  const direct: string[] = [];
  const ordinary: string[] = [];
  const requests: DirectRequest[] = [];
  const server = createServer((request, response) => {
    ordinary.push(`${request.method} ${request.url}`);
    request.resume();
    response.end('ordinary');
  });
  server.on('connection', (socket) =>
    takeDirectly(socket, (request, response) => {
      direct.push(`${request.method} ${request.url}`);
      requests.push(request);
      request.body?.resume();
      response.begin('keep-alive');
      response.end(ok('direct'.padEnd(200)));
    }),
  );
  server.on('upgrade', (request, socket) => {
    ordinary.push(`${request.method} ${request.url}`);
    socket.end();
  });
  server.on('connect', (request, socket) => {
    ordinary.push(`${request.method} ${request.url}`);
    socket.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const peers: Peer[] = [];
  t.after(() => {
    for (const peer of peers) peer.close();
    server.close();
  });
  const client = async (): Promise<Peer> => {
    const peer = await Peer.connect(port);
    peers.push(peer);
    return peer;
  };
  return { server, port, direct, ordinary, requests, client };
}

/** Has the name of every method been learnt. */
async function learn({ client }: Stage): Promise<void> {
  const peer = await client();
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    peer.send(`${method} / HTTP/1.1\r\nHost: h\r\n\r\n`);
    await peer.response(method === 'HEAD');
  }
}

test('Node tells of a head: what follows the first of a method is taken, as it came', async (t) => {
  const it = await stage(t);
  await learn(it);
  const client = await it.client();
  it.direct.length = 0;
  it.requests.length = 0;
  client.send('GET /a?b HTTP/1.1\r\nHost: h\r\nAccept: x\r\nX-Y: 1\r\nx-y: 2\r\n\r\n');
  assert.equal((await client.response()).body.trim(), 'direct');
  client.send('OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\nDELETE /c HTTP/1.0\r\n\r\n');
  await client.response();
  await client.response();
  assert.deepEqual(it.direct, ['GET /a?b', 'OPTIONS *', 'DELETE /c']);
  const [first, , last] = it.requests;
  assert.deepEqual(first!.rawHeaders, ['Host', 'h', 'Accept', 'x', 'X-Y', '1', 'x-y', '2']);
  assert.deepEqual([first!.httpVersion, last!.httpVersion], ['1.1', '1.0']);
});

const ORDINARY: readonly (readonly [string, string])[] = [
  [
    'a switch of protocols',
    'GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ],
  ['a tunnel', 'CONNECT x:1 HTTP/1.1\r\nHost: h\r\n\r\n'],
  ['a rare method', 'REPORT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n'],
];

for (const [what, bytes] of ORDINARY)
  test(`a request with ${what} comes the ordinary way, also the second time`, async (t) => {
    const it = await stage(t);
    await learn(it);
    it.direct.length = 0;
    it.ordinary.length = 0;
    const target = bytes.split(' ').slice(0, 2).join(' ');
    for (let count = 1; count <= 2; count++) {
      (await it.client()).send(bytes);
      await eventually('the request', () => it.ordinary.length === count);
    }
    assert.deepEqual([it.direct, it.ordinary], [[], [target, target]]);
  });

test('a head in pieces comes whole, whichever way it comes', async (t) => {
  const it = await stage(t);
  await learn(it);
  const client = await it.client();
  const head = 'GET /pieces HTTP/1.1\r\nHost: h\r\nX-Long: 1234567890\r\n\r\n';
  for (const byte of head) {
    client.send(byte);
    await new Promise(setImmediate);
  }
  await client.response();
  assert.equal([...it.direct, ...it.ordinary].filter((line) => line === 'GET /pieces').length, 1);
});

test('who takes no answers is read from no more, and from there on when it does', async (t) => {
  const it = await stage(t);
  await learn(it);
  it.direct.length = 0;
  it.ordinary.length = 0;
  const client = await it.client();
  client.pause();
  client.isKept = false;
  const asked = 200_000;
  client.send(get('/').repeat(asked));
  const handled = () => it.direct.length + it.ordinary.length;
  await eventually('standstill', async () => {
    const before = handled();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return before > 0 && handled() === before;
  });
  assert.ok(handled() < asked, `${handled()} of ${asked} were answered`);
  client.resume();
  await eventually('the rest', () => handled() === asked);
  assert.notEqual(it.direct.length, 0);
});

test('a parser that was used for it is an ordinary one for others', async (t) => {
  const it = await stage(t);
  await learn(it);
  const client = await it.client();
  client.send(get('/'));
  await client.response();
  client.close();
  await eventually('the end of it', async () => (await connections(it.server)) === 1);
  const plain = createServer((_, response) => response.end('plain')).listen(0, '127.0.0.1');
  t.after(() => plain.close());
  await once(plain, 'listening');
  const { port } = plain.address() as AddressInfo;
  // both Node's client and its server take parsers from the same store
  for (let count = 0; count < 3; count++) {
    const asked = request({ port, host: '127.0.0.1', agent: false }).end();
    const [response] = await once(asked, 'response');
    assert.equal(response.statusCode, 200);
    response.resume();
    await once(response, 'end');
  }
});

function connections(server: Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
}

test('requests of both kinds on one connection are answered in their order', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve((request) => ok(request.startLine.split(' ')[1]!));
  const client = await rig.client();
  const bytes = (path: number): string =>
    path % 3 === 0
      ? `POST /${path} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody`
      : `GET /${path} HTTP/1.1\r\nHost: h\r\n\r\n`;
  const paths = Array.from({ length: 60 }, (_, path) => path);
  client.send(paths.map(bytes).join(''));
  for (const path of paths) assert.equal((await client.response()).body, `/${path}`);
  for (const path of paths) {
    client.send(bytes(path));
    assert.equal((await client.response()).body, `/${path}`);
  }
  client.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
  assert.equal(statusOf(await client.response()), 200);
  assert.equal(await client.over(), '');
  await rig.settled();
});
