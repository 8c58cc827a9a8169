/**
 * Finds the lines of a head or a trailer section in bytes that come in any pieces, and checks their syntax; names and
 * values stay bytes, which callers read at the marks.
 * Invariants: every byte is looked at once, however the section is cut; what is held back is under `maxBytes`; a
 * section that is passed holds only CRLF line ends, names that are tokens, and no control byte but HTAB.
 * Source: RFC 9112 sections 2.2, 4 and 5, RFC 9110 sections 5.1, 5.5 and 5.6.2.
 */

import { Buffer } from 'node:buffer';
import { isToken } from '../core/http-token.ts';
import type { BalancerError } from '../platform/errors.ts';
import { type ParseErrorKind, parseError } from './parse-errors.ts';

/** In place of the offset behind what is read, where its end has not come yet. */
export const NEEDS_MORE = -1;

const HTAB = 9;
const LF = 10;
const CR = 13;
const SP = 32;
const HASH = 35;
const COLON = 58;

/** 1 for the bytes of a token. */
export const TOKEN: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(isToken(String.fromCharCode(byte))),
);

/** 1 for the bytes of a reason phrase or a value: visible, SP, HTAB, and obs-text. */
export const TEXT = new Uint8Array(256).fill(1, SP);
TEXT[HTAB] = 1;
TEXT[127] = 0;

/**
 * 1 for the bytes of a request target: visible ASCII without `#`, since a fragment has no place in one (RFC 9112 section
 * 3.2). What stands behind it would be seen by some parsers and not by others.
 */
export const TARGET: Uint8Array = new Uint8Array(256).fill(1, SP + 1, 127);
TARGET[HASH] = 0;

/** The least and greatest byte at each place of a status line up to the status. */
const LOWEST = Buffer.from('HTTP/1.0 100', 'latin1');
const HIGHEST = Buffer.from('HTTP/1.1 999', 'latin1');
/** The same for the version at the end of a request line. */
const LOWEST_VERSION = Buffer.from('HTTP/0.0', 'latin1');
const HIGHEST_VERSION = Buffer.from('HTTP/9.9', 'latin1');

const STATUS = 0;
const REASON = 1;
const LINE_FEED = 2;
const NAME = 3;
const VALUE = 4;
const LAST_LINE_FEED = 5;
const FIRST_BYTE = 6;
const EMPTY_LINE_FEED = 7;
const METHOD = 8;
const REQUEST_TARGET = 9;
const VERSION = 10;
const VERSION_END = 11;

/** What a section begins with: the start line of a response, of a request, or its first field. */
export type ScannedStart = 'status-line' | 'request-line' | 'field';
const FIRST_STEP = { 'status-line': STATUS, 'request-line': FIRST_BYTE, field: NAME } as const;

const NOTHING: Buffer = Buffer.alloc(0);
const FIRST_HOLD_BYTES = 1024;

export interface ScannerLimits {
  readonly maxBytes: number;
  readonly maxFields: number;
  /** Of a request target; not needed for what begins otherwise. */
  readonly maxTargetBytes?: number;
  /** The error where the section is longer. */
  readonly tooLong: ParseErrorKind;
}

/**
 * One section at a time; used again for the next after `reset`. Scanning bytes by a class table and then making one
 * string of the whole takes 220 ns for a head of 243 bytes; scanning the string 640, one regular expression 500, a
 * string for each part 1260 (`bench/response-parser.ts`).
 */
export class HeaderScanner {
  /** The bytes that hold the whole section, from `base`; valid from `read`'s success to `reset`. */
  bytes: Buffer = NOTHING;
  base = 0;
  length = 0;
  /** For each field: where its name starts, its colon, and the CR after its value; counted from `base`. */
  readonly marks: number[] = [];
  /** How many of `marks` are of this section: three a field. */
  markCount = 0;
  /** The CR of the status line, counted from `base`. */
  reasonEnd = 0;
  /** Of a request line, counted from `base`: where the method begins and ends, and the target ends. */
  methodAt = 0;
  methodEnd = 0;
  targetEnd = 0;

  readonly limits: ScannerLimits;
  readonly #maxTargetBytes: number;
  readonly #firstStep: number;
  #step: number;
  /** Where the scan goes on, counted from `base`. */
  #at = 0;
  #lineStart = 0;
  #held: Buffer = NOTHING;
  #heldBytes = 0;

