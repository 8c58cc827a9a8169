/**
 * The head of a request on its way to a replica: the client's, without its hop-by-hop fields (`passesOn`), and what
 * the balancer adds (X-Forwarded-*, Forwarded, Via, X-Request-Id).
 * Works on the text of the head, so names, order and repeats stay as they came.
 * Invariants: exactly one framing header goes out, the one by which the parser reads the body; no hop-by-hop field
 * passes, those that `Connection` names included.
 * Source: RFC 9110 sections 7.6.1, 7.8 and 10.1.4, RFC 9112 sections 3.2, 6.1, 6.3 and 9.6.
 */
import { isRequestId } from '../../core/hashing/hash-key.ts';
import { takeStickyCookie } from '../../core/sticky-cookie.ts';
import { isConnectionCredentials } from '../../http1/connection-auth.ts';
import { FIELD, fieldOf } from '../../http1/header-names.ts';
import type { RequestFraming } from '../../http1/request-fields.ts';
import type { ParsedRequest } from '../../http1/request-head.ts';
import { BalancerError } from '../../platform/errors.ts';
import { type DebugFor, mayDebug } from './debug-headers.ts';

/** What is known of a client connection, made once for each. */
export interface ClientInfo {
  /** The peer's address; IPv4 in its own notation even on a dual-stack socket. */
  readonly ip: string;
  /** The peer is a proxy whose forwarded headers are believed. */
  readonly trusted: boolean;
  /** Its connection is encrypted. */
  readonly isTls: boolean;
}

/** In place of an offset where the request id was made here, and is not in the head as it came. */
export const MADE_HERE = -1;

/** A request head that is ready to be written, and what was found in it. */
export interface RequestHead {
  /** Request line and headers with the closing empty line, latin1. */
  readonly text: string;
  readonly framing: RequestFraming;
  /** The client's X-Request-Id, or the one made for it. */
  readonly requestId: string;
  /** Where it lies in the head as it came, or MADE_HERE. */
  readonly requestIdAt: number;
  /** Path and query, or `*`. */
  readonly target: string;
  /** Its response gets debug headers. */
  readonly isDebug: boolean;
  /** It brings credentials that authenticate the connection which it is sent on. */
  readonly bindsConnection: boolean;
  /** What its sticky cookie says, which does not go on; '' where it has none. */
  readonly stickyToken: string;
  /** The client speaks TLS, with us or with a trusted proxy in front. */
  readonly isSecure: boolean;
}

/** What an operator can choose. */
export interface HeaderPolicy {
  readonly maxHeaders: number;
  readonly maxTargetBytes: number;
  /** Send Forwarded (RFC 7239) as well. */
  readonly forwarded: boolean;
  /** Add Via (RFC 9110 section 7.6.3). */
  readonly via: boolean;
  /** Which clients may have debug headers. */
  readonly debugFor: DebugFor;
  /** Name of the sticky cookie, which does not go on; '' is off. */
  readonly sticky: string;
}

