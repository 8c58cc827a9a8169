/**
 * The keys by which session tickets are sealed: the same for all threads, and for balancers with the same secret, so
 * that a client resumes its session wherever its next connection goes.
 * Source: RFC 5077 section 5.5, RFC 5869 (HKDF). Keys change every twelve hours; a session of the period before costs
 * its client one full handshake, since Node.js takes one key at a time.
 */
import { hkdfSync } from 'node:crypto';

const PERIOD_MS = 12 * 3_600_000;
/** What Node.js wants: a name, an HMAC key and an AES key of 16 bytes each. */
const KEY_BYTES = 48;

/** The keys of the period that `wallMs` is in. */
export function ticketKeys(secret: Uint8Array, wallMs: number): Buffer {
  const period = `ringlb session tickets ${Math.floor(wallMs / PERIOD_MS)}`;
  return Buffer.from(hkdfSync('sha256', secret, '', period, KEY_BYTES));
}

/** How long until the keys change. */
export function ticketKeysChangeInMs(wallMs: number): number {
  return PERIOD_MS - (wallMs % PERIOD_MS);
}
