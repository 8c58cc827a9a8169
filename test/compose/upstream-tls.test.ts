/** The authorities of servers given as https://, as they are read from their file. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { upstreamTlsOf } from '../../lib/compose/upstream-tls.ts';
import { isBalancerError } from '../../lib/platform/errors.ts';
import { load } from '../helpers/options.ts';
import { makeCertificate } from '../helpers/proxy/certificates.ts';

const { cert } = makeCertificate(['authority.example'], { isAuthority: true });

for (const [what, text] of [
  ['no certificate', 'nothing'],
  ['a broken certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
  ['half a certificate', cert.slice(0, 200)],
  ['half a certificate behind a whole one', cert + cert.slice(0, 200)],
] as const) {
  // Node.js would pass over it, and no server would be believed
  test(`a file with ${what} is refused`, (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'ringlb-ca-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'ca.crt');
    writeFileSync(file, text);
    assert.throws(
      () => upstreamTlsOf(load(`--upstream-ca ${file}`)),
      (error) => isBalancerError(error, 'certificate-unusable') && /ca\.crt/.test(error.message),
    );
  });
}
