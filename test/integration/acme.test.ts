/** A whole balancer that gets its certificates from an ACME server, started by the command of docs/tls.md. */
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
import { blocksOf } from '../docs/blocks.ts';
import { readPage } from '../docs/generated.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

const run = promisify(execFile);

/** The page's options, with what they are here in place of what they are there. */
function documentedOptions(here: Readonly<Record<string, string>>): string {
  const block = blocksOf(readPage('docs/tls.md')).find(({ text }) => text.includes('--acme-domains'));
  assert.ok(block, 'docs/tls.md has a block with --acme-domains');
  const [program, ...options] = block.text.replaceAll('\\\n', ' ').split(/\s+/);
  assert.equal(program, 'ringlb');
  for (const [option, value] of Object.entries(here)) {
    const at = options.indexOf(option);
    assert.notEqual(at, -1, option);
    options[at + 1] = value;
  }
  return options.join(' ');
}

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
    const documented = documentedOptions({
      '--port': String(httpPort),
      '--tls-port': String(tlsPort),
      '--acme-dir': state,
    });
    balancer = await Balancer.ready(
      `${documented} --acme-directory ${pebble.url} --replicas 1 --workers 2 --public-admin off`,
      [],
      { env: { NODE_EXTRA_CA_CERTS: pebble.caFile } },
    );
  });
  after(async () => {
    await balancer?.stop();
    pebble?.stop();
    await rm(directory, { recursive: true });
  });

  for (const domain of ['shop.example', 'www.shop.example']) {
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
    assert.match(body, /^ringlb_certificate_expiry_seconds\{name="shop\.example"\} \d+/m);
    assert.match(body, /^ringlb_certificate_expiry_seconds\{name="www\.shop\.example"\} \d+/m);
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
