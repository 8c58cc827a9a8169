/** HTTP/2 clients: each stream is one request, with its own flow, end and failures. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http2';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { eventually } from '../../helpers/eventually.ts';
import { testMaterial } from '../../helpers/proxy/certificates.ts';
import { headerOf, headersOf, ok } from '../../helpers/proxy/message.ts';
import { Rig, type RigSettings } from '../../helpers/proxy/rig.ts';
import { deafHttp2 } from '../../helpers/proxy/scenes.ts';

async function open(
  t: TestContext,
  settings: RigSettings = {},
): Promise<{ rig: Rig; session: ClientHttp2Session }> {
  const rig = await Rig.open(t, { tls: testMaterial(), http2: true, ...settings });
  const session = connect(`https://localhost:${rig.port}`, { rejectUnauthorized: false });
  session.on('error', () => {});
  t.after(() => session.destroy());
  await once(session, 'connect');
  return { rig, session };
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, unknown>>;
}

async function replyTo(stream: ClientHttp2Stream): Promise<Reply> {
  let trailers = {};
  stream.on('trailers', (fields) => {
    trailers = { ...fields };
  });
  const [headers] = await once(stream, 'response');
  let body = '';
  stream.setEncoding('latin1').on('data', (text: string) => {
    body += text;
  });
  await once(stream, 'end');
  return { status: headers[':status'], headers, body, trailers };
}

function ask(session: ClientHttp2Session, path = '/', headers: OutgoingHttpHeaders = {}): Promise<Reply> {
  return replyTo(session.request({ ':path': path, ...headers }));
}

/** Resolves with the code by which the stream was reset. */
async function resetOf(stream: ClientHttp2Stream): Promise<number | undefined> {
  stream.on('error', () => {});
  stream.resume();
  await new Promise((resolve) => stream.on('close', resolve));
  return stream.rstCode;
}

test('serves a request over HTTP/2', async (t) => {
  const { rig, session } = await open(t);
  rig.replica.serve(() =>
    ok('hello', 'X-Own: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: keep-alive\r\n'),
  );
  const { status, headers, body } = await ask(session, '/a?b', { 'x-given': 'yes' });
  assert.equal(status, 200);
  assert.equal(body, 'hello');
  assert.equal(headers['x-own'], '1');
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal(headers.connection, undefined);
  const [request] = rig.replica.requests;
  assert.equal(request!.startLine, 'GET /a?b HTTP/1.1');
  assert.equal(headerOf(request!, 'host'), `localhost:${rig.port}`);
  assert.equal(headerOf(request!, 'x-given'), 'yes');
  assert.equal(headerOf(request!, 'x-forwarded-proto'), 'https');
});

test('offers HTTP/2 only where it is asked for', async (t) => {
  const { rig } = await open(t);
  const plain = await rig.client();
  rig.replica.serve();
  plain.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match((await plain.response()).startLine, /200/);
  const without = await Rig.open(t, { tls: testMaterial() });
  const session = connect(`https://localhost:${without.port}`, { rejectUnauthorized: false });
  const [error] = await once(session, 'error');
  assert.ok(error instanceof Error);
});

test('serves many streams of one connection at once', async (t) => {
  const { rig, session } = await open(t, { replicas: 2 });
  for (const replica of rig.replicas) replica.serve((request) => ok(request.startLine));
  const replies = await Promise.all(Array.from({ length: 100 }, (_, count) => ask(session, `/${count}`)));
  assert.deepEqual(
    replies.map(({ body }) => body),
    replies.map((_, count) => `GET /${count} HTTP/1.1`),
  );
});

test('joins the crumbs of a cookie, and keeps other repeated headers', async (t) => {
  const { rig, session } = await open(t);
  rig.replica.serve();
  await ask(session, '/', { cookie: ['a=1', 'b=2'], 'x-many': ['1', '2'] });
  const [request] = rig.replica.requests;
  assert.deepEqual(headersOf(request!, 'cookie'), ['a=1; b=2']);
  assert.equal(headersOf(request!, 'x-many').join(', '), '1, 2');
});

for (const isAnnounced of [true, false]) {
  test(`sends a body on ${isAnnounced ? 'with its length' : 'in chunks where its length is not announced'}`, async (t) => {
    const { rig, session } = await open(t);
    rig.replica.serve((request) => ok(String(request.body.length)));
    const headers = { ':method': 'POST', ...(isAnnounced && { 'content-length': 300_000 }) };
    const stream = session.request(headers);
    stream.end('x'.repeat(300_000));
    assert.equal((await replyTo(stream)).body, '300000');
    assert.equal(
      headerOf(rig.replica.requests[0]!, 'transfer-encoding'),
      isAnnounced ? undefined : 'chunked',
    );
  });
}

