/**
 * Counts requests and attempts into the calling thread's row of the shared memory. Every method is a few loads and stores;
 * none allocates. A negative ordinal means no replica.
 */
import { recordMs } from '../core/policy/histogram.ts';
import { ERRORS, type ErrorCode } from '../platform/errors.ts';
import {
  ABORTERS,
  type Aborter,
  blockOf,
  FAILURES,
  type MetricsShape,
  REPLICA,
  RETRY_REASONS,
  type RetryReason,
  rowOver,
  THREAD,
} from './layout.ts';
import { ThreadRecorder } from './thread-recorder.ts';

/** How a request ended: with a complete response, or aborted by whom. */
export type Ended = 'whole' | Aborter;

/**
 * In place of the time to the head of a response that no replica gave; below every time. An infinity, so that fields
 * which begin with it are doubles from the beginning.
 */
export const NOT_MEASURED_MS = Number.NEGATIVE_INFINITY;

/** A request that has ended. */
export interface EndedRequest {
  /** The replica that responded, or had it when the client closed; negative where the balancer itself responded. */
  readonly respondedBy: number;
  /** 0 where there was no response. */
  readonly status: number;
  /** From its head to the end of the response. */
  readonly totalMs: number;
  /** From its head to the head of the response, or NOT_MEASURED_MS. */
  readonly firstByteMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly ended: Ended;
}

const FAILURE_AT: ReadonlyMap<ErrorCode, number> = new Map(FAILURES.map((code, index) => [code, index]));
const REASON_AT: ReadonlyMap<string, number> = new Map(RETRY_REASONS.map((reason, index) => [reason, index]));
const STATUS_CLASSES = 5;

export class Recorder {
  /** What is counted of the thread and its clients' connections. */
  readonly thread: ThreadRecorder;
  readonly #row: Float64Array;
  /** Where the block of the balancer's own responses begins. */
  readonly #noReplica: number;

  /** `worker` is the calling thread's row, from 0. */
  constructor(memory: SharedArrayBuffer, shape: MetricsShape, worker: number) {
    this.#row = rowOver(memory, shape, worker);
    this.thread = new ThreadRecorder(this.#row);
    this.#noReplica = blockOf(shape.ordinals);
  }

  request(request: EndedRequest): void {
    const row = this.#row;
    const block = request.respondedBy < 0 ? this.#noReplica : blockOf(request.respondedBy);
    this.#add(block + REPLICA.classes + classOf(request.status), 1);
    recordMs(row, block + REPLICA.duration, request.totalMs);
    if (request.firstByteMs >= 0) recordMs(row, block + REPLICA.firstByte, request.firstByteMs);
    this.#add(block + REPLICA.bytesIn, request.bytesIn);
    this.#add(block + REPLICA.bytesOut, request.bytesOut);
    if (request.ended !== 'whole') this.#add(block + REPLICA.aborts + ABORTERS.indexOf(request.ended), 1);
  }

  /** The balancer responds with a failure of its own. */
  failure(code: ErrorCode): void {
    this.#add(THREAD.failures + FAILURE_AT.get(code)!, 1);
  }

  /** A request that could not be parsed, or a connection over the limit, gets a failure as its response. */
  refusal(code: ErrorCode, bytesOut: number): void {
    this.failure(code);
    this.#add(this.#noReplica + REPLICA.bytesOut, bytesOut);
    this.#add(this.#noReplica + REPLICA.classes + classOf(ERRORS[code].status), 1);
  }

  /** An attempt at the replica failed, whether it is retried or not. */
  failedAttempt(ordinal: number): void {
    this.#add(blockOf(ordinal) + REPLICA.failedAttempts, 1);
  }

  /** A request without a response counts against the replica. */
  fault(ordinal: number): void {
    this.#add(blockOf(ordinal) + REPLICA.faults, 1);
  }

  /** Response bytes were read from the replica. */
  read(ordinal: number): void {
    if (ordinal >= 0) this.#add(blockOf(ordinal) + REPLICA.reads, 1);
  }

  /** A request that the replica failed is retried, there or elsewhere. */
  retry(ordinal: number, reason: ErrorCode | RetryReason): void {
    const index = REASON_AT.get(reason);
    if (index !== undefined && ordinal >= 0) this.#add(blockOf(ordinal) + REPLICA.retries + index, 1);
  }

  /** A retry was not made because the budget is exhausted. */
  budgetExhausted(): void {
    this.#add(THREAD.budgetExhausted, 1);
  }

  /** The last-resort time limit ended a request. */
  lastResort(): void {
    this.#add(THREAD.lastResorts, 1);
  }

  /** The replica owns a request's slot, but was at its load bound. */
  overflow(owner: number): void {
    this.#add(blockOf(owner) + REPLICA.overflows, 1);
  }

  /** Sets how many queued requests of this thread have the replica as their first choice. */
  waiting(ordinal: number, count: number): void {
    if (ordinal >= 0) this.#row[blockOf(ordinal) + REPLICA.waiting] = count;
  }

  /** An attempt got a connection. */
  sent(ordinal: number, isReused: boolean): void {
    if (ordinal >= 0) this.#add(blockOf(ordinal) + (isReused ? REPLICA.reused : REPLICA.fresh), 1);
  }

  connected(ordinal: number, ms: number): void {
    if (ordinal >= 0) recordMs(this.#row, blockOf(ordinal) + REPLICA.connect, ms);
  }

  connectFailed(ordinal: number): void {
    if (ordinal >= 0) this.#add(blockOf(ordinal) + REPLICA.connectFailures, 1);
  }

  /** Sets how many connections to the replica there are now. */
  pool(ordinal: number, idle: number, busy: number, connecting: number): void {
    const block = blockOf(ordinal);
    this.#row[block + REPLICA.idleConnections] = idle;
    this.#row[block + REPLICA.busyConnections] = busy;
    this.#row[block + REPLICA.connecting] = connecting;
  }

  tunnelOpened(ordinal: number): void {
    if (ordinal < 0) return;
    this.#add(blockOf(ordinal) + REPLICA.tunnels, 1);
    this.#add(blockOf(ordinal) + REPLICA.openTunnels, 1);
  }

  tunnelBytes(ordinal: number, bytesIn: number, bytesOut: number): void {
    if (ordinal < 0) return;
    this.#add(blockOf(ordinal) + REPLICA.bytesIn, bytesIn);
    this.#add(blockOf(ordinal) + REPLICA.bytesOut, bytesOut);
    if (bytesOut > 0) this.#add(blockOf(ordinal) + REPLICA.reads, 1);
  }

  tunnelClosed(ordinal: number): void {
    if (ordinal >= 0) this.#add(blockOf(ordinal) + REPLICA.openTunnels, -1);
  }

  #add(cell: number, by: number): void {
    this.#row[cell] = this.#row[cell]! + by;
  }
}

/** 1 to 5; 0 where there is no status. */
function classOf(status: number): number {
  return Math.min(STATUS_CLASSES, (status / 100) | 0);
}
