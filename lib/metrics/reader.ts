/**
 * What the data threads counted, added up for each replica by name. For the control plane alone.
 * Must not hold: how it is shown. Invariants: what is counted under a name only grows, whatever ordinals it has had,
 * and none of it passes to another name.
 *
 * An ordinal is used again for another name. What its cells held by then is noted, and not the new name's; nobody
 * but the threads ever writes a count. That note is right when it is made before the threads can hear of the new
 * replica, and after all have let go of the old one.
 */
import { HISTOGRAM_CELLS, HistogramView } from '../core/histogram.ts';
import {
  ABORTERS,
  type Aborter,
  blockOf,
  clearLevels,
  createMetricsMemory,
  FAILURES,
  GC_KINDS,
  type GcKind,
  type MetricsShape,
  mainRow,
  REPLICA,
  RETRY_REASONS,
  type RetryReason,
  rowOver,
  THREAD,
} from './layout.ts';

/** What was counted of the requests of one replica, or of several. */
export interface RequestCounts {
  readonly requests: number;
  /** Of 1xx, 2xx, 3xx, 4xx, 5xx; `requests` has those without a status too. */
  readonly byClass: readonly number[];
  /** Answers of 5xx, and attempts that failed. */
  readonly failures: number;
  readonly failedAttempts: number;
  readonly duration: HistogramView;
  readonly firstByte: HistogramView;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly overflows: number;
  readonly retries: Readonly<Record<RetryReason, number>>;
  readonly aborts: Readonly<Record<Aborter, number>>;
  readonly connect: HistogramView;
  readonly connectFailures: number;
  /** Attempts that were given a connection that had carried others, or a new one. */
  readonly reused: number;
  readonly fresh: number;
  readonly tunnels: number;
  /** Requests in the queue that wait for it first; those that every eligible replica has failed are nobody's. */
  readonly waiting: number;
  readonly openTunnels: number;
  readonly connections: { readonly idle: number; readonly busy: number; readonly connecting: number };
}

export interface ReplicaCounts extends RequestCounts {
  readonly name: string;
}

/** How one thread is. */
export interface ThreadHealthCounts {
  /** `data-0`, …, `main`. */
  readonly name: string;
  readonly loopDelay: HistogramView;
  /** Time in which it did not wait for something to do. */
  readonly activeMs: number;
  readonly gcRuns: Readonly<Record<GcKind, number>>;
  readonly gcMs: Readonly<Record<GcKind, number>>;
  readonly heap: { readonly usedBytes: number; readonly totalBytes: number; readonly externalBytes: number };
}

/** What was counted of the data threads together. */
export interface ThreadCounts {
  readonly clientConnections: number;
  readonly openClientConnections: number;
  readonly idleCloses: number;
  readonly budgetExhausted: number;
  /** Requests that only the last of all time limits ended. */
  readonly lastResorts: number;
  readonly queueWait: HistogramView;
  /** Answers of the balancer's own, by error code. */
  readonly failuresByCode: ReadonlyMap<string, number>;
  /** Threads that are no more. */
  readonly ended: number;
  /** Lines of the access log that were handed to the main thread, and that nobody will read. */
  readonly logLines: number;
  readonly logDropped: number;
}

export interface Snapshot {
  readonly atMs: number;
  /** In the order in which they were named. */
  readonly replicas: readonly ReplicaCounts[];
  /** What no replica answered: the balancer did. */
  readonly own: RequestCounts;
  /** All requests, those of replicas that are gone included. */
  readonly totals: RequestCounts;
  readonly threads: ThreadCounts;
  /** Of each data thread, and of the main thread. */
  readonly health: readonly ThreadHealthCounts[];
}

/** What is known of replicas that have gone, oldest first: as many names as may come back. */
const MOST_REMEMBERED = 1024;

