/**
 * What the requests of one data thread have in common: the table and the picker, the pools, the queue, the clock.
 * Must not hold: the life of one request (`exchange.ts`), sockets of clients (`listener.ts`), threads and messages
 * (`worker.ts`).
 * Invariants: one pool for each replica's instance; a pool whose instance is replaced or gone is closed, and what
 * it was doing fails over. Time is a number that is set ten times a second; that is how fine time limits are.
 */
import { AccessLog } from '../../access-log/access-log.ts';
import { createPlacement } from '../../core/hashing/placement.ts';
import { RetryBudget } from '../../core/policy/retry.ts';
import { type Endpoint, NO_ORDINAL, type UpstreamRecord } from '../../core/replica.ts';
import { Picker } from '../../core/routing/pick.ts';
import { RouteTable } from '../../core/routing/route-table.ts';
import { LENIENT_LIMITS, RESPONSE_LIMITS } from '../../http1/response-parser.ts';
import { Recorder } from '../../metrics/recorder.ts';
import { BalancerError, type ErrorCode } from '../../platform/errors.ts';
import { ConnectionLimit, RequestRates } from '../downstream/client-limits.ts';
import type { ClientRequest } from '../downstream/request.ts';
import type { ClientInfo } from '../headers/request-headers.ts';
import { TrustedProxies } from '../headers/trusted-proxies.ts';
import { UnsentBytes } from '../io/unsent-bytes.ts';
import { ConnectionPool } from '../upstream/connection-pool.ts';
import type { MessageFromWorker, WorkerOptions, WorkerStart } from '../worker-protocol.ts';
import { AccessLogEntries } from './access-log-entry.ts';
import { RequestQueue } from './request-queue.ts';
import { PoisonVerdicts } from './verdicts.ts';

/** How often time limits are looked at. */
export const TICK_MS = 100;
const TICKS_A_SECOND = 1000 / TICK_MS;
/** Between two hints of a thread that a replica closes connections on requests. */
const HINT_MS = 1000;
/** With fewer requests under way a round of the event loop has little to write, and its end costs more than it saves. */
const CROWD = 3;
/** Connections to the admin server from one thread. */
const ADMIN_CONNECTIONS = 16;
/** How long the admin server may take for a request, all in all: more than any change of the fleet takes. */
export const ADMIN_TIMEOUT_MS = 600_000;

/** What has a time limit: a request under way. */
export interface Timed {
  /** By the thread's clock. */
  readonly deadlineMs: number;
  /** It has passed. */
  onDeadline(): void;
  /** What may have to be looked at once a second. */
  readonly body: { look(nowMs: number): void } | undefined;
  /** Its place among those under way; the thread's to set. */
  place: number;
}

interface ReplicaPool {
  readonly generation: number;
  readonly upstream: ConnectionPool;
}

export class WorkerContext {
  readonly options: WorkerOptions;
  readonly table: RouteTable;
  readonly picker: Picker;
  readonly queue: RequestQueue;
  readonly budget: RetryBudget;
  readonly recorder: Recorder;
  readonly unsentBytes: UnsentBytes;
  readonly verdicts: PoisonVerdicts;
  /** Undefined while the access log is off. */
  readonly access: AccessLogEntries | undefined;
  /** Undefined where requests are not limited, and where connections are not. */
  readonly rates: RequestRates | undefined;
  readonly connectionLimit: ConnectionLimit | undefined;
  /** Answers what only the control plane can. */
  readonly admin: ConnectionPool;
  /** Set by `tick`. */
  nowMs: number;
  /** The time for Date headers, set by `tick`. */
  date = new Date().toUTCString();
  isDraining = false;

  /** The name that each ordinal had last: a request may end after its replica has gone. */
  readonly #names: string[] = [];
  readonly #pools: (ReplicaPool | undefined)[] = [];
  readonly #generations = new WeakMap<ConnectionPool, number>();
  /**
   * Requests under way, in no order; what ends changes places with the last. A Set would do but for the collector:
   * the tables that it grows out of keep their entries alive into old space, half of all that a request leaves.
   */
  readonly #active: Timed[] = [];
  /** For each ordinal, when the last hint was given. */
  readonly #hintedMs: Float64Array;
  #ticks = 0;
  readonly #tell: (message: MessageFromWorker) => void;
  readonly #clock: () => number;

