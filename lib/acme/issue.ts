/**
 * Gets one certificate from an ACME server, with acme-client: account, order, http-01 challenge, key and certificate.
 * Source: RFC 8555 sections 7 and 8.3.
 */
import type { AcmeDirectory } from './acme-directory.ts';

export interface AcmeAccount {
  /** Of the ACME server. */
  readonly directoryUrl: string;
  /** Where the server's operator writes to; '' is nowhere. */
  readonly email: string;
}

/** Gets a certificate for the domain and saves it. Rejects with what the server, or the way to it, says. */
export type Issue = (domain: string, directory: AcmeDirectory) => Promise<void>;

export function issueFrom({ directoryUrl, email }: AcmeAccount): Issue {
  return async (domain, directory) => {
    // a hundred milliseconds to load, which a balancer without ACME does not pay
    const acme = await import('acme-client');
    const known = directory.accountKey;
    const accountKey = known ?? (await acme.crypto.createPrivateEcdsaKey()).toString();
    if (known === undefined) directory.saveAccountKey(accountKey);
    const client = new acme.Client({ directoryUrl, accountKey });
    const key = await acme.crypto.createPrivateEcdsaKey();
    const [, csr] = await acme.crypto.createCsr({ commonName: domain, altNames: [domain] }, key);
    const chain = await client.auto({
      csr,
      termsOfServiceAgreed: true,
      ...(email !== '' && { email }),
      challengePriority: ['http-01'],
      // the domain's name may lead elsewhere from here than from the ACME server
      skipChallengeVerification: true,
      challengeCreateFn: async (_authorization, { token }, keyAuthorization) =>
        directory.saveChallenge(token, keyAuthorization),
      challengeRemoveFn: async (_authorization, { token }) => directory.removeChallenge(token),
    });
    directory.saveCertificate(domain, chain, key.toString());
  };
}
