/** The certificate of the cases with TLS: P-256, made by openssl once for each run. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateFiles } from './peer-configs.ts';

export function makeCertificate(dir: string): CertificateFiles {
  const files = { cert: join(dir, 'tls.crt'), key: join(dir, 'tls.key'), both: join(dir, 'tls.pem') };
  if (existsSync(files.both)) return files;
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', files.key];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-days', '30', '-out', files.cert], {
    stdio: 'pipe',
  });
  writeFileSync(files.both, readFileSync(files.cert, 'utf8') + readFileSync(files.key, 'utf8'));
  return files;
}
