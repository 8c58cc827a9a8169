/**
 * What becomes of a request as its client sees it (a replica's answer, a failure of our own, a cut), and what is
 * noted of it on the way. Must not hold: replicas, leases, retries (`exchange.ts`).
 * Invariants: one of `begin`, `fail` and nothing is called for a request; `close` counts it once; after an answer
 * that cannot be finished the client is cut off in a way that it can see.
 */
import type { Socket } from 'node:net';
import { NO_ORDINAL } from '../../core/replica.ts';
import type { ResponseHead } from '../../http1/response-head.ts';
import type { Ended } from '../../metrics/recorder.ts';
import type { BalancerError, ErrorCode } from '../../platform/errors.ts';
import type { RequestContext } from '../downstream/request.ts';
import { debugLines } from '../headers/debug-headers.ts';
import { buildResponseHead } from '../headers/request-headers.ts';
import type { RecordedRequest } from './access-log-entry.ts';
import type { RequestBody } from './request-body.ts';
import { type RelayFlow, ResponseRelay } from './response-relay.ts';
import { type Ending, failureResponse } from './response-writer.ts';
import { joinTunnel, type OnClientReady, tunnelLimitMs } from './tunnel.ts';
import type { WorkerContext } from './worker-context.ts';

/** The replicas that a request was given to so far: how many, and the last, below zero where there was none. */
export interface AttemptsMade {
  readonly attempts: number;
  readonly last: number;
}

/**
 * Time is measured at the request's head, at the answer's head, and at the end; reading the clock is most of what all
 * counting costs, so the end of an answer that came in one read with its head is given the time of that.
 */
export class RequestRecord implements RecordedRequest {
  answeredBy = NO_ORDINAL;
  status = 0;
  // times begin as doubles (`-0`, an infinity): V8 deoptimizes a class at the first fraction in a field of whole numbers
  totalMs = -0;
  firstByteMs = Number.NEGATIVE_INFINITY;
  bytesIn = 0;
  bytesOut = 0;
  ended: Ended = 'whole';
  /** The code of the balancer's own failure. */
  error: ErrorCode | '' = '';
  /** Time without a replica, and without a connection to it, all attempts together. */
  queueMs = -0;
  connectMs = -0;

  readonly #worker: WorkerContext;
  readonly #context: RequestContext;
  readonly #given: AttemptsMade;
  readonly startMs = performance.now();
  /** Since when it waits for a replica; below zero while it does not. */
  #queuedMs = Number.NEGATIVE_INFINITY;
  /** Since when it waits for a connection; below zero while it does not. */
  #connectingMs = Number.NEGATIVE_INFINITY;
  /** The client can tell a whole answer from a cut one. */
  #isDelimited = true;
  /** The replica's end of a tunnel. */
  #tunnel: Socket | undefined;
  /** What had come from both ends at the last look. */
  #tunnelBytes = Number.NEGATIVE_INFINITY;
  /** What is going on was read together with the answer's head. */
  #isSameRead = false;

  constructor(worker: WorkerContext, context: RequestContext, given: AttemptsMade) {
    this.#worker = worker;
    this.#context = context;
    this.#given = given;
  }

  /** All of the request has come. */
  get isRequestComplete(): boolean {
    return this.#context.head.framing === 'none' || this.#context.request.complete;
  }

  /** The client understands chunks (HTTP/1.1). */
  get takesChunks(): boolean {
    return this.#context.request.minorVersion === 1;
  }

  /** Chunks go to the client as they come from the replica. */
  get rawChunks(): boolean {
    return this.takesChunks && !this.#context.response.framesChunks;
  }

  /** A replica's response was whole. */
  get isServed(): boolean {
    return this.answeredBy !== NO_ORDINAL && this.ended === 'whole';
  }

  /** It begins to wait for a replica. */
  startQueueTimer(): void {
    if (this.queueMs === 0) this.#worker.recorder.thread.queued();
    this.#queuedMs = performance.now();
  }

