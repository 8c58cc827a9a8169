/**
 * What the data threads counted, added up for each replica by name. For the control plane alone.
 * Must not hold: how it is shown. Invariants: what is counted under a name only grows until the name begins anew, and
 * none of it passes to another name. All names that are read, what is removed and what is the balancer's own add up to
 * the totals, which never fall; nor does what is removed.
 *
 * An ordinal is used again for another name. What its cells held by then is noted, and not the new name's; nobody
 * but the threads ever writes a count. That note is right when it is made before the threads can hear of the new
 * replica, and after all have let go of the old one.
 */
import { HISTOGRAM_CELLS, HistogramView } from '../core/policy/histogram.ts';
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
  /** Another one where the name was given to a new replica; what it counted before is not in here. */
  readonly life: number;
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
  /** What replicas counted that are not among those. */
  readonly removed: RequestCounts;
  /** All requests, those of replicas that are gone included. */
  readonly totals: RequestCounts;
  readonly threads: ThreadCounts;
  /** Of each data thread, and of the main thread. */
  readonly health: readonly ThreadHealthCounts[];
}

interface Owner {
  readonly name: string;
  readonly before: Float64Array;
  readonly life: number;
}

export class MetricsReader {
  /** What the data threads write. */
  readonly memory: SharedArrayBuffer;
  readonly #shape: MetricsShape;
  readonly #nowMs: () => number;
  readonly #rows: readonly Float64Array[];
  /** Those of data threads alone. */
  readonly #dataRows: readonly Float64Array[];
  /** Who has each ordinal, and what its cells held when it was given to them. */
  readonly #owners = new Map<number, Owner>();
  #lives = 0;
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

  /** A new replica is to have this name. What was counted under it before belongs to a removed one. */
  begin(name: string): void {
    for (const [ordinal, owner] of this.#owners) if (owner.name === name) this.#owners.delete(ordinal);
  }

  /** Says whose the ordinals are from now on; to be called before a data thread hears of it. */
  follow(records: readonly { readonly ordinal: number; readonly name: string }[]): void {
    for (const { ordinal, name } of records) {
      if (this.#owners.get(ordinal)?.name === name) continue;
      this.#owners.set(ordinal, { name, before: this.#cellsOf(ordinal), life: ++this.#lives });
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
    const atMs = this.#nowMs();
    const blocks = this.#blocks();
    const blockAt = (ordinal: number): Float64Array =>
      blocks.subarray(ordinal * REPLICA.size, (ordinal + 1) * REPLICA.size);
    const found = new Map<string, Counted>(names.map((name) => [name, { cells: undefined, life: 0 }]));
    const [totals, removed, nothing] = [emptyBlock(), emptyBlock(), emptyBlock()];
    // always in this order: sums of fractions that are rounded on the way then never fall
    for (let ordinal = 0; ordinal <= ordinals; ordinal++) {
      const block = blockAt(ordinal);
      add(totals, block, REPLICA.size);
      const owner = this.#owners.get(ordinal);
      const counted = owner && found.get(owner.name);
      if (owner === undefined || counted === undefined) {
        if (ordinal < ordinals) add(removed, block, REPLICA.levels);
        continue;
      }
      add(removed, owner.before, REPLICA.levels);
      // the copy is ours, so it is changed in place
      subtract(block, owner.before);
      if (counted.cells === undefined) counted.cells = block;
      else add(counted.cells, block, REPLICA.size);
      counted.life = Math.max(counted.life, owner.life);
    }
    return {
      atMs,
      replicas: [...found].map(([name, { cells = nothing, life }]) => ({ name, life, ...countsIn(cells) })),
      own: countsIn(blockAt(ordinals)),
      removed: countsIn(removed),
      totals: countsIn(totals),
      threads: this.#threads(),
      health: this.#rows.map((row, worker) =>
        healthIn(row, worker === mainRow(this.#shape) ? 'main' : `data-${worker}`),
      ),
    };
  }

  /** The requests alone, of the replicas `names`; much less work. */
  requestsOf(names: readonly string[]): ReadonlyMap<string, number> {
    const requests = new Map(names.map((name) => [name, 0]));
    for (const [ordinal, { name, before }] of this.#owners) {
      const sum = requests.get(name);
      if (sum === undefined) continue;
      const block = blockOf(ordinal);
      let since = 0;
      for (let cell = REPLICA.classes; cell < REPLICA.classes + CLASS_CELLS; cell++) {
        since -= before[cell]!;
        for (const row of this.#dataRows) since += row[block + cell]!;
      }
      requests.set(name, sum + since);
    }
    return requests;
  }

  /** What all data threads hold of all ordinals, one behind the other. */
  #blocks(): Float64Array {
    const [first, ...others] = this.#dataRows;
    const blocks = first!.slice(blockOf(0));
    for (const row of others) add(blocks, row.subarray(blockOf(0)), blocks.length);
    return blocks;
  }

  #cellsOf(ordinal: number): Float64Array {
    const cells = emptyBlock();
    for (const row of this.#dataRows) add(cells, row.subarray(blockOf(ordinal)), REPLICA.size);
    return cells;
  }

  #threads(): ThreadCounts {
    const cells = new Float64Array(THREAD.size);
    for (const row of this.#dataRows) add(cells, row, THREAD.size);
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

function emptyBlock(): Float64Array {
  return new Float64Array(REPLICA.size);
}

/** Counts of one name while they are added up; without cells it has no ordinal yet. */
interface Counted {
  cells: Float64Array | undefined;
  life: number;
}

/** The classes of statuses, and those without one. */
const CLASS_CELLS = 6;

function add(sums: Float64Array, cells: Float64Array, count: number): void {
  for (let cell = 0; cell < count; cell++) sums[cell] = sums[cell]! + cells[cell]!;
}

/** Takes away what was counted before; levels are none of the past's. */
function subtract(cells: Float64Array, before: Float64Array): void {
  for (let cell = 0; cell < REPLICA.levels; cell++) cells[cell] = cells[cell]! - before[cell]!;
}

/** The counts in cells that nobody writes any more. */
function countsIn(cells: Float64Array): RequestCounts {
  const classes = cells.subarray(REPLICA.classes, REPLICA.classes + CLASS_CELLS);
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

function healthIn(row: Float64Array, name: string): ThreadHealthCounts {
  const cells = row.slice(0, THREAD.size);
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
  return new HistogramView(cells.subarray(start, start + HISTOGRAM_CELLS));
}

function named<K extends string>(
  names: readonly K[],
  cells: Float64Array,
  start: number,
): Readonly<Record<K, number>> {
  return Object.fromEntries(names.map((name, index) => [name, cells[start + index]!])) as Record<K, number>;
}
