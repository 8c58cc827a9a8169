/**
 * One request's claim on the fleet: the replica it holds, those that have failed it, and what is said of them.
 * Must not hold: connections, bytes, clients.
 * Invariants: at most one replica is held, and counted in flight exactly while it is; an instance that failed the
 * request is not taken again, another in its place may be.
 *
 * A connection that closes on a request without a response says that the replica is at fault or that the request is.
 * All attempts of a request are one witness: where another replica responds, those that closed count against their
 * replicas; where several closed and none responded, the request is to blame and nothing counts.
 */
import { type LosingRequest, pathOf } from '../../core/policy/poison.ts';
import { type FailedAttempt, isSafeToRetry } from '../../core/policy/retry.ts';
import { NO_ORDINAL } from '../../core/replica.ts';
import { NONE_ELIGIBLE } from '../../core/routing/pick.ts';
import { isEligible } from '../../core/routing/route-table.ts';
import { BalancerError, ERRORS, type ErrorCode } from '../../platform/errors.ts';
import type { RequestContext } from '../downstream/request.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import type { WorkerContext } from './worker-context.ts';

/** An instance that failed the request; without a pool, one that this thread had not heard of. */
interface TriedReplica {
  readonly ordinal: number;
  readonly upstream: ConnectionPool | undefined;
}

/** An attempt that failed before its response. */
interface FailedTry extends Pick<FailedAttempt, 'bytesSent' | 'bodyKept'> {
  /** The pool that it was given to. */
  readonly upstream: ConnectionPool | undefined;
  /** Its connection had carried a request before, and may have been closed by the replica before this one arrived. */
  readonly isReused: boolean;
}

/** Failures of what was sent to an instance that may have ended. */
const LOST: ReadonlySet<ErrorCode> = new Set(['upstream-closed', 'upstream-reset', 'upstream-gone']);

const NONE_LOST: readonly number[] = [];

/**
 * What follows: the same replica is tried once more; another one is, at once, or where `judge` says that the request is
 * not to blame; or the request fails, with `failure`.
 */
type NextStep = 'new-connection' | 'another-replica' | 'verdict' | 'failure';

const STALE: ReadonlySet<ErrorCode> = new Set(['upstream-closed', 'upstream-reset']);

const NOTHING_TRIED: readonly TriedReplica[] = [];
const NO_ORDINALS: readonly number[] = [];

/** An attempt whose connection closed before a response, and the state word under which it was made. */
interface ClosedAttempt {
  readonly ordinal: number;
  readonly word: number;
}

const NONE_CLOSED: readonly ClosedAttempt[] = [];

/** Failures that show by themselves that the replica takes no requests. */
const UNREACHABLE: ReadonlySet<ErrorCode> = new Set(['connect-refused', 'connect-failed', 'connect-timeout']);

/** Failures that may be the request's own doing. */
const CLOSED: ReadonlySet<ErrorCode> = new Set(['upstream-closed', 'upstream-reset']);

/** Other failures that count against the replica; what is not listed at all is the balancer's or the client's. */
const BROKEN: ReadonlySet<ErrorCode> = new Set(['response-timeout', 'bad-response']);

/** Answers by which a replica says that it cannot serve. */
const GATEWAY_FAILURES: ReadonlySet<number> = new Set([502, 503, 504]);

/** How long a request that every eligible replica has failed waits for one of them to be replaced. */
const BLOCKED_MS = 500;

export class ReplicaLease {
  readonly #worker: WorkerContext;
  readonly #context: RequestContext;
  /** The hash key's, unsigned 32 bits. */
  readonly #hash: number;
  /** The replica that the request was given to last, or NO_ORDINAL. */
  last = NO_ORDINAL;

  #ordinal = NO_ORDINAL;
  /** The state word under which the replica was taken. */
  #stateWord = 0;
  #tried = NOTHING_TRIED;
  #closed = NONE_CLOSED;
  /** The pool whose connection closed on the request, while the same replica is tried once more. */
  #lostPool: ConnectionPool | undefined;
  /** The instances that were lost while the request was on them, by their generations. */
  #lostGenerations = NONE_LOST;
  #attempts = 0;
  #isCharged = false;
  /** When it began to wait. Begins as a double (`-0`): V8 deoptimizes a class at the first fraction among whole numbers. */
  #waitingSinceMs = -0;
  /** Why the last attempt failed. */
  #lastError: BalancerError | undefined;

  constructor(worker: WorkerContext, context: RequestContext) {
    this.#worker = worker;
    this.#context = context;
    this.#hash = context.hash;
  }

