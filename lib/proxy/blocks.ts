/**
 * Memory for bodies that are larger than one read, used again and again by one data thread.
 * Must not hold: what is in it. Fresh memory for each read is faulted in page by page and collected as external
 * memory: a third of the cost of a 64 KiB answer.
 * Invariants: a block is read into by one connection, and written out by any number of pending writes; it goes back
 * to the pool when the last of them has let go.
 */

/** What one read may bring: with 128 KiB a MiB costs 1.6 times as much, with 256 KiB 1.2 times. */
const BLOCK_BYTES = 524_288;
/** Blocks that are kept for the next; what is beyond goes to the collector. */
const KEPT_BLOCKS = 32;

const free: Block[] = [];

export class Block {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #holders = 0;
  /** Lets go once; to be handed to a write as its callback. */
  readonly release = (): void => {
    this.#holders--;
    if (this.#holders === 0 && free.length < KEPT_BLOCKS) free.push(this);
  };

  /** One more holder. */
  hold(): this {
    this.#holders++;
    return this;
  }
}

/** A block, held once. */
export function takeBlock(): Block {
  return (free.pop() ?? new Block()).hold();
}
