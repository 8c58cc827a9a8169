/**
 * The body of one request as it is written to its stream: what comes in chunks is taken out of them.
 * Invariant: the stream takes no more than its window allows, and `written` waits for that.
 */
import { Buffer } from 'node:buffer';
import type { ClientHttp2Stream } from 'node:http2';
import { ChunkedDecoder } from '../../../http1/chunked-decoder.ts';
import type { StreamRequestHead } from './http2-text.ts';

/** The client's parser has limited them before. */
const TRAILER_LIMITS = { maxBytes: 65_536, maxFields: 1024, tooLong: 'trailer-too-large' } as const;

export class StreamUpload {
  readonly #stream: ClientHttp2Stream;
  readonly #chunked: ChunkedDecoder | undefined;
  #left: number;
  #pieces: Buffer[] = [];

  constructor(stream: ClientHttp2Stream, { framing, contentLength }: StreamRequestHead) {
    this.#stream = stream;
    this.#left = framing === 'chunked' ? Number.POSITIVE_INFINITY : contentLength;
    if (framing !== 'chunked') return;
    const chunked = new ChunkedDecoder(TRAILER_LIMITS);
    this.#chunked = chunked;
    chunked.start({ onBody: (piece) => this.#pieces.push(piece) }, false);
    stream.once('wantTrailers', () => {
      if (!stream.closed) stream.sendTrailers(trailersOf(chunked.trailers));
    });
  }

  /** All of it was written. */
  get isComplete(): boolean {
    return this.#left === 0;
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
