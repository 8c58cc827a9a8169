/**
 * One request's life: a lease on a replica, an attempt to send it there, another where that failed and may be repeated,
 * and the end. Decides which failure a client gets when there is no response of a replica: 502, 503, 504
 * (`onTimeout`, `#onAttemptFailed` with `replica-lease.ts`; the statuses are in `platform/errors.ts`).
 *
 * Invariants: the lease is released exactly once, whatever ends the exchange; after `#end` nothing touches client or
 * replica again; before the response's head is written a failure may lead to another replica, after that both
 * connections are closed, so that a response that was cut never looks whole.
 */
import type { Socket } from 'node:net';
import type { RetryBudget } from '../../core/policy/retry.ts';
import { NO_ORDINAL } from '../../core/replica.ts';
import type { RouteTable } from '../../core/routing/route-table.ts';
import type { Aborter } from '../../metrics/layout.ts';
import type { Recorder } from '../../metrics/recorder.ts';
import { BalancerError } from '../../platform/errors.ts';
import { type ActiveExchange, isRequestComplete, type RequestContext } from '../downstream/request.ts';
import type { Connection } from '../upstream/connection.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import type { WorkerOptions } from '../worker-protocol.ts';
import type { AccessLogEntries } from './access-log-entry.ts';
import { type ActiveRequests, type Phase, TimedTask, VERDICT_MS } from './deadlines.ts';
import { type LeaseWorker, ReplicaLease } from './replica-lease.ts';
import { type BodyOwner, type BodyWorker, RequestBody } from './request-body.ts';
import type { QueuedRequest, RequestQueue } from './request-queue.ts';
import { RequestRecord } from './request-record.ts';
import { ResponseWriter, type WriterWorker } from './response-writer.ts';
import { Tunnel } from './tunnel.ts';
import {
  type AttemptOwner,
  type AttemptWorker,
  type ExchangeParts,
  UpstreamAttempt,
} from './upstream-attempt.ts';

/** The longest that the admin server may take for a request: more than any change of the fleet takes. */
const ADMIN_TIMEOUT_MS = 600_000;

/** What an exchange needs of its worker, for itself and for its parts. */
export interface ExchangeWorker extends LeaseWorker, BodyWorker, WriterWorker, AttemptWorker {
  readonly options: WorkerOptions;
  readonly recorder: Recorder;
  readonly table: RouteTable;
  readonly budget: RetryBudget;
  readonly queue: RequestQueue;
  readonly active: ActiveRequests;
  readonly access: AccessLogEntries;
  readonly pools: WriterWorker['pools'] & LeaseWorker['pools'];
}

export class Exchange extends TimedTask implements QueuedRequest, BodyOwner, ActiveExchange, AttemptOwner {
  phase: Phase = 'new';
  readonly #parts: ExchangeParts<ExchangeWorker>;
  #attempt: UpstreamAttempt | undefined;
  #tunnel: Tunnel | undefined;

  constructor(worker: ExchangeWorker, context: RequestContext) {
    super(worker);
    const lease = new ReplicaLease(worker, context);
    const record = new RequestRecord(worker.recorder, context);
    const writer = new ResponseWriter(worker, context, record, lease);
    const { framing } = context.head;
    const source = framing === 'none' ? undefined : context.request.body;
    const body = source && new RequestBody(worker, source, framing, this);
    this.#parts = { worker, context, lease, record, writer, body };
  }

  get body(): RequestBody | undefined {
    return this.#parts.body;
  }

  /** Sends the request where the route table says; or to `pool`, which is no replica's: no lease, no retry, one time limit. */
  start(pool: ConnectionPool | undefined): void {
    const { worker } = this.#parts;
    worker.active.add(this);
    this.setOverallDeadline(pool === undefined ? worker.options.requestTimeoutMs : ADMIN_TIMEOUT_MS);
    if (pool === undefined) worker.budget.save();
    // not `runStep`, which would cost every request a closure
    try {
      if (pool === undefined) this.#route();
      else this.#sendTo(pool);
    } catch (error) {
      this.onStepFailed(error);
    }
  }

  /** Gives the request to no replica, and responds with `error`. */
  refuse(error: BalancerError): void {
    this.#parts.worker.active.add(this);
    this.#fail(error);
  }

  // ---- a replica is found

