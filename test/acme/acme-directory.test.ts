/** What is kept on disk for ACME: who may read it, and what a token may name. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AcmeDirectory, LOCK_MS } from '../../lib/acme/acme-directory.ts';
import { makeCertificate } from '../helpers/proxy/certificates.ts';

function stage(t: TestContext): { readonly path: string; readonly directory: AcmeDirectory } {
  const path = mkdtempSync(join(tmpdir(), 'ringlb-acme-'));
  t.after(() => rmSync(path, { recursive: true }));
  return { path, directory: new AcmeDirectory(join(path, 'made')) };
}

test('keeps everything from other users', (t) => {
  const { path, directory } = stage(t);
  directory.saveAccountKey('key');
  directory.saveChallenge('token', 'proof');
  const { cert, key } = makeCertificate(['a.example']);
  directory.saveCertificate('a.example', cert, key);
  for (const file of ['account.key', 'a.example.pem', 'challenges/token'])
    assert.equal(statSync(join(path, 'made', file)).mode & 0o077, 0, file);
  assert.deepEqual(readdirSync(join(path, 'made')).toSorted(), [
    'a.example.pem',
    'account.key',
    'challenges',
  ]);
});

test('reads how long a certificate is valid', (t) => {
  const { directory } = stage(t);
  const { cert, key } = makeCertificate(['a.example'], { days: 90 });
  directory.saveCertificate('a.example', cert, key);
  const { fromMs, toMs } = directory.validityOf('a.example')!;
  assert.equal(toMs - fromMs, 90 * 86_400_000);
  assert.equal(directory.validityOf('b.example'), undefined);
});

test('a certificate that cannot be read counts as none', (t) => {
  const { path, directory } = stage(t);
  writeFileSync(join(path, 'made', 'a.example.pem'), 'half');
  assert.equal(directory.validityOf('a.example'), undefined);
});

for (const token of ['../account.key', '..%2faccount.key', '', 'a/b', 'a'.repeat(300)]) {
  test(`no challenge has the token ${JSON.stringify(token.slice(0, 20))}`, (t) => {
    const { directory } = stage(t);
    directory.saveAccountKey('secret');
    directory.saveChallenge(token, 'proof');
    assert.equal(directory.challenge(token), undefined);
  });
}

test('a challenge is there until it is removed', (t) => {
  const { directory } = stage(t);
  directory.saveChallenge('to-ken_1', 'proof');
  assert.equal(directory.challenge('to-ken_1'), 'proof');
  directory.removeChallenge('to-ken_1');
  assert.equal(directory.challenge('to-ken_1'), undefined);
});

test('one balancer at a time has the lock, until it stops touching it', (t) => {
  const { directory } = stage(t);
  const nowMs = Date.now();
  assert.equal(directory.lock(nowMs), true);
  assert.equal(directory.lock(nowMs), false);
  directory.touchLock(nowMs + LOCK_MS);
  assert.equal(directory.lock(nowMs + LOCK_MS + 1000), false);
  assert.equal(directory.lock(nowMs + 2 * LOCK_MS + 1000), true);
});

test('a directory that cannot be written is refused in words', (t) => {
  const { path } = stage(t);
  writeFileSync(join(path, 'file'), '');
  assert.throws(() => new AcmeDirectory(join(path, 'file')), /acme-dir .* cannot be written/);
});
