/**
 * Reads one large request body into buffers of the pool, so that what is sent on need not be copied.
 * Invariant: the socket is read into pooled buffers from the read after `new` until the one after `end`.
 */
import type { Socket } from 'node:net';
import { bufferPool, type PooledBuffer } from './buffer-pool.ts';
import { READ_INTO, readInto } from './node-internals.ts';

/** A buffer with less room left is exchanged for another. */
const MIN_READ_BYTES = 131_072;

export class PooledReads {
  #buffer: PooledBuffer | undefined = bufferPool.acquireNext();
  #filledBytes = 0;

  constructor(socket: Socket) {
    readInto(socket, () => this.#nextBuffer());
  }

  /** Tells how many bytes were read into `memory`. */
  recordRead(memory: Buffer, bytes: number): void {
    if (this.bufferOf(memory) !== undefined) this.#filledBytes += bytes;
  }

  /** The pooled buffer in which `piece` lies; undefined where it lies elsewhere. */
  bufferOf(piece: Buffer): PooledBuffer | undefined {
    return this.#buffer?.bytes.buffer === piece.buffer ? this.#buffer : undefined;
  }

  /** The body has ended, or nobody reads it any more. */
  end(): void {
    this.#buffer?.release();
    this.#buffer = undefined;
  }

  #nextBuffer(): Buffer {
    if (this.#buffer === undefined) return READ_INTO;
    if (this.#buffer.bytes.length - this.#filledBytes < MIN_READ_BYTES) {
      this.#buffer.release();
      this.#buffer = bufferPool.acquireNext();
      this.#filledBytes = 0;
    }
    return this.#buffer.bytes.subarray(this.#filledBytes);
  }
}
