/**
 * What the requests of one data thread have in common: the table and the picker, the pools, the queue, the clock.
 * Must not hold: the life of one request (`forward.ts`), sockets of clients (`listener.ts`), threads and messages
 * (`worker.ts`).
 * Invariants: one pool for each replica's instance; a pool whose instance is replaced or gone is closed, and what
 * it was doing fails over. Time is a number that is set ten times a second; that is how fine time limits are.
 */
import type { IncomingMessage } from 'node:http';
import { Picker } from '../core/pick.ts';
import { createPlacement } from '../core/placement.ts';
import type { UpstreamRecord } from '../core/replica.ts';
import { RetryBudget } from '../core/retry.ts';
import { RouteTable } from '../core/route-table.ts';
import { BalancerError, type ErrorCode } from '../errors.ts';
import type { Exchange } from './forward.ts';
import type { DataThreadOptions, DataThreadStart, FromDataThread } from './messages.ts';
import { RequestQueue } from './queue.ts';
import { Upstream } from './upstream.ts';

/** How often time limits are looked at. */
export const TICK_MS = 100;
/** Connections to the admin server from one thread. */
const ADMIN_CONNECTIONS = 16;

interface Pool {
  readonly generation: number;
  readonly upstream: Upstream;
}

export class DataThread {
  readonly options: DataThreadOptions;
  readonly table: RouteTable;
  readonly picker: Picker;
  readonly queue: RequestQueue;
  readonly budget: RetryBudget;
  /** Answers what only the control plane can. */
  readonly admin: Upstream;
  /** Set by `tick`. */
  nowMs: number;
  /** The time for Date headers, set by `tick`. */
  date = new Date().toUTCString();
  isDraining = false;

  readonly #pools: (Pool | undefined)[] = [];
  readonly #active = new Set<Exchange>();
  readonly #tell: (message: FromDataThread) => void;
  readonly #clock: () => number;

  /** `clock` gives milliseconds that never go back. */
  constructor(start: DataThreadStart, tell: (message: FromDataThread) => void, clock: () => number) {
    const { options } = start;
    this.options = options;
    this.#tell = tell;
    this.#clock = clock;
    this.nowMs = clock();
    this.table = new RouteTable(start.table, start.shape, start.worker);
    const placement = createPlacement(options);
    this.picker = new Picker(this.table, {
      placement,
      loadFactor: options.loadFactor,
      maxInFlight: options.maxInFlight,
    });
    this.queue = new RequestQueue(this.table, options.queueDepth);
    this.budget = new RetryBudget(options.retryBudget);
    this.admin = this.#pool({ ...options, endpoint: options.admin, maxConnections: ADMIN_CONNECTIONS });
    this.setUpstreams(start.upstreams);
  }

  /** The pool of the replica's instance; undefined while this thread has not heard of one. */
  upstreamOf(ordinal: number): Upstream | undefined {
    return this.#pools[ordinal]?.upstream;
  }

  /** Takes over the whole list: new instances get pools, and those of instances that are gone are closed. */
  setUpstreams(records: readonly UpstreamRecord[]): void {
    const generations = new Map(records.map((record) => [record.ordinal, record.generation]));
    for (const [ordinal, pool] of this.#pools.entries()) {
      if (pool === undefined || generations.get(ordinal) === pool.generation) continue;
      this.#pools[ordinal] = undefined;
      pool.upstream.close();
    }
    for (const { ordinal, generation, endpoint } of records) {
      if (this.#pools[ordinal] !== undefined) continue;
      const upstream = this.#pool({ ...this.options, endpoint, maxConnections: this.options.maxInFlight });
      this.#pools[ordinal] = { generation, upstream };
    }
    this.queue.pump();
  }

  #pool(
    options: Pick<
      ConstructorParameters<typeof Upstream>[0],
      'endpoint' | 'maxConnections' | 'connectTimeoutMs'
    >,
  ): Upstream {
    const { endpoint, maxConnections, connectTimeoutMs } = options;
    return new Upstream({ endpoint, maxConnections, connectTimeoutMs, nowMs: () => this.nowMs });
  }

  begin(exchange: Exchange): void {
    this.#active.add(exchange);
  }

  finish(exchange: Exchange): void {
    this.#active.delete(exchange);
  }

  /** Turns this thread away from the replica at once, and tells the control plane why. */
  report(ordinal: number, word: number, code: ErrorCode): void {
    this.picker.suspect(ordinal, word);
    this.#tell({ kind: 'report', ordinal, word, code });
  }

  /** The classic profile's answer to what a replica does not know. */
  missingEndpoint(request: IncomingMessage): BalancerError {
    const path = (request.url ?? '').split('?', 1)[0];
    return new BalancerError('bad-request', `'${path}' endpoint does not exist in server replicas`);
  }

  /** To be called every TICK_MS: time goes on, and what is out of time ends. */
  tick(): void {
    this.nowMs = this.#clock();
    this.date = new Date().toUTCString();
    this.budget.decay();
    for (const exchange of this.#active) if (this.nowMs >= exchange.deadlineMs) exchange.onDeadline();
    for (const pool of this.#pools) pool?.upstream.tick();
    this.admin.tick();
  }
}
