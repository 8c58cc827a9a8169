/**
 * Buffers for copies of what was read, used again and again by one worker.
 * Invariant: however slow peers are, no more than MAX_IN_USE buffers are in use; a copy that gets none is made in memory
 * of its own.
 */

/** A whole read of a replica with a head in front. */
const BUFFER_BYTES = 86_016;
/** Free buffers that are kept for reuse; more are left to the garbage collector. */
const MAX_FREE = 64;
/** Buffers in use at once, 22 MiB together. A peer that stalls holds a whole one. */
const MAX_IN_USE = 256;

/**
 * Fresh memory for each copy is faulted in page by page and collected as external memory: a third of the cost of a 64
 * KiB response.
 */
export class BufferPool {
  readonly bufferBytes: number = BUFFER_BYTES;
  readonly #free: PooledBuffer[] = [];
  #inUse = 0;

  /** A buffer that its caller has to release; undefined while too many are in use. */
  acquire(): PooledBuffer | undefined {
    if (this.#inUse >= MAX_IN_USE) return undefined;
    this.#inUse++;
    return this.#free.pop() ?? new PooledBuffer((buffer) => this.#onReleased(buffer));
  }

  #onReleased(buffer: PooledBuffer): void {
    this.#inUse--;
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
  }
}

export class PooledBuffer {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** To be called once after each `acquire`. */
  readonly release: () => void;

  constructor(onReleased: (buffer: PooledBuffer) => void) {
    this.release = () => onReleased(this);
  }
}

/** The one of this worker. */
export const bufferPool = new BufferPool();
