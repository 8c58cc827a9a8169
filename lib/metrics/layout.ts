/**
 * Where each counter lies in the memory that threads write and the control plane reads: a row for each data thread
 * and one for the main thread, each with the counters of the thread, a block for each ordinal, and one block more for
 * requests that the balancer itself responded to; and how blocks are added up.
 * Invariants: a thread writes its own row alone, so no count is lost without Atomics; cells are doubles, exact up to
 * 2^53, and an aligned double is written whole on every 64-bit machine. Counters only grow, also when a thread dies
 * and another continues in its row; gauges ("levels") are cleared then.
 */
import { HISTOGRAM_CELLS } from '../core/policy/histogram.ts';
import { ERRORS, type ErrorCode } from '../platform/errors.ts';

/** Why a request was retried. */
export const RETRY_REASONS = [
  'connect-refused',
  'connect-failed',
  'connect-timeout',
  'upstream-closed',
  'upstream-reset',
  'stream-refused',
  'upstream-gone',
  'response-timeout',
  'stale-connection',
] as const satisfies readonly (ErrorCode | 'stale-connection')[];
export type RetryReason = (typeof RETRY_REASONS)[number];

/** Why the balancer itself responded to a request. */
export const FAILURES = Object.keys(ERRORS) as readonly ErrorCode[];

/** Who ended a request before its response was complete. */
export const ABORTERS = ['client', 'replica', 'balancer'] as const;
export type Aborter = (typeof ABORTERS)[number];

/** Kinds of garbage collection, as `perf_hooks` names them. */
export const GC_KINDS = ['minor', 'major', 'incremental', 'weakcb'] as const;
export type GcKind = (typeof GC_KINDS)[number];

/** What comes of a TLS handshake. */
export const HANDSHAKES = ['full', 'resumed', 'failed'] as const;
export type HandshakeResult = (typeof HANDSHAKES)[number];

/** Gives every name as many cells as `widths` says; `size` is their sum. */
function columns<K extends string>(
  widths: Readonly<Record<K, number>>,
): { readonly [key in K]: number } & { readonly size: number } {
  let size = 0;
  const starts: Record<string, number> = {};
  for (const [name, width] of Object.entries<number>(widths)) {
    starts[name] = size;
    size += width;
  }
  return { ...(starts as Record<K, number>), size };
}

/** The columns of one ordinal. */
export const REPLICA = columns({
  /** Requests by the first digit of their status; 0 where the client closed the connection before there was one. */
  classes: 6,
  /** From the request's head to the end of the response, and to the head of the response. */
  duration: HISTOGRAM_CELLS,
  firstByte: HISTOGRAM_CELLS,
  /** Time to connect. */
  connect: HISTOGRAM_CELLS,
  bytesIn: 1,
  bytesOut: 1,
  /** Requests that another replica got because this one, their owner, was at its load bound. */
  overflows: 1,
  failedAttempts: 1,
  /** Failed requests without a status that count against the replica: see `proxy/exchange/replica-lease.ts`. */
  faults: 1,
  /** Reads of response bytes from its connections: while the number grows the replica is alive. */
  reads: 1,
  retries: RETRY_REASONS.length,
  aborts: ABORTERS.length,
  /** Attempts on a reused connection, and on a new one. */
  reused: 1,
  fresh: 1,
  connectFailures: 1,
  tunnels: 1,
  /** From here on gauges. */
  levels: 0,
  /** Queued requests whose first choice is this replica. */
  waiting: 1,
  openTunnels: 1,
  idleConnections: 1,
  busyConnections: 1,
  connecting: 1,
});

/** The columns of one thread. */
export const THREAD = columns({
  connections: 1,
  /** Client connections that were closed because no request came on them. */
  idleCloses: 1,
  /** TLS handshakes by what came of them. */
  handshakes: HANDSHAKES.length,
  budgetExhausted: 1,
  /** Requests that only the last-resort time limit ended. */
  lastResorts: 1,
  failures: FAILURES.length,
  /** Requests that were queued. */
  held: 1,
  /** Time in the queue, of every request that waited. */
  queueWait: HISTOGRAM_CELLS,
  /** How late a timer of the thread fired. */
  loopDelay: HISTOGRAM_CELLS,
  /** Milliseconds in which the event loop was not idle. */
  activeMs: 1,
  /** Lines of the access log that were passed to the main thread, and that were dropped. */
  logLines: 1,
  logDropped: 1,
  gcRuns: GC_KINDS.length,
  gcMs: GC_KINDS.length,
  /** From here on gauges. */
  levels: 0,
  openConnections: 1,
  heapUsed: 1,
  heapTotal: 1,
  heapExternal: 1,
});

export interface MetricsShape {
  /** How many replicas can have a number at once. */
  readonly ordinals: number;
  /** How many data threads. */
  readonly workers: number;
}

/** The block of the balancer's own responses is that of ordinal `shape.ordinals`. */
function rowCells({ ordinals }: MetricsShape): number {
  return THREAD.size + (ordinals + 1) * REPLICA.size;
}

/** Where the block of an ordinal begins in a row. */
export function blockOf(ordinal: number): number {
  return THREAD.size + ordinal * REPLICA.size;
}

/** The row of the main thread, which counts nothing of requests. */
export function mainRow({ workers }: MetricsShape): number {
  return workers;
}

export function createMetricsMemory(shape: MetricsShape): SharedArrayBuffer {
  const rows = mainRow(shape) + 1;
  return new SharedArrayBuffer(rowCells(shape) * rows * Float64Array.BYTES_PER_ELEMENT);
}

/** The row of one thread. */
export function rowOver(memory: SharedArrayBuffer, shape: MetricsShape, worker: number): Float64Array {
  const cells = rowCells(shape);
  return new Float64Array(memory, worker * cells * Float64Array.BYTES_PER_ELEMENT, cells);
}

/** Clears the gauges of a thread that has ended. */
export function clearLevels(row: Float64Array, { ordinals }: MetricsShape): void {
  row.fill(0, THREAD.levels, THREAD.size);
  for (let ordinal = 0; ordinal <= ordinals; ordinal++)
    row.fill(0, blockOf(ordinal) + REPLICA.levels, blockOf(ordinal + 1));
}

/** Status classes, and requests without a status. */
export const CLASS_CELLS = 6;

export function emptyBlock(): Float64Array {
  return new Float64Array(REPLICA.size);
}

export function add(sums: Float64Array, cells: Float64Array, count: number): void {
  for (let cell = 0; cell < count; cell++) sums[cell] = sums[cell]! + cells[cell]!;
}

/** Times are rounded to this part of a millisecond, so that what is moved between sums makes none of them fall. */
const PARTS_PER_MS = 1024;
const TIMES = [REPLICA.duration, REPLICA.firstByte, REPLICA.connect].map(
  (start) => start + HISTOGRAM_CELLS - 1,
);

/** Rounds the sums of the histograms of a block. */
export function roundTimes(cells: Float64Array, block: number): void {
  for (const time of TIMES)
    cells[block + time] = Math.round(cells[block + time]! * PARTS_PER_MS) / PARTS_PER_MS;
}

export function requestsIn(cells: Float64Array): number {
  return cells
    .subarray(REPLICA.classes, REPLICA.classes + CLASS_CELLS)
    .reduce((sum, count) => sum + count, 0);
}

/** Subtracts the baseline of the counters; gauges have none. */
export function subtract(cells: Float64Array, before: Float64Array): void {
  for (let cell = 0; cell < REPLICA.levels; cell++) cells[cell] = cells[cell]! - before[cell]!;
}
