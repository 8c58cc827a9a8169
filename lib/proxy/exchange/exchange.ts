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
  needsNewConnection = false;

  readonly #worker: WorkerContext;
  readonly #context: RequestContext;
  readonly #lease: ReplicaLease;
  readonly #record: RequestRecord;
  #phase: Phase = 'new';
  /** The replica that was let go when its answer was complete, or NO_ORDINAL. */
  #releasedOrdinal = NO_ORDINAL;
  #upstream: ConnectionPool | undefined;
  #connection: Connection | undefined;
  #relay: ResponseRelay | undefined;

  constructor(worker: WorkerContext, context: RequestContext) {
    super(worker);
    this.#worker = worker;
    this.#context = context;
    this.#lease = new ReplicaLease(worker, context);
    this.#record = new RequestRecord(worker, context, this.#lease);
    this.method = context.request.method;
    this.rawChunks = this.#record.rawChunks;
    this.upgrade = context.isUpgrade;
    const source = context.head.framing === 'none' ? undefined : context.request.body;
    this.body = source && new RequestBody(worker, source, context.head.framing, this);
  }

  /** Sends the request where the ring says, or to `upstream`, no replica: no lease, no retry, and one limit for all. */
  start(upstream: ConnectionPool | undefined): void {
    this.#worker.begin(this);
    this.setOverallDeadline(
      upstream === undefined ? this.#worker.options.requestTimeoutMs : ADMIN_TIMEOUT_MS,
    );
    if (upstream !== undefined) return this.runStep(() => this.#sendTo(upstream));
    this.#worker.budget.save();
    this.runStep(() => this.#route());
  }

  /** Gives it to no replica, and answers with `error`. */
  refuse(error: BalancerError): void {
    this.#worker.begin(this);
    this.#fail(error);
  }

  tryPlacing(): boolean {
    let hasGone = true;
    // called while another request ends, which must not hear of a failure of this one
    this.runStep(() => {
      const upstream = this.#lease.take();
      hasGone = upstream !== undefined;
      if (upstream === undefined) return;
      this.#worker.queue.leave(this);
      this.#record.stopQueueTimer();
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
    const { queue, table } = this.#worker;
    const { pinned } = this.#context.client;
    if (pinned !== undefined && !this.upgrade && pinned.take(this.#lease))
      return this.#sendTo(this.#worker.poolOf(pinned.ordinal)!, pinned.connection);
    // who comes later must not overtake who waits, in whichever thread
    if (this.#lease.attempts > 0 || table.totalWaiting === 0) {
      const upstream = this.#lease.take();
      if (upstream !== undefined) return this.#sendTo(upstream);
    }
    this.#phase = 'queued';
    this.#record.startQueueTimer();
    this.setDeadline(this.#lease.wait());
    if (!queue.enter(this)) this.#fail(new BalancerError('queue-full'));
  }

  #sendTo(upstream: ConnectionPool, pinned?: Connection): void {
    this.#upstream = upstream;
    this.#phase = 'connecting';
    // the pool watches how long connecting takes, and says so before
    this.setDeadline(this.#worker.options.connectTimeoutMs + LAST_RESORT_MS, this.#lease.isHeld);
    if (pinned === undefined) upstream.send(this);
    else pinned.assign(this);
    if (this.#phase === 'connecting') this.#record.connecting();
  }

  get isRequestSent(): boolean {
    return this.body === undefined || this.body.isSent;
  }

  onConnection(connection: Connection): void {
    if (this.#phase !== 'connecting') return connection.cancel();
    this.#connection = connection;
    this.#record.connected(this.#lease.last, connection.isReused);
    const { text: head, bindsConnection } = this.#context.head;
    if (bindsConnection) this.#context.client.pin(connection, this.#upstream!);
    if (sendWhole(connection, head, this.body, this.#worker.isBusy)) return this.#awaitHead();
    this.#phase = 'sending';
    this.setDeadline(this.#worker.options.bodyTimeoutMs);
    this.body?.sendTo(connection, head);
    this.onBodyProgress();
  }

  onDrain(): void {
    // it reads what is sent to it
    this.#worker.recorder.read(this.#lease.last);
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
    const { idleTimeoutMs, bodyTimeoutMs } = this.#worker.options;
    this.setDeadline(this.body?.isHeld === true ? idleTimeoutMs : bodyTimeoutMs);
  }

  #awaitHead(): void {
    this.#phase = 'waiting';
    this.setDeadline(this.#worker.options.responseTimeoutMs, this.#lease.isHeld);
  }

  onInterim(head: ResponseHead): void {
    this.#worker.recorder.read(this.#lease.last);
    this.#record.writeInterim(head);
    // the replica is at work on it: 102 says so, and nothing else can
    if (this.#phase === 'waiting') this.#awaitHead();
  }

  onHead(head: ResponseHead): void {
    this.#connection!.keepAliveTimeoutMs = head.keepAliveTimeoutMs;
    if (head.bindsConnection) this.#context.client.pin(this.#connection!, this.#upstream!);
    // a replica's 404 becomes the classic profile's 400, once it is over
    if (!this.#worker.options.classic || head.statusCode !== 404 || !this.#lease.isHeld) {
      this.#lease.recordResponse(head.statusCode);
      this.#relay = this.#record.begin(head, this.#lease.last, this, this.isRequestSent);
    }
    this.#phase = 'answering';
    // nobody takes the rest of the request, and a client may read nothing before it has sent all of it
    if (this.body?.isDetached === true) this.body.discard();
  }

  onBody(chunk: Buffer): void {
    this.#record.bytesOut += chunk.length;
    this.#relay?.body(chunk, this.#connection!);
  }

  onReadEnd(): void {
    this.#worker.recorder.read(this.#lease.last);
    this.#record.goesOn();
    if (this.#relay === undefined || this.#connection === undefined) return;
    this.#relay.flush(this.#connection);
    this.#connection.useLargeReads();
    if (!this.#relay.isPaused) this.setDeadline(this.#worker.options.idleTimeoutMs);
  }

  onEnd(trailers: readonly string[]): void {
    if (trailers.length > 0) this.#context.response.addTrailers(trailers);
    // before the client can know: its next request may meet another thread, which must not find this one in flight
    this.#releasedOrdinal = this.#lease.release();
    this.#relay?.end(this.#connection!, this.#worker.isBusy);
  }

  onDone(): void {
    if (this.#relay === undefined) {
      this.#connection = undefined;
      return this.#fail(this.#worker.missingEndpoint(this.#context.request));
    }
    // what the client still sends of its body has no reader any more
    this.body?.discard();
    this.#end();
  }

  pauseResponse(): void {
    // how long a client may take no byte is its connection's to watch; whether that does is looked at now and then
    this.setDeadline(this.#worker.options.sendTimeoutMs);
    this.#connection?.pause();
  }

  resumeResponse(): void {
    if (this.#phase !== 'answering') return;
    this.setDeadline(this.#worker.options.idleTimeoutMs);
    this.#connection?.resume();
  }

  onTunnel(upstream: Socket, early: Buffer): void {
    this.#connection = undefined;
    this.#phase = 'tunnel';
    if (!this.isRequestSent) upstream.on('drain', () => this.onDrain());
    const text = this.#relay?.takeHead() ?? '';
    const onEnd = (): void => this.#end();
    this.deadlineMs = this.#record.openTunnel(upstream, early, text, { body: this.body, onEnd });
  }

  onUpstreamError(error: BalancerError): void {
    this.runStep(() => this.#onAttemptFailed(error));
  }

  #onAttemptFailed(error: BalancerError): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.body?.detach();
    if (this.#phase === 'answering') {
      this.#lease.recordFailure(error.code, true);
      return this.#relay?.isUnsent !== false ? this.#fail(error) : this.#cut('replica');
    }
    const next = this.#lease.decideAfterFailure(error, {
      upstream: this.#upstream,
      bytesSent: connection !== undefined,
      bodyKept: this.body?.isReplayable ?? true,
      isReused: connection?.isReused === true && !this.needsNewConnection,
    });
    this.needsNewConnection = next === 'new-connection';
    if (next === 'new-connection') this.#sendTo(this.#upstream!);
    else if (next === 'another-replica') this.#route();
    else if (next === 'verdict') {
      this.#phase = 'judged';
      this.setDeadline(VERDICT_MS);
      this.#lease.judge((isPoison) => this.runStep(() => this.#onVerdict(isPoison)));
    } else this.#fail(this.#lease.failure);
  }

  /** Two instances closed on it; whether it is to blame that they ended took a moment to find out. */
  #onVerdict(isPoison: boolean): void {
    if (this.#phase !== 'judged') return;
    if (isPoison) return this.#fail(new BalancerError('poison'));
    this.#lease.repeat();
    this.#route();
  }

  onClientGone(): void {
    if (this.#phase === 'over' || this.#phase === 'tunnel') return;
    this.#connection?.cancel();
    this.#record.left(this.#lease.isHeld ? this.#lease.last : NO_ORDINAL);
    this.#end();
  }

  protected override onTimeout(): void {
    switch (this.#phase) {
      case 'queued': {
        const leftMs = this.#lease.remainingWaitMs;
        if (leftMs > 0 && !this.isOverallDeadlinePast) return this.setDeadline(leftMs);
        return this.#fail(this.#lease.failure);
      }
      case 'judged':
        return this.#onVerdict(false);
      case 'sending':
        return this.#fail(new BalancerError(this.body?.isHeld === true ? 'idle-timeout' : 'request-timeout'));
      case 'connecting':
      case 'waiting':
        return this.#unanswered();
      case 'tunnel':
        this.deadlineMs = this.#record.lookAtTunnel();
        return;
      default:
        return this.#unfinished();
    }
  }

  #unanswered(): void {
    const isConnecting = this.#phase === 'connecting';
    if (!this.#lease.isHeld || (isConnecting && !this.isOverallDeadlinePast))
      this.#worker.recorder.lastResort();
    else this.#lease.recordFailure('response-timeout');
    this.#fail(new BalancerError(isConnecting ? 'connect-timeout' : 'response-timeout'));
  }

  #unfinished(): void {
    if (this.#relay === undefined) return this.#fail(new BalancerError('idle-timeout'));
    if (this.#relay.isPaused && !this.isOverallDeadlinePast) {
      if (this.#context.client.hasUnsentBytes) return this.setDeadline(this.#worker.options.sendTimeoutMs);
      this.#worker.recorder.lastResort();
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
    return this.#record.isRequestComplete;
  }

  /** The answer has begun and cannot be finished. */
  #cut(by: Aborter): void {
    this.#connection?.cancel();
    this.#record.cut(by, () => this.#end());
  }

  /** Answers with a failure of our own. */
  #fail(error: BalancerError): void {
    this.#connection?.cancel();
    this.body?.discard();
    this.#record.fail(error, () => this.#end());
  }

  /** Lets go of everything; what may be placed now is placed. */
  #end(): void {
    if (this.#phase === 'over') return;
    if (this.#phase === 'queued') this.#worker.queue.leave(this);
    if (this.#phase === 'connecting') this.#upstream?.withdraw(this);
    this.#phase = 'over';
    this.#connection = undefined;
    const ordinal = this.#lease.isHeld ? this.#lease.release() : this.#releasedOrdinal;
    this.#lease.settle(this.#record);
    this.#record.close(this.body?.bytes ?? 0);
    this.#context.client.remove(this, this.#context.response);
    this.#worker.finish(this);
    this.#worker.queue.freed(ordinal);
  }
}
