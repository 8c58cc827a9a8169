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
import { NONE_ELIGIBLE } from '../core/pick.ts';
import { isSafeToRetry } from '../core/retry.ts';
import { BalancerError, ERRORS, type ErrorCode } from '../errors.ts';
import { beginRaw, type Ending, sendFailure } from './client-response.ts';
import type { DataThread } from './data-thread.ts';
import { isChunkedToClient, type RequestHead, responseHead } from './headers.ts';
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
  remove(exchange: Exchange): void;
  /** After the last answer, to a client that is still sending. */
  linger(nowMs: number): void;
}

/** An instance that failed this request; another in its place may be tried. */
interface Tried {
  readonly ordinal: number;
  readonly upstream: Upstream | undefined;
}

const NOTHING_TRIED: readonly Tried[] = [];
const NO_ORDINALS: readonly number[] = [];
const NO_LEASE = -1;
/** A body up to here goes out with its head as one string; from here on copying costs more than a second write. */
const JOIN_BYTES = 8192;

/** Failures that say something about the replica, not about this request. */
const EVIDENCE: ReadonlySet<ErrorCode> = new Set([
  'connect-refused',
  'connect-failed',
  'connect-timeout',
  'upstream-closed',
  'upstream-reset',
]);

/** Answers by which a replica says that it cannot serve. */
const GATEWAY_FAILURES: ReadonlySet<number> = new Set([502, 503, 504]);

/** How long a request that every eligible replica has failed waits for one of them to be replaced. */
const BLOCKED_MS = 500;

type Phase = 'new' | 'queued' | 'connecting' | 'sending' | 'waiting' | 'answering' | 'tunnel' | 'over';

export class Exchange implements Attempt, Waiter {
  readonly method: string;
  readonly rawChunks: boolean;
  readonly upgrade: boolean;
  /** When it is out of time, by the thread's coarse clock. */
  deadlineMs = Number.POSITIVE_INFINITY;
  place = -1;

  readonly #thread: DataThread;
  readonly #incoming: Incoming;
  readonly #body: RequestBody | undefined;
  #phase: Phase = 'new';
  /** When the whole request is out of time. */
  #untilMs = Number.POSITIVE_INFINITY;
  #ordinal = NO_LEASE;
  #word = 0;
  #tried = NOTHING_TRIED;
  #queuedMs = 0;
  #attempts = 0;
  #isBudgeted = false;
  #upstream: Upstream | undefined;
  #connection: UpstreamConnection | undefined;
  #needsFresh = false;
  #lastError: BalancerError | undefined;
  /** The answer's head until it is written, '' before and after. */
  #head = '';
  #heldBody: Buffer | undefined;
  #rechunk = false;
  #isPaused = false;
  /** A replica's 404 that becomes the classic profile's 400. */
  #isClassicMiss = false;

  constructor(thread: DataThread, incoming: Incoming) {
    this.#thread = thread;
    this.#incoming = incoming;
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
      const ordinal = this.#thread.picker.lease(this.#incoming.hash, this.#stillTried());
      hasGone = ordinal >= 0;
      if (!hasGone) return;
      this.#thread.queue.leave(this);
      this.#sendToReplica(ordinal);
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
    return this.#thread.picker.ownerOf(this.#incoming.hash);
  }

  get needsFresh(): boolean {
    return this.#needsFresh;
  }