  #route(): void {
    const { worker, context, lease, record } = this.#parts;
    const { pinned } = context.client;
    if (pinned !== undefined && !context.upgrade && pinned.claim(lease))
      return this.#sendTo(worker.pools.get(pinned.ordinal)!, { pinned: pinned.connection });
    // a request that comes later must not overtake one that waits, in whichever worker
    if (lease.attempts > 0 || worker.table.totalWaiting === 0) {
      const pool = lease.acquire();
      if (pool !== undefined) return this.#sendTo(pool);
    }
    this.phase = 'queued';
    record.startQueueTimer();
    this.setDeadline(lease.waitMs);
    if (!worker.queue.enqueue(this)) this.#fail(new BalancerError('queue-full'));
  }

  get heldOrdinal(): number {
    return this.#parts.lease.heldOrdinal;
  }

  get hash(): number {
    return this.#parts.context.hash;
  }

  get owner(): number {
    return this.#parts.lease.owner;
  }

  get isBlocked(): boolean {
    return this.#parts.lease.isBlocked;
  }

  tryPlacing(): boolean {
    let isPlaced = true;
    // called while another request ends, which a failure of this one must not reach
    this.runStep(() => {
      const { worker, lease, record } = this.#parts;
      const pool = lease.acquire();
      isPlaced = pool !== undefined;
      if (pool === undefined) return;
      worker.queue.remove(this);
      record.stopQueueTimer();
      this.#sendTo(pool);
    });
    return isPlaced;
  }

  #sendTo(pool: ConnectionPool, { pinned, isNew = false }: SendOptions = PLAIN): void {
    this.#attempt = new UpstreamAttempt(this.#parts, this, pool, isNew);
    this.#attempt.start(pinned);
  }

  // ---- the request is sent, and its response comes

  onBodyProgress(): void {
    if (this.phase !== 'sending') return;
    const { worker, body } = this.#parts;
    if (body?.isComplete === true) return this.awaitResponse();
    const { idleTimeoutMs, bodyTimeoutMs } = worker.options;
    this.setDeadline(body?.isHeld === true ? idleTimeoutMs : bodyTimeoutMs);
  }

  awaitResponse(): void {
    const { worker, lease } = this.#parts;
    this.phase = 'awaiting-response';
    this.setDeadline(worker.options.responseTimeoutMs, lease.isHeld);
  }

  onResponseEnd(): void {
    const { context, body } = this.#parts;
    if (this.#attempt?.relay === undefined) return this.#fail(missingEndpoint(context.request.url));
    // what the client still sends of its body has no reader any more
    body?.discard();
    this.#end();
  }

  onTunnel(upstream: Socket, early: Buffer, head: string): void {
    const { worker, context, record, body } = this.#parts;
    this.#tunnel = new Tunnel({ worker, context, record, upstream });
    this.deadlineMs = this.#tunnel.open(head, early, body, () => this.#end());
  }

  // ---- something fails

  onAttemptFailed(error: BalancerError): void {
    this.runStep(() => this.#onAttemptFailed(error));
  }

  #onAttemptFailed(error: BalancerError): void {
    const { lease, body } = this.#parts;
    const attempt = this.#attempt!;
    body?.detach();
    if (this.phase === 'responding') {
      lease.recordFailure(error.code, true);
      // what was not written yet can still become a 502
      return attempt.relay?.isUnsent === false ? this.#cut('replica') : this.#fail(error);
    }
    const isRefused = error.code === 'stream-refused';
    const next = lease.decideAfterFailure(error, {
      pool: attempt.pool,
      bytesSent: attempt.connection !== undefined && !isRefused,
      bodyKept: body?.isReplayable ?? true,
      isReused: (attempt.connection?.isReused === true || isRefused) && !attempt.needsNewConnection,
    });
    switch (next) {
      case 'new-connection':
        return this.#sendTo(attempt.pool, { isNew: true });
      case 'another-replica':
        return this.#route();
      case 'verdict':
        this.phase = 'awaiting-verdict';
        this.setDeadline(VERDICT_MS);
        return lease.requestVerdict((isPoison) => this.runStep(() => this.#onVerdict(isPoison)));
      case 'failure':
        return this.#fail(lease.failure);
    }
  }

  onUnfitResponse(error: BalancerError): void {
    this.#fail(error);
  }

  /** Two instances were lost with the request on them; whether it is to blame took the control plane a moment to find out. */
  #onVerdict(isPoison: boolean): void {
    if (this.phase !== 'awaiting-verdict') return;
    if (isPoison) return this.#fail(new BalancerError('poison'));
    this.#parts.lease.countRetry();
    this.#route();
  }

  protected override onStepFailed(cause: unknown): void {
    if (this.phase === 'responding') this.#cut('balancer');
    else this.#fail(new BalancerError('internal', undefined, { cause }));
  }

  protected override onTimeout(): void {
    const { lease, body } = this.#parts;
    switch (this.phase) {
      case 'queued': {
        const remainingMs = lease.remainingWaitMs;
        if (remainingMs > 0 && !this.isOverallDeadlinePast) return this.setDeadline(remainingMs);
        return this.#fail(lease.failure);
      }
      case 'awaiting-verdict':
        return this.#onVerdict(false);
      case 'sending':
        return this.#fail(new BalancerError(body?.isHeld === true ? 'idle-timeout' : 'request-timeout'));
      case 'connecting':
      case 'awaiting-response':
        return this.#onNoResponse();
      case 'tunnel':
        this.deadlineMs = this.#tunnel!.checkIdle();
        return;
      default:
        return this.#onStalledResponse();
    }
  }

  #onNoResponse(): void {
    const { worker, lease, writer } = this.#parts;
    const isConnecting = this.phase === 'connecting';
    const error = new BalancerError(isConnecting ? 'connect-timeout' : 'response-timeout');
    const isOver = this.isOverallDeadlinePast;
    // an interim response said that the replica is at work on the request, and the client may have read it
    if (lease.isHeld && !isConnecting && !isOver && !writer.hasInterim) {
      this.#attempt?.connection?.cancel();
      return this.#onAttemptFailed(error);
    }
    if (!lease.isHeld || (isConnecting && !isOver)) worker.recorder.lastResort();
    else lease.recordFailure('response-timeout');
    this.#fail(error);
  }

  #onStalledResponse(): void {
    const { worker, context } = this.#parts;
    const relay = this.#attempt?.relay;
    if (relay === undefined) return this.#fail(new BalancerError('idle-timeout'));
    if (relay.isPaused && !this.isOverallDeadlinePast) {
      if (context.client.hasUnsentBytes) return this.setDeadline(worker.options.sendTimeoutMs);
      worker.recorder.lastResort();
    }
    this.#cut('balancer');
  }

  onClientGone(): void {
    if (this.phase === 'done' || this.phase === 'tunnel') return;
    const { lease, record } = this.#parts;
    this.#attempt?.connection?.cancel();
    record.recordClientGone(lease.heldOrdinal);
    this.#end();
  }

  onBadBody(error: BalancerError): void {
    // what was read of it before the client was cut off
    if (this.phase === 'done') return;
    if (this.phase === 'responding') this.#cut('client');
    else this.#fail(error);
  }

  get isRequestComplete(): boolean {
    return isRequestComplete(this.#parts.context);
  }

  // ---- the end

  /** The response has started and cannot be finished. */
  #cut(by: Aborter): void {
    const { record, writer } = this.#parts;
    this.#attempt?.connection?.cancel();
    record.ended = by;
    writer.cut(() => this.#end());
  }

  /** Responds with a failure of the balancer's own. */
  #fail(error: BalancerError): void {
    const { writer, body } = this.#parts;
    this.#attempt?.connection?.cancel();
    body?.discard();
    writer.fail(error, () => this.#end());
  }

  /** Releases everything, and places what may be placed now. */
  #end(): void {
    if (this.phase === 'done') return;
    const { worker, context, lease, record, body } = this.#parts;
    if (this.phase === 'queued') worker.queue.remove(this);
    const attempt = this.#attempt;
    if (this.phase === 'connecting' && attempt !== undefined) attempt.pool.withdraw(attempt);
    const isTunnel = this.phase === 'tunnel';
    this.phase = 'done';
    const isServed = record.respondedBy !== NO_ORDINAL && (isTunnel || record.ended === 'whole');
    const freed = lease.finish(isServed);
    this.#tunnel?.close();
    body?.release();
    record.finish(body?.bytes ?? 0);
    worker.access.recordEnd(record, context, lease.attempts);
    context.client.release(this, context.response);
    worker.active.remove(this);
    worker.queue.onReplicaFreed(freed);
  }
}

interface SendOptions {
  /** The client's own connection. */
  readonly pinned?: Connection;
  /** Only a connection that has carried no request will do. */
  readonly isNew?: boolean;
}
const PLAIN: SendOptions = {};

/** The classic profile's response to a request for what a replica does not know. */
function missingEndpoint(target: string): BalancerError {
  const path = target.split('?', 1)[0];
  return new BalancerError('bad-request', `'${path}' endpoint does not exist in server replicas`);
}
