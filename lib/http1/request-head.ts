/**
 * The head of a request: its method, target and version, and where its fields lie; what the special ones say is read by
 * `request-fields.ts`. Two ways lead to the same result: a fast scan of a plain head that lies whole in memory, and the
 * header scanner for every other. Of a head that is refused the request line alone is read, for the log.
 * Invariant: what the fast scan accepts the scanner accepts too, with the same result.
 * Source: RFC 9112 sections 3 and 5, RFC 9110 section 5.6.2.
 */
import { Buffer } from 'node:buffer';
import { TOKEN_CHAR } from '../core/http-token.ts';
import { BalancerError } from '../platform/errors.ts';
import { METHODS as KNOWN_METHODS } from '../platform/node/http.ts';
import { mayBeSpecial } from './header-names.ts';
import { type HeaderScanner, isBlank, TARGET, TEXT, TOKEN } from './header-scanner.ts';
import { badRequest, type RequestFraming, readSpecialFields } from './request-fields.ts';

/** A head that was read; one object for all, good until the next is read. */
export interface ParsedRequest {
  /** The memory it was read from; its first byte is at `base`. */
  readonly bytes: DataView;
  readonly base: number;
  readonly method: string;
  /** As received. */
  readonly target: string;
  /** Where the target begins, in `text`. */
  readonly targetAt: number;
  /** From the method to the empty line, latin1, as received. Offsets into it are offsets from `base` as well. */
  readonly text: string;
  readonly minorVersion: 0 | 1;
  /** Where the first field begins, in `text`. */
  readonly fieldsAt: number;
  readonly fieldCount: number;
  /** For each field that is not simply passed on: its kind, and where its line, its value and the blanks after that begin. */
  readonly marks: readonly number[];
  /** How many of `marks` are of this head: four a field. */
  readonly markCount: number;
  readonly framing: RequestFraming;
  /** Of a body with `length` framing, in bytes; else 0. */
  readonly bodyLength: number;
  /** The client would have the connection kept. */
  readonly keepAlive: boolean;
  /** Lower-case names that `Connection` lists beside its own options. */
  readonly connectionNames: readonly string[];
  /** What `Upgrade` lists, where `Connection` says upgrade; '' where the client asks for none. */
  readonly upgrade: string;
}

const [LF, CR, SP, ZERO, COLON] = [10, 13, 32, 48, 58];

/** Origin form, absolute form or `*` (RFC 9112 section 3.2); no user information (RFC 9110 section 4.2.4). */
const TARGET_FORM = /^(?:\/|\*$|https?:\/\/[\w.~!$&'()*+,;=%[\]:-]+(?:$|[/?]))/i;

/** Letters in lower case (RFC 9110 section 5.1). */
const LOWER = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 65 && byte <= 90 ? byte | 32 : byte));

const PLAIN_METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((name) => ({
  name,
  bytes: Buffer.from(`${name} /`, 'latin1'),
}));
const METHODS: ReadonlySet<string> = new Set(KNOWN_METHODS);
/** In place of the offset behind the fields of a head that the fast path leaves to the parser. */
const NOT_PLAIN = -1;
/** In place of the offset of a field that a head does not have. */
export const NOT_FOUND = -1;
const VERSION = Buffer.from(' HTTP/1.1\r\n', 'latin1');

const head = {
  bytes: new DataView(new ArrayBuffer(0)) as DataView,
  base: 0,
  method: '',
  target: '',
  targetAt: 0,
  text: '',
  minorVersion: 1 as 0 | 1,
  fieldsAt: 0,
  fieldCount: 0,
  marks: [] as number[],
  markCount: 0,
  framing: 'none' as RequestFraming,
  bodyLength: 0,
  keepAlive: true,
  connectionNames: [] as readonly string[],
  upgrade: '',
};

/** What `head.bytes` is a view of; nearly always the same. */
let memory: Buffer | undefined;

/**
 * Parses the plain head in `bytes` from `from` on, of which those before `to` have come. Undefined where it is not whole or
 * not plain, so that the header scanner has to read it. `bytes[to]` is overwritten. Throws what `parseScannedHead` does.
 */
