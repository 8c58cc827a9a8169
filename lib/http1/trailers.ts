/**
 * Which fields may come after a body, and how they are written there.
 * Invariant: no field passes that could change how the message is framed, routed, authorised or read, since a
 * recipient may merge trailers into the head. Such a field is dropped, not an error.
 * Source: RFC 9110 sections 6.5.1 and 6.6.2, RFC 9112 section 7.1.2.
 */
import { Buffer } from 'node:buffer';
import { HOP_BY_HOP } from './header-names.ts';
import { fieldPairs, type HeaderScanner } from './header-scanner.ts';

const FORBIDDEN: ReadonlySet<string> = new Set([
  // framing and this hop
  ...HOP_BY_HOP,
  'content-length',
  'trailer',
  // routing and request control
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
  'cache-control',
  'expect',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'max-forwards',
  'pragma',
  'range',
  // authentication
  'authorization',
  'cookie',
  'proxy-authenticate',
  'proxy-authorization',
  'set-cookie',
  'www-authenticate',
  // how the response is to be read
  'age',
  'content-disposition',
  'content-encoding',
  'content-location',
  'content-range',
  'content-security-policy',
  'content-type',
  'date',
  'expires',
  'location',
  'retry-after',
  'vary',
  'warning',
]);

export const NO_TRAILERS: readonly string[] = Object.freeze([]);
const LAST_CHUNK: Buffer = Buffer.from('0\r\n\r\n', 'latin1');

/** True where a field of this name (any case) may come after the body. */
export function mayBeTrailer(name: string): boolean {
  return !FORBIDDEN.has(name.toLowerCase());
}

/** Name, value … of the fields of a passed section that may be trailers. */
export function readTrailers(section: HeaderScanner): readonly string[] {
  if (section.markCount === 0) return NO_TRAILERS;
  return passingTrailers(
    fieldPairs(section.bytes.toString('latin1', section.base, section.base + section.length), 0),
  );
}

/** True where a field of a passed section says how long a body is. */
export function announcesFraming(section: HeaderScanner): boolean {
  const { bytes, base, length, markCount } = section;
  if (markCount === 0) return false;
  return fieldPairs(bytes.toString('latin1', base, base + length), 0).some(
    (text, at) => at % 2 === 0 && /^(?:content-length|transfer-encoding)$/i.test(text),
  );
}

/** Of name, value … those that may be trailers. */
export function passingTrailers(pairs: readonly string[]): readonly string[] {
  if (pairs.length === 0) return NO_TRAILERS;
  const trailers: string[] = [];
  for (let at = 0; at < pairs.length; at += 2) {
    if (mayBeTrailer(pairs[at]!)) trailers.push(pairs[at]!, pairs[at + 1]!);
  }
  return trailers;
}

/** The last chunk with its trailers: what ends a chunked body. Not to be written to: it may be shared. */
export function trailerSection(trailers: readonly string[]): Buffer {
  if (trailers.length === 0) return LAST_CHUNK;
  let lines = '0\r\n';
  for (let at = 0; at < trailers.length; at += 2) lines += `${trailers[at]!}: ${trailers[at + 1]!}\r\n`;
  return Buffer.from(`${lines}\r\n`, 'latin1');
}
