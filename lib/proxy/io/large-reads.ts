/**
 * Memory for reads of large bodies, and how much of them one round of the event loop moves.
 * Invariants: all connections of a worker read into the same memory, so what was read has been written or copied when
 * the call that brought it returns; a connection that has moved its share of a round stops until the next one.
 */
import { Buffer } from 'node:buffer';

/** With reads of 256 KiB a MiB costs 1.5 times as much, with 64 KiB 2.3 times: the kernel wakes the peer for each write. */
const MAX_READ_BYTES = 524_288;
/** The least that a connection is given in a round, however many there are. */
const MIN_READ_BYTES = 65_536;
/** What one round moves where few connections have large bodies: about 5 ms, which is what others wait. */
const ROUND_BYTES = 16_777_216;
/**
 * Once so much is held for peers that take nothing, all reads are short. What is read when its peer stops taking is
 * held until it goes on, and nothing tells beforehand which peer will stop.
 */
const MAX_HELD_BYTES = 4_194_304;

export class LargeReadBudget {
  /** One byte more than is ever read: the request parser writes a byte behind what it was given. */
  readonly memory: Buffer = Buffer.allocUnsafeSlow(MAX_READ_BYTES + 1);
  #view: Buffer = this.memory.subarray(0, MAX_READ_BYTES);
  #round = 0;
  /** Connections that have read in this round, and in the one before. */
  #readers = 0;
  #readersBefore = 0;
  #heldBytes = 0;
  #stopped: LargeReads[] = [];
  #isRoundEndDue = false;
  readonly #onRoundEnd = (): void => {
    this.#isRoundEndDue = false;
    this.#round++;
    this.#readersBefore = this.#readers;
    this.#readers = 0;
    const stopped = this.#stopped;
    this.#stopped = [];
    for (const reads of stopped) reads.continue();
  };

  /** Bytes that were read and written, and that the kernel has not taken. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** So many bytes more are held; fewer where negative. */
  addHeld(bytes: number): void {
    this.#heldBytes += bytes;
  }

  /** What one connection may read in a round. */
  get shareBytes(): number {
    if (this.#heldBytes >= MAX_HELD_BYTES) return MIN_READ_BYTES;
    const share = ROUND_BYTES / Math.max(this.#readers, this.#readersBefore, 1);
    return Math.min(MAX_READ_BYTES, Math.max(MIN_READ_BYTES, Math.floor(share)));
  }

  /** Where the next read goes. */
  next(): Buffer {
    const { shareBytes } = this;
    if (this.#view.length !== shareBytes) this.#view = this.memory.subarray(0, shareBytes);
    return this.#view;
  }

  /** The number of this round, in which one more connection reads. */
  enterRound(): number {
    this.#readers++;
    this.#callAtRoundEnd();
    return this.#round;
  }

  get round(): number {
    return this.#round;
  }

  /** Lets `reads` continue in the next round. */
  stop(reads: LargeReads): void {
    this.#stopped.push(reads);
    this.#callAtRoundEnd();
  }

  #callAtRoundEnd(): void {
    if (this.#isRoundEndDue) return;
    this.#isRoundEndDue = true;
    setImmediate(this.#onRoundEnd);
  }
}

/** The one of this worker. */
export const largeReadBudget = new LargeReadBudget();

/** The reads of one large body. */
export class LargeReads {
  /** Reads on, unless there is another reason not to. */
  readonly continue: () => void;
  readonly #budget: LargeReadBudget;
  #round = -1;
  #bytes = 0;

  constructor(onContinue: () => void, budget = largeReadBudget) {
    this.continue = onContinue;
    this.#budget = budget;
  }

  /**
   * Records a read; `isFull`: it filled its buffer, so that libuv would read on at once, up to 32 times. False where the
   * connection must not be read until `continue` is called.
   */
  mayContinue(bytes: number, isFull: boolean): boolean {
    const budget = this.#budget;
    if (this.#round !== budget.round) {
      this.#round = budget.enterRound();
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    if (!isFull || this.#bytes < budget.shareBytes) return true;
    budget.stop(this);
    return false;
  }
}
