/**
 * The request body and the response of Node's HTTP server (`--parser node`) in the shape that exchanges know, through the
 * public API of IncomingMessage and ServerResponse; and its parser's errors as failures.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { TOKEN_CHAR } from '../../core/http-token.ts';
import { NO_LENGTH } from '../../http1/response-fields.ts';
import { headerPairs } from '../../http1/response-head.ts';
import { BalancerError, errnoOf } from '../../platform/errors.ts';
import { resetConnection } from '../io/encrypted.ts';
import type { AfterResponse, ClientResponse } from './client-response.ts';
import { RechunkedBody } from './rechunked-body.ts';

/** A body, put into chunks again where it came in chunks. */
export class NodeBody extends RechunkedBody {
  readonly #message: IncomingMessage;

  constructor(message: IncomingMessage) {
    const { 'content-length': length, 'transfer-encoding': coding } = message.headers;
    super(message, coding !== undefined ? Number.NaN : Number(length ?? NO_LENGTH));
    this.#message = message;
  }

  get isComplete(): boolean {
    return this.#message.complete;
  }

  checkPeer(): void {
    this.#message.socket.write('');
  }

  protected get rawTrailers(): readonly string[] {
    return this.#message.rawTrailers;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
const HEAD_END = '\r\n\r\n';

/** A response whose first bytes are a head as text, written through ServerResponse, which frames the body itself. */
export class NodeResponse extends Writable implements ClientResponse {
  readonly framesChunks = true;
  hasStarted = false;
  /** The connection, which reads on what a client still sends after its last response. */
  client: { lingerNow(): void } | undefined;
  readonly #response: ServerResponse;
  #hasHead = false;
  #hasContinued = false;

  constructor(response: ServerResponse) {
    super();
    this.#response = response;
    response.sendDate = false;
    // the head that is written says all of it
    response.removeHeader('Connection');
    this.on('error', () => {});
  }

  get wantsKeepAlive(): boolean {
    const { httpVersionMinor, headers } = this.#response.req;
    // Node closes the connection after its response to a client that was not told to continue
    if (headers.expect !== undefined && !this.#hasContinued) return false;
    const options = (headers.connection ?? '').toLowerCase();
    return httpVersionMinor === 1 ? !/\bclose\b/.test(options) : /\bkeep-alive\b/.test(options);
  }

  get socket(): Socket {
    return this.#response.req.socket;
  }

  get out(): Writable {
    return this;
  }

  start(after: AfterResponse): void {
    this.hasStarted = true;
    const { socket, client } = this;
    // Node would close the socket at once, which with unread bytes is a reset
    if (after === 'linger') socket.destroySoon = () => client?.lingerNow();
  }

  override end(text?: unknown): this {
    if (typeof text === 'string') this.write(text, 'latin1');
    return super.end();
  }

  writeInterim(text: string): void {
    if (!text.startsWith('HTTP/1.1 100 ')) this.socket.write(text, 'latin1');
    else if (!this.#hasContinued) {
      this.#hasContinued = true;
      this.#response.writeContinue();
    }
  }

  addTrailers(trailers: readonly string[]): void {
    const pairs: [string, string][] = [];
    for (let at = 0; at < trailers.length; at += 2) pairs.push([trailers[at]!, trailers[at + 1]!]);
    this.#response.addTrailers(pairs);
  }

  cut(isDelimited: boolean): void {
    if (isDelimited) this.socket.destroySoon();
    else resetConnection(this.socket);
  }

  onFlushed(callback: () => void): void {
    this.#response.once('finish', callback);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: (error?: Error | null) => void): void {
    const body = this.#hasHead ? chunk : this.#writeHead(chunk);
    if (body.length === 0) written();
    else this.#response.write(body, written);
  }

  override _final(ended: (error?: Error | null) => void): void {
    this.#response.end(ended);
  }

  /** Writes the head, and returns what stands behind it. */
  #writeHead(chunk: Buffer): Buffer {
    this.#hasHead = true;
    const end = chunk.indexOf(HEAD_END);
    const text = chunk.toString('latin1', 0, end + 2);
    const [, status = '', reason = ''] = /^HTTP\/1\.1 (\d+) ?([^\r]*)/.exec(text) ?? [];
    this.#response.writeHead(Number(status), reason, headerPairs(text));
    // not `flushHeaders`, which would write it as UTF-8
    this.#response.write(NOTHING);
    return chunk.subarray(end + HEAD_END.length);
  }
}

/** Node's error for bytes that its parser has refused. */
export interface ParseError extends Error {
  readonly reason?: string;
  readonly rawPacket?: Buffer;
}

/** The reason that Node's parser gives for a well-formed version that it does not know. */
const UNKNOWN_VERSION = 'Invalid HTTP version';
const LF = 10;
/** The beginning of a request line. */
const METHOD = new RegExp(`^${TOKEN_CHAR}+ `);

/** The failure that a client gets for bytes that Node's parser has refused. */
export function parseFailure(error: ParseError, maxTargetBytes: number): BalancerError {
  switch (errnoOf(error)) {
    case 'HPE_HEADER_OVERFLOW': {
      // only a packet that begins with a request line shows which limit it was
      if (error.rawPacket === undefined || !METHOD.test(error.rawPacket.toString('latin1', 0, 64)))
        return new BalancerError('head-too-large');
      const firstLine = error.rawPacket.indexOf(LF);
      return new BalancerError(
        firstLine < 0 || firstLine > maxTargetBytes ? 'target-too-long' : 'head-too-large',
      );
    }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new BalancerError('request-timeout');
    // HTTP/2 with prior knowledge, whose preface looks like a request
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
