/**
 * The sharded request queue of one data thread: requests that no replica can take yet wait in their owner's shard.
 * Must not hold: how a request is sent, or which replica is right (the waiter asks the picker).
 *
 * A replica that frees a place takes the head of its own shard, and with that empty the request that has waited
 * longest anywhere, so no replica is idle while a request waits. Who waits is a matter of this thread alone, but the
 * count is shared, so the depth is one for all threads, and a thread that frees a place wakes those that have waiters.
 * Invariants: a request is in the queue once or not at all, and the shared count says so.
 */
import type { RouteTable } from '../core/route-table.ts';

/** A request that can wait. */
export interface Waiter {
  /** The ordinal whose shard it waits in: the owner of its slot now. */
  readonly owner: number;
  /** Tries to lease a replica and go on, in the same call; false while none can take it. */
  tryAgain(): boolean;
}

export class RequestQueue {
  readonly #table: RouteTable;
  readonly #depth: number;
  /** All that wait, longest first; a Set keeps the order and lets a client that leaves leave at once. */
  readonly #waiting = new Set<Waiter>();
  readonly #shards = new Map<number, Set<Waiter>>();
  /** The shard that each waiter is in, since its owner may change meanwhile. */
  readonly #shardOf = new Map<Waiter, Set<Waiter>>();

  /** `depth` bounds the waiting requests of all threads together. */
  constructor(table: RouteTable, depth: number) {
    this.#table = table;
    this.#depth = depth;
    void this.#listen();
  }

  /** Nobody waits in this thread. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Adds the request; false when the queue is full. */
  enter(waiter: Waiter): boolean {
    if (!this.#table.enterQueue(this.#depth)) return false;
    this.#waiting.add(waiter);
    this.#deal(waiter);
    return true;
  }

  leave(waiter: Waiter): void {
    if (!this.#waiting.delete(waiter)) return;
    this.#shardOf.get(waiter)?.delete(waiter);
    this.#shardOf.delete(waiter);
    this.#table.leaveQueue();
  }

  /** The replica has a place free. */
  freed(ordinal: number): void {
    if (this.#table.totalWaiting === 0) return;
    const shard = this.#shards.get(ordinal);
    if (shard !== undefined && shard.size > 0) this.#serve(shard);
    this.#serve(this.#waiting);
    if (this.#table.totalWaiting > this.#waiting.size) this.#table.wakeOthers();
  }

  /** Lets requests go on, in order, until one cannot. */
  #serve(waiters: Set<Waiter>): void {
    for (const waiter of waiters) if (!waiter.tryAgain()) return;
  }

  /** Puts the request into its owner's shard. */
  #deal(waiter: Waiter): void {
    this.#shardOf.get(waiter)?.delete(waiter);
    const { owner } = waiter;
    let shard = this.#shards.get(owner);
    if (shard === undefined) {
      shard = new Set();
      this.#shards.set(owner, shard);
    }
    shard.add(waiter);
    this.#shardOf.set(waiter, shard);
  }

  /** Other threads freed a place, or the control plane changed who is eligible: deals anew, and tries. */
  async #listen(): Promise<void> {
    for (let seen = 0; ; ) {
      seen = await this.#table.nextWake(seen);
      for (const waiter of this.#waiting) this.#deal(waiter);
      this.#serve(this.#waiting);
    }
  }
}
