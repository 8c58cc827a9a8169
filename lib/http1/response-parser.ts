/**
 * Reads the responses on one upstream connection, one after the other, from the buffers that its socket gives.
 * Invariants: bytes are only parsed while a request is in flight; the sink is called in the same way however the bytes are
 * cut, and only with what was checked; after a broken rule, a cut, or a message that leaves the connection's state in
 * doubt nothing more is parsed.
 * A typical head (243 bytes, 8 headers) with a small body costs under 1 µs, `bench/response-parser.ts` measures it.
 * Source: RFC 9112 sections 2.2, 6.3, 8 and 9, RFC 9110 sections 7.8 and 15.2.
 */
import { Buffer } from 'node:buffer';
import { type BodySink, ChunkedDecoder } from './chunked-decoder.ts';
import { HeaderScanner, NEEDS_MORE } from './header-scanner.ts';
import { LenientHeadReader } from './lenient-head.ts';
import { parseError } from './parse-errors.ts';
import { parseResponseHead, type RequestFacts, type ResponseHead } from './response-head.ts';
import { NO_TRAILERS } from './trailers.ts';

export interface ResponseLimits {
  /** Of one head, its empty line included. */
  readonly maxHeadBytes: number;
  /** Header lines of one head, and trailer lines of one body. */
  readonly maxHeaders: number;
  readonly maxTrailerBytes: number;
  /** Of all heads of 1xx responses before the final one. */
  readonly maxInterimBytes: number;
  /** Heads in some broken forms are repaired (`lenient-head.ts`) where they would be refused. */
  readonly isLenient: boolean;
}

export const RESPONSE_LIMITS: ResponseLimits = {
  maxHeadBytes: 65_536,
  maxHeaders: 256,
  maxTrailerBytes: 16_384,
  maxInterimBytes: 2_097_152,
  isLenient: false,
};

/** For replicas whose responses are to be served although they are not quite HTTP. */
export const LENIENT_LIMITS: ResponseLimits = { ...RESPONSE_LIMITS, isLenient: true };

/** What the parser must know of the request that the response is to. */
export interface ResponseRequest extends RequestFacts {
  /** A chunked body is handed over with its framing, ready for a client that takes chunks (HTTP/1.1). */
  readonly rawChunks: boolean;
}

/** Called for one response: any number of `onInterim`, then `onHead`, any number of `onBody`, `onEnd`. */
export interface ResponseSink extends BodySink {
  /** A 1xx response other than 101. */
  onInterim(head: ResponseHead): void;
  /**
   * The final head. `bytesHere` follow it in the buffer being read: with `length` framing and at least
   * `contentLength` of them the whole response is delivered before `push` returns.
   */
  onHead(head: ResponseHead, bytesHere: number): void;
  /** Body bytes as they came, never empty; with `rawChunks` their concatenation is the chunked body, last chunk and all. */
  onBody(chunk: Buffer): void;
  /** The response is complete. The parser is ready for `start` where `phase` is idle. Not called for an upgrade. */
  onEnd(trailers: readonly string[]): void;
}

/**
 * `idle`: no request in flight. `waiting`: a request is, and no byte has come. `head`: some have (or a 1xx).
 * `dead`: nothing more is taken, the connection is of no use to HTTP (after 101, it is a tunnel).
 */
export type ResponsePhase = 'idle' | 'waiting' | 'head' | 'length' | 'chunked' | 'close' | 'dead';

export type PushResult = 'more' | 'done' | 'upgraded';

const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_REQUEST: ResponseRequest = { method: 'GET', upgrade: false, rawChunks: false };
const NO_SINK: ResponseSink = { onInterim: () => {}, onHead: () => {}, onBody: () => {}, onEnd: () => {} };

export class ResponseParser {
  readonly #limits: ResponseLimits;
  readonly #scanner: HeaderScanner;
  readonly #lenient: LenientHeadReader | undefined;
  #chunked: ChunkedDecoder | undefined;
  #phase: ResponsePhase = 'idle';
  #request: ResponseRequest = NO_REQUEST;
  #sink: ResponseSink = NO_SINK;
  #interimBytes = 0;
  #bodyRemaining = 0;
  #keepAlive = false;
  #rest: Buffer = NO_BYTES;

