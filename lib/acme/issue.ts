/**
 * Gets one certificate from an ACME server, with acme-client: account, order, http-01 challenge, key and certificate.
 * Source: RFC 8555 sections 6.6, 7 and 8.3.
 */
import type { Client } from 'acme-client';
import type { AcmeDirectory } from './acme-directory.ts';

export interface AcmeAccount {
  /** Of the ACME server. */
  readonly directoryUrl: string;
  /** Where the server's operator writes to; '' is nowhere. */
  readonly email: string;
}

/**
 * Gets a certificate for the domain and saves it; once the signal is aborted nothing is saved any more. Rejects with what the
 * server, or the way to it, says.
 */
export type Issue = (domain: string, directory: AcmeDirectory, signal: AbortSignal) => Promise<void>;

/** The server asks not to be asked before. */
export class ComeAgainLater extends Error {
  readonly afterMs: number;

  constructor(message: string, afterMs: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

/** A server that says nothing for this long is given up. */
const RESPONSE_TIMEOUT_MS = 30_000;
/** What acme-client waits for itself, while other domains wait too. */
const SHORT_WAIT_MS = 30_000;

/** Characters of a common name at most (RFC 5280 appendix A.1); a longer domain is in the alternative names alone. */
const MAX_COMMON_NAME = 64;

type Acme = typeof import('acme-client');

/** A hundred milliseconds to load, which a balancer without ACME does not pay. */
async function loadAcme(): Promise<Acme> {
  const acme = await import('acme-client');
  const { defaults } = acme.axios;
  if (defaults.timeout === RESPONSE_TIMEOUT_MS) return acme;
  defaults.timeout = RESPONSE_TIMEOUT_MS;
  const transforms = [defaults.transformResponse ?? []].flat();
  // acme-client sees a response after this, and would wait in it for as long as the server says
  defaults.transformResponse = [
    ...transforms,
    (data, headers, status) => {
      const afterMs = status === 429 || status === 503 ? waitMsOf(headers.get('retry-after')) : 0;
      if (afterMs > SHORT_WAIT_MS)
        throw new ComeAgainLater(data?.detail ?? `the ACME server responded with ${status}`, afterMs);
      return data;
    },
  ];
  return acme;
}

/** Of a `Retry-After` in seconds or as a date; 0 for what is neither. */
function waitMsOf(header: unknown): number {
  const text = String(header);
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return waitMs > 0 ? waitMs : 0;
}

/**
 * Looks up the account. Without it acme-client asks the server to update the account at each order, which a server may refuse
 * where there is nothing to update.
 */
async function findAccount(client: Client): Promise<void> {
  try {
    await client.createAccount({ onlyReturnExisting: true });
  } catch {
    // not known to this server: the order registers it, and fails by itself where the way there is closed
  }
}

export function issueFrom({ directoryUrl, email }: AcmeAccount): Issue {
  return async (domain, directory, signal) => {
    const acme = await loadAcme();
    const known = directory.accountKey;
    const accountKey = known ?? (await acme.crypto.createPrivateEcdsaKey()).toString();
    if (known === undefined) directory.saveAccountKey(accountKey);
    const client = new acme.Client({ directoryUrl, accountKey });
    if (known !== undefined && email === '') await findAccount(client);
    const key = await acme.crypto.createPrivateEcdsaKey();
    const subject = domain.length <= MAX_COMMON_NAME && { commonName: domain };
    const [, csr] = await acme.crypto.createCsr({ ...subject, altNames: [domain] }, key);
    const chain = await client.auto({
      csr,
      termsOfServiceAgreed: true,
      ...(email !== '' && { email }),
      challengePriority: ['http-01'],
      // the domain's name may lead elsewhere from here than from the ACME server
      skipChallengeVerification: true,
      challengeCreateFn: async (_authorization, { type, token }, keyAuthorization) => {
        signal.throwIfAborted();
        // acme-client takes another one then, which nobody here would meet
        if (type !== 'http-01') throw new Error('the ACME server offers no http-01 challenge');
        directory.saveChallenge(token, keyAuthorization);
      },
      challengeRemoveFn: async (_authorization, { token }) => directory.removeChallenge(token),
    });
    signal.throwIfAborted();
    directory.saveCertificate(domain, chain, key.toString());
  };
}
