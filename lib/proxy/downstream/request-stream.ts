/**
 * The body of a request on its way from the client's connection to whoever sends it on.
 * Invariants: pieces are delivered in their order, none before `resume` and none while paused; the end is delivered once,
 * last; what nobody takes is held up to a bound, and then the client is not read any more.
 */
import type { Socket } from 'node:net';
import type { BodySource, OnPiece } from './request.ts';

/** With so much that nobody has taken the client is not read any more. */
const MAX_HELD_BYTES = 65_536;

/** The reading of the client. */
export interface ReadControl {
  readonly contentBytes: number;
  pauseReading(): void;
  resumeReading(): void;
}

export class RequestStream implements BodySource {
  readonly #connection: { readonly socket: Socket };
  readonly length: number;
  readonly #reader: ReadControl;
  #onPiece: OnPiece = () => {};
  #onEnd: () => void = () => {};
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isFlowing = false;
  /** The client is not read because nobody takes what came. */
  #isReadingPaused = false;
  #hasEnded = false;
  #isEndDelivered = false;

  /** `length` in bytes, NaN for a body in chunks. */
  constructor(reader: ReadControl, connection: { readonly socket: Socket }, length: number) {
    this.#reader = reader;
    this.#connection = connection;
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

  /** A reset lies behind all that was not read yet; a write fails of it at once, even an empty one. */
  checkPeer(): void {
    this.#connection.socket.write('');
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
      const piece = this.#held.shift()!;
      this.#heldBytes -= piece.length;
      this.#onPiece(piece);
    }
    this.#deliverEnd();
    if (!this.#isReadingPaused || !this.#isFlowing) return;
    this.#isReadingPaused = false;
    this.#reader.resumeReading();
  }

  /** Adds a piece that came, which is good until the call returns. */
  push(piece: Buffer): void {
    if (this.#isFlowing && this.#held.length === 0) return this.#onPiece(piece);
    this.#held.push(Buffer.from(piece));
    this.#heldBytes += piece.length;
    if (this.#heldBytes < MAX_HELD_BYTES || this.#isReadingPaused) return;
    this.#isReadingPaused = true;
    this.#reader.pauseReading();
  }

  /** All of it has come. */
  end(): void {
    this.#hasEnded = true;
    this.#deliverEnd();
  }

  /** Delivers nothing more. */
  drop(): void {
    this.#held = [];
    this.#heldBytes = 0;
    this.#onPiece = () => {};
    this.#onEnd = () => {};
  }

  #deliverEnd(): void {
    if (!this.#hasEnded || this.#isEndDelivered || !this.#isFlowing || this.#held.length > 0) return;
    this.#isEndDelivered = true;
    this.#onEnd();
  }
}