  /** `clock` gives milliseconds that never go back, the same for all threads. */
  constructor(start: WorkerStart, tell: (message: MessageFromWorker) => void, clock: () => number) {
    const { options } = start;
    this.options = options;
    this.#tell = tell;
    this.#clock = clock;
    this.nowMs = clock();
    this.table = new RouteTable(start.table, start.shape, start.worker);
    this.recorder = new Recorder(start.metrics, start.shape, start.worker);
    this.verdicts = new PoisonVerdicts(tell, !options.ownsInstances);
    this.unsentBytes = new UnsentBytes(() => this.nowMs);
    this.access = this.#accessNotes();
    const { rates, connections } = start.limits;
    const trusted = new TrustedProxies(options.trustedProxies);
    this.rates = rates && new RequestRates(rates, options, trusted, clock);
    this.connectionLimit =
      connections &&
      new ConnectionLimit(connections, start.shape.workers, start.worker, options.maxConnectionsPerClient);
    this.#hintedMs = new Float64Array(start.shape.ordinals).fill(Number.NEGATIVE_INFINITY);
    const placement = createPlacement(options);
    this.picker = new Picker(this.table, {
      placement,
      loadFactor: options.loadFactor,
      loadFloor: options.loadFloor,
      maxInFlight: options.maxInFlight,
    });
    this.queue = new RequestQueue(this.table, options.queueDepth, (ordinal, waiting) =>
      this.recorder.waiting(ordinal, waiting),
    );
    this.budget = new RetryBudget(options.retryBudget);
    this.admin = this.#pool(NO_ORDINAL, options.admin, ADMIN_CONNECTIONS, ADMIN_TIMEOUT_MS);
    this.setUpstreams(start.upstreams);
  }

  /** The pool of the replica's instance; undefined while this thread has not heard of one. */
  poolOf(ordinal: number): ConnectionPool | undefined {
    return this.#pools[ordinal]?.upstream;
  }

  /** Of the instance that the pool is of, which may be gone. */
  generationOf(upstream: ConnectionPool): number | undefined {
    return this.#generations.get(upstream);
  }

  /** The replica's name, also when it has gone; undefined where there was none. */
  nameOf(ordinal: number): string | undefined {
    return this.#names[ordinal];
  }

  /** Takes over the whole list: new instances get pools, and those of instances that are gone are closed. */
  setUpstreams(records: readonly UpstreamRecord[]): void {
    const generations = new Map(records.map((record) => [record.ordinal, record.generation]));
    for (const [ordinal, pool] of this.#pools.entries()) {
      if (pool === undefined || generations.get(ordinal) === pool.generation) continue;
      this.#pools[ordinal] = undefined;
      pool.upstream.close();
      this.recorder.pool(ordinal, 0, 0, 0);
    }
    for (const { ordinal, name, generation, endpoint } of records) {
      if (this.#pools[ordinal] !== undefined) continue;
      const { maxInFlight, connectTimeoutMs } = this.options;
      const upstream = this.#pool(ordinal, endpoint, maxInFlight, connectTimeoutMs);
      this.#generations.set(upstream, generation);
      this.#pools[ordinal] = { generation, upstream };
      this.#names[ordinal] = name;
    }
    this.queue.look();
  }

  #pool(ordinal: number, endpoint: Endpoint, maxConnections: number, waitTimeoutMs: number): ConnectionPool {
    const { recorder } = this;
    const { connectTimeoutMs, lenientReplicas } = this.options;
    const limits = lenientReplicas && ordinal !== NO_ORDINAL ? LENIENT_LIMITS : RESPONSE_LIMITS;
    const nowMs = () => this.nowMs;
    const caps = { maxConnections, connectTimeoutMs, waitTimeoutMs };
    return new ConnectionPool({ ordinal, endpoint, ...caps, nowMs, recorder, limits });
  }

