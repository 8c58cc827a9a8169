/**
 * Writes pieces of a body that lie in memory which the next read overwrites. The kernel is given a piece at once, and a
 * copy is made only of what it does not take, no larger than that: so a peer that stalls holds no buffer beyond its rest.
 * Invariant: bytes go out in their order, whether the kernel took them here or from the socket's own queue.
 */
import { Buffer } from 'node:buffer';
import { writeSync, writevSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { type BufferPool, bufferPool, largeBufferPool } from './buffer-pool.ts';
import { largeReadBudget } from './large-reads.ts';
import { plainDescriptorOf } from './node-internals.ts';

/** A rest up to here is copied into memory of its own size, so that a peer that stalls with it holds no whole buffer. */
const MIN_POOLED_BYTES = 32_768;

/** With more than this in a stream it is waited for. */
const MAX_UNTAKEN_BYTES = 16_384;

export class BulkWriter {
  readonly #out: Writable;
  readonly #onRoom: () => void;
  #isFull = false;
  /** What goes out before the next piece; '' most of the time. */
  #ahead = '';

  /** `onRoom` is called when all of what made `write` return false has been taken. */
  constructor(out: Writable, onRoom: () => void) {
    this.#out = out;
    this.#onRoom = onRoom;
  }

  /** It waits for the peer to take what was written. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Writes `piece`, which may be overwritten afterwards; false where no more should be written until `onRoom`. */
  write(piece: Buffer): boolean {
    const out = this.#out;
    const descriptor = plainDescriptorOf(out);
    if (descriptor < 0) return this.#writeThroughStream(piece);
    const isEmpty = out.writableLength === 0;
    let takenBytes = 0;
    if (this.#ahead !== '') takenBytes = this.#writeWithAhead(piece, isEmpty ? descriptor : -1);
    else if (isEmpty) takenBytes = writeAtOnce(descriptor, piece);
    if (takenBytes === piece.length) return true;
    this.#isFull = true;
    const rest = takenBytes === 0 ? piece : piece.subarray(takenBytes);
    this.#hold(rest, rest.length <= MIN_POOLED_BYTES ? undefined : largeBufferPool);
    return false;
  }

  /** Writes text, latin1, together with the piece that follows in this turn, or without one at its end. */
  writeAhead(text: string): void {
    this.#ahead = text;
    process.nextTick(() => this.#flushAhead());
  }

  /** Writes text, latin1. */
  writeText(text: string): boolean {
    if (this.#out.write(text, 'latin1')) return !this.#isFull;
    this.#waitForDrain();
    return false;
  }

  /** Bytes of the piece that the kernel has taken behind the text; what it left of the text is in the stream then. */
  #writeWithAhead(piece: Buffer, descriptor: number): number {
    const ahead = Buffer.from(this.#ahead, 'latin1');
    this.#ahead = '';
    const takenBytes = descriptor < 0 ? 0 : writeBothAtOnce(descriptor, [ahead, piece]);
    if (takenBytes >= ahead.length) return takenBytes - ahead.length;
    this.#out.write(ahead.subarray(takenBytes));
    return 0;
  }

  #flushAhead(): void {
    const text = this.#ahead;
    this.#ahead = '';
    if (text !== '') this.#out.write(text, 'latin1');
  }

  /** Encrypted sockets and streams take a piece when they will. */
  #writeThroughStream(piece: Buffer): boolean {
    if (this.#ahead !== '') {
      // as one record or frame
      this.#out.cork();
      process.nextTick(() => this.#out.uncork());
      this.#flushAhead();
    }
    if (!this.#hold(piece, bufferPool)) this.#waitForDrain();
    // the stream has room for 64 KiB, and with one more read on top it would hold too much
    else if (this.#out.writableLength > MAX_UNTAKEN_BYTES) this.#isFull = true;
    return !this.#isFull;
  }

  /** Writes a copy of `piece`, made in a buffer of `pool` if there is one. */
  #hold(piece: Buffer, pool: BufferPool | undefined): boolean {
    const { length } = piece;
    const pooled = pool === undefined || length > pool.bufferBytes ? undefined : pool.acquire();
    const copy = pooled === undefined ? Buffer.allocUnsafeSlow(length) : pooled.bytes.subarray(0, length);
    piece.copy(copy);
    largeReadBudget.addHeld(length);
    return this.#out.write(copy, () => {
      largeReadBudget.addHeld(-length);
      pooled?.release();
      this.#checkRoom();
    });
  }

  #waitForDrain(): void {
    this.#isFull = true;
    this.#out.once('drain', () => this.#checkRoom());
  }

  #checkRoom(): void {
    if (!this.#isFull || this.#out.destroyed || this.#out.writableLength > 0) return;
    this.#isFull = false;
    this.#onRoom();
  }
}

/** Bytes that the kernel has taken. A failure is left to the socket, which finds it again when the rest is written. */
function writeAtOnce(descriptor: number, piece: Buffer): number {
  try {
    return writeSync(descriptor, piece);
  } catch {
    return 0;
  }
}

/** The same for two pieces, one behind the other. */
function writeBothAtOnce(descriptor: number, pieces: Buffer[]): number {
  try {
    return writevSync(descriptor, pieces);
  } catch {
    return 0;
  }
}
