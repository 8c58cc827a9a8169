/**
 * Reads the requests on one client connection, one after the other, from the buffers that its socket gives: the twin
 * of `ResponseParser`. It stops behind each message, so that a client which pipelines is read no further until `startNext`.
 * Invariants: the sink is called in the same way however the bytes are cut; after a broken rule nothing more is parsed.
 * Source: RFC 9112 sections 2.2, 3, 6.3, 7.1 and 9.3.2.
 */
import { Buffer } from 'node:buffer';
import { BalancerError, isBalancerError } from '../platform/errors.ts';
import { type BodySink, ChunkedDecoder } from './chunked-decoder.ts';
import { HeaderScanner, NEEDS_MORE } from './header-scanner.ts';
import { parseErrorKindOf } from './parse-errors.ts';
import {
  type ParsedRequest,
  parsePlainHead,
  parseScannedHead,
  type RequestLine,
  requestLineOf,
} from './request-head.ts';
import { NO_TRAILERS } from './trailers.ts';

export interface RequestLimits {
  /** Of one head, its empty line included. */
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly maxTargetBytes: number;
}

/** Called for one request: `onRequest`, any number of `onBody`, `onRequestEnd`. */
export interface RequestSink extends BodySink {
  /** `head` is good until the call returns, or `onRequestEnd`. `bytesHere` are behind it in the buffer being read. */
  onRequest(head: ParsedRequest, bytesHere: number): void;
  /** Body bytes as they came, never empty; end to end those of a chunked body are one chunked body, last chunk and all. */
  onBody(piece: Buffer): void;
  onRequestEnd(trailers: readonly string[]): void;
}

/**
 * `head`: the next request is awaited, or its head is not complete. `ended`: a whole request was read, and nothing is
 * taken until `startNext`. `dead`: nothing more is taken.
 */
export type RequestPhase = 'head' | 'length' | 'chunked' | 'ended' | 'dead';

/**
 * Parses a head that another parser took apart, put together again: the request line and the lines of the fields, without
 * the empty line. Throws BalancerError.
 */
export function parseHeadText(text: string, limits: RequestLimits): ParsedRequest {
  // one byte more, since the parser may overwrite the one behind what it takes
  const bytes = Buffer.from(`${text}\r\n\0`, 'latin1');
  const plain = parsePlainHead(bytes, 0, bytes.length - 1);
  if (plain !== undefined && isWithin(plain, limits)) return plain;
  let parsed: ParsedRequest | undefined;
  const onRequest = (head: ParsedRequest): void => {
    parsed = head;
  };
  const parser = new RequestParser(limits, { onRequest, onBody: () => {}, onRequestEnd: () => {} });
  parser.parse(bytes, 0, bytes.length - 1);
  if (parsed === undefined) throw new BalancerError('bad-request', 'The request head is not in order');
  return parsed;
}

function isWithin({ text, target, fieldCount }: ParsedRequest, limits: RequestLimits): boolean {
  const { maxHeadBytes, maxTargetBytes, maxHeaders } = limits;
  return text.length <= maxHeadBytes && target.length <= maxTargetBytes && fieldCount <= maxHeaders;
}

/** Of the trailers of one body. */
const MAX_TRAILER_BYTES = 16_384;

export class RequestParser {
  /** May change between two requests. */
  readonly #limits: RequestLimits;
  readonly #sink: RequestSink;
  #section: HeaderScanner | undefined;
  #chunked: ChunkedDecoder | undefined;
  /** How many trailers the decoder takes. */
  #maxTrailers = 0;
  #phase: RequestPhase = 'head';
  #left = 0;
  /** Content-Length of the request at hand; 0 where its body is in chunks. */
  #length = 0;
  #isChunked = false;
  #refusedLine: RequestLine | undefined;

  constructor(limits: RequestLimits, sink: RequestSink) {
    this.#limits = limits;
    this.#sink = sink;
  }

  get phase(): RequestPhase {
    return this.#phase;
  }

  /** Part of a head has come, and the rest is awaited. */
  get isInHead(): boolean {
    return this.#phase === 'head' && this.#section?.isBegun === true;
  }

