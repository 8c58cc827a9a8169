/**
 * Writes pieces of a body that lie in memory which the next read overwrites. The kernel is given a piece at once, and a
 * copy is made only of what it does not take, no larger than that: so a peer that stalls holds no buffer beyond its rest.
 * Invariant: bytes go out in their order, whether the kernel took them here or from the socket's own queue.
 */
import { Buffer } from 'node:buffer';
import { writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { bufferPool } from './buffer-pool.ts';
import { largeReadBudget } from './large-reads.ts';
import { plainDescriptorOf } from './node-internals.ts';

export class BulkWriter {
  readonly #out: Writable;
  readonly #onRoom: () => void;
  #isFull = false;

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
    const takenBytes = out.writableLength === 0 ? writeAtOnce(descriptor, piece) : 0;
    if (takenBytes === piece.length) return true;
    const rest = Buffer.allocUnsafeSlow(piece.length - takenBytes);
    piece.copy(rest, 0, takenBytes);
    this.#isFull = true;
    this.#hold(rest, undefined);
    return false;
  }

  /** Writes text, latin1. */
  writeText(text: string): boolean {
    if (this.#out.write(text, 'latin1')) return !this.#isFull;
    this.#waitForDrain();
    return false;
  }

  /** Encrypted sockets and streams take a piece when they will. */
  #writeThroughStream(piece: Buffer): boolean {
    const pooled = piece.length <= bufferPool.bufferBytes ? bufferPool.acquire() : undefined;
    const copy =
      pooled === undefined ? Buffer.allocUnsafeSlow(piece.length) : pooled.bytes.subarray(0, piece.length);
    piece.copy(copy);
    if (this.#hold(copy, pooled?.release)) return !this.#isFull;
    this.#waitForDrain();
    return false;
  }

  #hold(bytes: Buffer, onTaken: (() => void) | undefined): boolean {
    largeReadBudget.addHeld(bytes.length);
    return this.#out.write(bytes, () => {
      largeReadBudget.addHeld(-bytes.length);
      onTaken?.();
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
