/**
 * One request's life: a lease on a replica, a connection, the answer on its way to the client, the lease back.
 * Must not hold: which replica is right (`core/pick.ts`), framing and headers (`headers.ts`), bytes of messages.
 *
 * Invariants: the lease is released exactly once, whatever ends the exchange; after `#end` nothing touches client
 * or replica again; before the answer's head has gone out a failure may lead to another replica, after it both
 * sides are destroyed, so that a cut answer never looks whole.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isSafeToRetry } from '../core/retry.ts';
import { BalancerError, ERRORS } from '../errors.ts';
import { Answer, type Flow } from './answer.ts';
import { type Ending, sendFailure } from './client-response.ts';
import type { DataThread } from './data-thread.ts';
import { isChunkedToClient, type RequestHead, responseHead } from './headers.ts';
import { Lease } from './lease.ts';
import type { Waiter } from './queue.ts';
import { RequestBody } from './request-body.ts';
import type { ResponseHead } from './response-head.ts';
import { type EarlyData, joinTunnel } from './tunnel.ts';
import type { Upstream } from './upstream.ts';
import type { Attempt, UpstreamConnection } from './upstream-connection.ts';

/** A client's request as the listener hands it over. */
export interface Incoming {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly head: RequestHead;
  /** The hash key's hash, unsigned 32 bits. */
  readonly hash: number;
  /** What follows the head of a request to switch protocols; undefined for all others. */
  readonly early: EarlyData | undefined;
  readonly client: Client;
}

/** The connection that a request came on, as its exchange sees it. */
export interface Client {
  /** An answer has said that the connection closes after it. */
  isClosing: boolean;
  remove(exchange: Exchange, response: ServerResponse): void;
  /** After the last answer, to a client that is still sending. */
  linger(nowMs: number): void;
}

/** How long a request that every eligible replica has failed waits for one of them to be replaced. */
const BLOCKED_MS = 500;

type Phase = 'new' | 'queued' | 'connecting' | 'sending' | 'waiting' | 'answering' | 'tunnel' | 'over';

export class Exchange implements Attempt, Flow, Waiter {
  readonly method: string;
  readonly rawChunks: boolean;
  readonly upgrade: boolean;
  /** When it is out of time, by the thread's coarse clock. */
  deadlineMs = Number.POSITIVE_INFINITY;
  place = -1;

  readonly #thread: DataThread;
  readonly #incoming: Incoming;
  readonly #lease: Lease;
  readonly #body: RequestBody | undefined;
  #phase: Phase = 'new';
  /** When the whole request is out of time. */
  #untilMs = Number.POSITIVE_INFINITY;
  #queuedMs = 0;
  /** The replica that was let go when its answer was complete, or -1. */
  #freed = -1;
  #upstream: Upstream | undefined;
  #connection: UpstreamConnection | undefined;
  #needsFresh = false;
  #lastError: BalancerError | undefined;
  #answer: Answer | undefined;
  /** The client can tell a whole answer from a cut one. */
  #isDelimited = true;
  /** A replica's 404 that becomes the classic profile's 400. */
  #isClassicMiss = false;

  constructor(thread: DataThread, incoming: Incoming) {
    this.#thread = thread;
    this.#incoming = incoming;
    this.#lease = new Lease(thread, incoming.hash);
    const { request, head } = incoming;
    this.method = request.method ?? '';
    this.rawChunks = request.httpVersionMinor === 1;
    this.upgrade = incoming.early !== undefined;
    if (head.framing !== 'none')
      this.#body = new RequestBody(request, head.framing, () => this.#bodyProgress());
  }

  /** Sends the request to the replica that the ring says, or waits for one. */
  start(): void {
    const { requestTimeoutMs } = this.#thread.options;
    if (requestTimeoutMs > 0) this.#untilMs = this.#thread.nowMs + requestTimeoutMs;
    this.#thread.begin(this);
    this.#thread.budget.save();
    this.#guard(() => this.#route());
  }

