/** A whole balancer that gets its certificates from an ACME server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { type Pebble, skipPebble, startPebble } from '../acme/pebble.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

const run = promisify(execFile);

describe('certificates from an ACME server', { skip: skipPebble }, () => {
  let directory: string;
  let pebble: Pebble;
  let balancer: Balancer;
  let tlsPort: number;
  let state: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ringlb-acme-'));
    state = join(directory, 'state');
    const httpPort = (await findFreePort(new Set()))!;
    pebble = await startPebble(directory, httpPort);
    tlsPort = (await findFreePort(new Set([httpPort])))!;
    const acme = `--acme-domains a.example,b.example --acme-dir ${state} --acme-directory ${pebble.url} --acme-email me@a.example`;
    balancer = await Balancer.ready(
      `--port ${httpPort} --replicas 1 --workers 2 --tls-port ${tlsPort} --tls-redirect on --public-admin off ${acme}`,
      [],
      { env: { NODE_EXTRA_CA_CERTS: pebble.caFile } },
    );
  });
  after(async () => {
    await balancer?.stop();
    pebble?.stop();
    await rm(directory, { recursive: true });
  });

  for (const domain of ['a.example', 'b.example']) {
    it(`serves a certificate for ${domain}`, async () => {
      const url = `https://${domain}:${tlsPort}/home`;
      await eventually('its file', () => existsSync(join(state, `${domain}.pem`)));
      const shown = await eventually('a certificate', async () => {
        const args = ['-skv', '--resolve', `${domain}:${tlsPort}:127.0.0.1`, url];
        const { stderr, stdout } = await run('curl', args).catch(() => ({ stderr: '', stdout: '' }));
        return stderr.includes('issuer: CN=Pebble') && stderr.includes(`CN=${domain}`) && { stdout };
      });
      assert.match(shown.stdout, /Hello from Server: S1/);
      const pem = await readFile(join(state, `${domain}.pem`), 'utf8');
      assert.match(pem, /BEGIN CERTIFICATE[\s\S]+BEGIN CERTIFICATE[\s\S]+PRIVATE KEY/);
    });
  }

  it('tells when they expire', async () => {
    const { body } = await balancer.askAdmin('GET', '/metrics');
    assert.match(body, /^ringlb_certificate_expiry_seconds\{name="a\.example"\} \d+/m);
    assert.match(body, /^ringlb_certificate_expiry_seconds\{name="b\.example"\} \d+/m);
  });

  it('responds to challenges that are under way, without a redirect, and to no other', async () => {
    await writeFile(join(state, 'challenges', 'token-1'), 'token-1.proof');
    const known = await balancer.ask('GET', '/.well-known/acme-challenge/token-1');
    assert.deepEqual([known.status, known.body], [200, 'token-1.proof']);
    for (const token of ['unknown', '..%2faccount.key', '']) {
      const { status } = await balancer.ask('GET', `/.well-known/acme-challenge/${token}`);
      assert.equal(status, 404, token);
    }
  });
});
