/**
 * Heads between the text of HTTP/1.1, which the data path works on, and HTTP/2, towards replicas; the twin of
 * `stream-head.ts`, which does it towards clients.
 * Source: RFC 9113 sections 8.2.2 (fields of the connection) and 8.3 (pseudo-header fields), RFC 9112 section 6.3.
 */

import { HOP_BY_HOP } from '../../../http1/header-names.ts';
import { fieldPairs } from '../../../http1/header-scanner.ts';
import type { RequestFraming } from '../../../http1/request-fields.ts';
import { STATUS_CODES } from '../../../platform/node/http.ts';
import { withUnindexed } from '../../headers/unindexed-fields.ts';

/** The head of a stream's request. */
export interface StreamRequestHead {
  readonly method: string;
  /** Name, value … with the pseudo-header fields first. */
  readonly fields: readonly string[];
  readonly framing: RequestFraming;
  /** Of a body that is announced by its length, in bytes. */
  readonly contentLength: number;
}

/** Reads the head of a request that `buildRequestHead` made, without its empty line. */
export function streamRequestHead(text: string, scheme: string): StreamRequestHead {
  const lineEnd = text.indexOf('\r\n');
  const [method = '', target = ''] = text.slice(0, lineEnd).split(' ', 2);
  const fields: string[] = [];
  let authority = '';
  let framing: RequestFraming = 'none';
  let contentLength = 0;
  const pairs = fieldPairs(text, lineEnd + 2);
  for (let at = 0; at < pairs.length; at += 2) {
    const [name, value] = [pairs[at]!.toLowerCase(), pairs[at + 1]!];
    if (name === 'host') authority = value;
    else if (name === 'te' || !HOP_BY_HOP.has(name)) fields.push(name, value);
    if (name === 'transfer-encoding') framing = 'chunked';
    if (name !== 'content-length') continue;
    contentLength = Number(value);
    framing = contentLength === 0 ? 'none' : 'length';
  }
  const pseudo = [':method', method, ':scheme', scheme, ':authority', authority, ':path', target];
  return { method, fields: withUnindexed([...pseudo, ...fields]), framing, contentLength };
}

/** What a response is to, and what is known of it beside its fields. */
export interface StreamResponseFacts {
  readonly method: string;
  /** The head ends the stream. */
  readonly isWhole: boolean;
  /** No request follows on this connection. */
  readonly isLast: boolean;
}

/** A response's head as text, with its empty line. */
export interface ResponseText {
  readonly text: string;
  /** Its body goes in chunks. */
  readonly isChunked: boolean;
}

/** Writes the head of a response, or of an interim one, of name, value … as they came. */
export function responseText(
  status: number,
  raw: readonly string[],
  { method, isWhole, isLast }: StreamResponseFacts,
): ResponseText {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  let hasLength = false;
  for (let at = 0; at < raw.length; at += 2) {
    const [name, value] = [raw[at]!, raw[at + 1]!];
    if (name.startsWith(':') || HOP_BY_HOP.has(name)) continue;
    hasLength ||= name === 'content-length';
    text += `${name}: ${value}\r\n`;
  }
  const hasBody = status >= 200 && status !== 204 && status !== 304 && method !== 'HEAD';
  const isChunked = hasBody && !hasLength && !isWhole;
  if (isChunked) text += 'transfer-encoding: chunked\r\n';
  else if (hasBody && !hasLength) text += 'content-length: 0\r\n';
  if (isLast && status >= 200) text += 'connection: close\r\n';
  return { text: `${text}\r\n`, isChunked };
}