  /** It waits no more, if it did. */
  stopQueueTimer(): void {
    if (this.#queuedMs < 0) return;
    const waitedMs = performance.now() - this.#queuedMs;
    this.#worker.recorder.thread.queueWait(waitedMs);
    this.queueMs += waitedMs;
    this.#queuedMs = Number.NEGATIVE_INFINITY;
  }

  /** It waits for a connection, which was not there at once. */
  connecting(): void {
    this.#connectingMs = performance.now();
  }

  /** It has a connection to the replica. */
  connected(ordinal: number, isReused: boolean): void {
    this.#worker.recorder.sent(ordinal, isReused);
    if (this.#connectingMs < 0) return;
    this.connectMs += performance.now() - this.#connectingMs;
    this.#connectingMs = Number.NEGATIVE_INFINITY;
  }

  /** Passes on what precedes the answer, to a client that knows of such things. */
  writeInterim(head: ResponseHead): void {
    if (this.takesChunks) this.#context.response.writeInterim(`${head.forward}\r\n`);
  }

  /** The answer of a replica begins. `isRequestSent`: the replica has all of the request. */
  begin(head: ResponseHead, answeredBy: number, flow: RelayFlow, isRequestSent: boolean): ResponseRelay {
    const { response, head: sentHead } = this.#context;
    const { takesChunks } = this;
    this.firstByteMs = performance.now() - this.startMs;
    this.#isSameRead = true;
    this.answeredBy = answeredBy;
    this.status = head.statusCode;
    this.#isDelimited = takesChunks || head.framing === 'length' || head.framing === 'none';
    const ending = this.#endingFor(response.clientKeepsAlive && this.#isDelimited && isRequestSent);
    const text = buildResponseHead(head, {
      via: this.#worker.options.via,
      rawChunks: takesChunks,
      keepAlive: ending === 'keep-alive',
      requestId: sentHead.requestId,
      date: this.#worker.date,
      debug: sentHead.isDebug ? this.#debugLines() : '',
    });
    this.bytesOut = text.length;
    const rechunk = this.rawChunks && head.framing === 'close';
    return new ResponseRelay(response, flow, text, { ending, rechunk });
  }

  /** The answer goes on after what was read with its head. */
  goesOn(): void {
    this.#isSameRead = false;
  }

  /** The answer, `text`, switches protocols: the request is over with it. Gives when to look at the tunnel that follows. */
  openTunnel(
    upstream: Socket,
    fromUpstream: Buffer,
    text: string,
    { body, onEnd }: { readonly body: RequestBody | undefined; readonly onEnd: () => void },
  ): number {
    const { recorder, options } = this.#worker;
    const client = this.#context.request.socket;
    client.write(text, 'latin1');
    // what follows the request belongs to the tunnel, however long the rest of the request is on its way
    this.#context.client.isClosing = false;
    this.#count(0);
    this.#tunnel = upstream;
    recorder.tunnelOpened(this.answeredBy);
    const { client: connection } = this.#context;
    const fromClient: OnClientReady = (onReady) => {
      if (body === undefined) connection.becomeTunnel(onReady);
      else body.onceComplete(() => connection.becomeTunnel(onReady));
    };
    joinTunnel({ client, upstream, fromClient, fromUpstream }, options.idleTimeoutMs, {
      onBytes: (bytesIn, bytesOut) => {
        this.bytesIn += bytesIn;
        this.bytesOut += bytesOut;
        recorder.tunnelBytes(this.answeredBy, bytesIn, bytesOut);
      },
      onEnd,
    });
    return this.lookAtTunnel();
  }

  /** Closes the tunnel where it has been silent for so long that its sockets should have; gives when to look again. */
  lookAtTunnel(): number {
    const { nowMs, recorder, options } = this.#worker;
    const client = this.#context.request.socket;
    const bytes = client.bytesRead + (this.#tunnel?.bytesRead ?? 0);
    if (bytes === this.#tunnelBytes) {
      recorder.lastResort();
      this.#tunnel?.destroy();
      client.destroy();
    }
    this.#tunnelBytes = bytes;
    return nowMs + tunnelLimitMs(options.idleTimeoutMs);
  }

  /** The client left; `heldBy` had its request. */
  left(heldBy: number): void {
    if (this.status === 0) this.answeredBy = heldBy;
    this.ended = 'client';
  }

  /** Answers with a failure of our own; `letGo` ends the exchange before the client can know. */
  fail(error: BalancerError, letGo: () => void): void {
    const { request, response, head } = this.#context;
    // whether the rest of what is too much has come by now or not
    const ending = this.#endingFor(response.clientKeepsAlive && error.code !== 'body-too-large');
    const isHead = request.method === 'HEAD';
    const debug = head.isDebug ? this.#debugLines() : '';
    const text = failureResponse(error, ending, { isHead, requestId: head.requestId, debug });
    // an answer of the replica's that broke before a byte of it went out
    this.answeredBy = NO_ORDINAL;
    this.firstByteMs = Number.NEGATIVE_INFINITY;
    this.#isSameRead = false;
    this.status = error.status;
    this.error = error.code;
    this.bytesOut = text.length;
    this.#worker.recorder.failure(error.code);
    letGo();
    response.begin(ending);
    response.end(text);
  }

  /**
   * The answer has begun and cannot be finished: the client must see that it is cut. It gets what came before; only
   * one whose answer ends with its connection must be told by a reset.
   */
  cut(by: Ended, letGo: () => void): void {
    const { client, request } = this.#context;
    client.isClosing = true;
    this.ended = by;
    letGo();
    if (this.#isDelimited) request.socket.destroySoon();
    else request.socket.resetAndDestroy();
  }

  /** The request is over; `bodyBytes` is how much of its body came. */
  close(bodyBytes: number): void {
    this.stopQueueTimer();
    if (this.#tunnel !== undefined) this.#tunnelEnded();
    else this.#count(bodyBytes);
    this.#worker.access?.ended(this, this.#context, this.#given.attempts);
  }

  #count(bodyBytes: number): void {
    this.totalMs = this.#isSameRead ? this.firstByteMs : performance.now() - this.startMs;
    this.bytesIn = this.#context.head.text.length + bodyBytes;
    this.#worker.recorder.request(this);
  }

  #tunnelEnded(): void {
    this.totalMs = performance.now() - this.startMs;
    this.#worker.recorder.tunnelClosed(this.answeredBy);
  }

  #debugLines(): string {
    this.stopQueueTimer();
    const { queueMs, connectMs, firstByteMs } = this;
    const { attempts, last } = this.#given;
    return debugLines({
      replica: this.#worker.nameOf(last),
      attempts,
      queueMs,
      connectMs,
      firstByteMs,
    });
  }

  /** What follows the answer on the client's connection, given what the two sides would have. */
  #endingFor(keepAlive: boolean): Ending {
    const { response, client, isUpgrade } = this.#context;
    // who was refused another protocol, but speaks it already, must not be understood as HTTP
    const hasSaidMore = (isUpgrade && client.hasPipelinedBytes) || !this.isRequestComplete;
    if (keepAlive && !hasSaidMore && !this.#worker.isDraining) return 'keep-alive';
    client.isClosing = true;
    if (!hasSaidMore) return 'close';
    response.onFlushed(() => client.linger(this.#worker.nowMs));
    return 'linger';
  }
}
