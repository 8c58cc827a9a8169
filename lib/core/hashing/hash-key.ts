/**
 * The hash key of a request: the sources that `--hash-key` may name, how each is read from a request, and the number
 * that a value is hashed to.
 * The first source that is present and not empty gives the key.
 * Invariants: values are latin1 texts, as header values are; query values are decoded to bytes, not characters, so
 * UTF-8 sent raw and UTF-8 sent percent-encoded make the same key; time is linear in the request head.
 */
import { headerValue, isHeader } from '../header-value.ts';
import { isToken } from '../http-token.ts';
import { hashText } from './hash.ts';
import type { Algorithm } from './slot-table.ts';

/** Where a key comes from; the name of a header is in lower case, the other names are as they were written. */
export type HashKeySource =
  | { readonly kind: 'request-id' }
  | { readonly kind: 'client-ip' }
  | { readonly kind: 'path' }
  | { readonly kind: 'uri' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string }
  | { readonly kind: 'query'; readonly name: string }
  /** No key: such requests are given by load. Always the last of a list. */
  | { readonly kind: 'p2c' };

/** In place of the hash of a request that has no key and is given by load; below every hash. */
export const NO_KEY = -1;

/** What is read of a request: its target, its headers as name, value, name, value…, and its client's address in canonical form. */
export interface KeyFacts {
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly clientIp: string;
}

/** The header whose value is normalised before it is hashed (`hostKey`). */
export const HOST = 'host';
const QUERY_NAME = /^[\x21-\x7e]+$/;

/** Reads a comma-separated list of sources, such as `header:X-User, client-ip`. */
export function parseHashKey(
  text: string,
): { readonly value: readonly HashKeySource[] } | { readonly problem: string } {
  const sources: HashKeySource[] = [];
  for (const item of text.split(',').map((part) => part.trim())) {
    const source = parseSource(item);
    if (source === undefined) {
      return {
        problem: `must be a comma-separated list of request-id, client-ip, path, uri, header:NAME, cookie:NAME, query:NAME and p2c, and "${item}" is not one of them`,
      };
    }
    sources.push(source);
  }
  if (sources.slice(0, -1).some(({ kind }) => kind === 'p2c'))
    return { problem: 'must have p2c last: it is for requests that have none of the others' };
  return { value: sources };
}

function parseSource(item: string): HashKeySource | undefined {
  if (item === 'request-id' || item === 'client-ip' || item === 'path' || item === 'uri' || item === 'p2c')
    return { kind: item };
  const colon = item.indexOf(':');
  const kind = item.slice(0, Math.max(colon, 0));
  const name = item.slice(colon + 1).trim();
  // names of headers are tokens, and so are those of cookies (RFC 6265 section 4.1.1)
  if (kind === 'header' && isToken(name)) return { kind, name: name.toLowerCase() };
  if (kind === 'cookie' && isToken(name)) return { kind, name };
  if (kind === 'query' && QUERY_NAME.test(name)) return { kind, name };
  return undefined;
}

/** The source as a user would write it. */
export function formatSource(source: HashKeySource): string {
  return 'name' in source ? `${source.kind}:${source.name}` : source.kind;
}

/** The first of `sources` that the request has with a value that is not empty, and that value. */
export function findKey(
  sources: readonly HashKeySource[],
  facts: KeyFacts,
): { readonly source: HashKeySource; readonly value: string } | undefined {
  for (const source of sources) {
    const value = readSource(source, facts);
    if (value !== '') return { source, value };
  }
  return undefined;
}

/** True where every request is placed by its own id, so that nothing else of it needs to be read. */
export function isByRequestId(sources: readonly HashKeySource[]): boolean {
  return sources.every(({ kind }) => kind === 'request-id');
}

/** The key that a request is placed by: the first of `sources` that it has, else its request id, sent or generated; '' with p2c. */
export function placementKey(
  sources: readonly HashKeySource[],
  facts: KeyFacts,
  requestId: string,
): { readonly source: HashKeySource; readonly value: string } {
  const found = isByRequestId(sources) ? undefined : findKey(sources, facts);
  if (found !== undefined) return found;
  const last = sources.at(-1);
  return last?.kind === 'p2c'
    ? { source: last, value: '' }
    : { source: { kind: 'request-id' }, value: requestId };
}

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** True for an X-Request-Id of a client that is kept; any other is replaced by a generated one. */
export function isRequestId(value: string): boolean {
  return REQUEST_ID.test(value);
}

