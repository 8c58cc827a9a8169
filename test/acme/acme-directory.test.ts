/** What is kept on disk for ACME: who may read it, and what a token may name. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { AcmeDirectory, LOCK_MS } from '../../lib/acme/acme-directory.ts';
import { checkFor } from '../../lib/compose/acme.ts';
import { systemClock } from '../../lib/platform/clock.ts';
import { makeCertificate } from '../helpers/proxy/certificates.ts';

const check = checkFor(systemClock);

function stage(t: TestContext): { readonly path: string; readonly directory: AcmeDirectory } {
  const path = mkdtempSync(join(tmpdir(), 'ringlb-acme-'));
  t.after(() => rmSync(path, { recursive: true }));
  return { path, directory: new AcmeDirectory(join(path, 'made'), check) };
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

const [one, other] = [makeCertificate(['a.example']), makeCertificate(['a.example'])];
for (const [what, text] of [
  ['cannot be read', 'half'],
  ['has the key of another', one.cert + other.key],
  ['has no key', one.cert],
  ['is for another host', Object.values(makeCertificate(['b.example'])).join('')],
] as const) {
  test(`a certificate that ${what} counts as none`, (t) => {
    const { path, directory } = stage(t);
    writeFileSync(join(path, 'made', 'a.example.pem'), text);
    assert.equal(directory.validityOf('a.example'), undefined);
  });
}

test('a certificate that cannot be used does not take the place of one that can', (t) => {
  const { path, directory } = stage(t);
  directory.saveCertificate('a.example', one.cert, one.key);
  assert.throws(() => directory.saveCertificate('a.example', one.cert, other.key), /the key is not that/);
  assert.equal(readFileSync(join(path, 'made', 'a.example.pem'), 'utf8'), one.cert + one.key);
});

test('an account key that cannot be read is told with what to do', (t) => {
  const { directory } = stage(t);
  assert.equal(directory.accountKey, undefined);
  directory.saveAccountKey('');
  assert.throws(() => directory.accountKey, /account\.key is no private key; without it/);
  directory.saveAccountKey(one.key);
  assert.equal(directory.accountKey, one.key);
});

for (const token of ['../account.key', '..%2faccount.key', '', 'a/b', 'a'.repeat(256)]) {
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

test('the lock of a balancer whose clock was ahead is void', (t) => {
  const { path, directory } = stage(t);
  const nowMs = Date.now();
  assert.ok(directory.lock(nowMs));
  utimesSync(join(path, 'made', 'lock'), nowMs / 1000 + 86_400, nowMs / 1000 + 86_400);
  assert.equal(directory.lock(nowMs), true);
});

test('a lock that another has taken meanwhile stays', (t) => {
  const { path, directory } = stage(t);
  const nowMs = Date.now();
  const second = new AcmeDirectory(join(path, 'made'), check);
  assert.ok(directory.lock(nowMs));
  assert.ok(second.lock(nowMs + LOCK_MS + 1000));
  directory.touchLock(nowMs + 2 * LOCK_MS);
  directory.unlock();
  assert.equal(directory.lock(nowMs), false);
});

test('a lock that is gone is not missed', (t) => {
  const { path, directory } = stage(t);
  assert.ok(directory.lock(Date.now()));
  rmSync(join(path, 'made', 'lock'));
  directory.touchLock(Date.now());
  directory.unlock();
});

test('balancers may start with it at once', async (t) => {
  const { path } = stage(t);
  const source = `
    import { workerData } from 'node:worker_threads';
    const { AcmeDirectory } = await import(workerData.module);
    for (let time = 0; time < 200; time++) new AcmeDirectory(workerData.path);
  `;
  const module = import.meta.resolve('../../lib/acme/acme-directory.ts');
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  const starts = [1, 2, 3].map(
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(url, { workerData: { path: join(path, 'made'), module } });
        worker.on('error', reject).on('exit', resolve);
      }),
  );
  assert.deepEqual(await Promise.all(starts), [0, 0, 0]);
});

test('a directory that cannot be written is refused in words', (t) => {
  const { path } = stage(t);
  writeFileSync(join(path, 'file'), '');
  assert.throws(() => new AcmeDirectory(join(path, 'file'), check), /acme-dir .* cannot be written/);
});
