/**
 * What the sticky cookie says for each replica: a token of its name, so that it survives whatever happens to the
 * instances in its place, a restart of the balancer, and is the same for every balancer with the same secret and pool.
 * A client cannot tell the name from it, nor make one for another name.
 */
import { createHmac, scryptSync } from 'node:crypto';
import type { UpstreamRecord } from '../../core/replica.ts';
import { TOKEN_LENGTH } from '../../core/sticky-cookie.ts';

export interface StickyTokenOptions {
  /** The cookie's name; '' is off. */
  readonly sticky: string;
  readonly stickySecret: string;
  readonly adminToken: string;
  readonly pool: string;
}

/**
 * Costs some 50 ms and 16 MB (RFC 7914): every client has values that are made of it, and could otherwise try all short
 * admin tokens on a machine of its own.
 */
const STRETCH = { N: 2 ** 14, r: 8, p: 1 };
const KEY_BYTES = 32;
const SALT = 'ringlb sticky cookie';

/** Where the secret comes from. */
export type SecretSource = 'secret' | 'admin-token' | 'pool';

export class StickyTokens {
  readonly isOn: boolean;
  readonly secretSource: SecretSource;
  readonly #key: string | Buffer;
  readonly #pool: string;
  /** By name. */
  readonly #tokens = new Map<string, string>();

  constructor({ sticky, stickySecret, adminToken, pool }: StickyTokenOptions) {
    this.isOn = sticky !== '';
    this.secretSource = stickySecret !== '' ? 'secret' : adminToken !== '' ? 'admin-token' : 'pool';
    this.#pool = pool;
    if (!this.isOn || this.secretSource === 'pool') this.#key = pool;
    else if (this.secretSource === 'secret') this.#key = stickySecret;
    else this.#key = scryptSync(adminToken, SALT, KEY_BYTES, STRETCH);
  }

  /** The token of the replica's name; '' while there are no sticky cookies. */
  tokenOf(name: string): string {
    if (!this.isOn) return '';
    let token = this.#tokens.get(name);
    if (token === undefined) {
      const digest = createHmac('sha256', this.#key).update(`${this.#pool}\0${name}`).digest('base64url');
      token = digest.slice(0, TOKEN_LENGTH);
      this.#tokens.set(name, token);
    }
    return token;
  }

  /** The records with their tokens; forgets those of names that are no longer there. */
  mark(records: readonly UpstreamRecord[]): readonly UpstreamRecord[] {
    if (!this.isOn) return records;
    const marked = records.map((record) => ({ ...record, token: this.tokenOf(record.name) }));
    if (this.#tokens.size > 2 * records.length) {
      this.#tokens.clear();
      for (const { name, token } of marked) this.#tokens.set(name, token);
    }
    return marked;
  }
}
