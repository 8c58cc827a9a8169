/**
 * One request's life: a lease on a replica, a connection, the answer on its way to the client, the lease back.
 * Must not hold: which replica is right (`core/routing/pick.ts`), framing and headers (`request-headers.ts`), bytes of messages.
 *
 * Invariants: the lease is released exactly once, whatever ends the exchange; after `#end` nothing touches client
 * or replica again; before the answer's head has gone out a failure may lead to another replica, after it both
 * sides are destroyed, so that a cut answer never looks whole.
 */
import type { Socket } from 'node:net';
import { NO_ORDINAL } from '../../core/replica.ts';
import type { ResponseHead } from '../../http1/response-head.ts';
import type { Aborter } from '../../metrics/layout.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { RequestContext } from '../downstream/request.ts';
import type { Attempt, Connection } from '../upstream/connection.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import { LAST_RESORT_MS, type Phase, TimedTask, VERDICT_MS } from './deadlines.ts';
import { ReplicaLease } from './replica-lease.ts';
import { type BodyOwner, RequestBody, sendWhole } from './request-body.ts';
import type { Waiter } from './request-queue.ts';
import { RequestRecord } from './request-record.ts';
import type { RelayFlow, ResponseRelay } from './response-relay.ts';
import { ADMIN_TIMEOUT_MS, type WorkerContext } from './worker-context.ts';

export class Exchange extends TimedTask implements Attempt, RelayFlow, Waiter, BodyOwner {
  readonly method: string;
  readonly rawChunks: boolean;
  readonly upgrade: boolean;
  /** Undefined for a request without one. */
  readonly body: RequestBody | undefined;
  needsFresh = false;

  readonly #thread: WorkerContext;
  readonly #incoming: RequestContext;
  readonly #lease: ReplicaLease;
  readonly #outcome: RequestRecord;
  #phase: Phase = 'new';
  /** The replica that was let go when its answer was complete, or NO_ORDINAL. */
  #freed = NO_ORDINAL;
  #upstream: ConnectionPool | undefined;
  #connection: Connection | undefined;
  #answer: ResponseRelay | undefined;

  constructor(thread: WorkerContext, incoming: RequestContext) {
    super(thread);
    this.#thread = thread;
    this.#incoming = incoming;
    this.#lease = new ReplicaLease(thread, incoming);
    this.#outcome = new RequestRecord(thread, incoming, this.#lease);
    this.method = incoming.request.method;
    this.rawChunks = this.#outcome.rawChunks;
    this.upgrade = incoming.isUpgrade;
    const source = incoming.head.framing === 'none' ? undefined : incoming.request.body;
    this.body = source && new RequestBody(thread, source, incoming.head.framing, this);
  }

