/**
 * The data plane, seen from the control plane: one worker thread for each row of the route table, started again when it
 * dies. Runs on the main thread.
 * Invariants: `publish` resolves once every live worker has stopped using what is no longer listed; what a dead worker
 * held in flight is given back before another takes its row.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { backoffMs } from '../core/policy/backoff.ts';
import type { UpstreamRecord } from '../core/replica.ts';
import type { RouteTableWriter } from '../core/routing/route-table.ts';
import type { MetricsReader } from '../metrics/reader.ts';
import { type Clock, sleep, type Timer } from '../platform/clock.ts';
import { BalancerError, messageOf } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { descriptorsOf, NO_DESCRIPTORS, publicListenError } from './bind.ts';
import { createLimitMemory, forgetConnections, type LimitMemory } from './downstream/client-limits.ts';
import type { TlsMaterial } from './downstream/tls/tls-server.ts';
import type { PoolListeners } from './pool-listeners.ts';
import { WorkerLog } from './worker-log.ts';
import type {
  MessageFromWorker,
  MessageToWorker,
  PassedDescriptors,
  WorkerOptions,
  WorkerStart,
} from './worker-protocol.ts';

export interface WorkerPoolDeps {
  readonly table: RouteTableWriter;
  /** Where the workers count. */
  readonly metrics: MetricsReader;
  readonly options: PoolOptions;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The addresses that the workers need, which are known once the admin server listens. */
export type PoolAddresses = Pick<WorkerOptions, 'port' | 'admin'>;

/** The options of a worker, except those. */
export type PoolOptions = Omit<WorkerOptions, keyof PoolAddresses>;

