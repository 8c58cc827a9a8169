/**
 * The fields of a request that a server must understand: how its body is framed, whether the connection is kept, what
 * `Connection` names, Expect and Upgrade.
 * Invariant: a head with two framings, or one that two readers could read differently, is refused.
 * Source: RFC 9112 sections 6 and 9.3, RFC 9110 sections 7.6.1, 7.8 and 10.1.1.
 */
import { BalancerError } from '../platform/errors.ts';
import { FIELD, fieldOf } from './header-names.ts';

/** How the end of a request's body is told (RFC 9112 section 6.3). */
export type RequestFraming = 'none' | 'length' | 'chunked';

/** What is read, and what is filled in. */
export interface RequestFields {
  readonly text: string;
  readonly minorVersion: 0 | 1;
  /** Four for each field that may be special: its colon, and where its line, its value and the blanks after that begin. */
  readonly marks: number[];
  markCount: number;
  framing: RequestFraming;
  bodyLength: number;
  keepAlive: boolean;
  connectionNames: readonly string[];
  upgrade: string;
}

const ZERO = 48;
/** So many digits are always below 2^53. */
const MAX_LENGTH_DIGITS = 15;
const NO_NAMES: readonly string[] = [];
/** What `Connection` may list that is no field to be taken out. */
const CONNECTION_OPTIONS: ReadonlySet<string> = new Set(['close', 'keep-alive', 'upgrade', 'te', '']);
const CLOSE_OR_KEEP = /(?:^|,)[ \t]*(close|keep-alive)[ \t]*(?:,|$)/i;
const CLEARTEXT_HTTP2 = /^h2c(?:$|\/)/i;

/** Looks at the fields that may be special, keeps the marks of those that are, and reads what this server must understand. */
export function readSpecialFields(head: RequestFields): void {
  const { marks, text } = head;
  resetFields(head);
  let kept = 0;
  let connection = '';
  let upgrade = '';
  for (let mark = 0; mark < head.markCount; mark += 4) {
    const colon = marks[mark]!;
    const line = marks[mark + 1]!;
    const value = marks[mark + 2]!;
    const end = marks[mark + 3]!;
    const kind = fieldOf(text.slice(line, colon));
    switch (kind) {
      case FIELD.endToEnd:
        continue;
      case FIELD.connection:
        connection = joined(connection, text.slice(value, end));
        break;
      case FIELD.contentLength:
        readLength(head, value, end);
        break;
      case FIELD.transferEncoding:
        // blanks behind it count: some readers take a tab there for a part of the coding's name
        readCoding(head, text.slice(value, text.indexOf('\r', end)).replace(/ +$/, ''));
        break;
      case FIELD.expect:
        readExpect(head, text.slice(value, end));
        break;
      case FIELD.hopByHop:
        if (isNamed(text, line, colon, 'upgrade')) upgrade = joined(upgrade, text.slice(value, end));
        // what some clients send in place of Connection; it names no fields
        else if (isNamed(text, line, colon, 'proxy-connection'))
          connection = joined(connection, CLOSE_OR_KEEP.exec(text.slice(value, end))?.[1] ?? '');
        break;
    }
    marks[kept] = kind;
    marks[kept + 1] = line;
    marks[kept + 2] = value;
    marks[kept + 3] = end;
    kept += 4;
  }
  head.markCount = kept;
  if (connection !== '') readConnection(head, connection, upgrade);
}

function resetFields(head: RequestFields): void {
  head.framing = 'none';
  head.bodyLength = 0;
  head.keepAlive = head.minorVersion === 1;
  head.connectionNames = NO_NAMES;
  head.upgrade = '';
}

/** Two values of a list as one (RFC 9110 section 5.3). */
function joined(list: string, more: string): string {
  return list === '' ? more : `${list}, ${more}`;
}

function isNamed(text: string, line: number, colon: number, name: string): boolean {
  return colon - line === name.length && text.slice(line, colon).toLowerCase() === name;
}

function readConnection(head: RequestFields, value: string, upgrade: string): void {
  if (value === 'keep-alive' || value === 'Keep-Alive') {
    head.keepAlive = true;
    return;
  }
  if (value === 'close') {
    head.keepAlive = false;
    return;
  }
  const options = value.toLowerCase().split(',').map(trimmed);
  if (options.includes('keep-alive')) head.keepAlive = true;
  if (options.includes('close')) head.keepAlive = false;
  if (options.includes('upgrade') && head.minorVersion === 1) head.upgrade = withoutHttp2(upgrade);
  const names = options.filter((option) => !CONNECTION_OPTIONS.has(option));
  if (names.length > 0) head.connectionNames = names;
}

/** HTTP/2 over an upgrade is no more (RFC 9113 section 3.1), and would carry requests past all that is decided here. */
function withoutHttp2(protocols: string): string {
  return protocols
    .split(',')
    .map(trimmed)
    .filter((protocol) => protocol !== '' && !CLEARTEXT_HTTP2.test(protocol))
    .join(', ');
}

function trimmed(option: string): string {
  return option.replace(/^[ \t]+|[ \t]+$/g, '');
}

function readLength(head: RequestFields, from: number, to: number): void {
  if (head.framing === 'chunked') throw twoFramings();
  if (head.framing === 'length') throw badRequest('The request has two Content-Length headers');
  if (to - from > MAX_LENGTH_DIGITS) throw badRequest('The Content-Length is beyond all bounds');
  if (to === from) throw badRequest('The Content-Length is no number');
  let length = 0;
  for (let at = from; at < to; at++) {
    const digit = head.text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) throw badRequest('The Content-Length is no number');
    length = length * 10 + digit;
  }
  head.framing = 'length';
  head.bodyLength = length;
}

function readCoding(head: RequestFields, coding: string): void {
  if (head.framing === 'length') throw twoFramings();
  if (head.framing === 'chunked' || coding.toLowerCase() !== 'chunked')
    throw new BalancerError('not-implemented', 'The only transfer coding that is understood is one chunked');
  // RFC 9112 section 6.1: such a client cannot have meant it
  if (head.minorVersion === 0) throw badRequest('HTTP/1.0 knows no Transfer-Encoding');
  head.framing = 'chunked';
}

/** Elements of a list may be empty (RFC 9110 section 5.6.1); HTTP/1.0 knows no expectations (section 10.1.1). */
function readExpect(head: RequestFields, value: string): void {
  if (head.minorVersion === 0) return;
  for (const expectation of value.toLowerCase().split(',').map(trimmed)) {
    if (expectation !== '' && expectation !== '100-continue') throw new BalancerError('expectation-failed');
  }
}

function twoFramings(): BalancerError {
  return badRequest('The request has both Content-Length and Transfer-Encoding');
}

export function badRequest(message: string): BalancerError {
  return new BalancerError('bad-request', message);
}