  constructor(limits: ScannerLimits, start: ScannedStart) {
    this.limits = limits;
    this.#maxTargetBytes = limits.maxTargetBytes ?? 0;
    this.#firstStep = FIRST_STEP[start];
    this.#step = this.#firstStep;
  }

  /** Nothing has come but whole empty lines before the section, if that. */
  get isFresh(): boolean {
    return this.#step === this.#firstStep;
  }

  /** Some bytes of a section have come, beyond empty lines before it. */
  get isBegun(): boolean {
    return !this.isFresh && this.#step !== EMPTY_LINE_FEED;
  }

  /** What has come of a section in pieces; empty while all of it lies in one. */
  get held(): Buffer {
    return this.#held.subarray(0, this.#heldBytes);
  }

  /** Forgets the section and its bytes. */
  reset(): void {
    this.bytes = NOTHING;
    this.markCount = 0;
    this.#step = this.#firstStep;
    this.#at = 0;
    this.#lineStart = 0;
    this.#held = NOTHING;
    this.#heldBytes = 0;
  }

  /** Takes `chunk` from `from`: the offset after the section's empty line, or NEEDS_MORE. */
  read(chunk: Buffer, from: number): number {
    if (this.#heldBytes > 0) return this.#readOn(chunk, from);
    const limit = from + this.limits.maxBytes;
    const end = this.#scan(chunk, from, Math.min(chunk.length, limit));
    if (end === NEEDS_MORE) {
      if (chunk.length >= limit) throw this.#tooLong();
      this.#hold(chunk, from, chunk.length);
      return NEEDS_MORE;
    }
    this.bytes = chunk;
    this.base = from;
    this.length = end - from;
    return end;
  }

  #readOn(chunk: Buffer, from: number): number {
    const before = this.#heldBytes;
    this.#hold(chunk, from, Math.min(chunk.length, from + this.limits.maxBytes - before));
    const end = this.#scan(this.#held, 0, this.#heldBytes);
    if (end === NEEDS_MORE) {
      if (this.#heldBytes >= this.limits.maxBytes) throw this.#tooLong();
      return NEEDS_MORE;
    }
    this.bytes = this.#held;
    this.base = 0;
    this.length = end;
    return from + end - before;
  }

  #tooLong(): BalancerError {
    return parseError(this.#step === REQUEST_TARGET ? 'target-too-long' : this.limits.tooLong);
  }

  #hold(chunk: Buffer, from: number, to: number): void {
    const needed = this.#heldBytes + to - from;
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(FIRST_HOLD_BYTES, needed, 2 * this.#held.length));
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    chunk.copy(this.#held, this.#heldBytes, from, to);
    this.#heldBytes = needed;
  }

  /** Goes on from `#at` to the end of the section (whose offset it returns) or of the bytes (NEEDS_MORE). */
  #scan(bytes: Buffer, base: number, end: number): number {
    let at = base + this.#at;
    while (at < end) {
      switch (this.#step) {
        case NAME:
          while (at < end && TOKEN[bytes[at]!] === 1) at++;
          if (at < end) this.#nameEnds(bytes[at]!, at++ - base);
          break;
        case VALUE:
          while (at < end && TEXT[bytes[at]!] === 1) at++;
          if (at < end) this.#valueEnds(bytes[at]!, at++ - base);
          break;
        case LINE_FEED:
          if (bytes[at++] !== LF) throw parseError('bare-cr');
          this.#lineStart = at - base;
          this.#step = NAME;
          break;
        case LAST_LINE_FEED:
          if (bytes[at++] !== LF) throw parseError('bare-cr');
          return at;
        case REASON:
          while (at < end && TEXT[bytes[at]!] === 1) at++;
          if (at < end) this.#reasonEnds(bytes[at]!, at++ - base);
          break;
        default:
          at = this.#scanStartLine(bytes, base, at, end);
      }
    }
    this.#at = at - base;
    return NEEDS_MORE;
  }

  /** One step of a status line up to its reason, or of a request line; returns the offset behind what it has taken. */
  #scanStartLine(bytes: Buffer, base: number, from: number, end: number): number {
    let at = from;
    switch (this.#step) {
      case STATUS:
        return this.#scanStatus(bytes, base, end);
      case FIRST_BYTE:
        // empty lines before a request are passed over (RFC 9112 section 2.2)
        if (bytes[at] === CR) {
          this.#step = EMPTY_LINE_FEED;
          return at + 1;
        }
        this.methodAt = at - base;
        this.#step = METHOD;
        return at;
      case EMPTY_LINE_FEED:
        if (bytes[at] !== LF) throw parseError('bare-cr');
        this.#step = FIRST_BYTE;
        return at + 1;
      case METHOD:
        while (at < end && TOKEN[bytes[at]!] === 1) at++;
        if (at < end) this.#methodEnds(bytes[at]!, at++ - base);
        return at;
      case REQUEST_TARGET:
        while (at < end && TARGET[bytes[at]!] === 1) at++;
        if (at - base - this.methodEnd - 1 > this.#maxTargetBytes) throw parseError('target-too-long');
        if (at < end) this.#targetEnds(bytes[at]!, at++ - base);
        return at;
      case VERSION:
        return this.#scanVersion(bytes, base, end);
      default:
        if (bytes[at] !== CR) throw parseError('request-line');
        this.#step = LINE_FEED;
        return at + 1;
    }
  }

  #scanStatus(bytes: Buffer, base: number, end: number): number {
    let place = this.#at;
    for (; place < LOWEST.length && base + place < end; place++) {
      const byte = bytes[base + place]!;
      if (byte < LOWEST[place]! || byte > HIGHEST[place]!) throw parseError('status-line');
    }
    if (place < LOWEST.length || base + place === end) return base + place;
    // the space may be missing with the reason (RFC 9112 section 4 asks for it, many servers leave it out)
    if (bytes[base + place] === SP) place++;
    else if (bytes[base + place] !== CR) throw parseError('status-line');
    this.#step = REASON;
    return base + place;
  }