const SLASH = 0x2f;
const CR = 0x0d;
const TRAILERS = /(?:^|,)[ \t]*trailers[ \t]*(?:,|;|$)/i;
/** RFC 3986 section 3.2.2, without user information. */
const HOST = /^[\w.~!$&'()*+,;=%[\]:-]*$/;
const SECURE = /^https[ \t]*(?:,|$)/i;
const CONTINUE = 'Expect: 100-continue\r\n';
const PROTO_HTTP = 'X-Forwarded-Proto: http\r\n';
const PROTO_HTTPS = 'X-Forwarded-Proto: https\r\n';
const VIA = 'Via: 1.1 ringlb\r\n';

/** What the special fields of one request said; one object for all, since each is read before the next is made. */
const seen = {
  host: '',
  hasHost: false,
  forwardedFor: '',
  forwardedHost: false,
  forwardedProto: false,
  secureProto: false,
  requestId: '',
  requestIdAt: MADE_HERE,
  trailers: false,
  debug: false,
  connectionAuth: false,
};

/**
 * Builds the head of the request to a replica by cutting out of what came what does not go on. `newRequestId` is used
 * where the client sent no usable X-Request-Id. Throws BalancerError.
 */
export function buildRequestHead(
  parsed: ParsedRequest,
  client: ClientInfo,
  policy: HeaderPolicy,
  newRequestId: string,
): RequestHead {
  const { minorVersion, method } = parsed;
  const isOldHttp = minorVersion === 0;
  let fields = passedLines(parsed, client.trusted);
  let stickyToken = '';
  if (policy.sticky !== '') {
    const cookie = takeStickyCookie(fields, policy.sticky);
    fields = cookie.lines;
    stickyToken = cookie.token;
  }
  if (!isOldHttp && !seen.hasHost) throw new BalancerError('bad-request', 'The request has no Host header');
  const isOriginForm = parsed.target.charCodeAt(0) === SLASH;
  const target = isOriginForm ? parsed.target : originForm(method, parsed.target);
  const start =
    isOriginForm && !isOldHttp
      ? parsed.text.slice(0, parsed.fieldsAt)
      : `${method} ${target} HTTP/1.1\r\nHost: ${seen.host}\r\n`;
  const requestId = seen.requestId === '' ? newRequestId : seen.requestId;
  const own = forwardedLines(client, policy, isOldHttp);
  return {
    text: `${start}${fields}${own}X-Request-Id: ${requestId}\r\n${hopLines(parsed)}\r\n`,
    framing: parsed.framing,
    requestId,
    requestIdAt: seen.requestIdAt,
    target,
    isDebug: seen.debug && mayDebug(client, policy.debugFor),
    bindsConnection: seen.connectionAuth,
    stickyToken,
    isSecure: client.isTls || seen.secureProto,
  };
}

/** The lines of the fields that go on as they came; what the others said is left in `seen`. */
function passedLines(head: ParsedRequest, trusted: boolean): string {
  const { text, marks, markCount, fieldsAt, connectionNames } = head;
  const keepsHost = head.minorVersion === 1 && head.target.charCodeAt(0) === SLASH;
  resetSeen();
  let lines = '';
  let from = fieldsAt;
  for (let mark = 0; mark < markCount; mark += 4) {
    const kind = marks[mark]!;
    const value = marks[mark + 2]!;
    const end = marks[mark + 3]!;
    const goesOn = passesOn(kind, text.slice(value, end), trusted);
    if (kind === FIELD.requestId && seen.requestIdAt === MADE_HERE && seen.requestId !== '')
      seen.requestIdAt = value;
    const isPlain = kind !== FIELD.expect || text.startsWith(CONTINUE, marks[mark + 1]!);
    if ((goesOn && isPlain) || (keepsHost && kind === FIELD.host)) continue;
    lines += text.slice(from, marks[mark + 1]!);
    if (goesOn) lines += CONTINUE;
    from = text.charCodeAt(end) === CR ? end + 2 : text.indexOf('\n', end) + 1;
  }
  lines += text.slice(from, text.length - 2);
  return connectionNames.length === 0 ? lines : withoutNamed(lines, connectionNames);
}

/** Takes out the lines of the fields that `Connection` names, except those that this proxy needs itself. */
function withoutNamed(lines: string, names: readonly string[]): string {
  const isNamed = (line: string): boolean => {
    const name = line.slice(0, line.indexOf(':'));
    const kind = fieldOf(name);
    return (kind === FIELD.endToEnd || kind >= FIELD.expect) && names.includes(name.toLowerCase());
  };
  return lines
    .split('\r\n')
    .filter((line) => line === '' || !isNamed(line))
    .join('\r\n');
}

function resetSeen(): void {
  seen.host = '';
  seen.hasHost = false;
  seen.forwardedFor = '';
  seen.forwardedHost = false;
  seen.forwardedProto = false;
  seen.secureProto = false;
  seen.requestId = '';
  seen.requestIdAt = MADE_HERE;
  seen.trailers = false;
  seen.debug = false;
  seen.connectionAuth = false;
}

/** Notes in `seen` what a special field says; true where its line goes on as well. */
function passesOn(field: number, value: string, trusted: boolean): boolean {
  switch (field) {
    case FIELD.host:
      if (seen.hasHost) throw new BalancerError('bad-request', 'The request has two Host headers');
      checkHost(value);
      seen.hasHost = true;
      seen.host = value;
      return false;
    case FIELD.contentLength:
      return true;
    case FIELD.te:
      seen.trailers ||= TRAILERS.test(value);
      return false;
    case FIELD.forwardedFor:
      if (trusted) seen.forwardedFor = seen.forwardedFor === '' ? value : `${seen.forwardedFor}, ${value}`;
      return false;
    case FIELD.forwardedHost:
      seen.forwardedHost = true;
      return trusted;
    case FIELD.forwardedProto:
      seen.forwardedProto = true;
      seen.secureProto = trusted && SECURE.test(value);
      return trusted;
    case FIELD.forwarded:
      return trusted;
    case FIELD.requestId:
      if (seen.requestId === '' && isRequestId(value)) seen.requestId = value;
      return false;
    case FIELD.expect:
      // an empty list means nothing (RFC 9110 sections 5.6.1.2 and 10.1.1)
      return /[^, \t]/.test(value);
    case FIELD.authorization:
      seen.connectionAuth ||= isConnectionCredentials(value);
      return true;
    case FIELD.debug:
      seen.debug = value === '1';
      return false;
    default:
      return false;
  }
}

/** X-Forwarded-* and the like: what a trusted proxy said of the client with the peer added, or the peer alone. */
function forwardedLines(client: ClientInfo, policy: HeaderPolicy, isOldHttp: boolean): string {
  const chain = seen.forwardedFor === '' ? client.ip : `${seen.forwardedFor}, ${client.ip}`;
  let lines = `X-Forwarded-For: ${chain}\r\n`;
  if (!client.trusted || !seen.forwardedProto) lines += client.isTls ? PROTO_HTTPS : PROTO_HTTP;
  if (!client.trusted || !seen.forwardedHost) lines += `X-Forwarded-Host: ${seen.host}\r\n`;
  if (policy.forwarded) {
    // RFC 7239 section 6: an IPv6 address stands in brackets, and what is no token in quotes
    const node = client.ip.includes(':') ? `"[${client.ip}]"` : client.ip;
    lines += `Forwarded: for=${node};host="${seen.host.replace(/["\\]/g, '')}";proto=${client.isTls ? 'https' : 'http'}\r\n`;
  }
  if (policy.via) lines += isOldHttp ? 'Via: 1.0 ringlb\r\n' : VIA;
  return lines;
}

/** The fields of this hop. A persistent connection is HTTP/1.1's default and needs none. */
function hopLines({ framing: kind, upgrade }: ParsedRequest): string {
  const framing = kind === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : '';
  if (upgrade !== '') return `${framing}Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`;
  return seen.trailers ? `${framing}Connection: TE\r\nTE: trailers\r\n` : framing;
}

const ABSOLUTE_FORM = /^https?:\/\/([^/?#]+)([/?][^#]*)?$/i;

/** The host, and port if any, that a target in absolute form is for; undefined for one in another form. */
export function authorityOf(target: string): string | undefined {
  return target.charCodeAt(0) === SLASH ? undefined : ABSOLUTE_FORM.exec(target)?.[1];
}

/** Turns `http://host/path` into its path and notes the host, which beats the Host header (RFC 9112 section 3.2.2). */
function originForm(method: string, target: string): string {
  if (target === '*' && method === 'OPTIONS') return target;
  const parts = ABSOLUTE_FORM.exec(target);
  if (!parts) throw new BalancerError('bad-request', 'The request target must be a path or an http URL');
  checkHost(parts[1]!);
  seen.host = parts[1]!;
  const path = parts[2] ?? (method === 'OPTIONS' ? '*' : '/');
  return path.startsWith('?') ? `/${path}` : path;
}

/** The last host that was valid; there are few. */
let knownHost = '';

function checkHost(host: string): void {
  if (host === knownHost) return;
  if (!HOST.test(host)) throw new BalancerError('bad-request', 'The Host is not a host');
  knownHost = host;
}
