/**
 * The body of one request as it is written to its stream: what comes in chunks is taken out of them.
 * Invariants: the stream takes no more than its window allows, and `written` waits for that; a stream that is to have
 * trailers is never closed between the end of its body and the moment that Node.js asks for them.
 */
import { Buffer } from 'node:buffer';
import { type ClientHttp2Stream, constants } from 'node:http2';
import { ChunkedDecoder } from '../../../http1/chunked-decoder.ts';
import type { StreamRequestHead } from './http2-text.ts';

/** The client's parser has limited them before. */
const TRAILER_LIMITS = { maxBytes: 65_536, maxFields: 1024, tooLong: 'trailer-too-large' } as const;

export class StreamUpload {
  readonly #stream: ClientHttp2Stream;
  readonly #chunked: ChunkedDecoder | undefined;
  readonly #abort: AbortController | undefined;
  #left: number;
  #pieces: Buffer[] = [];
  /** Node.js has not asked for the trailers that it was told to wait for. */
  #waitsForTrailers = false;

  /** `abort` ends the stream, where it is to have trailers. */
  constructor(
    stream: ClientHttp2Stream,
    { framing, contentLength }: StreamRequestHead,
    abort: AbortController | undefined,
  ) {
    this.#stream = stream;
    this.#abort = abort;
    this.#left = framing === 'chunked' ? Number.POSITIVE_INFINITY : contentLength;
    if (framing !== 'chunked') return;
    const chunked = new ChunkedDecoder(TRAILER_LIMITS);
    this.#chunked = chunked;
    chunked.start({ onBody: (piece) => this.#pieces.push(piece) }, false);
    this.#waitsForTrailers = true;
    stream.once('wantTrailers', () => {
      this.#waitsForTrailers = false;
      if (!stream.closed) stream.sendTrailers(trailersOf(chunked.trailers));
    });
  }

  /** All of it was written. */
  get isComplete(): boolean {
    return this.#left === 0;
  }

  /**
   * Gives the request up. Node.js 26 aborts the process where a stream has ended and been destroyed when it comes to its
   * trailers, which `close` brings about if the response ends in the same read: it ends a stream before it resets it.
   */
  cancel(): void {
    const stream = this.#stream;
    const close = (): void => stream.close(constants.NGHTTP2_CANCEL);
    if (!this.#waitsForTrailers) close();
    else if (!stream.writableEnded) this.#abort?.abort();
    else stream.once('wantTrailers', close);
  }

  /** Calls `written` once `bytes`, which may be overwritten then, have gone out. */
  write(bytes: Buffer, written: () => void): void {
    const data = this.#chunked === undefined ? bytes : this.#dataOf(this.#chunked, bytes);
    if (this.#chunked === undefined) this.#left -= bytes.length;
    const stream = this.#stream;
    // it may have responded and closed already, which is no failure
    const canWrite = !stream.destroyed && !stream.closed && !stream.writableEnded;
    if (canWrite && data.length > 0) stream.write(data, () => written());
    if (canWrite && this.isComplete) stream.end();
    if (!canWrite || data.length === 0) written();
  }

  #dataOf(chunked: ChunkedDecoder, bytes: Buffer): Buffer {
    if (bytes.length > 0 && chunked.read(bytes, 0) !== -1) this.#left = 0;
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }
}

/** Name, value … as an object, in which a name may stand once. */
function trailersOf(pairs: readonly string[]): Record<string, string | string[]> {
  const trailers: Record<string, string | string[]> = {};
  for (let at = 0; at < pairs.length; at += 2) {
    const [name, value] = [pairs[at]!.toLowerCase(), pairs[at + 1]!];
    const before = trailers[name];
    trailers[name] = before === undefined ? value : [before, value].flat();
  }
  return trailers;
}