  /** Sends the request to `upstream`, which is no replica: no lease, no retry, no time limit on its answer. */
  startAt(upstream: Upstream): void {
    this.#thread.begin(this);
    this.#guard(() => this.#sendTo(upstream));
  }

  /** Gives what comes next this long, within what the whole request may take. */
  #limit(ms: number): void {
    this.deadlineMs = Math.min(this.#thread.nowMs + ms, this.#untilMs);
  }

  // ---- a replica is found

  tryAgain(): boolean {
    let hasGone = true;
    // called while another request ends, which must not hear of a failure of this one
    this.#guard(() => {
      const upstream = this.#lease.take();
      hasGone = upstream !== undefined;
      if (upstream === undefined) return;
      this.#thread.queue.leave(this);
      this.#sendTo(upstream);
    });
    return hasGone;
  }

  /** Runs a step; what it throws fails this request alone. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (this.#phase === 'answering') this.#cut();
      else this.#fail(new BalancerError('internal', undefined, { cause: error }));
    }
  }

  get owner(): number {
    return this.#lease.owner;
  }

  get needsFresh(): boolean {
    return this.#needsFresh;
  }

  get isBlocked(): boolean {
    return this.#lease.isBlocked;
  }

  #route(): void {
    const { queue, table, options, nowMs } = this.#thread;
    // who comes later must not overtake who waits, in whichever thread
    if (this.#lease.attempts > 0 || table.totalWaiting === 0) {
      const upstream = this.#lease.take();
      if (upstream !== undefined) return this.#sendTo(upstream);
    }
    this.#phase = 'queued';
    this.#queuedMs = nowMs;
    this.#limit(this.isBlocked ? Math.min(BLOCKED_MS, options.queueTimeoutMs) : options.queueTimeoutMs);
    if (!queue.enter(this)) this.#fail(new BalancerError('queue-full'));
  }

  #sendTo(upstream: Upstream): void {
    this.#upstream = upstream;
    this.#phase = 'connecting';
    // the pool watches how long connecting takes
    this.#limit(Number.POSITIVE_INFINITY);
    upstream.send(this);
  }

  // ---- the request goes out

  get isRequestSent(): boolean {
    return this.#body === undefined || this.#body.isSent;
  }

  onConnection(connection: UpstreamConnection): void {
    if (this.#phase !== 'connecting') return connection.cancel();
    this.#connection = connection;
    if (this.#body === undefined) {
      connection.write(this.#incoming.head.text);
      return this.#awaitHead();
    }
    this.#phase = 'sending';
    this.#limit(this.#thread.options.bodyTimeoutMs);
    // the first piece of the body usually came with its head, and goes out with it too
    connection.cork();
    connection.write(this.#incoming.head.text);
    this.#body.sendTo(connection);
    process.nextTick(() => connection.uncork());
    if (this.#body.isComplete) this.#awaitHead();
  }

  onDrain(): void {
    this.#body?.resume();
    this.#bodyProgress();
  }

  #bodyProgress(): void {
    if (this.#phase !== 'sending') return;
    if (this.#body?.isComplete === true) return this.#awaitHead();
    const { idleTimeoutMs, bodyTimeoutMs } = this.#thread.options;
    this.#limit(this.#body?.isHeld === true ? idleTimeoutMs : bodyTimeoutMs);
  }

  #awaitHead(): void {
    this.#phase = 'waiting';
    this.#limit(this.#lease.isHeld ? this.#thread.options.responseTimeoutMs : Number.POSITIVE_INFINITY);
  }

  // ---- the answer comes

  onInterim(head: ResponseHead): void {
    const { request, response } = this.#incoming;
    if (!this.rawChunks || request.httpVersionMajor !== 1 || response.socket === null) return;
    response.socket.write(`${head.forward}\r\n`, 'latin1');
  }

  onHead(head: ResponseHead): void {
    const thread = this.#thread;
    const incoming = this.#incoming;
    this.#connection!.keepAliveTimeoutMs = head.keepAliveTimeoutMs;
    if (thread.options.classic && head.statusCode === 404 && this.#lease.isHeld) {
      this.#isClassicMiss = true;
      this.#phase = 'answering';
      return;
    }
    const { response } = incoming;
    this.#isDelimited = this.rawChunks || head.framing === 'length' || head.framing === 'none';
    const ending = this.#endingFor(response.shouldKeepAlive && this.#isDelimited && this.isRequestSent);
    this.#lease.noteAnswer(head.statusCode);
    const text = responseHead(head, {
      via: thread.options.via,
      rawChunks: this.rawChunks,
      keepAlive: ending === 'keep-alive',
      requestId: incoming.head.requestId,
      date: thread.date,
    });
    const rechunk = head.framing === 'close' && isChunkedToClient(head, this.rawChunks);
    this.#answer = new Answer(response, this, text, { ending, rechunk });
    this.#phase = 'answering';
  }

  onBody(chunk: Buffer): void {
    this.#answer?.body(chunk, this.#connection!);
  }

  onReadEnd(): void {
    if (this.#answer === undefined || this.#connection === undefined) return;
    this.#answer.flush(this.#connection);
    this.#connection.expectLargeBody();
    if (!this.#answer.isPaused) this.#limit(this.#thread.options.idleTimeoutMs);
  }

  onEnd(): void {
    // before the client can know: its next request may meet another thread, which must not find this one in flight
    this.#freed = this.#lease.release();
    this.#answer?.end(this.#connection!);
  }

  onDone(): void {
    if (this.#isClassicMiss) {
      this.#connection = undefined;
      return this.#fail(this.#thread.missingEndpoint(this.#incoming.request));
    }
    // what the client still sends of its body has no reader any more
    this.#body?.discard();
    this.#end();
  }

  pauseAnswer(): void {
    // how long a client may take no byte is its connection's to watch
    this.#limit(Number.POSITIVE_INFINITY);
    this.#connection?.pause();
  }

  resumeAnswer(): void {
    if (this.#phase !== 'answering') return;
    this.#limit(this.#thread.options.idleTimeoutMs);
    this.#connection?.resume();
  }

  // ---- the protocol is switched

  onTunnel(upstream: Socket, early: Buffer): void {
    const { request, response, early: fromClient } = this.#incoming;
    const client = request.socket;
    this.#connection = undefined;
    this.#phase = 'tunnel';
    this.deadlineMs = Number.POSITIVE_INFINITY;
    response.detachSocket(client);
    client.write(this.#answer?.takeHead() ?? '', 'latin1');
    const ends = { client, upstream, fromClient: fromClient?.take() ?? Buffer.alloc(0), fromUpstream: early };
    joinTunnel(ends, this.#thread.options.idleTimeoutMs, () => this.#end());
  }

  // ---- something ends it early

  onUpstreamError(error: BalancerError): void {
    this.#guard(() => this.#failedAttempt(error));
  }

  #failedAttempt(error: BalancerError): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#body?.detach();
    if (this.#phase === 'answering') {
      this.#lease.blame(error.code);
      return this.#cut();
    }
    const bytesSent = connection !== undefined;
    const isStale =
      connection?.wasReused === true && (error.code === 'upstream-closed' || error.code === 'upstream-reset');
    const { retriable, canRetry } = this.#judge(error, bytesSent);
    if (isStale && retriable && !this.#needsFresh && this.#upstream !== undefined) {
      this.#needsFresh = true;
      return this.#sendTo(this.#upstream);
    }
    this.#lastError = error;
    if (!isStale) this.#lease.blame(error.code);
    this.#lease.giveUp(this.#upstream);
    this.#needsFresh = false;
    if (!canRetry) return this.#fail(error);
    this.#route();
  }

  #judge(
    error: BalancerError,
    bytesSent: boolean,
  ): { readonly retriable: boolean; readonly canRetry: boolean } {
    const { method } = this;
    const bodyKept = this.#body === undefined || this.#body.isKept;
    const retriable = isSafeToRetry({ method, retriable: ERRORS[error.code].mayRetry, bytesSent, bodyKept });
    if (!retriable || !this.#lease.isHeld || this.#lease.attempts > this.#thread.options.retries)
      return { retriable, canRetry: false };
    // a request that never went out costs the fleet nothing; the others are kept to a share
    return { retriable, canRetry: !bytesSent || this.#lease.charge() };
  }

  /** The client's connection closed. */
  onClientGone(): void {
    if (this.#phase === 'over' || this.#phase === 'tunnel') return;
    this.#connection?.cancel();
    this.#connection = undefined;
    this.#end();
  }

  /** `deadlineMs` has passed. */
  onDeadline(): void {
    this.#guard(() => this.#outOfTime());
  }

  #outOfTime(): void {
    switch (this.#phase) {
      case 'queued':
        return this.#waitedLong();
      case 'sending':
        return this.#fail(
          new BalancerError(this.#body?.isHeld === true ? 'idle-timeout' : 'request-timeout'),
        );
      case 'connecting':
      case 'waiting':
        this.#lease.blame('response-timeout');
        return this.#fail(new BalancerError('response-timeout'));
      default:
        return this.#cut();
    }
  }

  #waitedLong(): void {
    const { table, nowMs, options } = this.#thread;
    const leftMs = this.#queuedMs + options.queueTimeoutMs - nowMs;
    // what it was blocked by has changed meanwhile, so it waits like any other
    if (leftMs > 0 && nowMs < this.#untilMs && !this.isBlocked) return this.#limit(leftMs);
    this.#fail(
      this.#lastError ?? new BalancerError(table.eligible === 0 ? 'none-eligible' : 'queue-timeout'),
    );
  }

  /** The rest of its body is not HTTP. */
  onBadBody(error: BalancerError): void {
    if (this.#phase === 'answering') this.#cut();
    else this.#fail(error);
  }

  /** All of the request has come. */
  get isRequestComplete(): boolean {
    return this.#body === undefined || this.#incoming.request.complete;
  }

  /**
   * The answer has begun and cannot be finished: the client must see that it is cut. It gets what came before; only
   * one whose answer ends with its connection must be told by a reset.
   */
  #cut(): void {
    this.#connection?.cancel();
    this.#connection = undefined;
    const { client, request } = this.#incoming;
    client.isClosing = true;
    this.#end();
    if (this.#isDelimited) request.socket.destroySoon();
    else request.socket.resetAndDestroy();
  }

  /** Answers with a failure of our own. */
  #fail(error: BalancerError): void {
    const { response, head } = this.#incoming;
    this.#connection?.cancel();
    this.#connection = undefined;
    this.#body?.discard();
    const ending = this.#endingFor(response.shouldKeepAlive);
    this.#end();
    sendFailure(response, error, ending, head.requestId);
  }

  /** What follows the answer on the client's connection, given what the two sides would have. */
  #endingFor(keepAlive: boolean): Ending {
    const { response, client } = this.#incoming;
    if (keepAlive && this.isRequestComplete && !this.#thread.isDraining) return 'keep-alive';
    client.isClosing = true;
    if (this.isRequestComplete) return 'close';
    response.once('finish', () => client.linger(this.#thread.nowMs));
    return 'linger';
  }

  /** Lets go of everything; what may be placed now is placed. */
  #end(): void {
    if (this.#phase === 'over') return;
    if (this.#phase === 'queued') this.#thread.queue.leave(this);
    if (this.#phase === 'connecting') this.#upstream?.withdraw(this);
    this.#phase = 'over';
    this.#connection = undefined;
    const ordinal = this.#lease.isHeld ? this.#lease.release() : this.#freed;
    this.#lease.settle();
    this.#incoming.client.remove(this, this.#incoming.response);
    this.#thread.finish(this);
    this.#thread.queue.freed(ordinal);
  }
}
