/**
 * Memory for bodies that are larger than one read, used again and again by one data thread.
 * Must not hold: what is in it. Fresh memory for each read is faulted in page by page and collected as external
 * memory: a third of the cost of a 64 KiB answer.
 * Invariants: a block is read into by one connection, and written out by any number of pending writes; it goes back
 * to the pool when the last of them has let go. So many slow peers cannot make it more than MOST_LENT blocks (and one
 * more for each upload under way): who gets none reads less at a time, and copies.
 */

/** What one read may bring: with 128 KiB a MiB costs 1.6 times as much, with 256 KiB 1.2 times. */
const BLOCK_BYTES = 524_288;
/** Blocks that are kept for the next; what is beyond goes to the collector. */
const KEPT_BLOCKS = 32;
/** Blocks in use at once, 64 MiB. A peer that stalls holds all of one. */
const MOST_LENT = 128;

const free: PooledBuffer[] = [];
let lent = 0;

export class PooledBuffer {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #holders = 0;
  /** Lets go once; to be handed to a write as its callback. */
  readonly release = (): void => {
    this.#holders--;
    if (this.#holders > 0) return;
    lent--;
    if (free.length < KEPT_BLOCKS) free.push(this);
  };

  /** One more holder. */
  hold(): this {
    this.#holders++;
    return this;
  }
}

/** A block, held once; undefined while too many are in use. */
export function acquireBuffer(): PooledBuffer | undefined {
  return lent < MOST_LENT ? acquireNextBuffer() : undefined;
}

/** A block, held once, in place of one that its reader has filled. */
export function acquireNextBuffer(): PooledBuffer {
  lent++;
  return (free.pop() ?? new PooledBuffer()).hold();
}
