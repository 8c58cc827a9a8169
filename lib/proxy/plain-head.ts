/**
 * Reads the head of a request that asks for nothing special, from its bytes, without a string for each of its parts.
 * Must not hold: what becomes of the fields (`headers.ts` decides), sockets.
 * Invariant: what is taken here is taken by Node's parser too, and means the same; all else is left to that. So
 * nothing is ever refused here, and the rules are narrower than HTTP's: one target in origin form, HTTP/1.1, one
 * space after a field's colon and no blank around its value, no Transfer-Encoding, Expect, Upgrade or the like.
 * Source: RFC 9112 sections 3 and 5, RFC 9110 section 5.6.2.
 */
import { Buffer } from 'node:buffer';
import { isBlank, TEXT, TOKEN } from './field-section.ts';
import { FIELD, fieldOf, mayBeSpecial } from './fields.ts';

/** A head that was read; one for all, good until the next is read. */
export interface PlainHead {
  /** What it was read from; offsets in `text` are offsets here. */
  readonly bytes: DataView;
  readonly method: string;
  readonly target: string;
  readonly targetAt: number;
  /** The whole head as received, latin1, with its empty line. */
  readonly text: string;
  /** Where the first field begins, in `text`. */
  readonly fieldsAt: number;
  readonly fieldCount: number;
  /** For each field that is not simply passed on: its kind, where its line begins, its colon, and its CR, in `text`. */
  readonly marks: readonly number[];
  /** How many of `marks` are of this head. */
  readonly markCount: number;
  readonly keepsAlive: boolean;
  /** What Content-Length says, in bytes, or -1. */
  readonly bodyLength: number;
}

const [LF, CR, SP, HASH, ZERO, COLON] = [10, 13, 32, 35, 48, 58];
const KEEP_ALIVE = 'keep-alive';
/** So many digits are always below 2^53. */
const MAX_LENGTH_DIGITS = 15;

/** 1 for the bytes of a target: visible ASCII. A fragment has no place in one. */
const TARGET = new Uint8Array(256).fill(1, SP + 1, 127);
TARGET[HASH] = 0;

/** Letters in lower case (RFC 9110 section 5.1). */
const LOWER = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 65 && byte <= 90 ? byte | 32 : byte));

const METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((name) => ({
  name,
  bytes: Buffer.from(`${name} /`, 'latin1'),
}));
const VERSION = Buffer.from(' HTTP/1.1\r\n', 'latin1');

const head = {
  bytes: new DataView(new ArrayBuffer(0)) as DataView,
  method: '',
  target: '',
  targetAt: 0,
  text: '',
  fieldsAt: 0,
  fieldCount: 0,
  marks: [] as number[],
  markCount: 0,
  keepsAlive: true,
  bodyLength: -1,
};

/** What `head.bytes` is a view of; nearly always the same. */
let memory: Buffer | undefined;

/** The head at the beginning of the first `length` bytes; undefined where it is not whole, or not plain. There is one more byte of memory. */
export function readPlainHead(bytes: Buffer, length: number): PlainHead | undefined {
  // no part of a head holds it, so no loop runs past what came
  bytes[length] = 0;
  const method = METHODS.find((each) => isAt(bytes, 0, each.bytes));
  if (method === undefined) return undefined;
  const targetAt = method.bytes.length - 1;
  let at = targetAt;
  while (TARGET[bytes[at]!] === 1) at++;
  const targetEnd = at;
  if (!isAt(bytes, at, VERSION)) return undefined;
  head.fieldsAt = at + VERSION.length;
  const end = scanFields(bytes, head.fieldsAt);
  if (end === -1) return undefined;
  const text = bytes.toString('latin1', 0, end);
  head.method = method.name;
  head.target = text.slice(targetAt, targetEnd);
  head.targetAt = targetAt;
  if (memory !== bytes) head.bytes = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  memory = bytes;
  head.text = text;
  return readMarked(text) ? head : undefined;
}

