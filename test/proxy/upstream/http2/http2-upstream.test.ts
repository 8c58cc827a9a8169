/** Replicas that speak HTTP/2: each request is a stream of a shared session, and fails like others. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
  sensitiveHeaders,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createProbe } from '../../../../lib/fleet/health/probe.ts';
import { connectUpstream } from '../../../../lib/proxy/upstream/early-response.ts';
import { connectUpstreamHttp2 } from '../../../../lib/proxy/upstream/http2/http2-sessions.ts';
import { eventually } from '../../../helpers/eventually.ts';
import { makeCertificate } from '../../../helpers/proxy/certificates.ts';
import { failureOf, get, headerOf, headersOf, ok, post, statusOf } from '../../../helpers/proxy/message.ts';
import type { Peer } from '../../../helpers/proxy/peer.ts';
import { FakeReplica } from '../../../helpers/proxy/replica.ts';
import { Rig, type RigSettings } from '../../../helpers/proxy/rig.ts';

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]) => void;

interface Stage {
  readonly rig: Rig;
  readonly client: Peer;
  readonly sessions: readonly ServerHttp2Session[];
  readonly server: Http2Server;
}

interface StageSettings extends RigSettings {
  readonly server?: ServerOptions;
  readonly certificate?: { readonly cert: string; readonly key: string };
}

async function stage(t: TestContext, onStream: OnStream, settings: StageSettings = {}): Promise<Stage> {
  const { server: options = {}, certificate, ...rest } = settings;
  const server = certificate ? createSecureServer({ ...options, ...certificate }) : createServer(options);
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, raw: readonly string[]) => {
    stream.on('error', () => {});
    onStream(stream, headers, raw);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const rig = await Rig.open(t, { upstreamProtocol: 'h2', retries: 0, ...rest });
  const { port } = server.address() as AddressInfo;
  rig.place(0, { host: certificate ? 'localhost' : '127.0.0.1', port, ...(certificate && { tls: true }) });
  return { rig, client: await rig.client(), sessions, server: server as Http2Server };
}

/** Responds with what it received. */
const echo: OnStream = (stream, headers) => {
  let body = '';
  let trailers = {};
  stream.setEncoding('latin1').on('data', (text: string) => {
    body += text;
  });
  stream.on('trailers', (fields) => {
    trailers = { ...fields };
  });
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/json' });
    stream.end(JSON.stringify({ headers, body, trailers }));
  });
};

interface Echo {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, string>>;
}

const echoOf = ({ body }: { readonly body: string }): Echo => JSON.parse(body) as Echo;

test('sends requests as streams of one session', async (t) => {
  const { client, sessions } = await stage(t, echo);
  client.send(get('/a?b=c', 'X-Own: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\nCookie: a=b\r\n'));
  const { headers } = echoOf(await client.response());
  assert.equal(headers[':method'], 'GET');
  assert.equal(headers[':path'], '/a?b=c');
  assert.equal(headers[':scheme'], 'http');
  assert.equal(headers[':authority'], 'a.example');
  assert.deepEqual([headers['x-own'], headers['x-hop'], headers.cookie], ['1', undefined, 'a=b']);
  assert.match(headers['x-forwarded-for']!, /127\.0\.0\.1/);
  client.send(post('/b', 'x'.repeat(500_000)));
  const large = echoOf(await client.response());
  assert.equal(large.headers['content-length'], '500000');
  assert.equal(large.body.length, 500_000);
  assert.equal(sessions.length, 1);
});

