/**
 * Recognizes requests that a page of another site made a browser send, by their headers.
 * There are two ways: the page sends them itself (Origin and Sec-Fetch-Site tell), or a name of the attacker resolves to
 * this machine, so that his page counts as ours (DNS rebinding: only the Host tells).
 * Source: Fetch standard (Origin), Fetch Metadata (Sec-Fetch-Site), RFC 6454, RFC 9110 section 7.2.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** True where a page that is not of this very host and port caused the request. */
export function isCrossSite(headers: IncomingHttpHeaders): boolean {
  const { origin, host = '' } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return origin !== undefined && !isOriginOf(origin, host);
}

/** `http://a:80` is an origin of `a`; `null`, which hides where a page is from, is none of any. */
function isOriginOf(origin: string, host: string): boolean {
  const parts = /^(https?):\/\/([^/?#@\\\s]+)$/i.exec(origin);
  const own = parts && `${parts[1]}://${host}`;
  if (!own || !/^[^/?#@\\\s]+$/.test(host) || !URL.canParse(origin) || !URL.canParse(own)) return false;
  return new URL(origin).host === new URL(own).host;
}

/** True for what comes from a browser that says so; a page cannot keep it from saying so with a POST. */
export function isFromBrowser(headers: IncomingHttpHeaders): boolean {
  return headers.origin !== undefined || Object.keys(headers).some((name) => name.startsWith('sec-fetch-'));
}

/** True for a body of a kind that a form, or a page that asks nobody, may send to any site. */
export function isFormLike(headers: IncomingHttpHeaders): boolean {
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  return hasBody && !/^application\/json[ \t]*(;|$)/i.test(headers['content-type'] ?? '');
}

export interface KnownHosts {
  /** Names in lower case that lead here by their owner's wish. */
  readonly names: ReadonlySet<string>;
  /** Names without a dot are known as well: nobody outside can have one of those. */
  readonly plain: boolean;
}

/**
 * True for a Host that no attacker's name can be: an address, localhost, or a name that is known. None at all, which
 * HTTP/1.0 allows, is not from a browser.
 */
export function isKnownHost(host: string, { names, plain }: KnownHosts): boolean {
  if (host === '') return true;
  const [, bracketed, bare] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6;
  const name = (bare ?? '').toLowerCase().replace(/\.$/, '');
  if (isIP(name) === 4 || name === 'localhost' || name.endsWith('.localhost')) return true;
  return names.has(name) || (plain && /^[a-z0-9_-]+$/.test(name) && /[a-z]/.test(name));
}
