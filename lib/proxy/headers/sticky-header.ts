/**
 * The header lines by which a response sets the sticky cookie.
 * Source: RFC 6265 section 4.1, draft-ietf-httpbis-rfc6265bis section 4.1.3 (names with a prefix), RFC 9111 section 7.3
 * (a response that sets a cookie must not be shared by a cache).
 */
import type { ResponseHead } from '../../http1/response-head.ts';

export interface StickyHeaderOptions {
  /** The cookie's name; '' is off. */
  readonly sticky: string;
  /** 0 is until the browser is closed. */
  readonly stickyTtlMs: number;
}

/** Browsers take a cookie of such a name only where it is Secure, also where a proxy in front speaks TLS without a word. */
const SECURE_NAME = /^__(?:host|secure)-/i;
const CACHE_CONTROL = /^cache-control:/im;

/** `token` is what it says; `isSecure`: the client speaks TLS, with us or with a proxy in front. */
export function stickyLines(
  { forward }: Pick<ResponseHead, 'forward'>,
  { sticky, stickyTtlMs }: StickyHeaderOptions,
  token: string,
  isSecure: boolean,
): string {
  let lines = `Set-Cookie: ${sticky}=${token}; Path=/; HttpOnly; SameSite=Lax`;
  if (isSecure || SECURE_NAME.test(sticky)) lines += '; Secure';
  if (stickyTtlMs > 0) lines += `; Max-Age=${Math.ceil(stickyTtlMs / 1000)}`;
  lines += '\r\n';
  return CACHE_CONTROL.test(forward) ? lines : `${lines}Cache-Control: private\r\n`;
}
