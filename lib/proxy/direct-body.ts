/**
 * The body of a request that was taken straight from Node's HTTP parser: what the parser fills in place of a stream.
 * Must not hold: where the bytes go (`request-body.ts`).
 * Invariants: pieces are told in their order, none before `resume` and none while paused; the end is told once, last.
 *
 * Node's own part are the names by which the parser reaches it, those of an IncomingMessage: `push`, whose false
 * stops the reading, null for the end, `complete`, and `_addHeaderLines` for the trailers.
 */
import type { Socket } from 'node:net';
import type { BodySource } from './incoming.ts';

/** With so much that nobody has taken the client is not read any more. */
const MOST_HELD_BYTES = 65_536;

interface HttpSocket extends Socket {
  readonly _paused?: boolean;
}

export class DirectBody implements BodySource {
  readonly socket: HttpSocket;
  readonly length: number;
  rawTrailers: readonly string[] = [];
  /** All of it has come. */
  complete = false;
  #onPiece: (piece: Buffer) => void = () => {};
  #onEnd: () => void = () => {};
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isFlowing = false;
  /** The client is not read because nobody takes what came. */
  #isStopped = false;
  /** The end has come and was not told. */
  #isEndDue = false;

  /** `length` in bytes, NaN for one in chunks. */
  constructor(socket: Socket, length: number) {
    this.socket = socket;
    this.length = length;
  }

  get isWhole(): boolean {
    return this.complete;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  listen(onPiece: (piece: Buffer) => void, onEnd: () => void): void {
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
    this.#tellEnd();
    if (!this.#isStopped || !this.#isFlowing) return;
    this.#isStopped = false;
    // it may not be read for other reasons, and is read again when they are gone
    if (this.socket._paused !== true) this.socket.resume();
  }

  push(piece: Buffer | null): boolean {
    if (piece === null) {
      this.#isEndDue = true;
      this.#tellEnd();
      return true;
    }
    if (this.#isFlowing && this.#held.length === 0) {
      this.#onPiece(piece);
      return true;
    }
    this.#held.push(piece);
    this.#heldBytes += piece.length;
    this.#isStopped = this.#heldBytes >= MOST_HELD_BYTES;
    return !this.#isStopped;
  }

  _addHeaderLines(lines: readonly string[], count: number): void {
    this.rawTrailers = lines.slice(0, count);
  }

  #tellEnd(): void {
    if (!this.#isEndDue || !this.#isFlowing || this.#held.length > 0) return;
    this.#isEndDue = false;
    this.#onEnd();
  }
}