  /** The request line of a head that was refused, or that has not come as a whole; undefined where there is none. */
  get unparsedLine(): RequestLine | undefined {
    if (this.#refusedLine !== undefined) return this.#refusedLine;
    return this.isInHead ? requestLineOf(this.#section!.held) : undefined;
  }

  /** Bytes of content of the request at hand that have come, without the framing of chunks. */
  get contentBytes(): number {
    return this.#isChunked ? this.#chunked!.contentBytes : this.#length - this.#left;
  }

  /** Waits for the next request. */
  startNext(): void {
    if (this.#phase === 'ended') this.#phase = 'head';
  }

  /** Parses nothing more. Safe from within a call of the sink. */
  stop(): void {
    this.#phase = 'dead';
    this.#section?.reset();
    this.#chunked?.stop();
  }

  /**
   * Takes the bytes of `chunk` from `from` to `to`, and returns the offset behind those that it took: less than `to`
   * where a request ends before. `chunk[to]` may be overwritten. Throws BalancerError with the status that tells the
   * client why (400, 414, 417, 431, 501, 505), or what the sink throws; dead then.
   */
  parse(chunk: Buffer, from: number, to: number): number {
    try {
      return this.#parse(chunk, from, to);
    } catch (error) {
      if (this.#phase === 'head') {
        const held = this.#section?.held;
        this.#refusedLine = requestLineOf(held?.length ? held : chunk.subarray(from, to));
      }
      this.stop();
      throw requestError(error);
    }
  }

  #parse(chunk: Buffer, from: number, to: number): number {
    let at = from;
    if (this.#phase === 'head' && at < to) at = this.#parseHead(chunk, at, to);
    if (this.#phase === 'length') return this.#readLength(chunk, at, to);
    if (this.#phase === 'chunked') return this.#readChunked(chunk, at, to);
    return at;
  }

  #parseHead(chunk: Buffer, from: number, to: number): number {
    if (this.#section === undefined || this.#section.isFresh) {
      const plain = parsePlainHead(chunk, from, to);
      if (plain !== undefined) {
        if (plain.text.length > this.#limits.maxHeadBytes)
          throw new BalancerError(
            plain.target.length > this.#limits.maxTargetBytes ? 'target-too-long' : 'head-too-large',
          );
        // empty lines before it
        this.#section?.reset();
        return this.#begin(plain, from + plain.text.length, to);
      }
    }
    const section = this.#scanner();
    const end = section.read(to === chunk.length ? chunk : chunk.subarray(0, to), from);
    if (end === NEEDS_MORE) return to;
    const head = parseScannedHead(section);
    const at = this.#begin(head, end, to);
    section.reset();
    return at;
  }

  /** The scanner of the head at hand; the limits may have changed since the one before. */
  #scanner(): HeaderScanner {
    const { maxHeadBytes: maxBytes, maxHeaders: maxFields, maxTargetBytes } = this.#limits;
    const known = this.#section;
    if (known !== undefined) {
      const { limits } = known;
      const isSame = limits.maxBytes === maxBytes && limits.maxFields === maxFields;
      if (!known.isFresh || (isSame && limits.maxTargetBytes === maxTargetBytes)) return known;
    }
    const limits = { maxBytes, maxFields, maxTargetBytes, tooLong: 'head-too-large' } as const;
    this.#section = new HeaderScanner(limits, 'request-line');
    return this.#section;
  }

  #begin(head: ParsedRequest, at: number, to: number): number {
    const { maxHeaders, maxTargetBytes } = this.#limits;
    if (head.target.length > maxTargetBytes) throw new BalancerError('target-too-long');
    if (head.fieldCount > maxHeaders) throw new BalancerError('head-too-large');
    this.#left = head.bodyLength;
    this.#length = head.bodyLength;
    this.#isChunked = head.framing === 'chunked';
    if (this.#isChunked) {
      this.#phase = 'chunked';
      if (this.#chunked === undefined || this.#maxTrailers !== maxHeaders) {
        const limits = { maxBytes: MAX_TRAILER_BYTES, maxFields: maxHeaders } as const;
        this.#chunked = new ChunkedDecoder({ ...limits, tooLong: 'trailer-too-large' }, true);
        this.#maxTrailers = maxHeaders;
      }
      this.#chunked.start(this.#sink, true);
    } else {
      this.#phase = head.bodyLength > 0 ? 'length' : 'ended';
    }
    const hasEnded = this.#phase === 'ended';
    this.#sink.onRequest(head, to - at);
    if (hasEnded && this.#phase === 'ended') this.#sink.onRequestEnd(NO_TRAILERS);
    return at;
  }

  #readLength(chunk: Buffer, from: number, to: number): number {
    const end = Math.min(to, from + this.#left);
    this.#left -= end - from;
    if (end > from) this.#sink.onBody(chunk.subarray(from, end));
    // the sink may have stopped us
    if (this.#left === 0 && this.#phase === 'length') this.#end(NO_TRAILERS);
    return end;
  }

  #readChunked(chunk: Buffer, from: number, to: number): number {
    const body = this.#chunked!;
    const end = body.read(to === chunk.length ? chunk : chunk.subarray(0, to), from);
    if (end === NEEDS_MORE) return to;
    if (this.#phase === 'chunked') this.#end(body.trailers);
    return end;
  }

  #end(trailers: readonly string[]): void {
    this.#phase = 'ended';
    this.#sink.onRequestEnd(trailers);
  }
}

/** The errors of the header scanner and the chunked decoder, which are named for responses, as errors of a request. */
function requestError(error: unknown): unknown {
  if (!isBalancerError(error, 'bad-response')) return error;
  const kind = parseErrorKindOf(error);
  if (kind === 'target-too-long') return new BalancerError('target-too-long');
  if (kind === 'head-too-large' || kind === 'too-many-headers') return new BalancerError('head-too-large');
  const reason = error.message.slice(kind.length + 2);
  return new BalancerError('bad-request', `The request is not HTTP/1.1: ${reason}`, { cause: error });
}
