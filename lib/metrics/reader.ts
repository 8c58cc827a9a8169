/**
 * Adds up what the data threads count, for each replica by name; for the control plane alone.
 * Invariants: what is counted under a name only grows until the name is reused, and none of it passes to another
 * name; the names read, the removed ones and the balancer's own add up to the totals; totals and removed never fall.
 */
import { HISTOGRAM_CELLS, HistogramView } from '../core/policy/histogram.ts';
import {
  ABORTERS,
  type Aborter,
  add,
  blockOf,
  CLASS_CELLS,
  clearLevels,
  createMetricsMemory,
  emptyBlock,
  FAILURES,
  GC_KINDS,
  type GcKind,
  HANDSHAKES,
  type HandshakeResult,
  type MetricsShape,
  mainRow,
  REPLICA,
  RETRY_REASONS,
  type RetryReason,
  requestsIn,
  roundTimes,
  rowOver,
  subtract,
  THREAD,
} from './layout.ts';

/** What was counted of the requests of one replica, or of several. */
export interface RequestCounts {
  readonly requests: number;
  /** Of 1xx, 2xx, 3xx, 4xx, 5xx; `requests` has those without a status too. */
  readonly byClass: readonly number[];
  /** Responses of 5xx, and attempts that failed. */
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
  /** Attempts on a reused connection, and on a new one. */
  readonly reused: number;
  readonly fresh: number;
  readonly tunnels: number;
  /** Queued requests whose first choice it is; those that every eligible replica has failed are not counted. */
  readonly waiting: number;
  readonly openTunnels: number;
  readonly connections: { readonly idle: number; readonly busy: number; readonly connecting: number };
}

export interface ReplicaCounts extends RequestCounts {
  readonly name: string;
  /** Changes when the name is given to a new replica, whose counts start from zero. */
  readonly life: number;
}

/** The state of one thread. */
export interface ThreadHealthCounts {
  /** `data-0`, …, `main`. */
  readonly name: string;
  readonly loopDelay: HistogramView;
  /** Time in which its event loop was not idle. */
  readonly activeMs: number;
  readonly gcRuns: Readonly<Record<GcKind, number>>;
  readonly gcMs: Readonly<Record<GcKind, number>>;
  readonly heap: { readonly usedBytes: number; readonly totalBytes: number; readonly externalBytes: number };
}

/** The counters of all data threads together. */
export interface ThreadCounts {
  readonly clientConnections: number;
  readonly openClientConnections: number;
  readonly idleCloses: number;
  readonly handshakes: Readonly<Record<HandshakeResult, number>>;
  readonly budgetExhausted: number;
  /** Requests that only the last-resort time limit ended. */
  readonly lastResorts: number;
  readonly queueWait: HistogramView;
  /** Failures that the balancer itself responded with, by error code. */
  readonly failuresByCode: ReadonlyMap<string, number>;
  /** Threads that have ended. */
  readonly ended: number;
  /** Lines of the access log that were passed to the main thread, and that were dropped. */
  readonly logLines: number;
  readonly logDropped: number;
}

export interface Snapshot {
  readonly atMs: number;
  /** In the order of the names. */
  readonly replicas: readonly ReplicaCounts[];
  /** Requests that the balancer itself responded to. */
  readonly own: RequestCounts;
  /** The counts of all other replicas. */
  readonly removed: RequestCounts;
  /** All requests, those of removed replicas included. */
  readonly totals: RequestCounts;
  readonly threads: ThreadCounts;
  /** One for each data thread, and one for the main thread. */
  readonly health: readonly ThreadHealthCounts[];
}

interface Owner {
  readonly name: string;
  readonly before: Float64Array;
  readonly life: number;
}

export class MetricsReader {
  /** The shared memory that the data threads write. */
  readonly memory: SharedArrayBuffer;
  readonly #shape: MetricsShape;
  readonly #nowMs: () => number;
  readonly #rows: readonly Float64Array[];
  /** Those of data threads alone. */
  readonly #dataRows: readonly Float64Array[];
  /** The replica of each ordinal, and what its cells held when it got the ordinal. */
  readonly #owners = new Map<number, Owner>();
  /** What was counted of a replica on ordinals that others have now. */
  readonly #former = new Map<string, Float64Array>();
  #lives = 0;
  #ended = 0;

