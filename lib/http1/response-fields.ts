/**
 * Reads the fields of a response that a proxy must understand, from the bytes they came in. What follows from them
 * together is in `response-head.ts`.
 * Invariant: the result does not depend on the order of the lines.
 * Source: RFC 9110 sections 5.6.1, 7.6.1 and 8.6, RFC 9112 sections 6.1, 6.2 and 9.3.
 */
import { Buffer } from 'node:buffer';
import { hasConnectionChallenge } from './connection-auth.ts';
import { HOP_BY_HOP } from './header-names.ts';
import { isBlank, trimBlanks } from './header-scanner.ts';
import { parseError } from './parse-errors.ts';

const CHUNKED = Buffer.from('chunked');
const CLOSE = Buffer.from('close');
const CONNECTION = Buffer.from('connection');
const CONTENT_LENGTH = Buffer.from('content-length');
const DATE = Buffer.from('date');
const KEEP_ALIVE = Buffer.from('keep-alive');
const PROXY_AUTHENTICATE = Buffer.from('proxy-authenticate');
const PROXY_CONNECTION = Buffer.from('proxy-connection');
const REQUEST_ID = Buffer.from('x-request-id');
const TE = Buffer.from('te');
const TIMEOUT = Buffer.from('timeout=');
const TRAILER = Buffer.from('trailer');
const TRANSFER_ENCODING = Buffer.from('transfer-encoding');
const UPGRADE = Buffer.from('upgrade');
const WWW_AUTHENTICATE = Buffer.from('www-authenticate');

const CR = 13;
const SP = 32;
const LOWER_CASE_BIT = 32;
const COMMA = 44;
const ZERO = 48;
/** A longer promise is as good as none, and its milliseconds stay a small number. */
const MAX_TIMEOUT_S = 1_000_000;

/** In place of a Content-Length where there is none. */
export const NO_LENGTH = -1;
/** In place of the time for which an idle connection is kept open, where the replica does not say. */
export const NO_TIMEOUT = -1;

/** What the fields of one head said; used again for the next after `reset`. */
export class ResponseFields {
  /** Content-Length, or NO_LENGTH. */
  length = NO_LENGTH;
  chunked = false;
  close = false;
  keepAlive = false;
  /** From `Keep-Alive: timeout=N`, or NO_TIMEOUT. */
  keepAliveTimeoutMs = NO_TIMEOUT;
  upgrade = '';
  /** Connection says that Upgrade is of this hop, without which it means nothing. */
  upgradeOption = false;
  date = false;
  requestId = false;
  trailer = false;
  /** A challenge is of a scheme that authenticates the connection. */
  connectionAuth = false;
  /** Lower-case names that Connection asks to be taken out, beyond those that never pass. */
  named: Set<string> | undefined;
  /** Some line does not go on just as it came, so that the head has to be put together line by line. */
  odd = false;

  reset(): void {
    this.length = NO_LENGTH;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.keepAliveTimeoutMs = NO_TIMEOUT;
    this.upgrade = '';
    this.upgradeOption = false;
    this.date = false;
    this.requestId = false;
    this.trailer = false;
    this.connectionAuth = false;
    this.named = undefined;
    this.odd = false;
  }

  /** Reads the line from `line` by its `colon` to its CR at `end`; true where it goes on to the client. */
  read(bytes: Buffer, line: number, colon: number, end: number): boolean {
    let from = colon + 1;
    let to = end;
    const plain =
      from + 1 < to && bytes[from] === SP && !isBlank(bytes[from + 1]!) && !isBlank(bytes[to - 1]!);
    if (!plain) {
      this.odd = true;
      while (to > from && isBlank(bytes[to - 1]!)) to--;
    }
    while (from < to && isBlank(bytes[from]!)) from++;
    // compared by length first, which is enough for most names
    switch (colon - line) {
      case 2:
        return !isAt(bytes, line, TE);
      case 4:
        this.date ||= isAt(bytes, line, DATE);
        return true;
      case 7:
        return this.#readTrailerOrUpgrade(bytes, line, from, to);
      case 10:
        return this.#readConnectionOrKeepAlive(bytes, line, from, to);
      case 12:
        this.requestId ||= isAt(bytes, line, REQUEST_ID);
        return true;
      case 14:
        if (isAt(bytes, line, CONTENT_LENGTH)) this.#readLength(bytes, from, to);
        return true;
      case 16:
        if (isAt(bytes, line, WWW_AUTHENTICATE)) this.#readChallenges(bytes, from, to);
        return !isAt(bytes, line, PROXY_CONNECTION);
      case 17:
        return !isAt(bytes, line, TRANSFER_ENCODING) || this.#readTransferEncoding(bytes, from, to);
      case 18:
        if (isAt(bytes, line, PROXY_AUTHENTICATE)) this.#readChallenges(bytes, from, to);
        return true;
      default:
        return true;
    }
  }

