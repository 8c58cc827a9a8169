/**
 * Buffers for bodies that are larger than one read, used again and again by one worker.
 * Invariants: a buffer is read into by one connection and written out by any number of pending writes; it goes back
 * to the pool when the last of them has released it. However slow peers are, no more than MAX_IN_USE buffers are in
 * use (and one more for each upload under way): a connection that gets none reads less at a time, and copies.
 */

/** Bytes that one read may bring: with 128 KiB a MiB costs 1.6 times as much, with 256 KiB 1.2 times. */
const BUFFER_BYTES = 524_288;
/** Free buffers that are kept for reuse; more are left to the garbage collector. */
const MAX_FREE = 32;
/** Buffers in use at once, 64 MiB together. A peer that stalls holds a whole one. */
const MAX_IN_USE = 128;

/**
 * Fresh memory for each read is faulted in page by page and collected as external memory: a third of the cost of a 64
 * KiB response.
 */
export class BufferPool {
  readonly #free: PooledBuffer[] = [];
  #inUse = 0;

  /** A buffer that its caller has to release; undefined while too many are in use. */
  acquire(): PooledBuffer | undefined {
    return this.#inUse < MAX_IN_USE ? this.acquireNext() : undefined;
  }

  /** A buffer in place of one that the caller has filled and releases: beyond the limit, if need be. */
  acquireNext(): PooledBuffer {
    this.#inUse++;
    return (this.#free.pop() ?? new PooledBuffer((buffer) => this.#onReleased(buffer))).retain();
  }

  #onReleased(buffer: PooledBuffer): void {
    this.#inUse--;
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
  }
}

/** A reference-counted buffer. */
export class PooledBuffer {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #references = 0;
  /** Gives up one reference. A property, so that it can be handed to a write as its callback. */
  readonly release: () => void;

  constructor(onReleased: (buffer: PooledBuffer) => void) {
    this.release = () => {
      this.#references--;
      if (this.#references === 0) onReleased(this);
    };
  }

  /** Adds one reference. */
  retain(): this {
    this.#references++;
    return this;
  }
}

/** The one of this worker. */
export const bufferPool = new BufferPool();