  /** `nowMs` gives the time of a snapshot. */
  constructor(shape: MetricsShape, nowMs: () => number) {
    this.memory = createMetricsMemory(shape);
    this.#shape = shape;
    this.#nowMs = nowMs;
    this.#rows = Array.from({ length: mainRow(shape) + 1 }, (_, worker) =>
      rowOver(this.memory, shape, worker),
    );
    this.#dataRows = this.#rows.slice(0, mainRow(shape));
  }

  /** A new replica gets this name; earlier counts under it belong to a removed one. */
  begin(name: string): void {
    for (const [ordinal, owner] of this.#owners) if (owner.name === name) this.#owners.delete(ordinal);
    this.#former.delete(name);
  }

  /**
   * Assigns ordinals to names from now on; to be called before any thread can learn of a new replica, and after all
   * threads have dropped the one that had its ordinal. What the cells of the ordinal held until then is remembered
   * and subtracted, since only the threads write counters; a replica that has another ordinal now keeps its counts.
   */
  follow(records: readonly { readonly ordinal: number; readonly name: string }[]): void {
    for (const { ordinal, name } of records) {
      const last = this.#owners.get(ordinal);
      if (last?.name === name) continue;
      const cells = this.#cellsOf(ordinal);
      const life = this.#lifeOf(name) ?? ++this.#lives;
      this.#owners.set(ordinal, { name, before: cells, life });
      if (last !== undefined) this.#retire(last, cells);
    }
  }

  #lifeOf(name: string): number | undefined {
    for (const owner of this.#owners.values()) if (owner.name === name) return owner.life;
    return undefined;
  }

  /** Another replica has the ordinal of this one, which counted up to `cells`. */
  #retire({ name, before }: Owner, cells: Float64Array): void {
    if (this.#lifeOf(name) === undefined) {
      this.#former.delete(name);
      return;
    }
    const counted = cells.slice();
    subtract(counted, before);
    add(counted, this.#former.get(name) ?? emptyBlock(), REPLICA.levels);
    this.#former.set(name, counted);
  }

  /** The data thread of this row has ended. */
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
    for (let ordinal = 0; ordinal <= ordinals; ordinal++) {
      const block = blockAt(ordinal);
      add(totals, block, REPLICA.size);
      if (ordinal < ordinals) add(removed, block, REPLICA.levels);
      const owner = this.#owners.get(ordinal);
      const counted = owner && found.get(owner.name);
      if (owner === undefined || counted === undefined) continue;
      // the block is a copy, so it may be changed in place
      subtract(block, owner.before);
      if (counted.cells === undefined) counted.cells = block;
      else add(counted.cells, block, REPLICA.size);
      counted.life = owner.life;
    }
    for (const [name, { cells }] of found) {
      if (cells === undefined) continue;
      add(cells, this.#former.get(name) ?? nothing, REPLICA.levels);
      subtract(removed, cells);
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

  /** Only the number of requests of the replicas `names`; much cheaper than `read`. */
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
    for (const [name, sum] of requests) {
      const former = this.#former.get(name);
      if (former !== undefined) requests.set(name, sum + requestsIn(former));
    }
    return requests;
  }

  /** The blocks of all ordinals, summed over the data threads. */
  #blocks(): Float64Array {
    const [first, ...others] = this.#dataRows;
    const blocks = first!.slice(blockOf(0));
    for (const row of others) add(blocks, row.subarray(blockOf(0)), blocks.length);
    for (let block = 0; block < blocks.length; block += REPLICA.size) roundTimes(blocks, block);
    return blocks;
  }

  #cellsOf(ordinal: number): Float64Array {
    const cells = emptyBlock();
    for (const row of this.#dataRows) add(cells, row.subarray(blockOf(ordinal)), REPLICA.size);
    roundTimes(cells, 0);
    return cells;
  }

  #threads(): ThreadCounts {
    const cells = new Float64Array(THREAD.size);
    for (const row of this.#dataRows) add(cells, row, THREAD.size);
    return {
      clientConnections: cells[THREAD.connections]!,
      openClientConnections: cells[THREAD.openConnections]!,
      idleCloses: cells[THREAD.idleCloses]!,
      handshakes: named(HANDSHAKES, cells, THREAD.handshakes),
      budgetExhausted: cells[THREAD.budgetExhausted]!,
      lastResorts: cells[THREAD.lastResorts]!,
      queueWait: histogramIn(cells, THREAD.queueWait),
      failuresByCode: new Map(FAILURES.map((code, index) => [code, cells[THREAD.failures + index]!])),
      ended: this.#ended,
      logLines: cells[THREAD.logLines]!,
      // the main thread drops lines too
      logDropped: cells[THREAD.logDropped]! + this.#rows.at(-1)![THREAD.logDropped]!,
    };
  }
}

/** The counts of one name while they are summed; without cells it has no ordinal yet. */
interface Counted {
  cells: Float64Array | undefined;
  life: number;
}

/** The counts in a copied block. */
function countsIn(cells: Float64Array): RequestCounts {
  const byClass = [...cells.subarray(REPLICA.classes + 1, REPLICA.classes + CLASS_CELLS)];
  const failedAttempts = cells[REPLICA.failedAttempts]!;
  return {
    requests: requestsIn(cells),
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
