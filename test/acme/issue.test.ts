/** One order at a server that fails half-way, or gives what is of no use. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { axios, crypto } from 'acme-client';
import { AcmeDirectory } from '../../lib/acme/acme-directory.ts';
import { ComeAgainLater, issueFrom } from '../../lib/acme/issue.ts';
import { checkFor } from '../../lib/compose/acme.ts';
import { systemClock } from '../../lib/platform/clock.ts';
import { makeCertificate } from '../helpers/proxy/certificates.ts';
import { FakeAcmeServer } from './fake-server.ts';

const DOMAIN = 'a.example';

interface Stage {
  readonly server: FakeAcmeServer;
  readonly path: string;
  readonly directory: AcmeDirectory;
  order(signal?: AbortSignal, domain?: string): Promise<void>;
}

async function stage(t: TestContext, email = ''): Promise<Stage> {
  const path = mkdtempSync(join(tmpdir(), 'ringlb-acme-'));
  t.after(() => rmSync(path, { recursive: true }));
  const server = await FakeAcmeServer.start(t);
  const directory = new AcmeDirectory(path, checkFor(systemClock));
  const issue = issueFrom({ directoryUrl: server.directoryUrl, email });
  const order = (signal = new AbortController().signal, domain = DOMAIN) => issue(domain, directory, signal);
  return { server, path, directory, order };
}

/** Nothing of the order is left but the account. */
function assertNothingSaved({ path }: Stage): void {
  assert.deepEqual(readdirSync(path).toSorted(), ['account.key', 'challenges']);
  assert.deepEqual(readdirSync(join(path, 'challenges')), []);
}

test('saves the certificate, and leaves no challenge', async (t) => {
  const on = await stage(t);
  await on.order();
  assert.ok(on.directory.validityOf(DOMAIN));
  assert.deepEqual(readdirSync(join(on.path, 'challenges')), []);
});

for (const email of ['', 'admin@a.example']) {
  test(`orders again with the same account, ${email || 'without an address'}`, async (t) => {
    const on = await stage(t, email);
    await on.order();
    rmSync(join(on.path, `${DOMAIN}.pem`));
    await on.order();
    assert.ok(on.directory.validityOf(DOMAIN));
  });
}

test('no request to the server waits for ever', async (t) => {
  const on = await stage(t);
  const limits = new Set<number | undefined>();
  const watching = axios.interceptors.request.use((request) => {
    limits.add(request.timeout);
    return request;
  });
  t.after(() => axios.interceptors.request.eject(watching));
  await on.order();
  assert.deepEqual([...limits], [30_000]);
});

test('a domain too long for a common name is in the alternative names alone', async (t) => {
  const on = await stage(t);
  const domain = `${'a'.repeat(60)}.example`;
  await on.order(undefined, domain);
  const { subject, subjectAltName } = new X509Certificate(readFileSync(join(on.path, `${domain}.pem`)));
  assert.deepEqual({ subject, subjectAltName }, { subject: undefined, subjectAltName: `DNS:${domain}` });
});

test('registers anew at a server that does not know its account', async (t) => {
  const on = await stage(t);
  on.directory.saveAccountKey((await crypto.createPrivateEcdsaKey()).toString());
  await on.order();
  assert.ok(on.directory.validityOf(DOMAIN));
});

test('takes a new nonce where the server has forgotten one', async (t) => {
  const on = await stage(t);
  on.server.instead.set('order', () => {
    on.server.instead.delete('order');
    return { status: 400, body: { type: 'urn:ietf:params:acme:error:badNonce' } };
  });
  await on.order();
  assert.ok(on.directory.validityOf(DOMAIN));
});

test('an order that is refused is told in the words of the server', async (t) => {
  const on = await stage(t);
  on.server.instead.set('order', () => ({ status: 403, body: { detail: 'the policy forbids it' } }));
  await assert.rejects(on.order(), /the policy forbids it/);
  assertNothingSaved(on);
});

test('so is a challenge', async (t) => {
  const on = await stage(t);
  on.server.instead.set('challenge', () => ({
    body: { status: 'invalid', error: { detail: 'nobody is at the door' }, url: 'x' },
  }));
  await assert.rejects(on.order(), /nobody is at the door/);
  assertNothingSaved(on);
});

test('a server without http-01 is not asked to look for another challenge', async (t) => {
  const on = await stage(t);
  const challenges = [{ type: 'dns-01', url: `${on.server.directoryUrl}/dns`, token: on.server.token }];
  on.server.instead.set('authorization', () => ({
    body: { identifier: { type: 'dns', value: DOMAIN }, status: 'pending', challenges },
  }));
  on.server.instead.set('directory/dns', () => ({ body: { status: 'invalid' } }));
  await assert.rejects(on.order(), /offers no http-01 challenge/);
  assert.ok(!on.server.asked.includes('directory/dns'));
  assertNothingSaved(on);
});

test('an order that becomes invalid at its end fails', async (t) => {
  const on = await stage(t);
  on.server.instead.set('finalize', () => ({ body: on.server.order('invalid') }));
  on.server.instead.set('order-1', () => ({ body: on.server.order('invalid') }));
  await assert.rejects(on.order());
  assertNothingSaved(on);
});

for (const [what, pair] of [
  ['for another key', makeCertificate([DOMAIN]).cert],
  ['that is none', '<html>'],
] as const) {
  test(`a certificate ${what} is not saved, and the one before stays`, async (t) => {
    const on = await stage(t);
    await on.order();
    const before = on.directory.validityOf(DOMAIN);
    on.server.instead.set('certificate', () => ({ body: pair }));
    await assert.rejects(on.order(), /a\.example/);
    assert.deepEqual(on.directory.validityOf(DOMAIN), before);
  });
}

test('a certificate for another host is not saved', async (t) => {
  const on = await stage(t);
  on.server.host = 'b.example';
  await assert.rejects(on.order(), /not for a\.example/);
  assertNothingSaved(on);
});

for (const [form, header] of [
  ['in seconds', () => '7200'],
  ['as a date', () => new Date(Date.now() + 7_201_000).toUTCString()],
] as const) {
  test(`when to come again is told ${form}`, async (t) => {
    const on = await stage(t);
    const headers = { 'retry-after': header() };
    on.server.instead.set('order', () => ({ status: 429, headers, body: { detail: 'too many orders' } }));
    const error = await on.order().catch((reason: unknown) => reason);
    assert.ok(error instanceof ComeAgainLater, String(error));
    assert.equal(error.message, 'too many orders');
    assert.equal(Math.round(error.afterMs / 3_600_000), 2);
    assert.equal(on.server.asked.filter((path) => path === 'order').length, 1);
  });
}

test('an order that was given up saves nothing', async (t) => {
  const on = await stage(t);
  const given = new AbortController();
  on.server.instead.set('authorization', () => {
    given.abort(new Error('too late'));
    on.server.instead.delete('authorization');
    return { body: { identifier: { type: 'dns', value: DOMAIN }, status: 'valid', challenges: [] } };
  });
  await assert.rejects(on.order(given.signal), /too late/);
  assertNothingSaved(on);
});
