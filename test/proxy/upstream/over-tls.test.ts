/** Replicas that are spoken to over TLS: verified, pooled, and failing like others. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { createProbe } from '../../../lib/fleet/health/probe.ts';
import { connectHttp1 } from '../../../lib/fleet/health/probe-connection.ts';
import type { UpstreamTls } from '../../../lib/platform/upstream-tls.ts';
import { eventually } from '../../helpers/eventually.ts';
import { makeCertificate } from '../../helpers/proxy/certificates.ts';
import { failureOf, get, ok, post, statusOf } from '../../helpers/proxy/message.ts';
import { FakeReplica } from '../../helpers/proxy/replica.ts';
import { Rig } from '../../helpers/proxy/rig.ts';

const certificate = makeCertificate(['localhost']);
const stranger = makeCertificate(['elsewhere.example']);

async function stage(t: TestContext, upstreamTls: UpstreamTls, shown = certificate) {
  const replica = await FakeReplica.open(shown);
  t.after(() => replica.close());
  replica.serve((request) => ok(`${request.startLine} ${request.body.length}`));
  const rig = await Rig.open(t, { upstreamTls, retries: 0 });
  rig.place(0, { host: 'localhost', port: replica.port, tls: true });
  return { rig, replica, client: await rig.client() };
}

const KNOWN: UpstreamTls = { ca: certificate.cert, isInsecure: false };

test('sends requests over TLS, on connections that are kept', async (t) => {
  const { client, replica } = await stage(t, KNOWN);
  client.send(get('/a'));
  assert.equal((await client.response()).body, 'GET /a HTTP/1.1 0');
  client.send(post('/b', 'x'.repeat(500_000)));
  assert.equal((await client.response()).body, 'POST /b HTTP/1.1 500000');
  assert.equal(replica.connections.length, 1);
});

test('passes large responses on', async (t) => {
  const { client, replica } = await stage(t, KNOWN);
  replica.serve(() => ok('y'.repeat(5_000_000)));
  client.send(get('/'));
  assert.equal((await client.response()).body.length, 5_000_000);
});

for (const [what, tls, shown] of [
  ['of an unknown authority', { ca: '', isInsecure: false }, certificate],
  ['of another host', { ca: stranger.cert, isInsecure: false }, stranger],
] as const) {
  test(`a replica with a certificate ${what} gets no request`, async (t) => {
    const { client, replica } = await stage(t, tls, shown);
    client.send(get('/'));
    const response = await client.response();
    assert.equal(statusOf(response), 502);
    assert.match(failureOf(response), /could not be reached/);
    assert.equal(replica.requests.length, 0);
  });
}

test('verifies nothing where that is asked for', async (t) => {
  const { client } = await stage(t, { ca: '', isInsecure: true }, stranger);
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 200);
});

const PROBE = {
  probePath: '/',
  probeHost: '',
  probePort: 0,
  probeHeader: [],
  probeExpect: [[200, 200]] as const,
  probeTimeoutMs: 10_000,
  probeIntervalMs: 1000,
  connectTimeoutMs: 10_000,
};

test('a probe says that the authority of a certificate is unknown', async (t) => {
  const issuer = makeCertificate(['authority'], { isAuthority: true });
  const { cert, key } = makeCertificate(['localhost'], { issuer });
  for (const shown of [cert, `${cert}${issuer.cert}`]) {
    const replica = await FakeReplica.open({ cert: shown, key });
    t.after(() => replica.close());
    const { detail } = await createProbe(PROBE, 0)(
      { host: 'localhost', port: replica.port, tls: true },
      false,
    );
    assert.equal(detail, 'certificate of an authority that is not in --upstream-ca');
  }
});

test('probes over TLS, and says why a certificate is refused', async (t) => {
  const replica = await FakeReplica.open(certificate);
  t.after(() => replica.close());
  replica.serve();
  const endpoint = { host: 'localhost', port: replica.port, tls: true };
  const verified = createProbe({ ...PROBE, connect: connectHttp1(KNOWN) }, 0);
  assert.equal((await verified(endpoint, false)).outcome, 'passed');
  const { outcome, detail } = await createProbe(PROBE, 0)(endpoint, false);
  assert.notEqual(outcome, 'passed');
  assert.equal(detail, 'self-signed certificate that is not in --upstream-ca');
  const plain = await FakeReplica.open();
  t.after(() => plain.close());
  const answered = createProbe({ ...PROBE, connect: connectHttp1(KNOWN) }, 0)(
    { ...endpoint, port: plain.port },
    false,
  );
  const [peer] = await eventually('a connection', () => plain.connections.length > 0 && plain.connections);
  peer!.send('no TLS');
  assert.equal((await answered).detail, 'TLS: wrong version number');
});

test('believes the authorities that Node.js was told of, beside those of the file', async (t) => {
  const replica = await FakeReplica.open(certificate);
  t.after(() => replica.close());
  const directory = mkdtempSync(join(tmpdir(), 'ringlb-ca-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'ca.crt');
  writeFileSync(file, certificate.cert);
  const source = `
    import { connectOverTls } from ${JSON.stringify(import.meta.resolve('../../../lib/platform/upstream-tls.ts'))};
    const tls = { ca: ${JSON.stringify(stranger.cert)}, isInsecure: false };
    connectOverTls({ host: 'localhost', port: ${replica.port} }, tls)
      .on('secureConnect', () => process.exit(0))
      .on('error', (error) => { console.error(error.message); process.exit(1); });
  `;
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: file };
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', source], { env });
});
