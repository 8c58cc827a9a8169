/** Certificates from an ACME server, where options ask for them. */
import { X509Certificate } from 'node:crypto';
import { AcmeDirectory, type CheckCertificate } from '../acme/acme-directory.ts';
import { issueFrom } from '../acme/issue.ts';
import { Renewal } from '../acme/renewal.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../platform/clock.ts';
import type { RootLogger } from '../platform/log.ts';
import { CertificateError, readCertificate } from '../proxy/downstream/tls/certificate.ts';

export interface AcmeDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: RootLogger;
  /** There is another certificate in the directory. */
  readonly onIssued: () => void;
}

export interface Acme {
  challenge(token: string): string | undefined;
  /** Gets what is missing and renews what is due, from now on. Challenges must be responded to by then. */
  start(): void;
  close(): void;
}

/** Undefined where no domains are named. Throws BalancerError `certificate-unusable`. */
export function createAcme({ config, clock, log, onIssued }: AcmeDeps): Acme | undefined {
  const { acmeDomains: domains, acmeDirectory: directoryUrl, acmeEmail: email, acmeDir } = config;
  if (domains.length === 0) return undefined;
  const directory = new AcmeDirectory(acmeDir, checkFor(clock));
  const issue = issueFrom({ directoryUrl, email });
  const parts = { domains, directory, issue, clock, log: log.component('acme'), onIssued };
  const renewal = new Renewal({ ...parts, random: Math.random });
  return {
    challenge: (token) => directory.challenge(token),
    start: () => void renewal.start(),
    close: () => renewal.close(),
  };
}

/** What the TLS port takes, for that domain. */
export function checkFor(clock: Clock): CheckCertificate {
  return (domain, chain, key) => {
    const { cert, beginsMs, expiresMs } = readCertificate(domain, chain, key, clock.wallMs());
    if (new X509Certificate(cert).checkHost(domain) === undefined)
      throw new CertificateError(`the certificate is not for ${domain}`);
    return { fromMs: beginsMs, toMs: expiresMs };
  };
}
