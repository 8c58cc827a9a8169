/**
 * The rules of HTTP/1.1 that a message can break, each with a stable word and a sentence. Of a replica's response the
 * sentence is for the log, and the client gets 502 or a cut; of a request it is part of the 400 (`request-parser.ts`).
 * Source: RFC 9112 sections 4 to 7, RFC 9110 sections 5, 6.5, 8.6, 15.2 and 15.6.
 */
import { BalancerError } from '../platform/errors.ts';

const PARSE_ERRORS = {
  'no-request': 'bytes came that belong to no request',
  'status-line': 'the status line is not HTTP/1.0 or HTTP/1.1 with a status of three digits from 100',
  'request-line': 'the request line is not a method, a target and HTTP/1.0 or HTTP/1.1, one space apart',
  'target-too-long': 'the request target is longer than the limit',
  'header-name': 'a header name is empty, holds what is not a token, or is not followed by a colon at once',
  'header-value': 'a reason or a header value holds a control character',
  'obs-fold': 'a header line is folded',
  'bare-cr': 'a carriage return without its line feed',
  'bare-lf': 'a line feed without its carriage return',
  'head-too-large': 'the head is longer than the limit',
  'too-many-headers': 'more header lines than the limit',
  'content-length': 'Content-Length is not one whole number that can be counted to',
  'content-length-conflict': 'two Content-Length values differ',
  'transfer-coding': 'Transfer-Encoding is not chunked alone, once',
  'transfer-coding-1.0': 'Transfer-Encoding in an HTTP/1.0 response',
  'two-framings': 'Content-Length and Transfer-Encoding together',
  'unasked-upgrade': 'status 101 to a request that asked for no upgrade',
  'nameless-upgrade': 'status 101 without Upgrade, or without Connection: upgrade',
  'too-many-interim': 'the 1xx responses are longer than the limit',
  'chunk-size': 'a chunk size is not a hexadecimal number that can be counted to',
  'chunk-extension': 'a chunk extension is malformed or too long',
  'chunk-end': 'the data of a chunk is not followed by an empty line',
  'trailer-too-large': 'the trailer section is longer than the limit',
  'trailer-framing': 'a trailer says how long the body is',
  'after-end': 'bytes came after the connection was given up',
} as const;

export type ParseErrorKind = keyof typeof PARSE_ERRORS;

/** A BalancerError `bad-response` whose message begins with the stable word. */
export function parseError(kind: ParseErrorKind): BalancerError {
  return new BalancerError('bad-response', `${kind}: ${PARSE_ERRORS[kind]}`);
}

/** The stable word at the front of a `bad-response` message, for a metric's label or a log field. */
export function parseErrorKindOf(error: BalancerError): string {
  return error.message.slice(0, Math.max(0, error.message.indexOf(':')));
}