test('fields that came twice go on twice, in their order', async (t) => {
  let received: readonly string[] = [];
  const { client } = await stage(t, (stream, _headers, raw) => {
    received = raw;
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  client.send(get('/', 'A: 1\r\nUser-Agent: x\r\nA: 2\r\nUser-Agent: y\r\n'));
  assert.equal(statusOf(await client.response()), 200);
  const own = received.filter((_text, at) => ['a', 'user-agent'].includes(received[at - (at % 2)]!));
  assert.deepEqual(own, ['a', '1', 'user-agent', 'x', 'a', '2', 'user-agent', 'y']);
});

test('the id of a request is not indexed', async (t) => {
  let unindexed: unknown;
  const { client } = await stage(t, (stream, headers) => {
    unindexed = Reflect.get(headers, sensitiveHeaders);
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 200);
  assert.deepEqual(unindexed, ['x-request-id']);
});

test('a chunked body goes on as data, its trailers as trailers', async (t) => {
  const { client } = await stage(t, echo);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
  for (const piece of ['one', 'two']) client.send(`${piece.length}\r\n${piece}\r\n`);
  client.send('0\r\nX-Sum: 6\r\n\r\n');
  const { body, trailers, headers } = echoOf(await client.response());
  assert.equal(body, 'onetwo');
  assert.equal(trailers['x-sum'], '6');
  assert.equal(headers['transfer-encoding'], undefined);
});

test('trailers of a response go on', async (t) => {
  const { client } = await stage(t, (stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end('whole');
  });
  client.send(get('/', 'TE: trailers\r\nConnection: TE\r\n'));
  const response = await client.response();
  assert.equal(response.body, 'whole');
  assert.deepEqual(response.trailers, [['grpc-status', '0']]);
});

for (const [what, status, method, fields, body] of [
  ['to HEAD', 200, 'HEAD', { 'content-length': '5' }, undefined],
  ['with 204', 204, 'GET', {}, undefined],
  ['with 304', 304, 'GET', { etag: '"a"' }, undefined],
  ['without a body', 200, 'GET', {}, undefined],
  ['with an empty body', 200, 'GET', {}, ''],
  ['with a length', 200, 'GET', { 'content-length': '5' }, 'whole'],
  ['with a cookie twice', 200, 'GET', { 'set-cookie': ['a=1', 'b=2'] }, 'whole'],
] as const) {
  test(`a response ${what} goes on whole, and another follows`, async (t) => {
    const { client, sessions } = await stage(t, (stream) => {
      stream.respond(
        { ':status': status, ...(fields as OutgoingHttpHeaders) },
        { endStream: body === undefined },
      );
      if (body !== undefined) stream.end(body);
    });
    for (let count = 0; count < 2; count++) {
      client.send(get('/').replace('GET', method));
      const response = await client.response(method === 'HEAD');
      assert.equal(statusOf(response), status);
      assert.equal(response.body, body ?? '');
      for (const [name, value] of Object.entries(fields))
        assert.deepEqual(headersOf(response, name), [value].flat());
    }
    assert.equal(sessions.length, 1);
  });
}

test('interim responses go on before the final one', async (t) => {
  const { client } = await stage(t, (stream) => {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
    stream.respond({ ':status': 200 });
    stream.end('done');
  });
  client.send(get('/'));
  const early = await client.response();
  assert.equal(statusOf(early), 103);
  assert.equal(headerOf(early, 'link'), '</a.css>; rel=preload');
  assert.equal((await client.response()).body, 'done');
});

test('a response streams, and a slow client holds it back', async (t) => {
  let written = 0;
  let stalled = false;
  const { rig } = await stage(t, (stream) => {
    stream.respond({ ':status': 200 });
    const piece = Buffer.alloc(65_536, 'x');
    const write = (): void => {
      while (written < 32 << 20) {
        written += piece.length;
        if (stream.write(piece)) continue;
        stream.once('drain', write);
        return;
      }
      stream.end();
    };
    write();
    stalled = true;
  });
  const slow = await rig.client();
  slow.isKept = false;
  slow.socket.pause();
  slow.send(get('/'));
  await eventually('a response that has begun', () => stalled);
  let before = -1;
  await eventually('a replica that is held back', () => {
    const isStill = written === before;
    before = written;
    return isStill && written > 0;
  });
  assert.ok(written < 32 << 20);
  slow.socket.resume();
  await slow.until('all of it', () => slow.bytes > 32 << 20);
});

test('a stalled response holds up no other of its session', async (t) => {
  const { rig, client, sessions } = await stage(
    t,
    (stream, headers) => {
      stream.respond({ ':status': 200 });
      stream.end(headers[':path'] === '/large' ? Buffer.alloc(32 << 20, 'x') : 'small');
    },
    { server: { maxSessionMemory: 100 } },
  );
  const slow = await rig.client();
  slow.socket.pause();
  slow.send(get('/large'));
  await eventually('a request in flight', () => rig.inFlight === 1);
  for (let count = 0; count < 5; count++) {
    client.send(get('/'));
    assert.equal((await client.response()).body, 'small');
  }
  assert.equal(sessions.length, 1);
  slow.close();
});

test('more requests than a session takes get another session', async (t) => {
  const held: ServerHttp2Stream[] = [];
  const { rig, sessions } = await stage(t, (stream) => held.push(stream), {
    server: { settings: { maxConcurrentStreams: 2 } },
  });
  const clients: Peer[] = [];
  for (let count = 0; count < 5; count++) {
    const client = await rig.client();
    clients.push(client);
    client.send(get('/'));
    await eventually('the request at the replica', () => held.length === count + 1);
  }
  assert.equal(sessions.length, 3);
  for (const stream of held) stream.respond({ ':status': 204 }, { endStream: true });
  for (const client of clients) assert.equal(statusOf(await client.response()), 204);
});

test('a client that goes cancels its stream, and no other', async (t) => {
  const held: ServerHttp2Stream[] = [];
  const { rig, client } = await stage(t, (stream) => held.push(stream));
  const other = await rig.client();
  other.send(get('/'));
  await eventually('a request', () => held.length === 1);
  client.send(get('/'));
  await eventually('another', () => held.length === 2);
  client.close();
  await once(held[1]!, 'close');
  assert.equal(held[1]!.rstCode, constants.NGHTTP2_CANCEL);
  held[0]!.respond({ ':status': 204 }, { endStream: true });
  assert.equal(statusOf(await other.response()), 204);
});

test('a response that is reset half-way is cut, not whole', async (t) => {
  const { client } = await stage(t, (stream) => {
    // otherwise Node.js would end the response before it resets the stream
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.write('half', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  });
  client.send(get('/'));
  await assert.rejects(client.response(), /ended before/);
});

test('a stream that is reset before a response is a 502', async (t) => {
  const { client } = await stage(t, (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  client.send(get('/'));
  const response = await client.response();
  assert.equal(statusOf(response), 502);
  assert.match(failureOf(response), /reset/);
});

test('a refused stream is repeated, whatever its method', async (t) => {
  let count = 0;
  const { client } = await stage(
    t,
    (stream, headers, raw) => {
      if (++count === 1) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
      echo(stream, headers, raw);
    },
    { retries: 2 },
  );
  client.send(post('/', 'body'));
  assert.equal(echoOf(await client.response()).body, 'body');
  assert.equal(count, 2);
});

test('after GOAWAY requests under way end well, later ones get a new session', async (t) => {
  const held: ServerHttp2Stream[] = [];
  const { rig, client, sessions } = await stage(t, (stream) => held.push(stream));
  const later = await rig.client();
  client.send(get('/'));
  await eventually('a request', () => held.length === 1);
  sessions[0]!.goaway(constants.NGHTTP2_NO_ERROR, held[0]!.id);
  await eventually('the GOAWAY at the balancer', () => {
    later.send(get('/'));
    return sessions.length === 2;
  });
  held[0]!.respond({ ':status': 200 });
  held[0]!.end('old');
  assert.equal((await client.response()).body, 'old');
});

test('a response that comes before the whole upload goes on', async (t) => {
  const { client } = await stage(t, (stream) => {
    stream.respond({ ':status': 413 });
    stream.end('too large');
    stream.close(constants.NGHTTP2_NO_ERROR);
  });
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n');
  client.send('x'.repeat(100_000));
  const response = await client.response();
  assert.equal(statusOf(response), 413);
  assert.equal(response.body, 'too large');
});

test('an upload is held back while the replica takes nothing', async (t) => {
  let stream: ServerHttp2Stream | undefined;
  const { rig, client } = await stage(t, (opened) => {
    stream = opened;
  });
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n');
  client.send(Buffer.alloc(64 << 20, 'x'));
  await eventually('the request', () => stream !== undefined);
  let before = -1;
  await eventually('a client that is not read', () => {
    const isStill = client.socket.writableLength === before && before > 0;
    before = client.socket.writableLength;
    return isStill;
  });
  let received = 0;
  stream!.on('data', (data: Buffer) => {
    received += data.length;
  });
  stream!.on('end', () => stream!.respond({ ':status': 204 }, { endStream: true }));
  assert.equal(statusOf(await client.response()), 204);
  assert.equal(received, 64 << 20);
  await rig.settled();
});

test('a server of HTTP/1.1 is told from one of HTTP/2', async (t) => {
  const { rig, client } = await stage(t, echo);
  rig.place(0, { host: '127.0.0.1', port: rig.replica.port });
  rig.replica.serve(() => ok('old'));
  client.send(get('/'));
  const response = await rig.elapse(client.response());
  assert.equal(statusOf(response), 502);
});

test('an upgrade goes to the replica over HTTP/1.1', async (t) => {
  const { rig, client } = await stage(t, echo);
  rig.place(0, { host: '127.0.0.1', port: rig.replica.port });
  client.send(get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
  const replica = await rig.replica.next();
  replica.send('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  assert.equal(statusOf(await client.response()), 101);
  client.end();
});

test('speaks HTTP/2 over TLS where the server offers it', async (t) => {
  const certificate = makeCertificate(['localhost']);
  const { client } = await stage(t, echo, {
    certificate,
    upstreamTls: { ca: certificate.cert, isInsecure: false },
  });
  client.send(get('/secure'));
  assert.equal(echoOf(await client.response()).headers[':scheme'], 'https');
});

test('a TLS server that does not offer HTTP/2 gets no request', async (t) => {
  const certificate = makeCertificate(['localhost']);
  const replica = await FakeReplica.open(certificate);
  t.after(() => replica.close());
  const { rig, client } = await stage(t, echo, { upstreamTls: { ca: certificate.cert, isInsecure: false } });
  rig.place(0, { host: 'localhost', port: replica.port, tls: true });
  client.send(get('/'));
  assert.equal(statusOf(await rig.elapse(client.response())), 502);
  assert.equal(replica.requests.length, 0);
});

test('probes speak HTTP/2 too', async (t) => {
  const { server } = await stage(t, (stream, headers) => {
    stream.respond({ ':status': headers[':path'] === '/ready' ? 200 : 503 }, { endStream: true });
  });
  const options = {
    probeHost: '',
    probePort: 0,
    probeHeader: [],
    probeExpect: [[200, 200]] as const,
    probeTimeoutMs: 10_000,
    probeIntervalMs: 1000,
    connectTimeoutMs: 10_000,
    connect: (endpoint: { readonly host: string; readonly port: number }) =>
      connectUpstreamHttp2(undefined, connectUpstream, () => 0)(endpoint),
  };
  const endpoint = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  for (const mayReuse of [false, true]) {
    const ready = createProbe({ ...options, probePath: '/ready' }, 4);
    for (let count = 0; count < 3; count++)
      assert.deepEqual(await ready(endpoint, mayReuse), { outcome: 'passed', detail: '200' });
  }
  const failing = createProbe({ ...options, probePath: '/' }, 0);
  assert.deepEqual(await failing(endpoint, false), { outcome: 'not-ready', detail: '503' });
});
