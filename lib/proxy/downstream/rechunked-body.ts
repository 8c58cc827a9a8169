/**
 * The body of a request that Node.js has read, which takes the framing of chunks away: it is put into chunks again where
 * no length is announced.
 */
import type { Readable } from 'node:stream';
import { encodeChunk } from '../../http1/chunked-decoder.ts';
import { passingTrailers, trailerSection } from '../../http1/trailers.ts';
import type { BodySource, OnPiece } from './request.ts';

export abstract class RechunkedBody implements BodySource {
  readonly length: number;
  contentBytes = 0;
  readonly isWhole = false;
  abstract readonly isComplete: boolean;
  readonly #stream: Readable;

  /** `length` in bytes, NaN where it is not announced. */
  constructor(stream: Readable, length: number) {
    this.#stream = stream;
    this.length = length;
  }

  abstract checkPeer(): void;

  /** Name, value … of all trailers, known once the stream has ended. */
  protected abstract get rawTrailers(): readonly string[];

  listen(onPiece: OnPiece, onEnd: () => void): void {
    const isChunked = Number.isNaN(this.length);
    this.#stream.on('data', (piece: Buffer) => {
      this.contentBytes += piece.length;
      onPiece(isChunked ? encodeChunk(piece) : piece);
    });
    this.#stream.on('end', () => {
      if (isChunked) onPiece(trailerSection(passingTrailers(this.rawTrailers)));
      onEnd();
    });
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  pause(): void {
    this.#stream.pause();
  }
}
