/** A whole balancer with a TLS port: real threads, files that change under it, curl and openssl as clients. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { makeCertificate } from '../helpers/proxy/certificates.ts';

const run = promisify(execFile);

interface Stage {
  readonly balancer: Balancer;
  readonly tlsPort: number;
  readonly certFile: string;
  readonly keyFile: string;
}

async function stage(t: TestContext, options = ''): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'ringlb-tls-'));
  t.after(() => rm(directory, { recursive: true }));
  const [certFile, keyFile] = [join(directory, 'site.crt'), join(directory, 'site.key')];
  const { cert, key } = makeCertificate(['localhost']);
  await writeFile(certFile, cert);
  await writeFile(keyFile, key);
  const tlsPort = (await findFreePort(new Set()))!;
  const files = `--tls-port ${tlsPort} --tls-cert ${certFile} --tls-key ${keyFile}`;
  const balancer = await Balancer.ready(`--replicas 1 --workers 2 ${files} ${options}`);
  t.after(() => balancer.stop());
  return { balancer, tlsPort, certFile, keyFile };
}

test('curl is served over TLS, and verifies the certificate', async (t) => {
  const { balancer, tlsPort, certFile } = await stage(t);
  const url = `https://localhost:${tlsPort}/home`;
  const { stdout } = await run('curl', ['-sS', '--cacert', certFile, url, url]);
  assert.equal(stdout.match(/Hello from Server: S1/g)?.length, 2);
  const { body } = await balancer.askAdmin('GET', '/metrics');
  assert.match(body, /^ringlb_tls_handshakes_total\{result="full"\} 1$/m);
  const [, seconds] = /^ringlb_certificate_expiry_seconds\{name="site"\} (\d+)/m.exec(body) ?? [];
  assert.ok(Number(seconds) > 29 * 86_400 && Number(seconds) <= 30 * 86_400, body);
});

test('curl and a body of a megabyte go through HTTP/2', async (t) => {
  const { tlsPort, certFile, keyFile } = await stage(t, '--http2 on');
  const url = `https://localhost:${tlsPort}/home`;
  const args = ['-sS', '--http2', '--cacert', certFile, '-w', ' %{http_version}'];
  const { stdout } = await run('curl', [...args, url]);
  assert.match(stdout, /Hello from Server: S1.* 2$/);
  await writeFile(keyFile, 'x'.repeat(1_000_000));
  const posted = await run('curl', [...args, '--data-binary', `@${keyFile}`, url]);
  assert.match(posted.stdout, / 2$/);
});

test('a replaced certificate is served after SIGHUP, a broken one not', async (t) => {
  const { balancer, tlsPort, certFile, keyFile } = await stage(t);
  const shown = async (): Promise<string> => {
    const args = ['s_client', '-connect', `localhost:${tlsPort}`];
    const { stdout } = await run('sh', ['-c', `openssl ${args.join(' ')} </dev/null 2>/dev/null`]);
    return /subject=CN = (.*)/.exec(stdout)?.[1] ?? stdout;
  };
  assert.equal(await shown(), 'localhost');
  const next = makeCertificate(['next.example']);
  await writeFile(certFile, next.cert);
  balancer.signal('SIGHUP');
  await eventually('the fault is logged', () => /certificate not loaded/.test(balancer.stderr));
  assert.equal(await shown(), 'localhost');
  await writeFile(keyFile, next.key);
  balancer.signal('SIGHUP');
  await eventually('every thread shows the new one', async () => (await shown()) === 'next.example');
});

test('does not start with a key that is another certificate’s', async (t) => {
  const { certFile, keyFile } = await stage(t);
  await writeFile(keyFile, makeCertificate(['other.example']).key);
  const tlsPort = (await findFreePort(new Set()))!;
  const balancer = Balancer.spawn(
    `--port 0 --admin-port 0 --tls-port ${tlsPort} --tls-cert ${certFile} --tls-key ${keyFile}`,
  );
  assert.equal((await balancer.exited).code, 1);
  assert.match(balancer.stderr, /^ringlb: site: the key is not that of its certificate$/m);
});

/** A replica that speaks HTTP/2 alone. */
const HTTP2_REPLICA = `require("http2").createServer((request, response) => response.end(request.httpVersion)).listen(process.env.PORT, "127.0.0.1")`;

test('replicas that speak HTTP/2 are probed and served', async (t) => {
  const command = `exec node -e '${HTTP2_REPLICA}'`;
  const balancer = await Balancer.ready('--replicas 2 --workers 2 --upstream-protocol h2', [
    '--command',
    command,
  ]);
  t.after(() => balancer.stop());
  const { status, body } = await balancer.ask('GET', '/any');
  assert.deepEqual([status, body], [200, '2.0']);
});