/** The entry has the extension of this file: .ts in the source tree, .js when compiled. */
const ENTRY = new URL(`./worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);
/** A request is garbage within microseconds, and 16 MB cost the same; a stream of HTTP/2 survives rounds: 12 MB cost a tenth more. */
const youngGenerationMb = ({ http2 }: PoolOptions): number => (http2 ? 24 : 12);
/** Between the death of a worker and the next start: from here … */
const RESTART_FIRST_MS = 100;
/** … doubling to here; for a worker that lived this long it begins at the first again. */
const RESTART_MAX_MS = 10_000;

/** What a worker is started with, and again after it died. */
interface RowStart {
  readonly row: number;
  readonly listeners: PoolListeners;
  readonly descriptors: PassedDescriptors;
}

interface WorkerHandle extends RowStart {
  readonly worker: Worker;
  readonly startedMs: number;
  /** Publications that it has not applied yet, by their sequence. */
  readonly pending: Map<number, () => void>;
  onListening: ((result: { readonly port: number } | { readonly error: BalancerError }) => void) | undefined;
  onDrained: (() => void) | undefined;
}

export class WorkerPool {
  readonly #parts: WorkerPoolDeps;
  readonly #workers = new Map<number, WorkerHandle>();
  readonly #log: WorkerLog;
  readonly #deaths = new Map<number, number>();
  #records: readonly UpstreamRecord[] = [];
  /** Kinds of request that must not be retried. */
  #poison: readonly string[] = [];
  /** The publication that is pending in this turn of the event loop. */
  #publication: Promise<void> | undefined;
  #sequence = 0;
  #isClosing = false;
  #limits: LimitMemory;
  /** The current options of the workers, also of those started later. */
  #options: PoolOptions;
  #addresses: PoolAddresses | undefined;
  #tls: TlsMaterial | undefined;

  constructor(parts: WorkerPoolDeps) {
    this.#parts = parts;
    this.#log = new WorkerLog(parts.log);
    this.#options = parts.options;
    this.#limits = createLimitMemory(parts.options, parts.table.shape.workers);
  }

  /**
   * Starts the workers; resolves when all listen. `passed` are open sockets to listen on, one a worker at least. Throws
   * `port-in-use` or what else kept one from listening.
   */
  async open(
    addresses: PoolAddresses,
    listeners: PoolListeners,
    passed: PassedDescriptors = NO_DESCRIPTORS,
  ): Promise<void> {
    this.#addresses = addresses;
    const { workers } = this.#parts.table.shape;
    const rows = Array.from({ length: workers }, (_, row) => row);
    const isRehearsed = this.#options.rehearsal;
    const startOf = (row: number): RowStart => ({
      row,
      listeners,
      descriptors: descriptorsOf(passed, row, workers),
    });
    await Promise.all(rows.map((row) => this.#start(startOf(row), isRehearsed)));
  }

  /** Lets all workers run with other options; resolves when each does. */
  async configure(options: PoolOptions): Promise<void> {
    const former = { options: this.#options, memory: this.#limits };
    this.#options = options;
    this.#limits = createLimitMemory(options, this.#parts.table.shape.workers, former);
    // those that are started later start with them
    if (this.#addresses === undefined) return;
    await this.#broadcast((sequence) => ({
      kind: 'options',
      sequence,
      options: this.#workerOptions,
      limits: this.#limits,
    }));
  }

  /**
   * Gives all workers the whole list of instances; resolves when each has stopped using what is not on it. Of the lists of
   * one turn of the event loop only the last is sent: a thousand replicas may start together.
   */
  publish(records: readonly UpstreamRecord[]): Promise<void> {
    this.#records = records;
    this.#publication ??= Promise.resolve().then(() => {
      this.#publication = undefined;
      this.#parts.metrics.follow(this.#records);
      return this.#broadcast((sequence) => ({ kind: 'upstreams', sequence, upstreams: this.#records }));
    });
    return this.#publication;
  }

  /** Sends a message to all workers in this turn; resolves when each has applied it. */
  async #broadcast(toMessage: (sequence: number) => MessageToWorker): Promise<void> {
    const sequence = ++this.#sequence;
    const message = toMessage(sequence);
    const applied = [...this.#workers.values()].map(
      (handle) =>
        new Promise<void>((resolve) => {
          handle.pending.set(sequence, resolve);
          this.#post(handle, message);
        }),
    );
    await Promise.all(applied);
  }

  get #workerOptions(): WorkerOptions {
    if (this.#addresses === undefined) throw new Error('the pool is not open');
    return { ...this.#options, ...this.#addresses };
  }

  /** Closes what tunnels there are to the replica of this ordinal, each at some moment of `withinMs`. */
  closeTunnels(ordinal: number, withinMs: number): void {
    for (const handle of this.#workers.values())
      this.#post(handle, { kind: 'close-tunnels', ordinal, withinMs });
  }

  /** Gives all workers the whole list of kinds of request that are not to be repeated. */
  setPoison(kinds: readonly string[]): void {
    this.#poison = kinds;
    for (const handle of this.#workers.values()) this.#post(handle, { kind: 'poison', kinds });
  }

  /** What new TLS connections get from now on; without it when the threads are started there is no TLS port. */
  setTlsMaterial(material: TlsMaterial): void {
    this.#tls = material;
    for (const handle of this.#workers.values()) this.#post(handle, { kind: 'tls', material });
  }

  /** Accepts no new connections and lets requests in flight finish, for at most `timeoutMs`. True when all did. */
  async drain(timeoutMs: number): Promise<boolean> {
    this.#isClosing = true;
    let timer: Timer | undefined;
    const timedOut = new Promise<false>((resolve) => {
      timer = this.#parts.clock.after(timeoutMs, () => resolve(false));
    });
    const inTime = await Promise.race([this.#drainAll().then(() => true as const), timedOut]);
    timer?.cancel();
    return inTime;
  }

  /** No worker tells its clients to open another connection before all have stopped accepting any. */
  async #drainAll(): Promise<void> {
    await this.#broadcast((sequence) => ({ kind: 'stop-accepting', sequence }));
    const drain = (handle: WorkerHandle): Promise<void> =>
      new Promise((resolve) => {
        handle.onDrained = resolve;
        this.#post(handle, { kind: 'drain' });
      });
    await Promise.all([...this.#workers.values()].map(drain));
  }

  /** Ends the workers, and with them every connection. Safe to call again. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([...this.#workers.values()].map((handle) => handle.worker.terminate()));
  }

  /** One that replaces another listens at once, since clients wait for it. */
  #start({ row, listeners, descriptors }: RowStart, isRehearsed = false): Promise<void> {
    const { table, metrics, clock } = this.#parts;
    const start: WorkerStart = {
      worker: row,
      table: table.buffer,
      shape: table.shape,
      metrics: metrics.memory,
      options: this.#workerOptions,
      limits: this.#limits,
      tls: this.#tls,
      descriptors,
      upstreams: this.#records,
      isRehearsed,
    };
    const worker = new Worker(fileURLToPath(ENTRY), {
      workerData: start,
      name: `data-${row}`,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb(start.options) },
    });
    return new Promise((resolve, reject) => {
      const handle: WorkerHandle = {
        worker,
        row,
        listeners,
        descriptors,
        startedMs: clock.nowMs(),
        pending: new Map(),
        onListening: (result) => ('port' in result ? resolve() : reject(result.error)),
        onDrained: undefined,
      };
      this.#workers.set(row, handle);
      if (this.#poison.length > 0) this.#post(handle, { kind: 'poison', kinds: this.#poison });
      worker.on('message', (message: MessageFromWorker) => this.#onMessage(handle, message));
      worker.on('error', (error) =>
        this.#parts.log.error({ thread: row, cause: messageOf(error) }, 'data thread failed'),
      );
      worker.on('exit', () => this.#onExit(handle));
    });
  }

  #post(handle: WorkerHandle, message: MessageToWorker): void {
    handle.worker.postMessage(message);
  }

  #onMessage(handle: WorkerHandle, message: MessageFromWorker): void {
    switch (message.kind) {
      case 'listening':
        handle.onListening?.(message);
        handle.onListening = undefined;
        break;
      case 'failed':
        handle.onListening?.({ error: publicListenError(message, this.#workerOptions) });
        handle.onListening = undefined;
        void handle.worker.terminate();
        break;
      case 'applied':
        handle.pending.get(message.sequence)?.();
        handle.pending.delete(message.sequence);
        break;
      case 'shedding':
        this.#log.shedding(handle.row, message.isShedding, message.connections);
        break;
      case 'rehearsed':
        this.#log.rehearsed(handle.row, message);
        break;
      case 'warning':
        this.#parts.log.warn({ thread: handle.row, cause: message.cause }, 'Node.js warning');
        break;
      case 'drained':
        handle.onDrained?.();
        break;
      default:
        this.#dispatch(handle, message);
    }
  }

  /** What others than the pool handle. */
  #dispatch(
    handle: WorkerHandle,
    message: Extract<MessageFromWorker, { kind: 'report' | 'lost' | 'settled' | 'judge' | 'log' }>,
  ): void {
    const { listeners } = handle;
    switch (message.kind) {
      case 'report':
        return listeners.onReport(message.ordinal, message.word, message.code);
      case 'lost':
        return listeners.judge.recordLoss(message.loss);
      case 'settled':
        return listeners.judge.recordSettlement(message.settlement);
      case 'judge': {
        const { sequence, generations } = message;
        return listeners.judge.judge(generations, (isPoison) =>
          this.#post(handle, { kind: 'verdict', sequence, isPoison }),
        );
      }
      case 'log': {
        const { text, lines } = message;
        const bytes = text.length;
        return listeners.onLog(text, lines, () => this.#post(handle, { kind: 'logged', bytes }));
      }
    }
  }

  /** Resolves what waited for the worker, and starts another in its place. */
  #onExit(handle: WorkerHandle): void {
    const { table, metrics, log, clock } = this.#parts;
    this.#workers.delete(handle.row);
    this.#log.forget(handle.row);
    table.releaseRow(handle.row);
    metrics.clear(handle.row);
    forgetConnections(this.#limits, table.shape.workers, handle.row);
    for (const resolve of handle.pending.values()) resolve();
    handle.onDrained?.();
    handle.onListening?.({
      error: new BalancerError('internal', 'the data thread exited before it was listening'),
    });
    if (this.#isClosing) return;
    if (handle.descriptors !== NO_DESCRIPTORS) {
      log.error({ thread: handle.row }, 'data thread died, and the sockets that were passed to it with it');
      return handle.listeners.onSocketsLost();
    }
    const livedMs = clock.nowMs() - handle.startedMs;
    const deaths = livedMs > RESTART_MAX_MS ? 1 : (this.#deaths.get(handle.row) ?? 0) + 1;
    this.#deaths.set(handle.row, deaths);
    const delayMs = backoffMs(deaths, RESTART_FIRST_MS, RESTART_MAX_MS);
    log.error({ thread: handle.row, ms: delayMs }, 'data thread died, restarting');
    void sleep(clock, delayMs).then(() => this.#restart(handle));
  }

  async #restart(start: RowStart): Promise<void> {
    const { row } = start;
    if (this.#isClosing) return;
    try {
      await this.#start(start);
      this.#parts.log.info({ thread: row }, 'data thread restarted');
    } catch (error) {
      this.#parts.log.error({ thread: row, cause: String(error) }, 'data thread restart failed');
    }
  }
}
