/**
 * What a thread counts of itself and of its clients' connections, into the thread's part of its own row.
 * Every method is a few loads and stores; none allocates.
 */
import { recordMs } from '../core/policy/histogram.ts';
import { GC_KINDS, type GcKind, HANDSHAKES, type HandshakeResult, THREAD } from './layout.ts';

export class ThreadRecorder {
  readonly #row: Float64Array;

  /** `row` is the calling thread's own. */
  constructor(row: Float64Array) {
    this.#row = row;
  }

  /** A request begins to wait for a replica. */
  queued(): void {
    this.#add(THREAD.held, 1);
  }

  /** A request has left the queue, whatever came of it. */
  queueWait(ms: number): void {
    recordMs(this.#row, THREAD.queueWait, ms);
  }

  clientConnected(): void {
    this.#add(THREAD.connections, 1);
    this.#add(THREAD.openConnections, 1);
  }

  handshake(result: HandshakeResult): void {
    this.#add(THREAD.handshakes + HANDSHAKES.indexOf(result), 1);
  }

  /** A client connection is closed because no request came on it in time. */
  idleClosed(): void {
    this.#add(THREAD.idleCloses, 1);
  }

  clientClosed(): void {
    this.#add(THREAD.openConnections, -1);
  }

  /** Lines of the access log were passed to the main thread. */
  logged(lines: number): void {
    this.#add(THREAD.logLines, lines);
  }

  /** Lines of the access log were dropped. */
  logDropped(lines: number): void {
    this.#add(THREAD.logDropped, lines);
  }

  /** How late a timer of the thread fired. */
  loopDelay(ms: number): void {
    recordMs(this.#row, THREAD.loopDelay, ms);
  }

  /** Adds time in which the event loop was not idle. */
  active(ms: number): void {
    this.#add(THREAD.activeMs, ms);
  }

  /** One run of the garbage collector. */
  gc(kind: GcKind, ms: number): void {
    const index = GC_KINDS.indexOf(kind);
    this.#add(THREAD.gcRuns + index, 1);
    this.#add(THREAD.gcMs + index, ms);
  }

  /** The thread's heap as it is now. */
  heap(usedBytes: number, totalBytes: number, externalBytes: number): void {
    this.#row[THREAD.heapUsed] = usedBytes;
    this.#row[THREAD.heapTotal] = totalBytes;
    this.#row[THREAD.heapExternal] = externalBytes;
  }

  #add(cell: number, by: number): void {
    this.#row[cell] = this.#row[cell]! + by;
  }
}
