/**
 * The requests of one worker that no replica can take yet, in shards by the owner of their slot.
 * Invariants: a request is in the queue once or not at all, and the shared count says so. A request that every
 * eligible replica has failed holds no ticket, for it would hold up those that can be placed.
 */
import type { RouteTable } from '../../core/routing/route-table.ts';

/** A request that can wait. */
export interface QueuedRequest {
  /** The ordinal whose shard it waits in: the owner of its slot now. */
  readonly owner: number;
  /** No replica that is eligible now may be given it. */
  readonly isBlocked: boolean;
  /** Tries to lease a replica and to go on, in the same call; false while none can take it. */
  tryPlacing(): boolean;
}

/**
 * Requests cannot move between workers, so what is shared is the count (one depth for all) and a ticket for the first
 * request of each worker: a worker with room leaves it to the worker whose request has waited longer, and wakes it.
 */
export class RequestQueue {
  readonly #table: RouteTable;
  #depth: number;
  /** Those in line with their tickets, oldest first; a Map keeps the order, and a client that leaves is removed at once. */
  readonly #line = new Map<QueuedRequest, number>();
  readonly #blocked = new Set<QueuedRequest>();
  readonly #shards = new Map<number, Set<QueuedRequest>>();
  /** The owner in whose shard each request is, since its slot may have another owner meanwhile. */
  readonly #shardOf = new Map<QueuedRequest, number>();
  readonly #onShardSize: (ordinal: number, waiting: number) => void;
  #isClosed = false;

  /**
   * `depth` bounds the waiting requests of all workers together; `onShardSize` is told how many wait for an owner whenever
   * that changes.
   */
  constructor(table: RouteTable, depth: number, onShardSize: (ordinal: number, waiting: number) => void) {
    this.#table = table;
    this.#depth = depth;
    this.#onShardSize = onShardSize;
    void this.#watchWakes();
  }

  /** Bounds the queue anew; requests that wait already stay. */
  configure(depth: number): void {
    this.#depth = depth;
  }

  /** Adds the request, which may be placed within the call; false when the queue is full. */
  enqueue(request: QueuedRequest): boolean {
    if (!this.#table.queue.countWaiting(this.#depth)) return false;
    if (request.isBlocked) this.#blocked.add(request);
    else this.#joinLine(request);
    this.#placeOldest();
    return true;
  }

  /** Removes the request, if it is in the queue. */
  remove(request: QueuedRequest): void {
    const wasBlocked = this.#blocked.delete(request);
    if (!wasBlocked && !this.#line.delete(request)) return;
    this.#leaveShard(request);
    this.#table.queue.uncountWaiting();
    this.#publishHead();
  }

  /**
   * The replica has room for one more request: for the first of its own shard, and if that is empty for the one that
   * has waited longest, so that it is not idle while a request waits.
   */
  onReplicaFreed(ordinal: number): void {
    if (this.#table.totalWaiting === 0) return;
    const own = this.#shards.get(ordinal)?.values().next().value;
    if (own !== undefined && this.#hasOldest()) own.tryPlacing();
    this.#placeOldest();
  }

  /** Which replicas are eligible, or who owns which slot, may have changed: assigns shards anew and places what it can. */
  recheck(): void {
    for (const request of this.#blocked) {
      if (request.isBlocked) continue;
      this.#blocked.delete(request);
      this.#joinLine(request);
    }
    for (const request of this.#line.keys()) this.#assignShard(request);
    this.#placeOldest();
  }

  #joinLine(request: QueuedRequest): void {
    this.#line.set(request, this.#table.queue.nextTicket());
    this.#assignShard(request);
    this.#publishHead();
  }

  #publishHead(): void {
    this.#table.queue.setHead(this.#line.values().next().value);
  }

  /** The request that has waited longest in any worker is here. */
  #hasOldest(): boolean {
    const ticket = this.#line.values().next().value;
    return ticket !== undefined && this.#table.queue.isOldest(ticket);
  }

  /** Places requests, oldest first, until one cannot be placed or an older one waits in another worker. */
  #placeOldest(): void {
    for (const [request, ticket] of this.#line) {
      if (!this.#table.queue.isOldest(ticket) || !request.tryPlacing()) break;
    }
    if (this.#table.totalWaiting > this.#line.size + this.#blocked.size && !this.#hasOldest())
      this.#table.queue.wakeOldest();
  }

  /** Puts the request into its owner's shard, behind those that are there. */
  #assignShard(request: QueuedRequest): void {
    const { owner } = request;
    this.#leaveShard(request);
    let shard = this.#shards.get(owner);
    if (shard === undefined) {
      shard = new Set();
      this.#shards.set(owner, shard);
    }
    shard.add(request);
    this.#shardOf.set(request, owner);
    this.#onShardSize(owner, shard.size);
  }

  #leaveShard(request: QueuedRequest): void {
    const owner = this.#shardOf.get(request);
    if (owner === undefined) return;
    this.#shardOf.delete(request);
    const shard = this.#shards.get(owner);
    if (shard?.delete(request) === true) this.#onShardSize(owner, shard.size);
  }

  /** Looks for no more room; takes effect at the next wake. */
  close(): void {
    this.#isClosed = true;
  }

  /** Other workers leave room to us, and the control plane changes who is eligible. */
  async #watchWakes(): Promise<void> {
    for (let seen = 0; !this.#isClosed; ) {
      seen = await this.#table.queue.nextWake(seen);
      this.recheck();
    }
  }
}