  constructor(limits: ResponseLimits = RESPONSE_LIMITS) {
    this.#limits = limits;
    const { maxHeadBytes, maxHeaders, isLenient } = limits;
    this.#lenient = isLenient ? new LenientHeadReader(maxHeadBytes) : undefined;
    this.#scanner = new HeaderScanner(
      { maxBytes: maxHeadBytes, maxFields: maxHeaders, tooLong: 'head-too-large' },
      'status-line',
    );
  }

  get phase(): ResponsePhase {
    return this.#phase;
  }

  /** Bytes of the last buffer after the message: early data of a tunnel, or what no request asked for. */
  get rest(): Buffer {
    return this.#rest;
  }

  /** A request goes out; `sink` is called with its response. Throws where `phase` is not idle. */
  start(request: ResponseRequest, sink: ResponseSink): void {
    if (this.#phase !== 'idle') throw new Error(`response parser started while ${this.#phase}`);
    this.#request = request;
    this.#sink = sink;
    this.#interimBytes = 0;
    this.#keepAlive = true;
    this.#phase = 'waiting';
  }

  /** The connection is being closed: the sink is not called any more. Safe from within a call of the sink. */
  stop(): void {
    this.#phase = 'dead';
    this.#sink = NO_SINK;
    this.#request = NO_REQUEST;
    this.#chunked?.stop();
    this.#scanner.reset();
    this.#lenient?.reset();
  }

  /**
   * Takes what the socket gave. `done`: the response is complete, and where `phase` is idle the connection may be
   * used again. Throws BalancerError `bad-response` where a rule is broken, or what the sink throws; dead then.
   */
  push(chunk: Buffer): PushResult {
    try {
      return this.#take(chunk);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** The socket ended. True where that ends the response; else `phase` tells what was cut, if anything. */
  finish(): boolean {
    if (this.#phase !== 'close') return false;
    this.#end(NO_BYTES, 0, NO_TRAILERS);
    return true;
  }

  #take(chunk: Buffer): PushResult {
    let at = 0;
    while (this.#phase === 'waiting' || this.#phase === 'head') {
      if (at === chunk.length) return 'more';
      this.#phase = 'head';
      at =
        this.#lenient === undefined
          ? this.#scanner.read(chunk, at)
          : this.#readLenient(this.#lenient, chunk, at);
      if (at === NEEDS_MORE) return 'more';
      const result = this.#takeHead(chunk, at);
      if (result !== 'more') return result;
    }
    switch (this.#phase) {
      case 'length':
        return this.#takeLength(chunk, at);
      case 'chunked':
        return this.#takeChunked(chunk, at);
      case 'close':
        if (at < chunk.length) this.#sink.onBody(at === 0 ? chunk : chunk.subarray(at));
        return 'more';
      case 'idle':
        throw parseError('no-request');
      default:
        // stopped by the sink while it was called for this very buffer
        if (at > 0) return 'more';
        throw parseError('after-end');
    }
  }

  /** The scanner gets the repaired head in one piece. */
  #readLenient(lenient: LenientHeadReader, chunk: Buffer, at: number): number {
    const end = lenient.read(chunk, at);
    if (end === NEEDS_MORE) return NEEDS_MORE;
    const head = lenient.take();
    if (this.#scanner.read(head, 0) !== head.length) throw parseError('header-name');
    return end;
  }

  #takeHead(chunk: Buffer, at: number): PushResult {
    const head = parseResponseHead(this.#scanner, this.#request);
    this.#scanner.reset();
    if (head.framing === 'upgrade') {
      const sink = this.#sink;
      this.stop();
      this.#rest = tail(chunk, at);
      sink.onHead(head, chunk.length - at);
      return 'upgraded';
    }
    if (head.statusCode < 200) {
      this.#interimBytes += head.received.length;
      if (this.#interimBytes > this.#limits.maxInterimBytes) throw parseError('too-many-interim');
      this.#keepAlive &&= head.keepAlive;
      this.#sink.onInterim(head);
      return 'more';
    }
    this.#keepAlive &&= head.keepAlive;
    this.#startBody(head);
    this.#sink.onHead(head, chunk.length - at);
    return 'more';
  }

  #startBody(head: ResponseHead): void {
    if (head.framing === 'close') {
      this.#phase = 'close';
    } else if (head.framing === 'chunked') {
      this.#phase = 'chunked';
      const { maxTrailerBytes, maxHeaders } = this.#limits;
      this.#chunked ??= new ChunkedDecoder({
        maxBytes: maxTrailerBytes,
        maxFields: maxHeaders,
        tooLong: 'trailer-too-large',
      });
      this.#chunked.start(this.#sink, this.#request.rawChunks);
    } else {
      this.#phase = 'length';
      this.#bodyRemaining = head.framing === 'length' ? head.contentLength : 0;
    }
  }

  #takeLength(chunk: Buffer, at: number): PushResult {
    const end = Math.min(chunk.length, at + this.#bodyRemaining);
    this.#bodyRemaining -= end - at;
    if (end > at) this.#sink.onBody(end - at === chunk.length ? chunk : chunk.subarray(at, end));
    // the sink may have stopped us
    return this.#bodyRemaining > 0 || this.#phase !== 'length' ? 'more' : this.#end(chunk, end, NO_TRAILERS);
  }

  #takeChunked(chunk: Buffer, at: number): PushResult {
    const body = this.#chunked!;
    const end = body.read(chunk, at);
    return end === NEEDS_MORE || this.#phase !== 'chunked' ? 'more' : this.#end(chunk, end, body.trailers);
  }

  #end(chunk: Buffer, at: number, trailers: readonly string[]): PushResult {
    const sink = this.#sink;
    const reusable = this.#keepAlive && at === chunk.length;
    this.stop();
    this.#rest = tail(chunk, at);
    if (reusable) this.#phase = 'idle';
    // last of all: the sink may start the next request
    sink.onEnd(trailers);
    return 'done';
  }
}

function tail(chunk: Buffer, at: number): Buffer {
  return at === chunk.length ? NO_BYTES : chunk.subarray(at);
}