/**
 * The unsigned 32-bit hash of a key. In the classic ring a value of 1 to 15 decimal digits is no text but the
 * number of the request itself, mod 2^32.
 */
export function hashKeyOf(value: string, algorithm: Algorithm): number {
  return algorithm === 'classic' && isRequestNumber(value) ? Number(value) >>> 0 : hashText(value);
}

function isRequestNumber(value: string): boolean {
  return /^[0-9]{1,15}$/.test(value);
}

/** The value of one source; '' where the request lacks it. */
function readSource(source: HashKeySource, facts: KeyFacts): string {
  switch (source.kind) {
    case 'request-id':
      return headerValue(facts.rawHeaders, 'x-request-id');
    case 'header':
      return source.name === HOST
        ? hostKey(headerValue(facts.rawHeaders, HOST))
        : headerValue(facts.rawHeaders, source.name);
    case 'client-ip':
      return facts.clientIp;
    case 'path':
      return pathOf(facts.url);
    case 'uri':
      return facts.url;
    case 'cookie':
      return cookieOf(facts.rawHeaders, source.name);
    case 'query':
      return queryValue(facts.url, source.name);
    case 'p2c':
      return '';
  }
}

/** One key for one host, whatever its case and port (RFC 3986 section 6.2.2.1). */
function hostKey(host: string): string {
  return (/^(\[[^\]]*\]|[^:]*):\d*$/.exec(host)?.[1] ?? host).toLowerCase();
}

/** The part of the target before the query. */
export function pathOf(url: string): string {
  const mark = url.indexOf('?');
  return mark === -1 ? url : url.slice(0, mark);
}

function cookieOf(rawHeaders: readonly string[], name: string): string {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (!isHeader(rawHeaders[i]!, 'cookie')) continue;
    const value = cookieValue(rawHeaders[i + 1]!, name);
    if (value !== '') return value;
  }
  return '';
}

/**
 * The first non-empty value of the cookie: a client sends the more specific of two first (RFC 6265 section 5.4).
 * Quotes belong to the value (section 5.2 keeps them); a pair without `=` has no name and is passed over.
 */
function cookieValue(header: string, name: string): string {
  let start = 0;
  for (let equals = header.indexOf('='); equals !== -1; equals = header.indexOf('=', start)) {
    // Searching for the next `=`, not the next `;`, keeps a header of nothing but `;` linear.
    const nameStart = header.lastIndexOf(';', equals) + 1;
    const separator = header.indexOf(';', equals);
    const end = separator === -1 ? header.length : separator;
    if (between(header, nameStart, equals) === name) {
      const value = between(header, equals + 1, end);
      if (value !== '') return value;
    }
    start = end;
  }
  return '';
}

/** The text from `from` up to `to` without surrounding blanks; `trim` would remove bytes of UTF-8 as well. */
function between(text: string, from: number, to: number): string {
  let first = from;
  let end = to;
  while (first < end && isBlank(text.charCodeAt(first))) first++;
  while (end > first && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(first, end);
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09;
}

/** The first non-empty value of the parameter, percent-decoded; `+` stays as it is (RFC 3986 gives it no meaning). */
function queryValue(url: string, name: string): string {
  for (let start = url.indexOf('?') + 1; start > 0; ) {
    const separator = url.indexOf('&', start);
    const pair = separator === -1 ? url.slice(start) : url.slice(start, separator);
    const equals = pair.indexOf('=');
    if (equals > 0 && isParameter(pair.slice(0, equals), name)) {
      const value = percentDecoded(pair.slice(equals + 1));
      if (value !== '') return value;
    }
    start = separator + 1;
  }
  return '';
}

function isParameter(written: string, name: string): boolean {
  return written === name || (written.includes('%') && percentDecoded(written) === name);
}

/** Bytes for `%XX`; a `%` that two hexadecimal digits do not follow stays as it is. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
