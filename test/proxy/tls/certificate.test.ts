/** What a certificate must be before it is used, and which of several is for a host name. */
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { CertificateError, HostMap, readCertificate } from '../../../lib/proxy/downstream/tls/certificate.ts';
import { makeCertificate } from '../../helpers/proxy/certificates.ts';

const good = makeCertificate(['A.example', '*.b.example']);
const other = makeCertificate(['c.example']);
const issuer = makeCertificate(['issuer.example'], { isAuthority: true });
const leaf = makeCertificate(['leaf.example'], { issuer });
const nowMs = Date.now();

function encrypted(key: string): string {
  return createPrivateKey(key)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
    .toString();
}

function rsaKey(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

test('a certificate has its host names in lower case, and expiry', () => {
  const { hosts, expiresMs } = readCertificate('good', good.cert, good.key, nowMs);
  assert.deepEqual(hosts, ['a.example', '*.b.example']);
  assert.ok(Math.abs(expiresMs - nowMs - 30 * 86_400_000) < 600_000);
});

for (const [what, cert, key, atMs, problem] of [
  ['with the key of another', good.cert, other.key, nowMs, /good: the key is not that of its certificate/],
  ['that has expired', good.cert, good.key, nowMs + 31 * 86_400_000, /good expired on /],
  ['that is not there', '', good.key, nowMs, /good has no certificate in PEM/],
  ['that is half written', good.cert.slice(0, 300), good.key, nowMs, /good is no certificate in PEM/],
  ['with half an issuer', leaf.cert + issuer.cert.slice(0, 300), leaf.key, nowMs, /good is no certificate/],
  [
    'with a broken body',
    good.cert.replace(/\n.{10}/, '\n##########'),
    good.key,
    nowMs,
    /good is no certificate/,
  ],
  ['without a key', good.cert, '', nowMs, /good has no private key/],
  ['with a half-written key', good.cert, good.key.slice(0, 100), nowMs, /good has no private key/],
  [
    'with a chain out of order',
    good.cert + other.cert,
    good.key,
    nowMs,
    /certificate 2 of the chain did not issue/,
  ],
  ['behind its issuer', issuer.cert + leaf.cert, leaf.key, nowMs, /is that of certificate 2 of the chain/],
  ['with an encrypted key', good.cert, encrypted(good.key), nowMs, /openssl pkey/],
  ['with a key of another type', good.cert, rsaKey(), nowMs, /good: the key is not that of its certificate/],
] as const) {
  test(`a certificate ${what} is refused`, () => {
    assert.throws(
      () => readCertificate('good', cert, key, atMs),
      (error) => error instanceof CertificateError && problem.test(error.message),
    );
  });
}

test('a certificate with its issuer behind it is taken', () => {
  assert.deepEqual(readCertificate('leaf', leaf.cert + issuer.cert, leaf.key, nowMs).hosts, ['leaf.example']);
});

for (const [what, pem] of [
  ['with Windows line ends', (text: string) => text.replaceAll('\n', '\r\n')],
  ['behind a byte order mark', (text: string) => `\ufeff${text}`],
  ['between other text', (text: string) => `Bag Attributes\n  name: a\n${text}\nsubject=CN = a\n`],
] as const) {
  test(`a certificate ${what} is taken`, () => {
    assert.deepEqual(readCertificate('leaf', pem(leaf.cert + issuer.cert), pem(leaf.key), nowMs).hosts, [
      'leaf.example',
    ]);
  });
}

test('a host name matches exactly, then by one-label wildcard, or never', () => {
  const map = new HostMap<string>();
  map.add('a.example', 'exact');
  map.add('*.example', 'wildcard');
  map.add('*.a.example', 'deeper');
  for (const [host, expected] of [
    ['a.example', 'exact'],
    ['A.Example', 'exact'],
    ['a.example.', 'exact'],
    ['b.example', 'wildcard'],
    ['b.a.example', 'deeper'],
    ['c.b.a.example', undefined],
    ['example', undefined],
    ['.example', undefined],
    ['', undefined],
  ] as const)
    assert.equal(map.find(host), expected, host);
});