  get isHeld(): boolean {
    return this.#ordinal !== NO_ORDINAL;
  }

  /** Replicas that the request was given to so far. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The ordinal that owns the request's slot now. */
  get owner(): number {
    return this.#worker.picker.ownerOf(this.#hash);
  }

  /** Every replica that is eligible has failed this request. */
  get isBlocked(): boolean {
    if (this.#tried === NOTHING_TRIED || this.#worker.table.eligible === 0) return false;
    return this.#worker.picker.pick(this.#hash, this.#triedOrdinals()) === NONE_ELIGIBLE;
  }

  /** Begins to wait for a replica that can take the request; for how long it may. */
  wait(): number {
    const { queueTimeoutMs } = this.#worker.options;
    this.#waitingSinceMs = this.#worker.nowMs;
    return this.isBlocked ? Math.min(BLOCKED_MS, queueTimeoutMs) : queueTimeoutMs;
  }

  /** How much longer it may wait, when it has waited for as long as was said; 0 for no longer. */
  get remainingWaitMs(): number {
    // what it was blocked by has changed meanwhile, so it waits like any other
    return this.isBlocked
      ? 0
      : this.#waitingSinceMs + this.#worker.options.queueTimeoutMs - this.#worker.nowMs;
  }

  /** Why the request failed: what the last attempt did, or that no replica was found in time. */
  get failure(): BalancerError {
    const code = this.#worker.table.eligible === 0 ? 'none-eligible' : 'queue-timeout';
    return this.#lastError ?? new BalancerError(code);
  }

  /** Takes the replica that the ring says and gives its pool; undefined while none can take the request. */
  take(): ConnectionPool | undefined {
    const { picker, table } = this.#worker;
    for (;;) {
      const ordinal = picker.lease(this.#hash, this.#triedOrdinals());
      if (ordinal < 0) return undefined;
      this.#ordinal = ordinal;
      const upstream = this.#worker.poolOf(ordinal);
      if (upstream !== undefined) {
        if (this.#attempts === 0) this.#recordOverflow(ordinal);
        this.#hold(ordinal, table.stateWord(ordinal));
        return upstream;
      }
      // the slots were published before this thread heard of the endpoint
      this.abandon(undefined);
    }
  }

  /** Takes this replica, whatever key and load say; false where it may not be given requests. */
  acquirePinned(ordinal: number): boolean {
    const { table } = this.#worker;
    const word = table.stateWord(ordinal);
    if (!isEligible(word) || this.#worker.poolOf(ordinal) === undefined) return false;
    table.acquire(ordinal, Number.POSITIVE_INFINITY);
    this.#hold(ordinal, word);
    return true;
  }

  #hold(ordinal: number, word: number): void {
    this.#ordinal = ordinal;
    this.#stateWord = word;
    this.#attempts++;
    this.last = ordinal;
  }

  /** The replica in hand failed the request: it is let go, and not taken again. */
  abandon(upstream: ConnectionPool | undefined): void {
    if (this.#ordinal === NO_ORDINAL) return;
    this.#tried = [...this.#tried, { ordinal: this.#ordinal, upstream }];
    this.release();
  }

  /** Lets go of the replica, and gives its ordinal, or NO_ORDINAL where none was held. */
  release(): number {
    const ordinal = this.#ordinal;
    if (ordinal !== NO_ORDINAL) this.#worker.table.release(ordinal);
    this.#ordinal = NO_ORDINAL;
    return ordinal;
  }

  /** Decides what follows on an attempt that failed before its response, and lets go of the replica unless it is tried again. */
  decideAfterFailure(error: BalancerError, attempt: FailedTry): NextStep {
    const { code } = error;
    const method = this.#context.request.method ?? '';
    this.#lastError = error;
    const isStale = attempt.isReused && STALE.has(code);
    const retriable = isSafeToRetry({ ...attempt, method, retriable: ERRORS[code].mayRetry });
    const canRetry = retriable && this.#mayRetry(attempt.bytesSent);
    if (attempt.bytesSent && LOST.has(code)) this.#lostPool = attempt.upstream;
    if (isStale && retriable && attempt.upstream !== undefined) {
      this.#worker.recorder.retry(this.last, 'stale-connection');
      return 'new-connection';
    }
    if (!isStale) this.recordFailure(code);
    const isLost = this.#recordLoss();
    this.abandon(attempt.upstream);
    if (!canRetry) return 'failure';
    if (isLost && this.#worker.verdicts.isPoison(this.#identity)) {
      this.#lastError = new BalancerError('poison');
      return 'failure';
    }
    if (isLost && this.#lostGenerations.length > 1) return 'verdict';
    this.repeat();
    return 'another-replica';
  }

  /** Another replica is given the request. */
  repeat(): void {
    if (this.#lastError !== undefined) this.#worker.recorder.retry(this.last, this.#lastError.code);
  }

  /** Asks whether the request is to blame for the end of what was lost; `hear` may never be called. */
  judge(hear: (isPoison: boolean) => void): void {
    this.#worker.verdicts.ask(this.#lostGenerations, hear);
  }

  /** Tells of an instance that was lost with the request on it; false where there is none. */
  #recordLoss(): boolean {
    const generation = this.#lostPool && this.#worker.generationOf(this.#lostPool);
    this.#lostPool = undefined;
    if (generation === undefined) return false;
    if (!this.#lostGenerations.includes(generation))
      this.#lostGenerations = [...this.#lostGenerations, generation];
    this.#worker.verdicts.lost({ ...this.#identity, generation });
    return true;
  }

  /** By what the control plane knows the request. */
  get #identity(): LosingRequest {
    const { request, head } = this.#context;
    return { method: request.method ?? '', path: pathOf(head.target), id: head.requestId };
  }

  /** Whether another replica may be given the request now. */
  #mayRetry(bytesSent: boolean): boolean {
    if (!this.isHeld || this.#attempts > this.#worker.options.retries) return false;
    // a request that never went out costs the fleet nothing; the others are kept to a share
    return !bytesSent || this.#charge();
  }

  /** Charges the retry budget with this request, once; false where it is used up. */
  #charge(): boolean {
    this.#isCharged ||= this.#worker.budget.spend();
    if (!this.#isCharged) this.#worker.recorder.budgetExhausted();
    return this.#isCharged;
  }

  /** The request is over. */
  settle(outcome: { readonly isServed: boolean }): void {
    if (this.#lostGenerations !== NONE_LOST)
      this.#worker.verdicts.settled({ ...this.#identity, isServed: outcome.isServed });
    if (this.#closed !== NONE_CLOSED) this.#countClosed(false);
    if (this.#isCharged) this.#worker.budget.ended();
  }

  /** Counts a failure against the replica, and reports what says that it is down; `hasResponded`: it had begun to. */
  recordFailure(code: ErrorCode, hasResponded = false): void {
    const [ordinal, word] = [this.#ordinal, this.#stateWord];
    if (ordinal === NO_ORDINAL) return;
    const { recorder } = this.#worker;
    recorder.failedAttempt(ordinal);
    if (CLOSED.has(code)) {
      this.#worker.hint(ordinal, word, code);
      if (!hasResponded) {
        if (!this.#closed.some((one) => one.ordinal === ordinal))
          this.#closed = [...this.#closed, { ordinal, word }];
        return;
      }
    } else if (!UNREACHABLE.has(code) && !BROKEN.has(code)) return;
    // a response that was cut is counted as such
    if (!hasResponded) recorder.fault(ordinal);
    // first: where it makes so many in a row that it is ejected, that is the stronger
    this.#worker.recordFailure(ordinal, word);
    if (UNREACHABLE.has(code)) this.#worker.report(ordinal, word, code);
  }

  /** Counts a response for or against the replica. */
  recordResponse(status: number): void {
    if (this.#ordinal === NO_ORDINAL) return;
    if (this.#closed !== NONE_CLOSED) this.#countClosed(true);
    if (GATEWAY_FAILURES.has(status)) this.#worker.recordFailure(this.#ordinal, this.#stateWord);
    else this.#worker.recordSuccess(this.#ordinal);
    this.#worker.recorder.read(this.#ordinal);
  }

  /** Counts what closed without a response against its replicas, unless that is the request's fault. */
  #countClosed(isServed: boolean): void {
    const closed = this.#closed;
    this.#closed = NONE_CLOSED;
    if (!isServed && closed.length > 1) return;
    for (const { ordinal, word } of closed) {
      this.#worker.recorder.fault(ordinal);
      this.#worker.recordFailure(ordinal, word);
    }
  }

  #recordOverflow(taken: number): void {
    const owner = this.#worker.picker.overflowedFrom(this.#hash, taken);
    if (owner !== NO_ORDINAL) this.#worker.recorder.overflow(owner);
  }

  #triedOrdinals(): readonly number[] {
    if (this.#tried === NOTHING_TRIED) return NO_ORDINALS;
    return this.#tried
      .filter(({ ordinal, upstream }) => this.#worker.poolOf(ordinal) === upstream)
      .map(({ ordinal }) => ordinal);
  }
}
