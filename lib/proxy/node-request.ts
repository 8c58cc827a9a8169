/**
 * What Node's HTTP parser gives us of a request, and what it says of bytes that are none.
 * Must not hold: connections, answers.
 */
import { type IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { BalancerError, errnoOf } from '../errors.ts';
import type { BodySource, ClientRequest } from './incoming.ts';

/** What Node or we read of a request's headers by name. */
const LEAN_NAMES: ReadonlySet<string> = new Set(['expect', 'upgrade', 'content-length', 'transfer-encoding']);

const LEAN = Symbol('lean headers');

/**
 * Node looks only for `host`, `expect` and what announces a body, but to do so has every header put into an object:
 * 1.5 µs for a browser's request. What is forwarded is taken from the raw headers.
 */
export class LeanRequest extends IncomingMessage implements ClientRequest {
  [LEAN]: IncomingHttpHeaders | undefined;
  /** The client would have the connection kept; known of what the parser lets go of. */
  keepsAlive = true;

  get body(): BodySource | undefined {
    const { 'content-length': length, 'transfer-encoding': coding } = this.headers;
    return length === undefined && coding === undefined ? undefined : new NodeBody(this);
  }
}
Object.defineProperty(LeanRequest.prototype, 'headers', {
  get(this: LeanRequest): IncomingHttpHeaders {
    this[LEAN] ??= leanHeaders(this.rawHeaders);
    return this[LEAN];
  },
});

function leanHeaders(rawHeaders: readonly string[]): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {};
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    // expect, upgrade, content-length, transfer-encoding: told apart from most others by their length
    if (name.length !== 6 && name.length !== 7 && name.length !== 14 && name.length !== 17) continue;
    const lower = name.toLowerCase();
    if (LEAN_NAMES.has(lower)) headers[lower] = rawHeaders[at + 1]!;
  }
  return headers;
}

/** The body of a request that came the ordinary way: a stream. */
class NodeBody implements BodySource {
  readonly #request: IncomingMessage;

  constructor(request: IncomingMessage) {
    this.#request = request;
  }

  get socket(): Socket {
    return this.#request.socket;
  }

  get length(): number {
    return Number(this.#request.headers['content-length']);
  }

  get isWhole(): boolean {
    return false;
  }

  get heldBytes(): number {
    return this.#request.readableLength;
  }

  get rawTrailers(): readonly string[] {
    return this.#request.rawTrailers;
  }

  listen(onPiece: (piece: Buffer) => void, onEnd: () => void): void {
    this.#request.on('data', onPiece);
    this.#request.on('end', onEnd);
  }

  resume(): void {
    this.#request.resume();
  }

  pause(): void {
    this.#request.pause();
  }
}

/** What Node says of bytes that its parser did not take. */
export interface ParseError extends Error {
  readonly reason?: string;
  readonly rawPacket?: Buffer;
}

/** What Node's parser says of a version that is well-formed. */
const UNKNOWN_VERSION = 'Invalid HTTP version';
const LF = 10;
/** What begins like a request line. */
const METHOD = /^[\w!#$%&'*+.^`|~-]+ /;

/** What the client is told of it. */
export function parseFailure(error: ParseError, maxTargetBytes: number): BalancerError {
  switch (errnoOf(error)) {
    case 'HPE_HEADER_OVERFLOW': {
      // only a packet that begins with a request line can tell
      if (error.rawPacket === undefined || !METHOD.test(error.rawPacket.toString('latin1', 0, 64)))
        return new BalancerError('head-too-large');
      const firstLine = error.rawPacket.indexOf(LF);
      return new BalancerError(
        firstLine < 0 || firstLine > maxTargetBytes ? 'target-too-long' : 'head-too-large',
      );
    }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new BalancerError('request-timeout');
    // HTTP/2 without being asked for it, whose preface looks like a request
    case 'HPE_PAUSED_H2_UPGRADE':
      return new BalancerError('http-version');
    case 'HPE_INVALID_VERSION':
      if (error.reason !== UNKNOWN_VERSION) break;
      return new BalancerError('http-version');
    case 'HPE_INVALID_METHOD':
      if (error.rawPacket !== undefined && METHOD.test(error.rawPacket.toString('latin1', 0, 64)))
        return new BalancerError('not-implemented', 'The method is not known');
      break;
  }
  return new BalancerError(
    'bad-request',
    `The request is not HTTP/1.1${error.reason ? `: ${error.reason}` : ''}`,
  );
}
