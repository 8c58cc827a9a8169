/**
 * How a request to the public port that only the control plane can answer gets there, and with it the address of who
 * sent it. A data thread writes that address into a header, behind a secret that each start makes anew: a request
 * that shows the secret came through a data thread, and nobody else can say whom it is from.
 * Invariants: of what a client sends under the header's name nothing goes on; a header with anything but the secret
 * is no proof of anything. Must not hold: what is answered, or to whom.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** What the control plane answers on the public port, unless that is the application's alone. */
export const HANDED_OVER: ReadonlySet<string> = new Set(['/rep', '/add', '/rm', '/scale']);

export const PEER_HEADER = 'x-ringlb-peer';
const SENT_BY_CLIENT = /\r\nx-ringlb-peer[ \t]*:[^\r\n]*/gi;

/** True where the target, in origin form, is answered by the control plane. */
export function isHandedOver(target: string): boolean {
  const query = target.indexOf('?');
  const length = query === -1 ? target.length : query;
  // most are told apart by their length
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

/** The head of a request with the address of the client that sent it, and none that the client gave. */
export function headWithPeer(text: string, secret: string, address: string): string {
  const cleaned = text.replace(SENT_BY_CLIENT, '');
  const lineEnd = cleaned.indexOf('\r\n') + 2;
  return `${cleaned.slice(0, lineEnd)}${PEER_HEADER}: ${secret} ${address}\r\n${cleaned.slice(lineEnd)}`;
}

/** The address behind the secret; undefined for a value that has another. `values` are all that came. */
export function peerOf(values: readonly string[], secret: string): string | undefined {
  const [given = '', address = '', ...rest] = values.length === 1 ? values[0]!.split(' ') : [];
  const isRight = timingSafeEqual(digestOf(given), digestOf(secret));
  return isRight && secret !== '' && rest.length === 0 && address !== '' ? address : undefined;
}

/** Texts of any length become as long as each other, as a comparison in constant time needs. */
export function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
