/**
 * The data threads, seen from the control plane: starts them, tells them of endpoints, starts those that die again.
 * Must not hold: requests. Runs on the main thread.
 * Invariants: `publish` resolves once every thread that lives has let go of what is no longer listed; what a dead
 * thread held in flight is given back before another takes its row.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { backoffMs } from '../core/policy/backoff.ts';
import type { Loss, Settlement } from '../core/policy/poison.ts';
import type { UpstreamRecord } from '../core/replica.ts';
import type { RouteTableWriter } from '../core/routing/route-table.ts';
import type { MetricsReader } from '../metrics/reader.ts';
import { type Clock, sleep, type Timer } from '../platform/clock.ts';
import { BalancerError, messageOf } from '../platform/errors.ts';
import { listenError } from '../platform/listen-error.ts';
import type { Logger } from '../platform/log.ts';
import { PUBLIC_PORT_FLAGS } from './bind.ts';
import { createLimitMemory, forgetConnections, type LimitMemory } from './downstream/client-limits.ts';
import type {
  Evidence,
  MessageFromWorker,
  MessageToWorker,
  WorkerOptions,
  WorkerStart,
} from './worker-protocol.ts';

/** Whoever judges requests on which instances end. */
export interface PoisonJudge {
  recordLoss(loss: Loss): void;
  recordSettlement(settlement: Settlement): void;
  judge(generations: readonly number[], onVerdict: (isPoison: boolean) => void): void;
}