  /** Every replica that is eligible has failed this request, and it waits for another instance of one. */
  get isBlocked(): boolean {
    if (this.#tried === NOTHING_TRIED || this.#thread.table.eligible === 0) return false;
    return this.#thread.picker.pick(this.#incoming.hash, this.#stillTried()) === NONE_ELIGIBLE;
  }

  #route(): void {
    const { queue, picker, table, options, nowMs } = this.#thread;
    // who comes later must not overtake who waits, in whichever thread
    if (this.#attempts > 0 || table.totalWaiting === 0) {
      const ordinal = picker.lease(this.#incoming.hash, this.#stillTried());
      if (ordinal >= 0) return this.#sendToReplica(ordinal);
    }
    this.#phase = 'queued';
    this.#queuedMs = nowMs;
    this.#limit(this.isBlocked ? Math.min(BLOCKED_MS, options.queueTimeoutMs) : options.queueTimeoutMs);
    if (!queue.enter(this)) this.#fail(new BalancerError('queue-full'));
  }

  #stillTried(): readonly number[] {
    if (this.#tried === NOTHING_TRIED) return NO_ORDINALS;
    return this.#tried
      .filter(({ ordinal, upstream }) => this.#thread.upstreamOf(ordinal) === upstream)
      .map(({ ordinal }) => ordinal);
  }

  #sendToReplica(ordinal: number): void {
    this.#ordinal = ordinal;
    this.#word = this.#thread.table.stateWord(ordinal);
    const upstream = this.#thread.upstreamOf(ordinal);
    if (upstream !== undefined) {
      this.#attempts++;
      return this.#sendTo(upstream);
    }
    // the slots were published before this thread heard of the endpoint
    this.#tried = [...this.#tried, { ordinal, upstream: undefined }];
    this.#releaseLease();
    this.#route();
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
    this.#limit(
      this.#ordinal === NO_LEASE ? Number.POSITIVE_INFINITY : this.#thread.options.responseTimeoutMs,
    );
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
    if (thread.options.classic && head.statusCode === 404 && this.#ordinal !== NO_LEASE) {
      this.#isClassicMiss = true;
      this.#phase = 'answering';
      return;
    }
    const { response } = incoming;
    const isDelimited = this.rawChunks || head.framing === 'length' || head.framing === 'none';
    const ending = this.#endingFor(response.shouldKeepAlive && isDelimited && this.isRequestSent);
    const keepAlive = ending === 'keep-alive';
    this.#rechunk = head.framing === 'close' && isChunkedToClient(head, this.rawChunks);
    const { rawChunks } = this;
    if (this.#ordinal !== NO_LEASE) {
      if (GATEWAY_FAILURES.has(head.statusCode)) thread.noteFailure(this.#ordinal, this.#word);
      else thread.noteSuccess(this.#ordinal);
    }
    const { via } = thread.options;
    this.#head = responseHead(head, {
      via,
      rawChunks,
      keepAlive,
      requestId: incoming.head.requestId,
      date: thread.date,
    });
    beginRaw(response, ending);
    this.#phase = 'answering';
  }