export function parsePlainHead(bytes: Buffer, from: number, to: number): ParsedRequest | undefined {
  // no part of a head holds it, so no loop runs past what came
  bytes[to] = 0;
  const method = plainMethodAt(bytes, from);
  if (method === undefined) return undefined;
  const targetAt = from + method.bytes.length - 1;
  let at = targetAt;
  while (TARGET[bytes[at]!] === 1) at++;
  const targetEnd = at;
  if (!isAt(bytes, at, VERSION)) return undefined;
  head.fieldsAt = at + VERSION.length - from;
  const end = scanFields(bytes, from, at + VERSION.length);
  if (end === NOT_PLAIN) return undefined;
  head.text = bytes.toString('latin1', from, end);
  head.method = method.name;
  head.targetAt = targetAt - from;
  head.target = head.text.slice(head.targetAt, targetEnd - from);
  head.minorVersion = 1;
  view(bytes, from);
  readSpecialFields(head);
  return head;
}

function plainMethodAt(bytes: Buffer, from: number): (typeof PLAIN_METHODS)[number] | undefined {
  // a loop and not `find`, whose callback would be made for each request
  for (const method of PLAIN_METHODS) if (isAt(bytes, from, method.bytes)) return method;
  return undefined;
}

/** Checks the lines from `from`, and marks those that may be special: the offset behind the empty line, or NOT_PLAIN. */
function scanFields(bytes: Buffer, base: number, from: number): number {
  const { marks } = head;
  let at = from;
  let count = 0;
  let marked = 0;
  while (bytes[at] !== CR) {
    const line = at;
    while (TOKEN[bytes[at]!] === 1) at++;
    const colon = at;
    const value = colon + 2;
    if (colon === line || bytes[colon] !== COLON || bytes[colon + 1] !== SP) return NOT_PLAIN;
    at = value;
    while (TEXT[bytes[at]!] === 1) at++;
    if (at === value || bytes[at] !== CR || bytes[at + 1] !== LF) return NOT_PLAIN;
    if (isBlank(bytes[value]!) || isBlank(bytes[at - 1]!)) return NOT_PLAIN;
    if (mayBeSpecial(colon - line, bytes[line]!)) {
      marks[marked] = colon - base;
      marks[marked + 1] = line - base;
      marks[marked + 2] = value - base;
      marks[marked + 3] = at - base;
      marked += 4;
    }
    count++;
    at += 2;
  }
  head.fieldCount = count;
  head.markCount = marked;
  return bytes[at + 1] === LF ? at + 2 : NOT_PLAIN;
}

/**
 * Parses the head whose syntax `section` has passed. Throws BalancerError for what no server may accept: `http-version`,
 * `not-implemented` (method, transfer coding), `expectation-failed`, `bad-request`.
 */
export function parseScannedHead(section: HeaderScanner): ParsedRequest {
  const { bytes, marks: fields, markCount: fieldMarks } = section;
  const base = section.base + section.methodAt;
  const skipped = section.methodAt;
  const text = bytes.toString('latin1', base, section.base + section.length);
  const versionAt = section.targetEnd - skipped + 1;
  checkVersion(text, versionAt);
  head.text = text;
  head.method = text.slice(0, section.methodEnd - skipped);
  if (head.method === 'CONNECT') throw new BalancerError('not-implemented', 'CONNECT is not supported');
  if (!METHODS.has(head.method)) throw new BalancerError('not-implemented', 'The method is not known');
  head.targetAt = section.methodEnd - skipped + 1;
  head.target = text.slice(head.targetAt, versionAt - 1);
  if (!TARGET_FORM.test(head.target)) throw badRequest('The request target must be a path or an http URL');
  head.minorVersion = text.charCodeAt(versionAt + 7) === ZERO ? 0 : 1;
  head.fieldsAt = versionAt + VERSION.length - 1;
  head.fieldCount = fieldMarks / 3;
  const { marks } = head;
  let marked = 0;
  for (let mark = 0; mark < fieldMarks; mark += 3) {
    const line = fields[mark]! - skipped;
    const colon = fields[mark + 1]! - skipped;
    if (!mayBeSpecial(colon - line, bytes[base + line]!)) continue;
    let value = colon + 1;
    let end = fields[mark + 2]! - skipped;
    while (value < end && isBlank(text.charCodeAt(value))) value++;
    while (end > value && isBlank(text.charCodeAt(end - 1))) end--;
    marks[marked] = colon;
    marks[marked + 1] = line;
    marks[marked + 2] = value;
    marks[marked + 3] = end;
    marked += 4;
  }
  head.markCount = marked;
  view(bytes, base);
  readSpecialFields(head);
  return head;
}

