/** Replicas that authenticate connections (NTLM, Negotiate), and clients over HTTP/2, whose requests have none of their own. */
import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { testMaterial } from '../../helpers/proxy/certificates.ts';
import { get, ok } from '../../helpers/proxy/message.ts';
import type { Responder } from '../../helpers/proxy/replica.ts';
import { Rig } from '../../helpers/proxy/rig.ts';
import { message, ntlm } from '../ntlm-replica.ts';

async function open(t: TestContext, serve: Responder): Promise<{ rig: Rig; session: ClientHttp2Session }> {
  const rig = await Rig.open(t, { tls: testMaterial(), http2: true, accessLog: 'json' });
  rig.replica.serve(serve);
  const session = connect(`https://localhost:${rig.port}`, { rejectUnauthorized: false });
  session.on('error', () => {});
  t.after(() => session.destroy());
  return { rig, session };
}

/** The status of the response, if there was one, and the code with which the stream was reset. */
async function endOf(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}) {
  const stream = session.request({ ':path': '/', ...headers });
  let status: number | undefined;
  stream.on('response', (fields) => {
    status = fields[':status'];
  });
  stream.on('error', () => {});
  stream.resume();
  await new Promise((resolve) => stream.once('close', resolve));
  return [status, stream.rstCode] as const;
}

const BACK_OVER_HTTP1 = [undefined, constants.NGHTTP2_HTTP_1_1_REQUIRED] as const;

test('a client over HTTP/2 is told to log in over HTTP/1.1, where it can', async (t) => {
  const { rig, session } = await open(t, ntlm());
  assert.deepEqual(await endOf(session), BACK_OVER_HTTP1);
  const client = await rig.client();
  for (const [headers, body] of [
    ['', 'no'],
    [message('type1'), 'no'],
    [message('type3-alice'), 'you are alice'],
  ] as const) {
    client.send(get('/', headers));
    assert.equal((await client.response()).body, body);
  }
  assert.deepEqual(await endOf(session), BACK_OVER_HTTP1);
  await rig.settled();
  rig.tick();
  const { status, replica } = JSON.parse(rig.logged.split('\n')[0]!) as { status: number; replica: string };
  assert.deepEqual({ status, replica }, { status: 401, replica: 'S1' });
});

for (const [what, response] of [
  [
    'among others',
    'WWW-Authenticate: Basic realm="a"\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 2\r\n\r\nno',
  ],
  [
    'in front of a large body',
    `WWW-Authenticate: NTLM\r\nContent-Length: 300000\r\n\r\n${'x'.repeat(300_000)}`,
  ],
  ['without a body', 'WWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n'],
  [
    'in front of chunks',
    'WWW-Authenticate: Negotiate\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n',
  ],
] as const) {
  test(`a challenge ${what} resets its stream and no other`, async (t) => {
    const { rig, session } = await open(t, (request) =>
      request.head.includes('/public') ? ok('all') : `HTTP/1.1 401 Unauthorized\r\n${response}`,
    );
    assert.deepEqual(await endOf(session), BACK_OVER_HTTP1);
    assert.deepEqual(await endOf(session, { ':path': '/public' }), [200, constants.NGHTTP2_NO_ERROR]);
    await rig.settled();
  });
}

test('challenges that concern a request alone, and credentials that are taken at once, pass', async (t) => {
  const { session } = await open(t, (request) =>
    request.head.includes('Negotiate ticket')
      ? ok('alice', 'WWW-Authenticate: Negotiate done\r\n')
      : 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="NTLM"\r\nContent-Length: 2\r\n\r\nno',
  );
  assert.deepEqual(await endOf(session), [401, constants.NGHTTP2_NO_ERROR]);
  const taken = await endOf(session, { authorization: 'Negotiate ticket' });
  assert.deepEqual(taken, [200, constants.NGHTTP2_NO_ERROR]);
});
