/**
 * The body of a request on its way from the client's connection to whoever sends it on.
 * Invariants: pieces are told in their order, none before `resume` and none while paused; the end is told once, last;
 * what nobody takes is held up to a bound, and then the client is not read any more.
 */
import type { Socket } from 'node:net';
import type { PooledBuffer } from '../io/buffer-pool.ts';
import type { BodySource, OnPiece } from './request.ts';

/** With so much that nobody has taken the client is not read any more. */
const MOST_HELD_BYTES = 65_536;

/** Who reads the client. */
export interface ReadControl {
  readonly contentBytes: number;
  pauseReading(): void;
  resumeReading(): void;
}

interface HeldPiece {
  readonly piece: Buffer;
  readonly block: PooledBuffer | undefined;
}

export class RequestStream implements BodySource {
  readonly socket: Socket;
  readonly length: number;
  readonly #reader: ReadControl;
  #onPiece: OnPiece = () => {};
  #onEnd: () => void = () => {};
  #held: HeldPiece[] = [];
  #heldBytes = 0;
  #isFlowing = false;
  /** The client is not read because nobody takes what came. */
  #isStopped = false;
  #hasEnded = false;
  #isEndTold = false;

  /** `length` in bytes, NaN for one in chunks. */
  constructor(reader: ReadControl, socket: Socket, length: number) {
    this.#reader = reader;
    this.socket = socket;
    this.length = length;
  }

  get contentBytes(): number {
    return this.#reader.contentBytes;
  }

  get isComplete(): boolean {
    return this.#hasEnded;
  }

  get isWhole(): boolean {
    return this.#hasEnded;
  }

  listen(onPiece: OnPiece, onEnd: () => void): void {
    this.#onPiece = onPiece;
    this.#onEnd = onEnd;
  }

  pause(): void {
    this.#isFlowing = false;
  }

  resume(): void {
    this.#isFlowing = true;
    while (this.#isFlowing && this.#held.length > 0) {
      const { piece, block } = this.#held.shift()!;
      this.#heldBytes -= piece.length;
      this.#onPiece(piece, block);
      block?.release();
    }
    this.#tellEnd();
    if (!this.#isStopped || !this.#isFlowing) return;
    this.#isStopped = false;
    this.#reader.resumeReading();
  }

  /** A piece came; it lies in `block`, or is good only until the call returns. */
  push(piece: Buffer, block: PooledBuffer | undefined): void {
    if (this.#isFlowing && this.#held.length === 0) return this.#onPiece(piece, block);
    this.#held.push({ piece: block === undefined ? Buffer.from(piece) : piece, block: block?.hold() });
    this.#heldBytes += piece.length;
    if (this.#heldBytes < MOST_HELD_BYTES || this.#isStopped) return;
    this.#isStopped = true;
    this.#reader.pauseReading();
  }

  /** All of it has come. */
  end(): void {
    this.#hasEnded = true;
    this.#tellEnd();
  }

  /** Nobody is told anything more. */
  drop(): void {
    for (const { block } of this.#held) block?.release();
    this.#held = [];
    this.#heldBytes = 0;
    this.#onPiece = () => {};
    this.#onEnd = () => {};
  }

  #tellEnd(): void {
    if (!this.#hasEnded || this.#isEndTold || !this.#isFlowing || this.#held.length > 0) return;
    this.#isEndTold = true;
    this.#onEnd();
  }
}