  #accessNotes(): AccessLogEntries | undefined {
    const { options, recorder } = this;
    if (options.accessLog === 'off') return undefined;
    const send = (text: string, lines: number): void => this.#tell({ kind: 'log', text, lines });
    const log = new AccessLog({ options, send, recorder: recorder.thread, random: Math.random });
    return new AccessLogEntries(
      log,
      new TrustedProxies(options.trustedProxies),
      (ordinal) => this.nameOf(ordinal) ?? '',
    );
  }

  /** A request that is no exchange is answered with a failure; it may not even have been understood. */
  refused(code: ErrorCode, client: ClientInfo, request?: ClientRequest): void {
    this.recorder.refusal(code);
    this.access?.refused(code, client, request);
  }

  begin(exchange: Timed): void {
    exchange.place = this.#active.length;
    this.#active.push(exchange);
  }

  finish(exchange: Timed): void {
    const last = this.#active.pop();
    if (last === undefined || last === exchange) return;
    this.#active[exchange.place] = last;
    last.place = exchange.place;
  }

  /** Turns this thread away from the replica at once, and tells the control plane why. */
  report(ordinal: number, word: number, code: ErrorCode): void {
    this.picker.suspect(ordinal, word);
    this.#tell({ kind: 'report', ordinal, word, code });
  }

  /** Tells the control plane, once in a while, what makes it worth a look at the replica; requests still go there. */
  hint(ordinal: number, word: number, code: ErrorCode): void {
    if (this.nowMs - this.#hintedMs[ordinal]! < HINT_MS) return;
    this.#hintedMs[ordinal] = this.nowMs;
    this.#tell({ kind: 'report', ordinal, word, code });
  }

  /** A request failed at the replica, or was answered that it cannot serve: counted with those of all threads. */
  recordFailure(ordinal: number, word: number): void {
    const { table } = this;
    const { ejectAfter } = this.options;
    // requests that were sent before it was last taken out or readmitted say nothing new
    if (ejectAfter === 0 || table.stateWord(ordinal) !== word) return;
    if (table.addFailure(ordinal) < ejectAfter) return;
    table.clearFailures(ordinal);
    this.#tell({ kind: 'report', ordinal, word, code: 'failures-in-a-row' });
  }

  recordSuccess(ordinal: number): void {
    this.table.clearFailures(ordinal);
  }

  /** The classic profile's answer to what a replica does not know. */
  missingEndpoint(request: ClientRequest): BalancerError {
    const path = request.url.split('?', 1)[0];
    return new BalancerError('bad-request', `'${path}' endpoint does not exist in server replicas`);
  }

  /** So many requests are under way that what is written for one is worth holding back for what others write. */
  get isBusy(): boolean {
    return this.#active.length >= CROWD;
  }

  /** To be called every TICK_MS: time goes on, and what is out of time ends. */
  tick(): void {
    this.nowMs = this.#clock();
    this.date = new Date().toUTCString();
    this.budget.decay();
    // before the requests: what a pool ends in time is not left to their last resort
    for (const [ordinal, pool] of this.#pools.entries()) {
      if (pool === undefined) continue;
      pool.upstream.tick();
      const { idle, settling, quarantined, pinnedIdle, busy, connecting } = pool.upstream.connections;
      this.recorder.pool(ordinal, idle + settling + quarantined + pinnedIdle, busy, connecting);
    }
    this.admin.tick();
    // from the end, since what ends changes places with the last
    const isSecond = ++this.#ticks % TICKS_A_SECOND === 0;
    for (let place = this.#active.length - 1; place >= 0; place--) {
      const exchange = this.#active[place];
      if (isSecond) exchange?.body?.look(this.nowMs);
      if (exchange !== undefined && this.nowMs >= exchange.deadlineMs) exchange.onDeadline();
    }
    this.access?.log.flush();
  }
}
