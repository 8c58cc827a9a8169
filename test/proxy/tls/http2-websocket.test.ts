/** WebSockets over HTTP/2 (RFC 8441): streams whose client waits, and fields that only an upgrade over HTTP/1.1 has. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { eventually } from '../../helpers/eventually.ts';
import { testMaterial } from '../../helpers/proxy/certificates.ts';
import { headersOf } from '../../helpers/proxy/message.ts';
import { Rig, type RigSettings } from '../../helpers/proxy/rig.ts';

const CONNECT = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': '/chat' };
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

/** Opens a WebSocket and leaves its stream open: the client has not sent its last. */
async function open(t: TestContext, settings: RigSettings = {}, fields: OutgoingHttpHeaders = {}) {
  const rig = await Rig.open(t, { tls: testMaterial(), http2: true, ...settings });
  const session = connect(`https://localhost:${rig.port}`, { rejectUnauthorized: false });
  session.on('error', () => {});
  t.after(() => session.destroy());
  await once(session, 'remoteSettings');
  const stream = session.request({ ...CONNECT, ...fields });
  stream.on('error', () => {});
  return { rig, stream };
}

/** Waits until the other side has ended the stream, which this one has not: the status, and the code of the reset. */
async function endOf(stream: ClientHttp2Stream): Promise<readonly [unknown, number | undefined]> {
  const [headers] = await once(stream, 'response');
  stream.resume();
  await eventually('the end of the stream', () => stream.destroyed, 5000);
  return [headers[':status'], stream.rstCode];
}

test('a stream that its replica refuses to make a WebSocket ends with the response', async (t) => {
  const { rig, stream } = await open(t);
  rig.replica.serve(() => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  assert.deepEqual(await endOf(stream), [403, constants.NGHTTP2_NO_ERROR]);
  await rig.settled();
});

for (const [what, head] of [
  ['has an end', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'],
  ['has no end', 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n'],
  ['is empty', 'HTTP/1.1 204 No Content\r\n\r\n'],
] as const) {
  test(`a response that ${what} does not open a WebSocket, whatever its status says over HTTP/2`, async (t) => {
    const { rig, stream } = await open(t, { accessLog: 'json' });
    rig.replica.serve(() => head);
    assert.deepEqual(await endOf(stream), [502, constants.NGHTTP2_NO_ERROR]);
    await rig.settled();
    rig.tick();
    const { status, error } = JSON.parse(rig.logged) as { status: number; error: string };
    assert.deepEqual({ status, error }, { status: 502, error: 'bad-response' });
    // an application that knows no WebSocket at this path is in order
    const { failures, failedAttempts } = rig.counts().replicas[0]!;
    assert.deepEqual(
      { failures, failedAttempts, reports: rig.reports },
      { failures: 0, failedAttempts: 0, reports: [] },
    );
  });
}

test('a stream that the balancer refuses to make a WebSocket ends with the response', async (t) => {
  const { stream } = await open(t, { replicas: 0, queueDepth: 0 });
  assert.deepEqual(await endOf(stream), [503, constants.NGHTTP2_NO_ERROR]);
});

test('a drain does not wait for a WebSocket that was refused', async (t) => {
  const { rig, stream } = await open(t);
  rig.replica.serve(() => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  await once(stream, 'response');
  stream.resume();
  await rig.drain();
});

test('a length that a WebSocket announces is not one of its upgrade', async (t) => {
  const { rig, stream } = await open(t, {}, { 'content-length': 3 });
  const replica = await rig.replica.next();
  const request = await replica.head();
  assert.deepEqual(headersOf(request, 'content-length'), []);
  replica.send(SWITCHING);
  await once(stream, 'response');
  stream.write('abc');
  assert.equal(await replica.takeBytes(3), 'abc');
  replica.end();
  stream.end();
  assert.equal(await replica.over(), '');
});

test('a key that the client sends for a WebSocket is not sent beside ours', async (t) => {
  const { rig, stream } = await open(t, {}, { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' });
  const request = await (await rig.replica.next()).head();
  assert.equal(headersOf(request, 'sec-websocket-key').length, 1);
  stream.close();
});
