/**
 * Buffers for copies of what was read, used again and again by one worker. Fresh memory for each copy is faulted in page
 * by page and collected as external memory: a third of the cost of a 64 KiB response.
 * Invariant: however slow peers are, no more buffers are in use than a pool allows; a copy that gets none is made in
 * memory of its own size.
 */

export interface BufferPoolLimits {
  readonly bufferBytes: number;
  /** Buffers in use at once. A peer that stalls holds a whole one. */
  readonly maxInUse: number;
  /** Free buffers that are kept for reuse; more are left to the garbage collector. */
  readonly maxFree: number;
}

export class BufferPool {
  readonly bufferBytes: number;
  readonly #limits: BufferPoolLimits;
  readonly #free: PooledBuffer[] = [];
  #inUse = 0;

  constructor(limits: BufferPoolLimits) {
    this.bufferBytes = limits.bufferBytes;
    this.#limits = limits;
  }

  /** A buffer that its caller has to release; undefined while too many are in use. */
  acquire(): PooledBuffer | undefined {
    if (this.#inUse >= this.#limits.maxInUse) return undefined;
    this.#inUse++;
    return this.#free.pop() ?? new PooledBuffer(this.bufferBytes, (buffer) => this.#onReleased(buffer));
  }

  #onReleased(buffer: PooledBuffer): void {
    this.#inUse--;
    if (this.#free.length < this.#limits.maxFree) this.#free.push(buffer);
  }
}

export class PooledBuffer {
  readonly bytes: Buffer;
  /** To be called once after each `acquire`. */
  readonly release: () => void;

  constructor(bytes: number, onReleased: (buffer: PooledBuffer) => void) {
    this.bytes = Buffer.allocUnsafeSlow(bytes);
    this.release = () => onReleased(this);
  }
}

/** Of this worker, for whole reads of a replica with a head in front: 21 MiB together. */
export const bufferPool = new BufferPool({ bufferBytes: 86_016, maxInUse: 256, maxFree: 64 });
/** Of this worker, for what is left of large reads: 4 MiB together. */
export const largeBufferPool = new BufferPool({ bufferBytes: 524_288, maxInUse: 8, maxFree: 8 });
