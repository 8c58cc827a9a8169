import assert from 'node:assert/strict';
import { type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { metricsRoute } from '../../../lib/admin/routes/metrics.ts';
import { runAdmin } from '../../helpers/admin/admin.ts';

/** The metrics as they come over the wire. */
async function fetchRaw(port: number, headers: Readonly<Record<string, string>>) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ port, path: '/metrics', agent: false, headers }, resolve).once('error', reject).end();
  });
  return { headers: response.headers, body: await buffer(response) };
}

async function stage(t: { after(run: () => unknown): void }, text = 'up 1\n') {
  const asked: (string | undefined)[] = [];
  const named: (readonly string[])[] = [];
  const route = metricsRoute(async (accept, replicas) => {
    asked.push(accept);
    named.push(replicas);
    return { contentType: 'text/x-metrics', text };
  });
  const admin = await runAdmin({ routes: [route] });
  t.after(() => admin.stop());
  return { asked, named, admin };
}

test('/metrics answers what is exposed, under its content type', async (t) => {
  const { admin } = await stage(t);
  const { status, body, headers } = await admin.ask('GET', '/metrics');
  assert.deepEqual([status, body], [200, 'up 1\n']);
  assert.equal(headers['content-type'], 'text/x-metrics');
  assert.equal(headers.vary, 'Accept');
});

test('/metrics passes on what the client accepts', async (t) => {
  const { admin, asked } = await stage(t);
  await admin.ask('GET', '/metrics', { headers: { accept: 'a/b;q=0.5' } });
  await admin.ask('GET', '/metrics');
  assert.deepEqual(asked, ['a/b;q=0.5', undefined]);
});

test('/metrics is only read', async (t) => {
  const { admin } = await stage(t);
  const { status, headers } = await admin.ask('POST', '/metrics');
  assert.deepEqual([status, headers.allow], [405, 'GET, HEAD']);
});

test('/metrics passes on which replicas are asked for, each once', async (t) => {
  const { admin, named } = await stage(t);
  for (const query of ['', '?replica=S1', '?replica=S1&replica=127.0.0.1:80&replica=S1'])
    assert.equal((await admin.ask('GET', `/metrics${query}`)).status, 200);
  assert.deepEqual(named, [[], ['S1'], ['S1', '127.0.0.1:80']]);
});

for (const [query, message] of [
  ['?replicas=S1', 'Unknown parameter "replicas"; did you mean replica?'],
  ['?name=S1', 'Unknown parameter "name"; there is replica'],
  ['?replica=', 'replica must be the name of a replica'],
  [
    `?${Array.from({ length: 101 }, (_, number) => `replica=S${number}`).join('&')}`,
    'replica may be there 100 times, not 101',
  ],
] as const) {
  test(`/metrics${query.slice(0, 20)} is refused: ${message}`, async (t) => {
    const { admin, named } = await stage(t);
    const { status, body } = await admin.ask('GET', `/metrics${query}`);
    assert.equal(status, 400);
    assert.equal(JSON.parse(body).message, `<Error> ${message}`);
    assert.equal(named.length, 0);
  });
}

for (const [accept, isCompressed] of [
  [undefined, false],
  ['identity', false],
  ['br, deflate', false],
  ['gzip;q=0', false],
  ['gzip;q=0.0, br', false],
  ['gzip', true],
  ['br;q=1.0, GZIP;q=0.5', true],
] as const) {
  test(`much of it is ${isCompressed ? '' : 'not '}compressed for Accept-Encoding: ${accept}`, async (t) => {
    const text = 'up 1\n'.repeat(10_000);
    const { admin } = await stage(t, text);
    const headers = accept === undefined ? {} : { 'accept-encoding': accept };
    const response = await fetchRaw(admin.port, headers);
    assert.equal(response.headers['content-encoding'], isCompressed ? 'gzip' : undefined);
    assert.equal(response.headers.vary, 'Accept, Accept-Encoding');
    assert.equal((isCompressed ? gunzipSync(response.body) : response.body).toString(), text);
  });
}
