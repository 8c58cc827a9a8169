/**
 * The request line of a head that was refused, for the log: read leniently, since what is wrong with the head may be its
 * line. Nothing is routed or sent on by it. Source: RFC 9112 section 3.
 */
import type { Buffer } from 'node:buffer';
import { TOKEN_CHAR } from '../core/http-token.ts';

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

/** The request line at the beginning of `head`; undefined where it does not begin with one. */
export function requestLineOf(head: Buffer): RequestLine | undefined {
  const found = LINE.exec(head.toString('latin1', 0, MAX_BYTES));
  if (found === null) return undefined;
  const [, method = '', target = '', httpVersion = '1.1'] = found;
  return { method, url: target.slice(0, MAX_SHOWN), httpVersion };
}
