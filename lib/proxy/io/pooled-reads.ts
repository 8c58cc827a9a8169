/**
 * The reads of one large request body: into blocks of the pool, so that what is sent on need not be copied.
 * Invariant: the socket is read into blocks from the read after `new` until the one after `end`.
 */
import type { Socket } from 'node:net';
import { acquireNextBuffer, type PooledBuffer } from './buffer-pool.ts';
import { READ_INTO, readInto } from './node-internals.ts';

/** A block with less room is exchanged for another. */
const LEAST_READ_BYTES = 131_072;

export class PooledReads {
  #block: PooledBuffer | undefined = acquireNextBuffer();
  /** How much of the block is used. */
  #filled = 0;

  constructor(socket: Socket) {
    readInto(socket, () => this.#nextBuffer());
  }

  /** So many bytes were read into `memory`. */
  recordRead(memory: Buffer, bytes: number): void {
    if (this.bufferOf(memory) !== undefined) this.#filled += bytes;
  }

  /** The block in which `piece` lies; undefined where it lies elsewhere. */
  bufferOf(piece: Buffer): PooledBuffer | undefined {
    return this.#block?.bytes.buffer === piece.buffer ? this.#block : undefined;
  }

  /** The body has ended, or nobody wants it. */
  end(): void {
    this.#block?.release();
    this.#block = undefined;
  }

  #nextBuffer(): Buffer {
    if (this.#block === undefined) return READ_INTO;
    if (this.#block.bytes.length - this.#filled < LEAST_READ_BYTES) {
      this.#block.release();
      this.#block = acquireNextBuffer();
      this.#filled = 0;
    }
    return this.#block.bytes.subarray(this.#filled);
  }
}