/** A minor version above 1 is HTTP/1.1 to us, as RFC 9110 section 2.5 has it; Node's parser refuses it, and so do we. */
function checkVersion(text: string, at: number): void {
  if (text.startsWith('HTTP/1.1', at) || text.startsWith('HTTP/1.0', at)) return;
  throw new BalancerError('http-version');
}

function view(bytes: Buffer, base: number): void {
  if (memory !== bytes) head.bytes = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  memory = bytes;
  head.base = base;
}

/** Where the value of the first field begins that has this name, in lower case, counted from `base`; or NOT_FOUND. */
export function findValue(marks: ParsedRequest, name: Uint8Array): number {
  const { bytes, base, fieldsAt, fieldCount } = marks;
  let at = fieldsAt;
  for (let field = 0; field < fieldCount; field++) {
    let same = 0;
    while (same < name.length && LOWER[bytes.getUint8(base + at + same)] === name[same]) same++;
    at += same;
    if (same === name.length && bytes.getUint8(base + at) === COLON) {
      do at++;
      while (isBlank(bytes.getUint8(base + at)));
      return at;
    }
    while (bytes.getUint8(base + at) !== CR) at++;
    at += 2;
  }
  return NOT_FOUND;
}

/** The text of the first field that has this name, in lower case, blanks around it taken off; '' where there is none. */
export function fieldValue(parsed: ParsedRequest, name: Uint8Array): string {
  const at = findValue(parsed, name);
  return at === NOT_FOUND ? '' : parsed.text.slice(at, valueEnd(parsed, at));
}

/** Where the value ends that begins at `at`, without the blanks behind it. */
export function valueEnd({ bytes, base }: ParsedRequest, at: number): number {
  let end = at;
  while (bytes.getUint8(base + end) !== CR) end++;
  while (end > at && isBlank(bytes.getUint8(base + end - 1))) end--;
  return end;
}

function isAt(bytes: Buffer, at: number, what: Buffer): boolean {
  for (let place = 0; place < what.length; place++) if (bytes[at + place] !== what[place]) return false;
  return true;
}

/** What is logged of a head that was refused. */
export interface RequestLine {
  readonly method: string;
  /** The target as received; of one that is longer or has not come as a whole, the first `MAX_SHOWN` bytes or what has come. */
  readonly url: string;
  /** `1.1`, also where it has not come. */
  readonly httpVersion: string;
}

const MAX_SHOWN = 2048;
/** Of a head, all that is looked at. */
const MAX_BYTES = 2 * MAX_SHOWN;

/** Behind the target: its version and the beginning of a line end, or what has come of these. */
const REST = '(?: HTTP/(\\d\\.\\d)[\\r\\n]| ?[HTP/\\d.]{0,8}$)';
/** Empty lines may precede it (RFC 9112 section 2.2). */
const LINE = new RegExp(`^(?:\\r\\n)*(${TOKEN_CHAR}+) ([\\x21-\\x7e]+)${REST}`);

/**
 * The request line at the beginning of `head`; undefined where it does not begin with one. It is read leniently, since what is
 * wrong with a head may be its line: nothing may be routed or sent on by it.
 */
export function requestLineOf(head: Buffer): RequestLine | undefined {
  const found = LINE.exec(head.toString('latin1', 0, MAX_BYTES));
  if (found === null) return undefined;
  const [, method = '', target = '', httpVersion = '1.1'] = found;
  return { method, url: target.slice(0, MAX_SHOWN), httpVersion };
}