test('passes trailers both ways', async (t) => {
  const { rig, session } = await open(t);
  rig.replica.serve(
    () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nGrpc-Status: 0\r\n\r\n',
  );
  const stream = session.request({ ':method': 'POST', te: 'trailers' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc' }));
  stream.end('body');
  const { body, trailers } = await replyTo(stream);
  assert.equal(body, 'hi');
  assert.equal(trailers['grpc-status'], '0');
  const [request] = rig.replica.requests;
  assert.deepEqual(
    request!.trailers.map(([name, value]) => [name.toLowerCase(), value]),
    [['x-sum', 'abc']],
  );
  assert.equal(headerOf(request!, 'te'), 'trailers');
});

test('passes 100 and 103 on before the response', async (t) => {
  const { rig, session } = await open(t);
  const stream = session.request({ ':method': 'POST', expect: '100-continue' });
  const replica = await rig.replica.next();
  await replica.head();
  replica.send('HTTP/1.1 100 Continue\r\n\r\n');
  await once(stream, 'continue');
  replica.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n');
  const [hints] = await once(stream, 'headers');
  assert.equal(hints[':status'], 103);
  stream.end('x');
  await replica.take('0\r\n\r\n');
  replica.send(ok('done'));
  assert.equal((await replyTo(stream)).body, 'done');
});

test('HEAD and 304 have no body, and others go on', async (t) => {
  const { rig, session } = await open(t);
  rig.replica.serve((request) =>
    request.startLine.startsWith('HEAD')
      ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
      : 'HTTP/1.1 304 Not Modified\r\n\r\n',
  );
  const head = await ask(session, '/', { ':method': 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '5', '']);
  assert.equal((await ask(session)).status, 304);
});

test('a client that takes nothing holds its replica back, no others', async (t) => {
  const { rig, session } = await open(t);
  const slow = session.request({ ':path': '/slow' });
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n`);
  replica.send('x'.repeat(50_000_000));
  await once(slow, 'response');
  await eventually('the replica is held back', () => replica.socket.writableLength > 10_000_000);
  rig.replica.serve();
  assert.equal((await ask(session, '/quick')).status, 200);
  let bytes = 0;
  slow.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await once(slow, 'end');
  assert.equal(bytes, 50_000_000);
});

test('a client that takes nothing for send-timeout loses its stream', async (t) => {
  const { rig, session } = await open(t, { sendTimeoutMs: 2000, idleTimeoutMs: 60_000 });
  const stuck = session.request({ ':path': '/stuck' });
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(`HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n`);
  replica.send('x'.repeat(50_000_000));
  await once(stuck, 'response');
  await eventually('the replica is held back', () => replica.socket.writableLength > 10_000_000);
  rig.advance(1900);
  assert.equal(stuck.closed, false);
  rig.advance(400);
  assert.equal(await resetOf(stuck), constants.NGHTTP2_CANCEL);
  await replica.over();
  await rig.settled();
  rig.replica.serve();
  assert.equal((await ask(session, '/next')).status, 200);
});

test('a client that reads nothing any more loses its connection', async (t) => {
  const { rig, replica } = await deafHttp2(t, { sendTimeoutMs: 2000, idleTimeoutMs: 60_000 });
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n');
  replica.send('x'.repeat(50_000_000));
  await rig.elapse(replica.over());
  // with a reset, which takes no more time
  await eventually('it is closed', () => rig.counts().threads.openClientConnections === 0);
});

test('a client that reads a little now and then keeps its connection', async (t) => {
  const { rig, replica, client } = await deafHttp2(t, { sendTimeoutMs: 10_000, idleTimeoutMs: 900_000 });
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n');
  replica.send('x'.repeat(50_000_000));
  client.isKept = false;
  // of what the kernel holds a third has to go before it takes more
  for (let second = 0; second < 100; second++) {
    const data = once(client.socket, 'data');
    client.resume();
    await data;
    client.pause();
    rig.advance(1000);
  }
  assert.equal(rig.inFlight, 1);
  assert.equal(client.isEnded, false);
  client.resume();
  await client.until('all of it', () => client.bytes > 50_000_000);
});

test('a WebSocket whose client always has more to take lasts', async (t) => {
  const { rig, stream, replica } = await webSocket(t, { sendTimeoutMs: 10_000 });
  replica.send(SWITCHING);
  await once(stream, 'response');
  replica.send(Buffer.alloc(64 << 20, 'y'));
  for (let second = 0; second < 40; second++) {
    const data = once(stream, 'data');
    stream.resume();
    await data;
    stream.pause();
    rig.advance(1000);
  }
  assert.equal(stream.closed, false);
  stream.close();
});

test('a drain ends though the last client reads nothing any more', async (t) => {
  const { rig, replica } = await deafHttp2(t, { sendTimeoutMs: 2000, idleTimeoutMs: 60_000 });
  // more than the kernel holds for the client
  replica.send(ok('x'.repeat(20_000_000)));
  await rig.elapse(rig.drain());
});

test('a request head may be as large as over HTTP/1.1', async (t) => {
  const { rig, session } = await open(t, { maxHeadBytes: 65_536 });
  rig.replica.serve();
  const crumbs = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`x-${at}`, 'y'.repeat(1000)]));
  assert.equal((await ask(session, '/', crumbs)).status, 200);
  assert.equal(headerOf(rig.replica.requests[0]!, 'x-59')?.length, 1000);
});

for (const [when, first] of [
  ['of the first request', false],
  ['once the limit is known', true],
] as const) {
  test(`a request head beyond max-head-bytes gets 431, ${when}`, async (t) => {
    const { rig, session } = await open(t, { maxHeadBytes: 4096 });
    rig.replica.serve();
    if (first) assert.equal((await ask(session)).status, 200);
    assert.equal((await ask(session, '/', { 'x-long': 'y'.repeat(5000) })).status, 431);
    assert.equal((await ask(session)).status, 200);
  });
}

test('another max-head-bytes holds for a connection that is open', async (t) => {
  const { rig, session } = await open(t, { maxHeadBytes: 4096 });
  rig.replica.serve();
  assert.equal((await ask(session)).status, 200);
  Object.assign(rig.options, { maxHeadBytes: 65_536 });
  const told = once(session, 'remoteSettings');
  rig.advance(100);
  await told;
  assert.equal((await ask(session, '/', { 'x-long': 'y'.repeat(30_000) })).status, 200);
});

test('a replica that takes nothing holds the client back', async (t) => {
  const { rig, session } = await open(t);
  const stream = session.request({ ':method': 'POST' });
  stream.on('error', () => {});
  const replicaComes = rig.replica.next();
  stream.write('x'.repeat(50_000_000));
  const replica = await replicaComes;
  await replica.head();
  replica.pause();
  await eventually('the windows are full', () => replica.socket.isPaused() && rig.inFlight === 1);
  assert.ok(stream.writableLength > 10_000_000);
  stream.close();
});

test('a stream its client resets ends its request at the replica', async (t) => {
  const { rig, session } = await open(t);
  const stream = session.request({});
  stream.on('error', () => {});
  const replica = await rig.replica.next();
  await replica.request();
  stream.close(constants.NGHTTP2_CANCEL);
  await replica.over();
  await rig.settled();
  rig.replica.serve();
  assert.equal((await ask(session)).status, 200);
});

for (const [framing, head, code] of [
  // its length shows that it is cut before the reset does
  ['with a length', 'Content-Length: 100\r\n\r\nhalf', constants.NGHTTP2_PROTOCOL_ERROR],
  ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', constants.NGHTTP2_INTERNAL_ERROR],
] as const) {
  test(`a response ${framing} that is cut resets only its stream`, async (t) => {
    const { rig, session } = await open(t);
    const stream = session.request({});
    const replica = await rig.replica.next();
    await replica.request();
    replica.send(`HTTP/1.1 200 OK\r\n${head}`);
    await once(stream, 'response');
    replica.reset();
    assert.equal(await resetOf(stream), code);
    rig.replica.serve();
    assert.equal((await ask(session)).status, 200);
  });
}

test('failures of the balancer are JSON with their status', async (t) => {
  const { rig, session } = await open(t, { rateLimit: 1, rateBurst: 1, accessLog: 'combined' });
  rig.replica.serve();
  assert.equal((await ask(session)).status, 200);
  const { status, headers, body } = await ask(session);
  assert.deepEqual([status, headers['retry-after']], [429, '1']);
  assert.match(body, /^\{"message":"<Error> Too many requests/);
  rig.tick();
  assert.match(rig.logged, /"GET \/ HTTP\/2\.0" 429 /);
});

test('refuses a target with a fragment, and logs it', async (t) => {
  const { rig, session } = await open(t, { accessLog: 'combined' });
  rig.replica.serve();
  assert.equal((await ask(session, '/a#b')).status, 400);
  assert.equal(rig.replica.requests.length, 0);
  rig.tick();
  assert.match(rig.logged, /"GET \/a#b HTTP\/2\.0" 400 /);
});

test('refuses heads that are not in order, stream by stream', async (t) => {
  const { rig, session } = await open(t);
  rig.replica.serve();
  assert.equal((await ask(session, '/', { ':authority': 'a.example', host: 'b.example' })).status, 400);
  assert.equal((await ask(session, '/', { ':method': 'NEVER-HEARD-OF' })).status, 501);
  const connectStream = session.request({ ':method': 'CONNECT', ':authority': 'a:1' });
  assert.equal((await replyTo(connectStream)).status, 501);
  assert.equal((await ask(session)).status, 200);
  assert.equal(rig.replica.requests.length, 1);
});

test('a response before the whole request ends the stream without error', async (t) => {
  const { rig, session } = await open(t, { maxBodyBytes: 1000 });
  const stream = session.request({ ':method': 'POST' });
  stream.write('x'.repeat(2000));
  const reply = await replyTo(stream);
  assert.equal(reply.status, 413);
  await rig.settled();
});

test('a flood of resets ends the connection; the next is served', async (t) => {
  const { rig, session } = await open(t);
  rig.replica.serve(() => undefined);
  const closed = new Promise((resolve) => session.on('close', resolve));
  for (let count = 0; count < 400 && !session.closed && !session.destroyed; count++) {
    const stream = session.request({});
    stream.on('error', () => {});
    stream.close(constants.NGHTTP2_CANCEL);
    if (count % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  await rig.settled();
  rig.replica.serve();
  const next = connect(`https://localhost:${rig.port}`, { rejectUnauthorized: false });
  t.after(() => next.destroy());
  next.on('error', () => {});
  assert.equal((await ask(next)).status, 200);
});

test('a drain lets streams end, and refuses at once what came too late', async (t) => {
  const { rig, session } = await open(t);
  const stream = session.request({});
  const replica = await rig.replica.next();
  await replica.request();
  const lastStreams: (number | undefined)[] = [];
  session.on('goaway', (_code, lastStream) => lastStreams.push(lastStream));
  const drained = rig.beginDrain();
  await rig.refusing();
  const late = resetOf(session.request({}));
  // before it can be read
  rig.advance(600);
  assert.equal(await late, constants.NGHTTP2_REFUSED_STREAM);
  assert.deepEqual(lastStreams, [1]);
  replica.send(ok('in time'));
  assert.equal((await replyTo(stream)).body, 'in time');
  await rig.elapse(drained);
});

test('an idle connection is closed in time', async (t) => {
  const { rig, session } = await open(t, { keepAliveTimeoutMs: 5000 });
  rig.replica.serve();
  await ask(session);
  const closed = once(session, 'close');
  await rig.elapse(closed);
});

const WEB_SOCKET = {
  ':method': 'CONNECT',
  ':protocol': 'websocket',
  ':scheme': 'https',
  ':authority': 'a.example',
  ':path': '/chat?room=1',
  'sec-websocket-version': '13',
  'sec-websocket-protocol': 'chat',
};
const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n';

async function webSocket(t: TestContext, settings: RigSettings = {}) {
  const { rig, session } = await open(t, settings);
  if (!session.remoteSettings?.enableConnectProtocol) await once(session, 'remoteSettings');
  const stream = session.request(WEB_SOCKET);
  stream.on('error', () => {});
  const replica = await rig.replica.next();
  const request = await replica.head();
  return { rig, session, stream, replica, request };
}

test('a WebSocket over HTTP/2 is an upgrade at the replica', async (t) => {
  const { rig, stream, replica, request } = await webSocket(t);
  assert.equal(request.startLine, 'GET /chat?room=1 HTTP/1.1');
  assert.deepEqual(
    ['upgrade', 'connection', 'host', 'sec-websocket-version'].map((name) => headerOf(request, name)),
    ['websocket', 'Upgrade', 'a.example', '13'],
  );
  assert.equal(Buffer.from(headerOf(request, 'sec-websocket-key')!, 'base64').length, 16);
  replica.send(`${SWITCHING}early`);
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 200);
  assert.equal(headers['sec-websocket-protocol'], 'chat');
  assert.equal(headers['sec-websocket-accept'], undefined);
  assert.equal(String((await once(stream, 'data'))[0]), 'early');
  for (let count = 0; count < 3; count++) {
    stream.write(`to${count}`);
    assert.equal(await replica.takeBytes(3), `to${count}`);
    const data = once(stream, 'data');
    replica.send(`from${count}`);
    assert.equal(String((await data)[0]), `from${count}`);
  }
  replica.end();
  await once(stream, 'end');
  stream.end();
  await replica.over();
  await rig.settled();
});

test('a WebSocket over HTTP/2 passes megabytes, and holds back who sends', async (t) => {
  const { stream, replica } = await webSocket(t);
  replica.send(SWITCHING);
  await once(stream, 'response');
  replica.isKept = false;
  const before = replica.bytes;
  stream.write(Buffer.alloc(8 << 20, 'x'));
  await replica.until('all of it', () => replica.bytes - before === 8 << 20);
  let received = 0;
  stream.on('data', (data: Buffer) => {
    received += data.length;
  });
  replica.send(Buffer.alloc(8 << 20, 'y'));
  await eventually('all of it at the client', () => received === 8 << 20);
});

test('a client that cancels its WebSocket closes it at the replica', async (t) => {
  const { rig, stream, replica } = await webSocket(t);
  replica.send(SWITCHING);
  await once(stream, 'response');
  stream.close(constants.NGHTTP2_CANCEL);
  await replica.over();
  replica.close();
  await rig.settled();
});

test('a WebSocket over HTTP/2 that is refused gets the response', async (t) => {
  const { rig, stream, replica } = await webSocket(t);
  replica.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  assert.equal((await replyTo(stream)).status, 403);
  stream.close();
  await rig.settled();
});

test('two Content-Type lines of a replica go on as they came', async (t) => {
  const { rig, session } = await open(t);
  rig.replica.serve(() => ok('body', 'Content-Type: a/b\r\nContent-Type: c/d\r\n'));
  const { status, body } = await ask(session);
  assert.deepEqual([status, body], [200, 'body']);
});

test('an upload that the replica does not take holds up no other', async (t) => {
  const { rig, session } = await open(t);
  const stalled = session.request({ ':method': 'POST', ':path': '/stalled' });
  stalled.on('error', () => {});
  stalled.write(Buffer.alloc(4 << 20, 'x'));
  const replica = await rig.replica.next();
  replica.pause();
  // each fills what its own stream may send
  const other = session.request({ ':method': 'POST', ':path': '/other' });
  other.end(Buffer.alloc(1 << 20, 'y'));
  const taking = await rig.replica.next();
  const { body } = await taking.request();
  assert.equal(body.length, 1 << 20);
  taking.send(ok('taken'));
  assert.equal((await replyTo(other)).body, 'taken');
  stalled.close();
  replica.close();
});

test('a client that ends its side of the connection has gone, tunnels included', async (t) => {
  const rig = await Rig.open(t, { tls: testMaterial(), http2: true });
  const carrier = connectTcp({ port: rig.port, allowHalfOpen: true });
  const socket = connectTls({ socket: carrier, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  const session = connect('https://localhost', { createConnection: () => socket });
  session.on('error', () => {});
  t.after(() => session.destroy());
  await once(session, 'remoteSettings');
  const tunnel = session.request(WEB_SOCKET);
  tunnel.on('error', () => {});
  const replica = await rig.replica.next();
  await replica.head();
  replica.send(SWITCHING);
  await once(tunnel, 'response');
  const waiting = session.request({ ':path': '/' });
  waiting.on('error', () => {});
  const other = await rig.replica.next();
  await other.head();
  carrier.end();
  await replica.over();
  await other.over();
  await rig.settled();
});

test('finds the sticky cookie among crumbs, and sets it Secure', async (t) => {
  const { rig, session } = await open(t, { replicas: 2, sticky: 'lb' });
  for (const [ordinal, replica] of rig.replicas.entries())
    replica.serve((request) => ok(`S${ordinal + 1} ${headersOf(request, 'cookie').join('|')}`));
  const headers = { cookie: ['a=b', `lb=${rig.tokenOf(1)}`, 'c=d'], 'x-request-id': rig.idsFor(0)[0]! };
  const known = await ask(session, '/', headers);
  assert.equal(known.body, 'S2 a=b; c=d');
  assert.equal(known.headers['set-cookie'], undefined);
  const { headers: set } = await ask(session, '/', { 'x-request-id': rig.idsFor(0)[0]! });
  assert.deepEqual(set['set-cookie'], [`lb=${rig.tokenOf(0)}; Path=/; HttpOnly; SameSite=Lax; Secure`]);
});
