/**
 * The head of a response: how its body is framed, whether its connection may be used again, and the text that goes on
 * to the client; what the balancer adds is in `response-headers.ts`.
 * Invariants: `forward` has no hop-by-hop field, none that `Connection` names, no Transfer-Encoding, and at most one
 * Content-Length, in plain digits; every line in it reads `Name: value` CRLF; names, order and repeats are as
 * received. A head with two framings, or one that two readers could read differently, is refused.
 * Source: RFC 9112 sections 6.1 to 6.3 and 9.3, RFC 9110 sections 6.6.1, 7.6.1, 7.8, 8.6 and 15.2.2.
 */
import { HOP_BY_HOP } from './header-names.ts';
import { fieldPairs, type HeaderScanner } from './header-scanner.ts';
import { parseError } from './parse-errors.ts';
import { NO_LENGTH, ResponseFields } from './response-fields.ts';

/** How the end of the body is told: RFC 9112 section 6.3. `upgrade`: the connection is a tunnel from here. */
export type ResponseFraming = 'none' | 'length' | 'chunked' | 'close' | 'upgrade';

export interface ResponseHead {
  readonly statusCode: number;
  readonly framing: ResponseFraming;
  /** What Content-Length says, or NO_LENGTH; with framing `none` (HEAD, 304) it is the length of another response's body. */
  readonly contentLength: number;
  /** The connection may be used again once the body has ended: version, `Connection`, framing. */
  readonly keepAlive: boolean;
  /** From `Keep-Alive: timeout=N`, or NO_TIMEOUT. */
  readonly keepAliveTimeoutMs: number;
  /** What the Upgrade header says, or ''; it is not in `forward`. */
  readonly upgrade: string;
  /** There is a Date header (else a proxy adds one, RFC 9110 section 6.6.1). */
  readonly hasDate: boolean;
  readonly hasRequestId: boolean;
  /** It asks for, or completes, an authentication of the connection it came on. */
  readonly bindsConnection: boolean;
  /** A response without a body says that its body would be chunked (HEAD, 304). */
  readonly isChunkedTold: boolean;
  /** Status line (always HTTP/1.1) and end-to-end header lines, latin1, without the empty line at the end. */
  readonly forward: string;
  /** The whole head as received, latin1, with its empty line. */
  readonly received: string;
}

/** What decides the framing beside the head itself. */
export interface RequestFacts {
  readonly method: string;
  /** The request asked for an upgrade, so that it may get a 101. */
  readonly upgrade: boolean;
}

const ZERO = 48;
/** Where a status line has its minor version, its status and its reason. */
const MINOR_AT = 7;
const STATUS_AT = 9;
const REASON_AT = 13;

/** One for all heads, since each is read from its first line to its last in one go. */
const fields = new ResponseFields();

/** Reads a head whose syntax `section` has passed. Throws BalancerError `bad-response`. */
export function parseResponseHead(section: HeaderScanner, asked: RequestFacts): ResponseHead {
  const { bytes, base } = section;
  const received = bytes.toString('latin1', base, base + section.length);
  const cut = cutOut(section, received);
  const minor = bytes[base + MINOR_AT] === ZERO ? 0 : 1;
  const status = statusAt(bytes, base + STATUS_AT);
  const reason = received.slice(REASON_AT, section.reasonEnd);
  const framing = framingOf(status, minor, asked);
  const plain =
    !fields.odd &&
    minor === 1 &&
    section.reasonEnd >= REASON_AT &&
    !(fields.length !== NO_LENGTH && isBodiless(status)) &&
    !(fields.trailer && framing === 'chunked');
  return {
    statusCode: status,
    framing,
    contentLength: fields.length,
    keepAlive: isReusable(status, minor, framing),
    keepAliveTimeoutMs: fields.keepAliveTimeoutMs,
    upgrade: fields.upgrade,
    hasDate: fields.date && fields.named?.has('date') !== true,
    bindsConnection: fields.connectionAuth,
    hasRequestId: fields.requestId && fields.named?.has('x-request-id') !== true,
    isChunkedTold: framing === 'none' && fields.chunked && !isBodiless(status),
    forward: plain
      ? cut
      : putTogether(`HTTP/1.1 ${status} ${reason}\r\n`, received, section.reasonEnd, framing),
    received,
  };
}

/** Name, value, name, value … of `head.received` or `head.forward`, blanks round values taken off; made at each call. */
export function headerPairs(text: string): string[] {
  return fieldPairs(text, text.indexOf('\r\n') + 2);
}

/**
 * Reads every line into `fields`, and takes out of the head those that do not go on, which leaves one or two slices.
 */
function cutOut(section: HeaderScanner, received: string): string {
  const { bytes, base, marks, markCount } = section;
  fields.reset();
  let text = '';
  let from = 0;
  for (let mark = 0; mark < markCount; mark += 3) {
    const line = marks[mark]!;
    const end = marks[mark + 2]!;
    if (fields.read(bytes, base + line, base + marks[mark + 1]!, base + end)) continue;
    text += received.slice(from, line);
    from = end + 2;
  }
  return text + received.slice(from, section.length - 2);
}

/** The same as `cutOut` from a head in an odd form, line by line. */
function putTogether(
  statusLine: string,
  received: string,
  reasonEnd: number,
  framing: ResponseFraming,
): string {
  let text = statusLine;
  let lengthIsTold = isBodiless(Number(statusLine.slice(STATUS_AT, REASON_AT)));
  const pairs = fieldPairs(received, reasonEnd + 2);
  for (let at = 0; at < pairs.length; at += 2) {
    const name = pairs[at]!.toLowerCase();
    let value = pairs[at + 1]!;
    if (HOP_BY_HOP.has(name) || (name === 'trailer' && framing !== 'chunked')) continue;
    if (name === 'content-length') {
      if (lengthIsTold) continue;
      lengthIsTold = true;
      value = String(fields.length);
    }
    if (fields.named?.has(name) !== true) text += `${pairs[at]!}: ${value}\r\n`;
  }
  return text;
}

function statusAt(bytes: Buffer, at: number): number {
  return (bytes[at]! - ZERO) * 100 + (bytes[at + 1]! - ZERO) * 10 + bytes[at + 2]! - ZERO;
}

/** A status whose response has no body and may not name a length: RFC 9110 section 8.6. */
function isBodiless(status: number): boolean {
  return status < 200 || status === 204;
}

function framingOf(status: number, minor: number, asked: RequestFacts): ResponseFraming {
  if (fields.chunked) {
    if (minor === 0) throw parseError('transfer-coding-1.0');
    // section 6.1 lets Transfer-Encoding win, but calls it a likely attack; nothing honest sends it
    if (fields.length !== NO_LENGTH) throw parseError('two-framings');
  }
  if (status === 101) {
    if (!asked.upgrade) throw parseError('unasked-upgrade');
    if (fields.upgrade === '' || !fields.upgradeOption) throw parseError('nameless-upgrade');
    return 'upgrade';
  }
  if (isBodiless(status) || status === 304 || asked.method === 'HEAD') return 'none';
  if (fields.chunked) return 'chunked';
  return fields.length === NO_LENGTH ? 'close' : 'length';
}

function isReusable(status: number, minor: number, framing: ResponseFraming): boolean {
  if (fields.close || framing === 'close' || (minor === 0 && !fields.keepAlive)) return false;
  // a 204 that announces a body may well send it, and then it would be taken for the next response
  return status !== 204 || (fields.length <= 0 && !fields.chunked);
}
