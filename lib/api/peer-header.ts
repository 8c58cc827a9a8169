/**
 * Requests to the public port that the control plane responds to: which they are, and the header in which a data thread
 * passes on the address of their client. The header carries a secret that each start makes anew, so that only a data
 * thread can set it.
 * Invariants: what a client sends under the header's name is never passed on; a header without the secret proves
 * nothing.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Paths of the control plane on the public port, while `public-admin` is on. */
const HANDED_OVER: ReadonlySet<string> = new Set(['/rep', '/add', '/rm', '/scale']);

/** Below it an ACME server looks for proof that this is the domain's server (RFC 8555 section 8.3). */
export const ACME_CHALLENGE = '/.well-known/acme-challenge/';

/** True for a path of the control plane that there is on the public port. */
export function isPublicPath(path: string): boolean {
  return HANDED_OVER.has(path) || path.startsWith(ACME_CHALLENGE);
}

export const PEER_HEADER = 'x-ringlb-peer';
const SENT_BY_CLIENT = /\r\nx-ringlb-peer[ \t]*:[^\r\n]*/gi;

/** True where the target, in origin form, is one of those. */
export function isHandedOver(target: string): boolean {
  const query = target.indexOf('?');
  const length = query === -1 ? target.length : query;
  // the length rules out most targets
  if (length < 3 || length > 6 || length === 5) return false;
  return HANDED_OVER.has(target.slice(0, length));
}

/** The options by which it is decided who may steer on the public port. */
export interface PublicAccess {
  readonly adminToken: string;
  readonly adminTokenScope: 'both' | 'admin';
  /** False where the paths above are the application's. */
  readonly publicAdmin: boolean;
}

/** True where the public port asks for the admin token too. */
export function guardsPublicPort({ adminToken, adminTokenScope }: PublicAccess): boolean {
  return adminToken !== '' && adminTokenScope === 'both';
}

/** A secret for one start of the balancer. */
export function createSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** The head of a request with the address of its client, and without what the client sent under that name. */
export function headWithPeer(text: string, secret: string, address: string): string {
  const cleaned = text.replace(SENT_BY_CLIENT, '');
  const lineEnd = cleaned.indexOf('\r\n') + 2;
  return `${cleaned.slice(0, lineEnd)}${PEER_HEADER}: ${secret} ${address}\r\n${cleaned.slice(lineEnd)}`;
}

/** The address in the header; undefined without the right secret. `values` are all values of the header. */
export function peerOf(values: readonly string[], secret: string): string | undefined {
  const [given = '', address = '', ...rest] = values.length === 1 ? values[0]!.split(' ') : [];
  const isRight = timingSafeEqual(digestOf(given), digestOf(secret));
  return isRight && secret !== '' && rest.length === 0 && address !== '' ? address : undefined;
}

/** Makes texts equally long, as a comparison in constant time needs. */
export function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
