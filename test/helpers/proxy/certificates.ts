/** Certificates for tests, made by openssl once for each process that needs them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsMaterial } from '../../../lib/proxy/downstream/tls/tls-server.ts';

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** How long it is valid, in days. */
  readonly days?: number;
  /** Who signs it; itself unless said. */
  readonly issuer?: Pair;
  readonly isAuthority?: boolean;
}

/** A certificate for these host names. */
export function makeCertificate(hosts: readonly string[], options: CertificateOptions = {}): Pair {
  const { days = 30, issuer, isAuthority = false } = options;
  const directory = mkdtempSync(join(tmpdir(), 'ringlb-cert-'));
  const path = (name: string): string => join(directory, name);
  try {
    const names = hosts.map((host) => `DNS:${host}`).join(',');
    const signer = issuer === undefined ? [] : ['-CA', path('ca.crt'), '-CAkey', path('ca.key')];
    if (issuer !== undefined) {
      execFileSync('tee', [path('ca.crt')], { input: issuer.cert });
      execFileSync('tee', [path('ca.key')], { input: issuer.key });
    }
    const request = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      path('key'),
    ];
    const subject = ['-subj', `/CN=${hosts[0]}`, '-addext', `subjectAltName=${names}`];
    const use = ['-addext', `basicConstraints=critical,CA:${isAuthority ? 'TRUE' : 'FALSE'}`];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        ...request,
        ...subject,
        ...use,
        ...signer,
        '-days',
        String(days),
        '-out',
        path('cert'),
      ],
      { stdio: 'pipe' },
    );
    return { cert: readFileSync(path('cert'), 'utf8'), key: readFileSync(path('key'), 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

let made: TlsMaterial | undefined;

/** What a data plane of a test is given that says nothing of certificates. */
export function testMaterial(): TlsMaterial {
  made ??= materialOf([{ hosts: ['localhost'], ...makeCertificate(['localhost']) }]);
  return made;
}

export function materialOf(
  certificates: TlsMaterial['certificates'],
  more: Partial<TlsMaterial> = {},
): TlsMaterial {
  return { certificates, clientCa: '', ticketKeys: new Uint8Array(48).fill(7), ...more };
}
