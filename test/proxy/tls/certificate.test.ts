/** What a certificate must be before it is used, and which of several is for a host name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificateError, HostMap, readCertificate } from '../../../lib/proxy/downstream/tls/certificate.ts';
import { makeCertificate } from '../../helpers/proxy/certificates.ts';

const good = makeCertificate(['A.example', '*.b.example']);
const other = makeCertificate(['c.example']);
const nowMs = Date.now();

test('a certificate has its host names in lower case, and expiry', () => {
  const { hosts, expiresMs } = readCertificate('good', good.cert, good.key, nowMs);
  assert.deepEqual(hosts, ['a.example', '*.b.example']);
  assert.ok(Math.abs(expiresMs - nowMs - 30 * 86_400_000) < 600_000);
});

for (const [what, cert, key, atMs, problem] of [
  ['with the key of another', good.cert, other.key, nowMs, /good: the key is not that of its certificate/],
  ['that has expired', good.cert, good.key, nowMs + 31 * 86_400_000, /good expired on /],
  ['that is half written', good.cert.slice(0, 300), good.key, nowMs, /good has no certificate in PEM/],
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
] as const) {
  test(`a certificate ${what} is refused`, () => {
    assert.throws(
      () => readCertificate('good', cert, key, atMs),
      (error) => error instanceof CertificateError && problem.test(error.message),
    );
  });
}

test('a certificate with its issuer behind it is taken', () => {
  const issuer = makeCertificate(['issuer.example'], { isAuthority: true });
  const leaf = makeCertificate(['leaf.example'], { issuer });
  assert.deepEqual(readCertificate('leaf', leaf.cert + issuer.cert, leaf.key, nowMs).hosts, ['leaf.example']);
});

test('a host name matches exactly, then by one-label wildcard, or never', () => {
  const map = new HostMap<string>();
  map.add('a.example', 'exact');
  map.add('*.example', 'wildcard');
  map.add('*.a.example', 'deeper');
  for (const [host, expected] of [
    ['a.example', 'exact'],
    ['A.Example', 'exact'],
    ['b.example', 'wildcard'],
    ['b.a.example', 'deeper'],
    ['c.b.a.example', undefined],
    ['example', undefined],
    ['.example', undefined],
    ['', undefined],
  ] as const)
    assert.equal(map.find(host), expected, host);
});