export interface WorkerPoolDeps {
  readonly table: RouteTableWriter;
  /** Where the threads count. */
  readonly metrics: MetricsReader;
  readonly options: Omit<WorkerOptions, keyof PoolAddresses>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The addresses that the threads need, which are known once the admin server listens. */
export type PoolAddresses = Pick<WorkerOptions, 'port' | 'admin'>;

/** Who is told what the threads find. */
export interface PoolListeners {
  /** Takes lines of the access log; `onDone` says that they are written, or never will be. */
  readonly onLog: (text: string, lines: number, onDone: () => void) => void;
  /** Hears of requests that have lost an instance, and judges them. */
  readonly judge: PoisonJudge;
  /** Traffic found the replica of this ordinal wanting, when its state word was `word`. */
  readonly onReport: (ordinal: number, word: number, code: Evidence) => void;
}

/** The thread's entry has the ending of the file that this is: .ts in the source tree, .js when compiled. */
const ENTRY = new URL(`./worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);
/** What a request leaves behind is garbage within microseconds. With 16 MB it costs the same and 8 MB more stay resident. */
const YOUNG_GENERATION_MB = 12;
/** Between the death of a thread and the next start: from here … */
const RESTART_FIRST_MS = 100;
/** … doubling to here; a thread that lived for this long starts at the beginning again. */
const RESTART_MAX_MS = 10_000;

/** What a thread is started with, and started again after it died. */
interface ThreadStart {
  readonly row: number;
  readonly options: WorkerOptions;
  readonly listeners: PoolListeners;
}

interface WorkerHandle extends ThreadStart {
  readonly worker: Worker;
  readonly startedMs: number;
  /** Publications that it has not answered yet. */
  readonly unseen: Map<number, () => void>;
  onListening: ((result: { readonly port: number } | { readonly error: BalancerError }) => void) | undefined;
  onDrained: (() => void) | undefined;
}

export class WorkerPool {
  readonly #parts: WorkerPoolDeps;
  readonly #threads = new Map<number, WorkerHandle>();
  /** Threads that turn connections away. */
  readonly #shedding = new Set<number>();
  readonly #deaths = new Map<number, number>();
  #records: readonly UpstreamRecord[] = [];
  /** Kinds of request that are not to be repeated. */
  #poison: readonly string[] = [];
  /** That of the present turn. */
  #publication: Promise<void> | undefined;
  #sequence = 0;
  #isClosing = false;
  readonly #limits: LimitMemory;

  constructor(parts: WorkerPoolDeps) {
    this.#parts = parts;
    this.#limits = createLimitMemory(parts.options, parts.table.shape.workers);
  }

  /** Starts the threads; resolves when all listen. Throws `port-in-use` or what else kept one from listening. */
  async open(addresses: PoolAddresses, listeners: PoolListeners): Promise<void> {
    const options = { ...this.#parts.options, ...addresses };
    const rows = Array.from({ length: this.#parts.table.shape.workers }, (_, row) => row);
    await Promise.all(rows.map((row) => this.#start({ row, options, listeners })));
  }

  /**
   * Tells all threads the whole list of endpoints; resolves when each has let go of what is not on it. Of the lists of
   * one turn the last is told: a thousand replicas may begin together.
   */
  publish(records: readonly UpstreamRecord[]): Promise<void> {
    this.#records = records;
    this.#publication ??= Promise.resolve().then(() => {
      this.#publication = undefined;
      return this.#publish(this.#records);
    });
    return this.#publication;
  }

  async #publish(records: readonly UpstreamRecord[]): Promise<void> {
    this.#parts.metrics.follow(records);
    const sequence = ++this.#sequence;
    const seen = [...this.#threads.values()].map(
      (thread) =>
        new Promise<void>((resolve) => {
          thread.unseen.set(sequence, resolve);
          this.#tell(thread, { kind: 'upstreams', sequence, upstreams: records });
        }),
    );
    await Promise.all(seen);
  }

  /** Tells all threads which kinds of request are not to be repeated; the whole list. */
  setPoison(kinds: readonly string[]): void {
    this.#poison = kinds;
    for (const thread of this.#threads.values()) this.#tell(thread, { kind: 'poison', kinds });
  }

  /** Takes no new connections and lets requests in flight finish, for at most `timeoutMs`. True when all did. */
  async drain(timeoutMs: number): Promise<boolean> {
    this.#isClosing = true;
    const drained = [...this.#threads.values()].map(
      (thread) =>
        new Promise<void>((resolve) => {
          thread.onDrained = resolve;
          this.#tell(thread, { kind: 'drain' });
        }),
    );
    let timer: Timer | undefined;
    const timedOut = new Promise<false>((resolve) => {
      timer = this.#parts.clock.after(timeoutMs, () => resolve(false));
    });
    const inTime = await Promise.race([Promise.all(drained).then(() => true as const), timedOut]);
    timer?.cancel();
    return inTime;
  }

  /** Ends the threads, and with them every connection. Safe to call again. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([...this.#threads.values()].map((thread) => thread.worker.terminate()));
  }

  #start({ row, options, listeners }: ThreadStart): Promise<void> {
    const { table, metrics, clock } = this.#parts;
    const start: WorkerStart = {
      worker: row,
      table: table.buffer,
      shape: table.shape,
      metrics: metrics.memory,
      options,
      limits: this.#limits,
      upstreams: this.#records,
    };
    const worker = new Worker(fileURLToPath(ENTRY), {
      workerData: start,
      name: `data-${row}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    return new Promise((resolve, reject) => {
      const thread: WorkerHandle = {
        worker,
        row,
        options,
        listeners,
        startedMs: clock.nowMs(),
        unseen: new Map(),
        onListening: (result) => ('port' in result ? resolve() : reject(result.error)),
        onDrained: undefined,
      };
      this.#threads.set(row, thread);
      if (this.#poison.length > 0) this.#tell(thread, { kind: 'poison', kinds: this.#poison });
      worker.on('message', (message: MessageFromWorker) => this.#hear(thread, message));
      worker.on('error', (error) =>
        this.#parts.log.error({ thread: row, cause: messageOf(error) }, 'data thread failed'),
      );
      worker.on('exit', () => this.#ended(thread));
    });
  }

  #tell(thread: WorkerHandle, message: MessageToWorker): void {
    thread.worker.postMessage(message);
  }

  #hear(thread: WorkerHandle, message: MessageFromWorker): void {
    switch (message.kind) {
      case 'listening':
        thread.onListening?.(message);
        thread.onListening = undefined;
        break;
      case 'failed':
        thread.onListening?.({ error: listenError(message, thread.options, PUBLIC_PORT_FLAGS) });
        thread.onListening = undefined;
        void thread.worker.terminate();
        break;
      case 'seen':
        thread.unseen.get(message.sequence)?.();
        thread.unseen.delete(message.sequence);
        break;
      case 'report':
        thread.listeners.onReport(message.ordinal, message.word, message.code);
        break;
      case 'lost':
        thread.listeners.judge.recordLoss(message.loss);
        break;
      case 'settled':
        thread.listeners.judge.recordSettlement(message.settlement);
        break;
      case 'judge': {
        const { sequence, generations } = message;
        thread.listeners.judge.judge(generations, (isPoison) =>
          this.#tell(thread, { kind: 'verdict', sequence, isPoison }),
        );
        break;
      }
      case 'shedding':
        this.#noteShedding(thread.row, message.isShedding, message.connections);
        break;
      case 'log': {
        const { text, lines } = message;
        thread.listeners.onLog(text, lines, () => this.#tell(thread, { kind: 'logged', bytes: text.length }));
        break;
      }
      case 'warning':
        this.#parts.log.warn({ thread: thread.row, cause: message.cause }, 'Node.js warning');
        break;
      case 'drained':
        thread.onDrained?.();
        break;
    }
  }

  /** Said once for all threads: they fill together. */
  #noteShedding(row: number, isShedding: boolean, connections: number): void {
    const { log } = this.#parts;
    const was = this.#shedding.size;
    if (isShedding) this.#shedding.add(row);
    else this.#shedding.delete(row);
    if (was === 0 && isShedding)
      log.warn({ connections }, 'as many client connections as there can be; further ones are answered 503');
    if (was > 0 && this.#shedding.size === 0) log.info({}, 'client connections are taken again');
  }

  /** Nobody waits for a thread that is gone; another takes its place. */
  #ended(thread: WorkerHandle): void {
    const { table, metrics, log, clock } = this.#parts;
    this.#threads.delete(thread.row);
    this.#shedding.delete(thread.row);
    table.giveBack(thread.row);
    metrics.clear(thread.row);
    forgetConnections(this.#limits, table.shape.workers, thread.row);
    for (const seen of thread.unseen.values()) seen();
    thread.onDrained?.();
    thread.onListening?.({
      error: new BalancerError('internal', 'the data thread ended before it listened'),
    });
    if (this.#isClosing) return;
    const lived = clock.nowMs() - thread.startedMs;
    const deaths = lived > RESTART_MAX_MS ? 1 : (this.#deaths.get(thread.row) ?? 0) + 1;
    this.#deaths.set(thread.row, deaths);
    const delayMs = backoffMs(deaths, RESTART_FIRST_MS, RESTART_MAX_MS);
    log.error({ thread: thread.row, ms: delayMs }, 'data thread died; another is started');
    void sleep(clock, delayMs).then(() => this.#restart(thread));
  }

  async #restart(thread: ThreadStart): Promise<void> {
    const { row } = thread;
    if (this.#isClosing) return;
    try {
      await this.#start(thread);
      this.#parts.log.info({ thread: row }, 'data thread listens again');
    } catch (error) {
      this.#parts.log.error({ thread: row, cause: String(error) }, 'data thread did not start');
    }
  }
}