export class MetricsReader {
  /** What the data threads write. */
  readonly memory: SharedArrayBuffer;
  readonly #shape: MetricsShape;
  readonly #nowMs: () => number;
  readonly #rows: readonly Float64Array[];
  /** Those of data threads alone. */
  readonly #dataRows: readonly Float64Array[];
  /** Who has each ordinal, and what its cells held when it was given to them. */
  readonly #owners = new Map<number, { readonly name: string; readonly before: Float64Array }>();
  /** What names counted under ordinals that they have no more. */
  readonly #past = new Map<string, Float64Array>();
  #ended = 0;

  /** `nowMs` is what snapshots are dated by. */
  constructor(shape: MetricsShape, nowMs: () => number) {
    this.memory = createMetricsMemory(shape);
    this.#shape = shape;
    this.#nowMs = nowMs;
    this.#rows = Array.from({ length: mainRow(shape) + 1 }, (_, worker) =>
      rowOver(this.memory, shape, worker),
    );
    this.#dataRows = this.#rows.slice(0, mainRow(shape));
  }

  /** Says whose the ordinals are from now on; to be called before a data thread hears of it. */
  follow(records: readonly { readonly ordinal: number; readonly name: string }[]): void {
    for (const { ordinal, name } of records) {
      const owner = this.#owners.get(ordinal);
      if (owner?.name === name) continue;
      const cells = this.#cellsOf(ordinal);
      if (owner !== undefined) this.#remember(owner.name, less(cells, owner.before));
      this.#owners.set(ordinal, { name, before: cells });
    }
  }

  /** The data thread of this row is no more. */
  clear(worker: number): void {
    this.#ended++;
    clearLevels(this.#rows[worker]!, this.#shape);
  }

  /** Everything that was counted until now, of the replicas `names` in their order. */
  read(names: readonly string[]): Snapshot {
    const { ordinals } = this.#shape;
    const totals = new Float64Array(REPLICA.size);
    for (let ordinal = 0; ordinal <= ordinals; ordinal++) this.#addTo(totals, ordinal);
    return {
      atMs: this.#nowMs(),
      replicas: [...new Set(names)].map((name) => ({ name, ...countsIn(this.#cellsUnder(name)) })),
      own: countsIn(this.#cellsOf(ordinals)),
      totals: countsIn(totals),
      threads: this.#threads(),
      health: this.#rows.map((row, worker) =>
        healthIn(row, worker === mainRow(this.#shape) ? 'main' : `data-${worker}`),
      ),
    };
  }

  /** The requests alone; much less work. */
  requestsOf(name: string): number {
    const classes = (cells: Float64Array | undefined): number =>
      cells?.slice(REPLICA.classes, REPLICA.classes + 6).reduce((sum, count) => sum + count, 0) ?? 0;
    let requests = classes(this.#past.get(name));
    for (const [ordinal, owner] of this.#owners) {
      if (owner.name !== name) continue;
      for (const row of this.#dataRows) requests += classes(row.subarray(blockOf(ordinal)));
      requests -= classes(owner.before);
    }
    return requests;
  }

  #cellsUnder(name: string): Float64Array {
    const cells = Float64Array.from(this.#past.get(name) ?? new Float64Array(REPLICA.size));
    for (const [ordinal, owner] of this.#owners) {
      if (owner.name !== name) continue;
      this.#addTo(cells, ordinal);
      for (let cell = 0; cell < REPLICA.levels; cell++) cells[cell] = cells[cell]! - owner.before[cell]!;
    }
    return cells;
  }

  #cellsOf(ordinal: number): Float64Array {
    const cells = new Float64Array(REPLICA.size);
    this.#addTo(cells, ordinal);
    return cells;
  }

  #addTo(cells: Float64Array, ordinal: number): void {
    const block = blockOf(ordinal);
    for (const row of this.#dataRows)
      for (let cell = 0; cell < REPLICA.size; cell++) cells[cell] = cells[cell]! + row[block + cell]!;
  }

  #remember(name: string, counted: Float64Array): void {
    const before = this.#past.get(name);
    this.#past.delete(name);
    this.#past.set(
      name,
      before === undefined ? counted : counted.map((cell, index) => cell + before[index]!),
    );
    const oldest = this.#past.keys().next().value;
    if (this.#past.size > MOST_REMEMBERED && oldest !== undefined) this.#past.delete(oldest);
  }

  #threads(): ThreadCounts {
    const cells = new Float64Array(THREAD.size);
    for (const row of this.#dataRows)
      for (let cell = 0; cell < THREAD.size; cell++) cells[cell] = cells[cell]! + row[cell]!;
    return {
      clientConnections: cells[THREAD.connections]!,
      openClientConnections: cells[THREAD.openConnections]!,
      idleCloses: cells[THREAD.idleCloses]!,
      budgetExhausted: cells[THREAD.budgetExhausted]!,
      lastResorts: cells[THREAD.lastResorts]!,
      queueWait: histogramIn(cells, THREAD.queueWait),
      failuresByCode: new Map(FAILURES.map((code, index) => [code, cells[THREAD.failures + index]!])),
      ended: this.#ended,
      logLines: cells[THREAD.logLines]!,
      // the main thread drops some too
      logDropped: cells[THREAD.logDropped]! + this.#rows.at(-1)![THREAD.logDropped]!,
    };
  }
}

/** What was counted since; levels are none of the past's. */
function less(cells: Float64Array, before: Float64Array): Float64Array {
  return cells.map((cell, index) => (index < REPLICA.levels ? cell - before[index]! : 0));
}

function countsIn(cells: Float64Array): RequestCounts {
  const classes = cells.subarray(REPLICA.classes, REPLICA.classes + 6);
  const byClass = [...classes.subarray(1)];
  const failedAttempts = cells[REPLICA.failedAttempts]!;
  return {
    requests: classes.reduce((sum, count) => sum + count, 0),
    byClass,
    failures: byClass[4]! + failedAttempts,
    failedAttempts,
    duration: histogramIn(cells, REPLICA.duration),
    firstByte: histogramIn(cells, REPLICA.firstByte),
    bytesIn: cells[REPLICA.bytesIn]!,
    bytesOut: cells[REPLICA.bytesOut]!,
    overflows: cells[REPLICA.overflows]!,
    retries: named(RETRY_REASONS, cells, REPLICA.retries),
    aborts: named(ABORTERS, cells, REPLICA.aborts),
    connect: histogramIn(cells, REPLICA.connect),
    connectFailures: cells[REPLICA.connectFailures]!,
    reused: cells[REPLICA.reused]!,
    fresh: cells[REPLICA.fresh]!,
    tunnels: cells[REPLICA.tunnels]!,
    waiting: cells[REPLICA.waiting]!,
    openTunnels: cells[REPLICA.openTunnels]!,
    connections: {
      idle: cells[REPLICA.idleConnections]!,
      busy: cells[REPLICA.busyConnections]!,
      connecting: cells[REPLICA.connecting]!,
    },
  };
}

function healthIn(cells: Float64Array, name: string): ThreadHealthCounts {
  return {
    name,
    loopDelay: histogramIn(cells, THREAD.loopDelay),
    activeMs: cells[THREAD.activeMs]!,
    gcRuns: named(GC_KINDS, cells, THREAD.gcRuns),
    gcMs: named(GC_KINDS, cells, THREAD.gcMs),
    heap: {
      usedBytes: cells[THREAD.heapUsed]!,
      totalBytes: cells[THREAD.heapTotal]!,
      externalBytes: cells[THREAD.heapExternal]!,
    },
  };
}

function histogramIn(cells: Float64Array, start: number): HistogramView {
  return new HistogramView(cells.slice(start, start + HISTOGRAM_CELLS));
}

function named<K extends string>(
  names: readonly K[],
  cells: Float64Array,
  start: number,
): Readonly<Record<K, number>> {
  return Object.fromEntries(names.map((name, index) => [name, cells[start + index]!])) as Record<K, number>;
}