  #readChallenges(bytes: Buffer, from: number, to: number): void {
    this.connectionAuth ||= hasConnectionChallenge(bytes.toString('latin1', from, to));
  }

  #readTrailerOrUpgrade(bytes: Buffer, line: number, from: number, to: number): boolean {
    if (isAt(bytes, line, UPGRADE)) {
      const value = bytes.toString('latin1', from, to);
      this.upgrade = this.upgrade === '' ? value : `${this.upgrade}, ${value}`;
      return false;
    }
    if (!isAt(bytes, line, TRAILER)) return true;
    this.trailer = true;
    return false;
  }

  #readConnectionOrKeepAlive(bytes: Buffer, line: number, from: number, to: number): boolean {
    if (isAt(bytes, line, KEEP_ALIVE)) {
      this.#readTimeout(bytes, from, to);
      return false;
    }
    if (!isAt(bytes, line, CONNECTION)) return true;
    if (to - from === 10 && isAt(bytes, from, KEEP_ALIVE)) this.keepAlive = true;
    else if (to - from === 5 && isAt(bytes, from, CLOSE)) this.close = true;
    else
      for (const option of bytes.toString('latin1', from, to).toLowerCase().split(','))
        this.#readOption(trimBlanks(option, 0, option.length));
    return false;
  }

  #readOption(option: string): void {
    if (option === 'close') this.close = true;
    else if (option === 'keep-alive') this.keepAlive = true;
    else if (option === 'upgrade') this.upgradeOption = true;
    // a replica must not be able to take the framing out of its own response
    else if (option !== '' && option !== 'content-length' && !HOP_BY_HOP.has(option)) {
      this.named ??= new Set();
      this.named.add(option);
      this.odd = true;
    }
  }

  #readTimeout(bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (at + TIMEOUT.length < to && !isAt(bytes, at, TIMEOUT)) at++;
    if (at > from && bytes[at - 1] !== COMMA && !isBlank(bytes[at - 1]!)) return;
    let seconds = NO_TIMEOUT;
    for (at += TIMEOUT.length; at < to; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      seconds = Math.min(Math.max(seconds, 0) * 10 + digit, MAX_TIMEOUT_S);
    }
    if (seconds !== NO_TIMEOUT) this.keepAliveTimeoutMs = seconds * 1000;
  }

  #readTransferEncoding(bytes: Buffer, from: number, to: number): boolean {
    if (this.chunked || to - from !== CHUNKED.length || !isAt(bytes, from, CHUNKED))
      throw parseError('transfer-coding');
    // some parsers (llhttp 9) take a tab after it for a part of the coding's name, and the body for one without framing
    for (let at = to; bytes[at] !== CR; at++) if (bytes[at] !== SP) throw parseError('transfer-coding');
    this.chunked = true;
    return false;
  }

  #readLength(bytes: Buffer, from: number, to: number): void {
    if (from === to) throw parseError('content-length');
    let value = 0;
    for (let at = from; at < to; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) {
        this.#readLengthList(bytes.toString('latin1', from, to));
        return;
      }
      value = value * 10 + digit;
      if (value > Number.MAX_SAFE_INTEGER) throw parseError('content-length');
    }
    if (bytes[from] === ZERO && to - from > 1) this.odd = true;
    this.#setLength(value);
  }

  /** `5, 5` is what a recipient may make of two equal lines (RFC 9110 section 8.6). */
  #readLengthList(text: string): void {
    this.odd = true;
    for (const item of text.split(',')) {
      const digits = /^[ \t]*(\d{1,16})[ \t]*$/.exec(item)?.[1];
      if (digits === undefined || Number(digits) > Number.MAX_SAFE_INTEGER)
        throw parseError('content-length');
      this.#setLength(Number(digits));
    }
  }

  #setLength(value: number): void {
    if (this.length !== NO_LENGTH) {
      if (this.length !== value) throw parseError('content-length-conflict');
      this.odd = true;
    }
    this.length = value;
  }
}

/** True where the bytes from `at` are `lower` in any case. Only for checked text: it takes CR for a hyphen. */
function isAt(bytes: Buffer, at: number, lower: Buffer): boolean {
  for (let k = 0; k < lower.length; k++) {
    if ((bytes[at + k]! | LOWER_CASE_BIT) !== lower[k]) return false;
  }
  return true;
}
