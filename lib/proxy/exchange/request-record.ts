/**
 * What is measured of one request for the metrics and the access log: its times, its bytes, how it ended.
 * Invariant: `finish` counts a request once.
 */
import { NO_ORDINAL } from '../../core/replica.ts';
import { type Ended, NOT_MEASURED_MS, type Recorder } from '../../metrics/recorder.ts';
import type { BalancerError, ErrorCode } from '../../platform/errors.ts';
import type { RequestContext } from '../downstream/request.ts';
import type { RecordedRequest } from './access-log-entry.ts';

/**
 * The clock is read at the request's head, at the response's head, and at the end. Reading it is most of what all
 * counting costs, so the end of a response that came in one read with its head is given the time of that.
 */
export class RequestRecord implements RecordedRequest {
  respondedBy = NO_ORDINAL;
  status = 0;
  // times are doubles from the beginning (`-0`, an infinity): V8 deoptimizes a class when a field that has held whole
  // numbers is given its first fraction
  totalMs = -0;
  firstByteMs = NOT_MEASURED_MS;
  bytesIn = 0;
  bytesOut = 0;
  ended: Ended = 'whole';
  /** The code of the balancer's own failure. */
  error: ErrorCode | '' = '';
  /** Time without a replica, and without a connection to it, all attempts together. */
  queueMs = -0;
  connectMs = -0;
  readonly startMs = performance.now();

  readonly #recorder: Recorder;
  readonly #context: RequestContext;
  /** Since when it waits for a replica; below zero while it does not. */
  #queuedSinceMs = Number.NEGATIVE_INFINITY;
  /** Since when it waits for a connection; below zero while it does not. */
  #connectingSinceMs = Number.NEGATIVE_INFINITY;
  /** What has been relayed so far was read together with the response's head. */
  #isOneRead = false;
  #isCounted = false;

  constructor(recorder: Recorder, context: RequestContext) {
    this.#recorder = recorder;
    this.#context = context;
  }

  /** The request begins to wait for a replica. */
  startQueueTimer(): void {
    if (this.queueMs === 0) this.#recorder.thread.queued();
    this.#queuedSinceMs = performance.now();
  }

  /** The request no longer waits for a replica, if it did. */
  stopQueueTimer(): void {
    if (this.#queuedSinceMs < 0) return;
    const waitedMs = performance.now() - this.#queuedSinceMs;
    this.#recorder.thread.queueWait(waitedMs);
    this.queueMs += waitedMs;
    this.#queuedSinceMs = Number.NEGATIVE_INFINITY;
  }

  /** The request begins to wait for a connection, since none was free. */
  startConnectTimer(): void {
    this.#connectingSinceMs = performance.now();
  }

  /** The request has a connection to the replica. */
  recordConnected(ordinal: number, isReused: boolean): void {
    this.#recorder.sent(ordinal, isReused);
    if (this.#connectingSinceMs < 0) return;
    this.connectMs += performance.now() - this.#connectingSinceMs;
    this.#connectingSinceMs = Number.NEGATIVE_INFINITY;
  }

  /** The head of the replica's response has come. */
  recordResponse(status: number, ordinal: number): void {
    this.firstByteMs = performance.now() - this.startMs;
    this.#isOneRead = true;
    this.respondedBy = ordinal;
    this.status = status;
  }

  /** More of the response is to come than was read with its head. */
  recordFurtherRead(): void {
    this.#isOneRead = false;
  }

  /** The client gets a failure of the balancer's own, of `bytesOut` bytes, whatever a replica had begun to send. */
  recordFailure(error: BalancerError, bytesOut: number): void {
    this.respondedBy = NO_ORDINAL;
    this.firstByteMs = NOT_MEASURED_MS;
    this.#isOneRead = false;
    this.status = error.status;
    this.error = error.code;
    this.bytesOut = bytesOut;
    this.#recorder.failure(error.code);
  }

  /** The client has gone; `ordinal` is the replica that had its request. */
  recordClientGone(ordinal: number): void {
    if (this.status === 0) this.respondedBy = ordinal;
    this.ended = 'client';
  }

  /**
   * The request is over, `bodyBytes` of whose body were read. One that becomes a tunnel is over when that opens; called
   * again at the tunnel's end, this only brings the total time up to date.
   */
  finish(bodyBytes: number): void {
    this.stopQueueTimer();
    this.totalMs = this.#isOneRead && !this.#isCounted ? this.firstByteMs : performance.now() - this.startMs;
    if (this.#isCounted) return;
    this.#isCounted = true;
    this.bytesIn = this.#context.head.text.length + bodyBytes;
    this.#recorder.request(this);
  }
}
