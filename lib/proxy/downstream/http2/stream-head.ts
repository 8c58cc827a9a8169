/**
 * Heads between HTTP/2 and the text of HTTP/1.1 that the rest of the data path works on.
 * Invariant: what is made of a request's head is read by the one reader of heads, so what that refuses is refused here too.
 * Source: RFC 9113 sections 8.2.2 (fields of the connection), 8.2.3 (cookies), 8.3 (pseudo-header fields),
 * RFC 8441 (WebSockets).
 */
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { hasConnectionChallenge } from '../../../http1/connection-auth.ts';
import { HOP_BY_HOP, mayBeSpecial } from '../../../http1/header-names.ts';
import type { ParsedRequest } from '../../../http1/request-head.ts';
import { parseHeadText } from '../../../http1/request-parser.ts';
import { headerPairs } from '../../../http1/response-head.ts';
import { BalancerError } from '../../../platform/errors.ts';
import { withUnindexed } from '../../headers/unindexed-fields.ts';
import type { WorkerOptions } from '../../worker-protocol.ts';

export const HEAD_END = '\r\n\r\n';

/** Not passed on with a WebSocket: the upgrade has a key of its own, and what a CONNECT carries is no body of it (RFC 9110 section 9.3.6). */
const NOT_OF_UPGRADE: ReadonlySet<string> = new Set(['content-length', 'sec-websocket-key']);

/** The stream is to become a WebSocket (RFC 8441 section 5). */
export function isWebSocketConnect(headers: IncomingHttpHeaders): boolean {
  return headers[':method'] === 'CONNECT' && headers[':protocol'] === 'websocket';
}

/** Parses the head of a stream's request. Throws BalancerError where it is not in order. */
export function parseStreamHead(
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  hasBody: boolean,
  limits: WorkerOptions,
): ParsedRequest {
  const text = requestText(headers, rawHeaders, hasBody);
  return parseHeadText(text, limits);
}

function requestText(headers: IncomingHttpHeaders, rawHeaders: readonly string[], hasBody: boolean): string {
  const { ':method': method = '', ':path': path = '', ':authority': authority, host } = headers;
  const isWebSocket = isWebSocketConnect(headers);
  if (method === 'CONNECT' && !isWebSocket)
    throw new BalancerError('not-implemented', 'CONNECT is not supported');
  if (authority !== undefined && host !== undefined && !isSameHost(authority, host))
    throw new BalancerError('bad-request', 'The request has two hosts');
  let text = `${isWebSocket ? 'GET' : method} ${path} HTTP/1.1\r\nhost: ${authority ?? host ?? ''}\r\n`;
  if (isWebSocket) text += webSocketHandshake();
  let cookies = '';
  let hasLength = false;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    const value = rawHeaders[at + 1]!;
    if (name.startsWith(':') || name === 'host') continue;
    if (isWebSocket && NOT_OF_UPGRADE.has(name)) continue;
    hasLength ||= name === 'content-length';
    // crumbs of one cookie header (RFC 9113 section 8.2.3)
    if (name === 'cookie') cookies = cookies === '' ? value : `${cookies}; ${value}`;
    else if (name === 'te') text += 'te: trailers\r\nconnection: te\r\n';
    else text += `${name}: ${value}\r\n`;
  }
  if (cookies !== '') text += `cookie: ${cookies}\r\n`;
  return hasBody && !hasLength ? `${text}transfer-encoding: chunked\r\n` : text;
}

/** Host may differ from `:authority` in case, and in naming the default port (RFC 9113 section 8.3.1, RFC 9110 section 4.2.3). */
function isSameHost(authority: string, host: string): boolean {
  return authority === host || normalizedHost(authority) === normalizedHost(host);
}

function normalizedHost(host: string): string {
  return host.toLowerCase().replace(/:443$/, '');
}

/** What a WebSocket's handshake has in HTTP/1.1 and not in HTTP/2 (RFC 6455 section 4.1). */
function webSocketHandshake(): string {
  return `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\n`;
}

/** A response's head as HTTP/2 has it. */
export interface StreamResponseHead {
  /** Name, value, name, value …, names in lower case; `:status` is the first. Node.js takes such a list without copying it. */
  readonly fields: string[];
  /** Trailers may follow its body. */
  readonly mayHaveTrailers: boolean;
  /** It announces an empty body. */
  readonly isEmpty: boolean;
  /** It asks for credentials of a connection, and that of a client over HTTP/2 is shared by its requests. */
  readonly needsHttp1: boolean;
}

/** The last status that is valid (RFC 9110 section 15); Node.js sends no higher one. */
const LAST_STATUS = '599';
/** What a client is to take an invalid status for. */
const INVALID_STATUS = '500';
/** A response that has no body whatever its fields say (RFC 9110 section 15.3.6); over HTTP/1.1 it may announce one. */
const RESET_CONTENT = '205';
/** Responses that ask for credentials (RFC 9110 sections 11.6.1 and 11.7.1), and the fields in which they do. */
const CHALLENGES: Readonly<Record<string, string>> = {
  '401': 'www-authenticate',
  '407': 'proxy-authenticate',
};

/** Reads a head in HTTP/1.1, without its empty line. */
export function streamResponseHead(text: string): StreamResponseHead {
  const status = text.slice(9, 12);
  const fields = [':status', status > LAST_STATUS ? INVALID_STATUS : status];
  let mayHaveTrailers = false;
  let isEmpty = false;
  let needsHttp1 = false;
  const challenge = CHALLENGES[status];
  const pairs = headerPairs(text);
  for (let at = 0; at < pairs.length; at += 2) {
    const value = pairs[at + 1]!;
    const name = pairs[at]!.toLowerCase();
    if (mayBeSpecial(name.length, name.charCodeAt(0))) {
      if (name === 'transfer-encoding') mayHaveTrailers = true;
      // a response of HTTP/2 has none of these: how it is framed is the protocol's own
      if (HOP_BY_HOP.has(name) || name === 'http2-settings') continue;
      if (name === 'content-length') {
        // Node.js ends the stream with the head, and a client resets a stream that is shorter than was announced
        if (status === RESET_CONTENT) continue;
        isEmpty ||= value === '0';
      }
    }
    needsHttp1 ||= name === challenge && hasConnectionChallenge(value);
    fields.push(name, value);
  }
  return { fields: withUnindexed(fields), mayHaveTrailers, isEmpty, needsHttp1 };
}

/** Name, value … as an object, names in lower case; fields that came several times have an array of values. */
export function fieldsAsObject(fields: readonly string[]): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {};
  for (let at = 0; at < fields.length; at += 2) {
    const [name, value] = [fields[at]!.toLowerCase(), fields[at + 1]!];
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}