/** Checks the lines from `at`, and marks those that may be special: the offset behind the empty line, or -1. */
function scanFields(bytes: Buffer, from: number): number {
  const { marks } = head;
  let at = from;
  let count = 0;
  let marked = 0;
  while (bytes[at] !== CR) {
    const line = at;
    while (TOKEN[bytes[at]!] === 1) at++;
    const colon = at;
    const value = colon + 2;
    if (colon === line || bytes[colon] !== COLON || bytes[colon + 1] !== SP) return -1;
    at = value;
    while (TEXT[bytes[at]!] === 1) at++;
    if (at === value || bytes[at] !== CR || bytes[at + 1] !== LF) return -1;
    if (isBlank(bytes[value]!) || isBlank(bytes[at - 1]!)) return -1;
    if (mayBeSpecial(colon - line, bytes[line]!)) {
      marks[marked + 1] = line;
      marks[marked + 2] = colon;
      marks[marked + 3] = at;
      marked += 4;
    }
    count++;
    at += 2;
  }
  head.fieldCount = count;
  head.markCount = marked;
  return bytes[at + 1] === LF ? at + 2 : -1;
}

/** Where the value of the first field begins that has this name, in lower case, or -1. */
export function findValue(plain: PlainHead, name: Uint8Array): number {
  const { bytes, fieldsAt, fieldCount } = plain;
  let at = fieldsAt;
  for (let field = 0; field < fieldCount; field++) {
    let same = 0;
    while (same < name.length && LOWER[bytes.getUint8(at + same)] === name[same]) same++;
    at += same;
    if (same === name.length && bytes.getUint8(at) === COLON) return at + 2;
    at = valueEnd(plain, at) + 2;
  }
  return -1;
}

/** Where the line ends that `at` is in. */
export function valueEnd({ bytes }: PlainHead, at: number): number {
  let end = at;
  while (bytes.getUint8(end) !== CR) end++;
  return end;
}

/** Looks at the fields that may be special, and keeps the marks of those that are; false where one is not for us. */
function readMarked(text: string): boolean {
  const { marks } = head;
  let kept = 0;
  head.keepsAlive = true;
  head.bodyLength = -1;
  for (let mark = 0; mark < head.markCount; mark += 4) {
    const [line, colon, end] = [marks[mark + 1]!, marks[mark + 2]!, marks[mark + 3]!];
    const kind = fieldOf(text.slice(line, colon));
    switch (kind) {
      case FIELD.endToEnd:
        continue;
      case FIELD.expect:
      case FIELD.transferEncoding:
        return false;
      case FIELD.hopByHop:
        // Node's parser takes Proxy-Connection for Connection
        if (colon - line !== KEEP_ALIVE.length) return false;
        break;
      case FIELD.connection:
        if (!readConnection(text.slice(colon + 2, end))) return false;
        break;
      case FIELD.contentLength:
        if (head.bodyLength !== -1) return false;
        head.bodyLength = lengthIn(text, colon + 2, end);
        if (head.bodyLength === -1) return false;
        break;
    }
    marks[kept] = kind;
    marks[kept + 1] = line;
    marks[kept + 2] = colon;
    marks[kept + 3] = end;
    kept += 4;
  }
  head.markCount = kept;
  return true;
}

/** False for a list, and for what names other fields. */
function readConnection(value: string): boolean {
  const isClose = value === 'close';
  if (isClose) head.keepsAlive = false;
  return isClose || value === KEEP_ALIVE || value === 'Keep-Alive';
}

/** The number that stands there in digits, or -1. */
function lengthIn(text: string, from: number, to: number): number {
  if (to - from > MAX_LENGTH_DIGITS) return -1;
  let length = 0;
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

function isAt(bytes: Buffer, at: number, what: Buffer): boolean {
  for (let place = 0; place < what.length; place++) if (bytes[at + place] !== what[place]) return false;
  return true;
}