  #methodEnds(byte: number, place: number): void {
    if (byte !== SP || place === this.methodAt) throw parseError('request-line');
    this.methodEnd = place;
    this.#step = REQUEST_TARGET;
  }

  #targetEnds(byte: number, place: number): void {
    if (byte !== SP || place === this.methodEnd + 1) throw parseError('request-line');
    this.targetEnd = place;
    this.#step = VERSION;
  }

  #scanVersion(bytes: Buffer, base: number, end: number): number {
    const start = this.targetEnd + 1;
    let place = this.#at > start ? this.#at : start;
    for (; place - start < LOWEST_VERSION.length && base + place < end; place++) {
      const byte = bytes[base + place]!;
      if (byte < LOWEST_VERSION[place - start]! || byte > HIGHEST_VERSION[place - start]!)
        throw parseError('request-line');
    }
    if (place - start === LOWEST_VERSION.length) this.#step = VERSION_END;
    return base + place;
  }

  #reasonEnds(byte: number, place: number): void {
    if (byte !== CR) throw parseError(byte === LF ? 'bare-lf' : 'header-value');
    this.reasonEnd = place;
    this.#step = LINE_FEED;
  }

  #nameEnds(byte: number, place: number): void {
    const empty = place === this.#lineStart;
    if (byte === COLON && !empty) {
      if (this.markCount === 3 * this.limits.maxFields) throw parseError('too-many-headers');
      this.marks[this.markCount] = this.#lineStart;
      this.marks[this.markCount + 1] = place;
      this.#step = VALUE;
    } else if (byte === CR && empty) {
      this.#step = LAST_LINE_FEED;
    } else if (empty && (byte === SP || byte === HTAB)) {
      throw parseError('obs-fold');
    } else {
      throw parseError(byte === LF ? 'bare-lf' : 'header-name');
    }
  }

  #valueEnds(byte: number, place: number): void {
    if (byte !== CR) throw parseError(byte === LF ? 'bare-lf' : 'header-value');
    this.marks[this.markCount + 2] = place;
    this.markCount += 3;
    this.#step = LINE_FEED;
  }
}

/** Name, value, name, value … of the lines of a passed section, from `from`; a cost for callers that need pairs. */
export function fieldPairs(section: string, from: number): string[] {
  const pairs: string[] = [];
  for (let at = from; ; ) {
    const end = section.indexOf('\r\n', at);
    if (end <= at) return pairs;
    const colon = section.indexOf(':', at);
    pairs.push(section.slice(at, colon), trimBlanks(section, colon + 1, end));
    at = end + 2;
  }
}

/** A part of a text without spaces and tabs at its ends; String.trim would take 0xA0, a byte of a value, as well. */
export function trimBlanks(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** True for a space or a tab (OWS). */
export function isBlank(byte: number): boolean {
  return byte === SP || byte === HTAB;
}
