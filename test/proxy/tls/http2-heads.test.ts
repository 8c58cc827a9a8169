/** Heads and trailers that HTTP/1.1 has and HTTP/2 has not: what HTTP/2 clients get of them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  sensitiveHeaders,
} from 'node:http2';
import { type TestContext, test } from 'node:test';
import { testMaterial } from '../../helpers/proxy/certificates.ts';
import { headersOf, ok } from '../../helpers/proxy/message.ts';
import { Rig } from '../../helpers/proxy/rig.ts';

async function stage(t: TestContext) {
  const rig = await Rig.open(t, { tls: testMaterial(), http2: true });
  const session = connect(`https://localhost:${rig.port}`, { rejectUnauthorized: false });
  session.on('error', () => {});
  t.after(() => session.destroy());
  await once(session, 'connect');
  const request = (headers: OutgoingHttpHeaders = {}): ClientHttp2Stream => {
    const stream = session.request({ ':path': '/', ...headers });
    stream.setEncoding('latin1');
    return stream;
  };
  return { rig, request };
}

/** Its response, with the body; rejects where the stream is reset. */
async function responseOf(stream: ClientHttp2Stream): Promise<readonly [IncomingHttpHeaders, string]> {
  let body = '';
  stream.on('data', (text: string) => {
    body += text;
  });
  const ended = once(stream, 'end');
  const [headers] = await once(stream, 'response');
  await ended;
  return [headers, body];
}

for (const framing of [
  'Content-Length: 2\r\n\r\nhi',
  'Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
]) {
  test(`a status that is not valid becomes 500, ${framing.split(':', 1)[0]}`, async (t) => {
    const { rig, request } = await stage(t);
    rig.replica.serve(() => `HTTP/1.1 999 Odd\r\n${framing}`);
    const [headers, body] = await responseOf(request());
    assert.equal(headers[':status'], 500);
    assert.equal(body, 'hi');
  });
}

test('a 205 that announces a body ends without one', async (t) => {
  const { rig, request } = await stage(t);
  rig.replica.serve(() => 'HTTP/1.1 205 Reset\r\nContent-Length: 5\r\nX-Own: 1\r\n\r\nhello');
  const stream = request();
  const [headers, body] = await responseOf(stream);
  assert.deepEqual([headers[':status'], headers['x-own'], body], [205, '1', '']);
  assert.equal(stream.rstCode, 0);
});

test('a response loses its fields of HTTP/1.1, and is whole', async (t) => {
  const { rig, request } = await stage(t);
  const fields = [
    'HTTP2-Settings: AAMA',
    'Proxy-Connection: keep-alive',
    'Keep-Alive: timeout=5',
    'Upgrade: h2c',
  ];
  rig.replica.serve(() => ok('whole', `${fields.join('\r\n')}\r\nTE: x\r\nX-Own: 1\r\n`));
  const [headers, body] = await responseOf(request());
  assert.equal(body, 'whole');
  assert.deepEqual(
    Object.keys(headers).filter((name) => !['date', 'x-request-id', 'content-length'].includes(name)),
    [':status', 'x-own'],
  );
});

for (const framing of [
  'Content-Length: 2\r\n\r\nhi',
  'Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
]) {
  test(`the id of a request is not indexed, ${framing.split(':', 1)[0]}`, async (t) => {
    const { rig, request } = await stage(t);
    rig.replica.serve(() => `HTTP/1.1 200 OK\r\n${framing}`);
    const [headers] = await responseOf(request());
    assert.ok(headers['x-request-id']);
    assert.deepEqual(Reflect.get(headers, sensitiveHeaders), ['x-request-id']);
  });
}

test('trailers that come twice go on twice', async (t) => {
  const { rig, request } = await stage(t);
  rig.replica.serve(
    () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n',
  );
  const stream = request();
  const trailers = once(stream, 'trailers');
  await responseOf(stream);
  const [, , raw] = await trailers;
  assert.deepEqual(raw, ['x-sum', '1', 'x-sum', '2']);
});

for (const [what, authority, host] of [
  ['in case', 'A.example', 'a.example'],
  ['by the default port', 'a.example:443', 'a.example'],
] as const) {
  test(`a Host that differs ${what} is the same`, async (t) => {
    const { rig, request } = await stage(t);
    rig.replica.serve();
    const [headers] = await responseOf(request({ ':authority': authority, host }));
    assert.equal(headers[':status'], 200);
    assert.deepEqual(headersOf(rig.replica.requests[0]!, 'host'), [authority]);
  });
}
