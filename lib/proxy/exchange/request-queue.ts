/**
 * The sharded request queue of one data thread: requests that no replica can take yet wait in their owner's shard.
 * Must not hold: how a request is sent, or which replica is right (the waiter asks the picker).
 *
 * A replica that frees a place takes the head of its own shard, and with that empty the request that has waited
 * longest, so none is idle while a request waits. Requests cannot move between threads, so what is shared is the
 * count (one depth for all) and a ticket for each head: a thread that frees a place leaves it to the thread whose
 * request is older, and wakes it.
 * Invariants: a request is in the queue once or not at all, and the shared count says so. A request that every
 * eligible replica has failed holds no ticket, for it would hold up those that can be placed.
 */
import type { RouteTable } from '../../core/routing/route-table.ts';

/** A request that can wait. */
export interface Waiter {
  /** The ordinal whose shard it waits in: the owner of its slot now. */
  readonly owner: number;
  /** No replica that is eligible now may be given it. */
  readonly isBlocked: boolean;
  /** Tries to lease a replica and go on, in the same call; false while none can take it. */
  tryPlacing(): boolean;
}

export class RequestQueue {
  readonly #table: RouteTable;
  readonly #depth: number;
  /** Those in line with their tickets, oldest first; a Map keeps the order and lets a client that leaves leave at once. */
  readonly #line = new Map<Waiter, number>();
  readonly #blocked = new Set<Waiter>();
  readonly #shards = new Map<number, Set<Waiter>>();
  /** The owner in whose shard each waiter is, since it may have another meanwhile. */
  readonly #dealtTo = new Map<Waiter, number>();
  readonly #onShard: (ordinal: number, waiting: number) => void;

  /**
   * `depth` bounds the waiting requests of all threads together; `onShard` is told how many wait for an owner whenever
   * that changes.
   */
  constructor(table: RouteTable, depth: number, onShard: (ordinal: number, waiting: number) => void) {
    this.#table = table;
    this.#depth = depth;
    this.#onShard = onShard;
    void this.#listen();
  }

  /** Adds the request, which may go on within the call; false when the queue is full. */
  enter(waiter: Waiter): boolean {
    if (!this.#table.enterQueue(this.#depth)) return false;
    if (waiter.isBlocked) this.#blocked.add(waiter);
    else this.#standInLine(waiter);
    this.#serve();
    return true;
  }

  leave(waiter: Waiter): void {
    const wasBlocked = this.#blocked.delete(waiter);
    if (!wasBlocked && !this.#line.delete(waiter)) return;
    this.#takeFromShard(waiter);
    this.#table.leaveQueue();
    this.#tellHead();
  }

  /** The replica has a place free. */
  freed(ordinal: number): void {
    if (this.#table.totalWaiting === 0) return;
    const own = this.#shards.get(ordinal)?.values().next().value;
    if (own !== undefined && this.#isOurTurn()) own.tryPlacing();
    this.#serve();
  }

  /** Who is eligible, or where, has changed: deals anew, and tries. */
  look(): void {
    for (const waiter of this.#blocked) {
      if (waiter.isBlocked) continue;
      this.#blocked.delete(waiter);
      this.#standInLine(waiter);
    }
    for (const waiter of this.#line.keys()) this.#deal(waiter);
    this.#serve();
  }

  #standInLine(waiter: Waiter): void {
    this.#line.set(waiter, this.#table.nextTicket());
    this.#deal(waiter);
    this.#tellHead();
  }

  #tellHead(): void {
    this.#table.setHead(this.#line.values().next().value);
  }

  /** The request that has waited longest in any thread is here. */
  #isOurTurn(): boolean {
    const ticket = this.#line.values().next().value;
    return ticket !== undefined && this.#table.isOldest(ticket);
  }

  /** Lets requests go on, oldest first, until one cannot or it is another thread's turn. */
  #serve(): void {
    for (const [waiter, ticket] of this.#line) {
      if (!this.#table.isOldest(ticket) || !waiter.tryPlacing()) break;
    }
    if (this.#table.totalWaiting > this.#line.size + this.#blocked.size && !this.#isOurTurn())
      this.#table.wakeOldest();
  }

  /** Puts the request into its owner's shard, behind those that are there. */
  #deal(waiter: Waiter): void {
    const { owner } = waiter;
    this.#takeFromShard(waiter);
    let shard = this.#shards.get(owner);
    if (shard === undefined) {
      shard = new Set();
      this.#shards.set(owner, shard);
    }
    shard.add(waiter);
    this.#dealtTo.set(waiter, owner);
    this.#onShard(owner, shard.size);
  }

  #takeFromShard(waiter: Waiter): void {
    const owner = this.#dealtTo.get(waiter);
    if (owner === undefined) return;
    this.#dealtTo.delete(waiter);
    const shard = this.#shards.get(owner);
    if (shard?.delete(waiter) === true) this.#onShard(owner, shard.size);
  }

  /** Other threads leave a place to us, and the control plane changes who is eligible. */
  async #listen(): Promise<void> {
    for (let seen = 0; ; ) {
      seen = await this.#table.nextWake(seen);
      this.look();
    }
  }
}