  /** Sends the request where the ring says, or to `upstream`, no replica: no lease, no retry, and one limit for all. */
  start(upstream: ConnectionPool | undefined): void {
    this.#thread.begin(this);
    this.limitAll(upstream === undefined ? this.#thread.options.requestTimeoutMs : ADMIN_TIMEOUT_MS);
    if (upstream !== undefined) return this.guard(() => this.#sendTo(upstream));
    this.#thread.budget.save();
    this.guard(() => this.#route());
  }

  /** Gives it to no replica, and answers with `error`. */
  refuse(error: BalancerError): void {
    this.#thread.begin(this);
    this.#fail(error);
  }

  tryAgain(): boolean {
    let hasGone = true;
    // called while another request ends, which must not hear of a failure of this one
    this.guard(() => {
      const upstream = this.#lease.take();
      hasGone = upstream !== undefined;
      if (upstream === undefined) return;
      this.#thread.queue.leave(this);
      this.#outcome.dequeued();
      this.#sendTo(upstream);
    });
    return hasGone;
  }

  protected override failed(cause: unknown): void {
    if (this.#phase === 'answering') this.#cut('balancer');
    else this.#fail(new BalancerError('internal', undefined, { cause }));
  }

  get owner(): number {
    return this.#lease.owner;
  }

  get isBlocked(): boolean {
    return this.#lease.isBlocked;
  }

  #route(): void {
    const { queue, table } = this.#thread;
    const { pinned } = this.#incoming.client;
    if (pinned !== undefined && !this.upgrade && pinned.take(this.#lease))
      return this.#sendTo(this.#thread.upstreamOf(pinned.ordinal)!, pinned.connection);
    // who comes later must not overtake who waits, in whichever thread
    if (this.#lease.attempts > 0 || table.totalWaiting === 0) {
      const upstream = this.#lease.take();
      if (upstream !== undefined) return this.#sendTo(upstream);
    }
    this.#phase = 'queued';
    this.#outcome.queued();
    this.limit(this.#lease.wait());
    if (!queue.enter(this)) this.#fail(new BalancerError('queue-full'));
  }

  #sendTo(upstream: ConnectionPool, pinned?: Connection): void {
    this.#upstream = upstream;
    this.#phase = 'connecting';
    // the pool watches how long connecting takes, and says so before
    this.limit(this.#thread.options.connectTimeoutMs + LAST_RESORT_MS, this.#lease.isHeld);
    if (pinned === undefined) upstream.send(this);
    else pinned.assign(this);
    if (this.#phase === 'connecting') this.#outcome.connecting();
  }

  get isRequestSent(): boolean {
    return this.body === undefined || this.body.isSent;
  }

  onConnection(connection: Connection): void {
    if (this.#phase !== 'connecting') return connection.cancel();
    this.#connection = connection;
    this.#outcome.connected(this.#lease.last, connection.wasReused);
    const { text: head, bindsConnection } = this.#incoming.head;
    if (bindsConnection) this.#incoming.client.pin(connection, this.#upstream!);
    if (sendWhole(connection, head, this.body, this.#thread.isCrowded)) return this.#awaitHead();
    this.#phase = 'sending';
    this.limit(this.#thread.options.bodyTimeoutMs);
    this.body?.sendTo(connection, head);
    this.onBodyProgress();
  }

  onDrain(): void {
    // it reads what is sent to it
    this.#thread.recorder.read(this.#lease.last);
    this.body?.resume();
    this.onBodyProgress();
  }

  /** The replica takes no more of the body. What it has answered is still to be read. */
  onWriteFailed(): void {
    if (this.#phase === 'answering') return this.body?.discard();
    this.body?.detach();
    this.#awaitHead();
  }

  onBodyProgress(): void {
    if (this.#phase !== 'sending') return;
    if (this.body?.isComplete === true) return this.#awaitHead();
    const { idleTimeoutMs, bodyTimeoutMs } = this.#thread.options;
    this.limit(this.body?.isHeld === true ? idleTimeoutMs : bodyTimeoutMs);
  }

  #awaitHead(): void {
    this.#phase = 'waiting';
    this.limit(this.#thread.options.responseTimeoutMs, this.#lease.isHeld);
  }

  onInterim(head: ResponseHead): void {
    this.#thread.recorder.read(this.#lease.last);
    this.#outcome.interim(head);
    // the replica is at work on it: 102 says so, and nothing else can
    if (this.#phase === 'waiting') this.#awaitHead();
  }

  onHead(head: ResponseHead): void {
    this.#connection!.keepAliveTimeoutMs = head.keepAliveTimeoutMs;
    if (head.bindsConnection) this.#incoming.client.pin(this.#connection!, this.#upstream!);
    // a replica's 404 becomes the classic profile's 400, once it is over
    if (!this.#thread.options.classic || head.statusCode !== 404 || !this.#lease.isHeld) {
      this.#lease.noteAnswer(head.statusCode);
      this.#answer = this.#outcome.begin(head, this.#lease.last, this, this.isRequestSent);
    }
    this.#phase = 'answering';
    // nobody takes the rest of the request, and a client may read nothing before it has sent all of it
    if (this.body?.isDetached === true) this.body.discard();
  }

  onBody(chunk: Buffer): void {
    this.#outcome.bytesOut += chunk.length;
    this.#answer?.body(chunk, this.#connection!);
  }

  onReadEnd(): void {
    this.#thread.recorder.read(this.#lease.last);
    this.#outcome.goesOn();
    if (this.#answer === undefined || this.#connection === undefined) return;
    this.#answer.flush(this.#connection);
    this.#connection.expectLargeBody();
    if (!this.#answer.isPaused) this.limit(this.#thread.options.idleTimeoutMs);
  }

  onEnd(trailers: readonly string[]): void {
    if (trailers.length > 0) this.#incoming.response.addTrailers(trailers);
    // before the client can know: its next request may meet another thread, which must not find this one in flight
    this.#freed = this.#lease.release();
    this.#answer?.end(this.#connection!, this.#thread.isCrowded);
  }

  onDone(): void {
    if (this.#answer === undefined) {
      this.#connection = undefined;
      return this.#fail(this.#thread.missingEndpoint(this.#incoming.request));
    }
    // what the client still sends of its body has no reader any more
    this.body?.discard();
    this.#end();
  }

  pauseAnswer(): void {
    // how long a client may take no byte is its connection's to watch; whether that does is looked at now and then
    this.limit(this.#thread.options.sendTimeoutMs);
    this.#connection?.pause();
  }

  resumeAnswer(): void {
    if (this.#phase !== 'answering') return;
    this.limit(this.#thread.options.idleTimeoutMs);
    this.#connection?.resume();
  }

  onTunnel(upstream: Socket, early: Buffer): void {
    this.#connection = undefined;
    this.#phase = 'tunnel';
    if (!this.isRequestSent) upstream.on('drain', () => this.onDrain());
    const text = this.#answer?.takeHead() ?? '';
    const onEnd = (): void => this.#end();
    this.deadlineMs = this.#outcome.openTunnel(upstream, early, text, { body: this.body, onEnd });
  }

  onUpstreamError(error: BalancerError): void {
    this.guard(() => this.#failedAttempt(error));
  }

  #failedAttempt(error: BalancerError): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.body?.detach();
    if (this.#phase === 'answering') {
      this.#lease.blame(error.code, true);
      return this.#answer?.isUnsent !== false ? this.#fail(error) : this.#cut('replica');
    }
    const next = this.#lease.afterFailure(error, {
      upstream: this.#upstream,
      bytesSent: connection !== undefined,
      bodyKept: this.body?.isKept ?? true,
      wasReused: connection?.wasReused === true && !this.needsFresh,
    });
    this.needsFresh = next === 'new-connection';
    if (next === 'new-connection') this.#sendTo(this.#upstream!);
    else if (next === 'another-replica') this.#route();
    else if (next === 'verdict') {
      this.#phase = 'judged';
      this.limit(VERDICT_MS);
      this.#lease.judge((isPoison) => this.guard(() => this.#judged(isPoison)));
    } else this.#fail(this.#lease.failure);
  }

  /** Two instances closed on it; whether it is to blame that they ended took a moment to find out. */
  #judged(isPoison: boolean): void {
    if (this.#phase !== 'judged') return;
    if (isPoison) return this.#fail(new BalancerError('poison'));
    this.#lease.repeat();
    this.#route();
  }

  onClientGone(): void {
    if (this.#phase === 'over' || this.#phase === 'tunnel') return;
    this.#connection?.cancel();
    this.#outcome.left(this.#lease.isHeld ? this.#lease.last : NO_ORDINAL);
    this.#end();
  }

  protected override outOfTime(): void {
    switch (this.#phase) {
      case 'queued': {
        const leftMs = this.#lease.patienceLeftMs;
        if (leftMs > 0 && !this.isOver) return this.limit(leftMs);
        return this.#fail(this.#lease.failure);
      }
      case 'judged':
        return this.#judged(false);
      case 'sending':
        return this.#fail(new BalancerError(this.body?.isHeld === true ? 'idle-timeout' : 'request-timeout'));
      case 'connecting':
      case 'waiting':
        return this.#unanswered();
      case 'tunnel':
        this.deadlineMs = this.#outcome.lookAtTunnel();
        return;
      default:
        return this.#unfinished();
    }
  }

  #unanswered(): void {
    const isConnecting = this.#phase === 'connecting';
    if (!this.#lease.isHeld || (isConnecting && !this.isOver)) this.#thread.recorder.lastResort();
    else this.#lease.blame('response-timeout');
    this.#fail(new BalancerError(isConnecting ? 'connect-timeout' : 'response-timeout'));
  }

  #unfinished(): void {
    if (this.#answer === undefined) return this.#fail(new BalancerError('idle-timeout'));
    if (this.#answer.isPaused && !this.isOver) {
      if (this.#incoming.client.isTaking) return this.limit(this.#thread.options.sendTimeoutMs);
      this.#thread.recorder.lastResort();
    }
    this.#cut('balancer');
  }

  onBadBody(error: BalancerError): void {
    // what was read of it before the client was cut off
    if (this.#phase === 'over') return;
    if (this.#phase === 'answering') this.#cut('client');
    else this.#fail(error);
  }

  get isRequestComplete(): boolean {
    return this.#outcome.isRequestComplete;
  }

  /** The answer has begun and cannot be finished. */
  #cut(by: Aborter): void {
    this.#connection?.cancel();
    this.#outcome.cut(by, () => this.#end());
  }

  /** Answers with a failure of our own. */
  #fail(error: BalancerError): void {
    this.#connection?.cancel();
    this.body?.discard();
    this.#outcome.fail(error, () => this.#end());
  }

  /** Lets go of everything; what may be placed now is placed. */
  #end(): void {
    if (this.#phase === 'over') return;
    if (this.#phase === 'queued') this.#thread.queue.leave(this);
    if (this.#phase === 'connecting') this.#upstream?.withdraw(this);
    this.#phase = 'over';
    this.#connection = undefined;
    const ordinal = this.#lease.isHeld ? this.#lease.release() : this.#freed;
    this.#lease.settle(this.#outcome);
    this.#outcome.close(this.body?.bytes ?? 0);
    this.#incoming.client.remove(this, this.#incoming.response);
    this.#thread.finish(this);
    this.#thread.queue.freed(ordinal);
  }
}
