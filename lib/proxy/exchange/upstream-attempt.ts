/**
 * One try of a request on a replica: it gets a connection, sends the request, and relays the response to the client.
 * What follows when it fails is decided in `replica-lease.ts`, and done by the exchange (`exchange.ts`).
 * Invariant: the lease is released when the response is complete and before the client can know, since its next request
 * may meet another worker, which must not find this one in flight.
 */
import type { Socket } from 'node:net';
import type { ResponseHead } from '../../http1/response-head.ts';
import type { Recorder } from '../../metrics/recorder.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { RequestContext } from '../downstream/request.ts';
import type { Attempt, Connection } from '../upstream/connection.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import type { WorkerOptions } from '../worker-protocol.ts';
import { type ActiveRequests, LAST_RESORT_MS, type Phase } from './deadlines.ts';
import type { ReplicaLease } from './replica-lease.ts';
import { type RequestBody, sendWhole } from './request-body.ts';
import type { RequestRecord } from './request-record.ts';
import type { RelayFlow, ResponseRelay } from './response-relay.ts';
import type { ResponseWriter } from './response-writer.ts';

/** What an attempt needs of its worker. */
export interface AttemptWorker {
  readonly options: Pick<WorkerOptions, 'bodyTimeoutMs' | 'classic' | 'connectTimeoutMs'> &
    Pick<WorkerOptions, 'idleTimeoutMs' | 'sendTimeoutMs'>;
  readonly recorder: Pick<Recorder, 'read'>;
  readonly active: Pick<ActiveRequests, 'areMany'>;
}

/** The parts of one exchange that its attempts share with it. */
export interface ExchangeParts<Worker> {
  readonly worker: Worker;
  readonly context: RequestContext;
  readonly lease: ReplicaLease;
  readonly record: RequestRecord;
  readonly writer: ResponseWriter;
  /** Undefined for a request without one. */
  readonly body: RequestBody | undefined;
}

/** The exchange, as its attempt sees it. */
export interface AttemptOwner {
  phase: Phase;
  setDeadline(ms: number, isLimited?: boolean): void;
  /** The request is sent, or the replica takes no more of it. */
  awaitResponse(): void;
  /** Sets the deadline for what the body waits for while it is sent. */
  onBodyProgress(): void;
  /** The response is over. */
  onResponseEnd(): void;
  onAttemptFailed(error: BalancerError): void;
  /** The replica has responded, and the client must get `error` instead. */
  onUnfitResponse(error: BalancerError): void;
  onTunnel(upstream: Socket, early: Buffer, head: string): void;
}

export class UpstreamAttempt implements Attempt, RelayFlow {
  readonly request: RequestContext;
  readonly needsNewConnection: boolean;
  /** Of the replica's instance. */
  readonly pool: ConnectionPool;
  /** A double from the beginning (`-0`): V8 deoptimizes a class at the first fraction in a field of whole numbers. */
  waitsSinceMs = -0;
  readonly #parts: ExchangeParts<AttemptWorker>;
  readonly #owner: AttemptOwner;
  #connection: Connection | undefined;
  #relay: ResponseRelay | undefined;

  constructor(
    parts: ExchangeParts<AttemptWorker>,
    owner: AttemptOwner,
    pool: ConnectionPool,
    needsNewConnection: boolean,
  ) {
    this.#parts = parts;
    this.#owner = owner;
    this.request = parts.context;
    this.pool = pool;
    this.needsNewConnection = needsNewConnection;
  }

  /** Undefined until the connection is there, and once it has failed. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** The response, once its head has come; undefined for one that is replaced by a failure of our own. */
  get relay(): ResponseRelay | undefined {
    return this.#relay;
  }