  onBody(chunk: Buffer): void {
    if (this.#isClassicMiss) return;
    if (this.#head !== '' && this.#heldBody === undefined && !this.#rechunk && chunk.length <= JOIN_BYTES) {
      this.#heldBody = chunk;
      return;
    }
    this.#flush();
    this.#writeBody(chunk);
  }

  onReadEnd(): void {
    if (this.#phase !== 'answering') return;
    this.#flush();
    this.#connection?.expectLargeBody();
    if (!this.#isPaused) this.#limit(this.#thread.options.idleTimeoutMs);
  }

  onEnd(): void {
    const { response } = this.#incoming;
    if (this.#isClassicMiss) return;
    if (this.#head !== '') {
      const text = this.#takeHead();
      if (this.#rechunk) response.end(`${text}0\r\n\r\n`, 'latin1');
      else response.end(text, 'latin1');
    } else if (this.#rechunk) response.end('0\r\n\r\n', 'latin1');
    else response.end();
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

  /** Writes what is held of the answer. */
  #flush(): void {
    if (this.#head === '') return;
    const { response } = this.#incoming;
    const text = this.#takeHead();
    this.#afterWrite(response.write(text, 'latin1'));
  }

  /** The head with the body that is held, as one latin1 string. */
  #takeHead(): string {
    const text = this.#heldBody === undefined ? this.#head : this.#head + this.#heldBody.toString('latin1');
    this.#head = '';
    this.#heldBody = undefined;
    return text;
  }

  #writeBody(chunk: Buffer): void {
    const { response } = this.#incoming;
    const kept = this.#connection?.keep(chunk) ?? chunk;
    if (!this.#rechunk) return this.#afterWrite(response.write(kept));
    response.write(`${kept.length.toString(16)}\r\n`, 'latin1');
    response.write(kept);
    this.#afterWrite(response.write('\r\n', 'latin1'));
  }

  /** Stops reading from the replica while the client does not take what it is sent. */
  #afterWrite(isRoom: boolean): void {
    if (isRoom || this.#isPaused) return;
    this.#isPaused = true;
    // how long a client may take no byte is the listener's to watch
    this.#limit(Number.POSITIVE_INFINITY);
    this.#connection?.pause();
    this.#incoming.response.once('drain', () => {
      this.#isPaused = false;
      if (this.#phase !== 'answering') return;
      this.#limit(this.#thread.options.idleTimeoutMs);
      this.#connection?.resume();
    });
  }

  // ---- the protocol is switched

  onTunnel(upstream: Socket, early: Buffer): void {
    const { request, response, early: fromClient } = this.#incoming;
    const client = request.socket;
    this.#connection = undefined;
    this.#phase = 'tunnel';
    this.deadlineMs = Number.POSITIVE_INFINITY;
    response.detachSocket(client);
    client.write(this.#takeHead(), 'latin1');
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
      this.#blame(error.code);
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
    if (this.#ordinal !== NO_LEASE) {
      if (!isStale) this.#blame(error.code);
      this.#tried = [...this.#tried, { ordinal: this.#ordinal, upstream: this.#upstream }];
    }
    this.#releaseLease();
    this.#needsFresh = false;
    if (!canRetry) return this.#fail(error);
    this.#route();
  }

  /** Counts the failure against the replica, and reports what says that it is down. */
  #blame(code: ErrorCode): void {
    if (this.#ordinal === NO_LEASE) return;
    this.#thread.noteFailure(this.#ordinal, this.#word);
    if (EVIDENCE.has(code)) this.#thread.report(this.#ordinal, this.#word, code);
  }

  #judge(
    error: BalancerError,
    bytesSent: boolean,
  ): { readonly retriable: boolean; readonly canRetry: boolean } {
    const { method } = this;
    const bodyKept = this.#body === undefined || this.#body.isKept;
    const retriable = isSafeToRetry({ method, retriable: ERRORS[error.code].mayRetry, bytesSent, bodyKept });
    if (!retriable || this.#ordinal === NO_LEASE || this.#attempts > this.#thread.options.retries)
      return { retriable, canRetry: false };
    // a request that never went out costs the fleet nothing; the others are kept to a share
    if (!bytesSent || this.#isBudgeted) return { retriable, canRetry: true };
    this.#isBudgeted = this.#thread.budget.spend();
    return { retriable, canRetry: this.#isBudgeted };
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
        if (this.#ordinal !== NO_LEASE) this.#thread.noteFailure(this.#ordinal, this.#word);
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
   * The answer has begun and cannot be finished: the client must see that it is cut. A reset tells even one whose
   * answer ends with its connection.
   */
  #cut(): void {
    this.#connection?.cancel();
    this.#connection = undefined;
    const { socket } = this.#incoming.request;
    this.#end();
    socket.resetAndDestroy();
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

  #releaseLease(): void {
    if (this.#ordinal === NO_LEASE) return;
    this.#thread.table.release(this.#ordinal);
    this.#ordinal = NO_LEASE;
  }

  /** Lets go of everything; what may be placed now is placed. */
  #end(): void {
    if (this.#phase === 'over') return;
    if (this.#phase === 'queued') this.#thread.queue.leave(this);
    if (this.#phase === 'connecting') this.#upstream?.withdraw(this);
    this.#phase = 'over';
    this.#connection = undefined;
    const ordinal = this.#ordinal;
    this.#releaseLease();
    if (this.#isBudgeted) this.#thread.budget.ended();
    this.#incoming.client.remove(this);
    this.#thread.finish(this);
    this.#thread.queue.freed(ordinal);
  }
}
