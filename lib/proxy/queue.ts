/**
 * Requests that no replica can take yet, in the order they came, for one data thread.
 * Must not hold: how a request is sent. Threads share the count (`RouteTable`), so the depth is one for all.
 * Invariants: a request is in the queue once or not at all; while it is, the shared count says so. Whoever frees
 * a place pumps; a thread with no waiting requests wakes the others.
 */
import type { RouteTable } from '../core/route-table.ts';

/** A request that can wait. */
export interface Waiter {
  /** Tries to lease a replica and go on; false while none can take it. */
  tryAgain(): boolean;
}

export class RequestQueue {
  readonly #table: RouteTable;
  readonly #depth: number;
  /** Keeps the order of insertion, and lets a client that leaves leave at once. */
  readonly #waiting = new Set<Waiter>();

  constructor(table: RouteTable, depth: number) {
    this.#table = table;
    this.#depth = depth;
    void this.#listen();
  }

  /** Adds the request; false when the queue is full. */
  enter(waiter: Waiter): boolean {
    if (!this.#table.enterQueue(this.#depth)) return false;
    this.#waiting.add(waiter);
    return true;
  }

  leave(waiter: Waiter): void {
    if (this.#waiting.delete(waiter)) this.#table.leaveQueue();
  }

  /** A replica may be able to take a request: lets those that wait try, first come first served. */
  pump(): void {
    if (this.#table.totalWaiting === 0) return;
    for (const waiter of this.#waiting) {
      if (!waiter.tryAgain()) break;
    }
    if (this.#table.totalWaiting > 0) this.#table.wakeOthers();
  }

  /** Other threads and the control plane say when it is worth a look. */
  async #listen(): Promise<void> {
    for (let seen = 0; ; ) {
      seen = await this.#table.nextWake(seen);
      for (const waiter of this.#waiting) {
        if (!waiter.tryAgain()) break;
      }
    }
  }
}