  /** Asks the pool for a connection, or takes the client's own. */
  start(pinned: Connection | undefined): void {
    const { worker, lease, record } = this.#parts;
    this.#owner.phase = 'connecting';
    // the pool limits how long connecting takes, and fails the attempt before
    this.#owner.setDeadline(worker.options.connectTimeoutMs + LAST_RESORT_MS, lease.isHeld);
    if (pinned === undefined) this.pool.send(this);
    else pinned.assign(this);
    if (this.#owner.phase === 'connecting') record.startConnectTimer();
  }

  get isRequestSent(): boolean {
    const { body } = this.#parts;
    return body === undefined || body.isSent;
  }

  onConnection(connection: Connection): void {
    if (this.#owner.phase !== 'connecting') return connection.cancel();
    const { worker, context, lease, record, body } = this.#parts;
    this.#connection = connection;
    record.recordConnected(lease.last, connection.isReused);
    const { text: head, bindsConnection } = context.head;
    if (bindsConnection) context.client.pin(connection, this.pool);
    if (sendWhole(connection, head, body, worker.active.areMany)) return this.#owner.awaitResponse();
    this.#owner.phase = 'sending';
    this.#owner.setDeadline(worker.options.bodyTimeoutMs);
    body?.sendTo(connection, head);
    this.#owner.onBodyProgress();
  }

  onDrain(): void {
    const { worker, lease, body } = this.#parts;
    // the replica reads what is sent to it: a sign of life
    worker.recorder.read(lease.last);
    body?.resume();
    this.#owner.onBodyProgress();
  }

  onWriteFailed(): void {
    const { body } = this.#parts;
    if (this.#owner.phase === 'responding') return body?.discard();
    body?.detach();
    this.#owner.awaitResponse();
  }

  onInterim(head: ResponseHead): void {
    const { worker, lease, writer } = this.#parts;
    worker.recorder.read(lease.last);
    writer.writeInterim(head);
    // the replica is at work on the request: a 102 says so, and nothing else can
    if (this.#owner.phase === 'awaiting-response') this.#owner.awaitResponse();
  }

  onHead(head: ResponseHead): void {
    const { worker, context, lease, record, writer, body } = this.#parts;
    this.#connection!.keepAliveTimeoutMs = head.keepAliveTimeoutMs;
    if (head.bindsConnection) context.client.pin(this.#connection!, this.pool);
    // the classic profile replaces a replica's 404 by a 400, once the 404 is over
    if (!worker.options.classic || head.statusCode !== 404 || !lease.isHeld) {
      lease.recordResponse(head.statusCode);
      record.recordResponse(head.statusCode, lease.last);
      if (looksSwitched(context, head.statusCode))
        return this.#owner.onUnfitResponse(new BalancerError('bad-response', notSwitched(head.statusCode)));
      this.#relay = writer.start(head, this, this.isRequestSent);
    }
    this.#owner.phase = 'responding';
    // nobody takes the rest of the request, and a client may read nothing before it has sent all of it
    if (body?.isDetached === true) body.discard();
  }

  onBody(chunk: Buffer): void {
    this.#parts.record.bytesOut += chunk.length;
    this.#relay?.writeBody(chunk, this.#connection!);
  }

  onReadEnd(): void {
    const { worker, lease, record } = this.#parts;
    worker.recorder.read(lease.last);
    record.recordFurtherRead();
    if (this.#relay === undefined || this.#connection === undefined) return;
    this.#relay.flush(this.#connection);
    if (this.#relay.suitsLargeReads) this.#connection.useLargeReads();
    if (!this.#relay.isPaused) this.#owner.setDeadline(worker.options.idleTimeoutMs);
  }

  onEnd(trailers: readonly string[]): void {
    const { worker, context, lease } = this.#parts;
    if (trailers.length > 0) context.response.addTrailers(trailers);
    lease.releaseEarly();
    this.#relay?.end(this.#connection!, worker.active.areMany);
  }

  onDone(): void {
    if (this.#relay === undefined) this.#connection = undefined;
    this.#owner.onResponseEnd();
  }

  setResponsePaused(isPaused: boolean): void {
    const { sendTimeoutMs, idleTimeoutMs } = this.#parts.worker.options;
    if (isPaused) {
      // how long a client may take nothing is limited by its connection; this deadline checks now and then that it is
      this.#owner.setDeadline(sendTimeoutMs);
      this.#connection?.pause();
    } else if (this.#owner.phase === 'responding') {
      this.#owner.setDeadline(idleTimeoutMs);
      this.#connection?.resume();
    }
  }

  onTunnel(upstream: Socket, early: Buffer): void {
    this.#connection = undefined;
    this.#owner.phase = 'tunnel';
    this.#owner.onTunnel(upstream, early, this.#relay?.takeHead() ?? '');
  }

  onUpstreamError(error: BalancerError): void {
    this.#owner.onAttemptFailed(error);
  }
}

/** Over HTTP/2 any 2xx tells the client of a WebSocket that it is open (RFC 8441 section 5), and only 101 does so here. */
function looksSwitched({ upgrade, request }: RequestContext, status: number): boolean {
  return upgrade && status >= 200 && status < 300 && request.httpVersion === '2.0';
}

function notSwitched(status: number): string {
  return `The replica responded with ${status} and did not switch protocols`;
}
