/**
 * One request's claim on the fleet: the replica that it holds, those that have failed it, and what is counted against
 * them.
 * Decides whether a request that failed on a replica is sent again, and where.
 * Invariants: at most one replica is held, and counted in flight exactly while it is; an instance that failed the
 * request is not given it again, another in its place may be.
 */
import { type FailedAttempt, isSafeToRetry, type RetryBudget } from '../../core/policy/retry.ts';
import { NO_ORDINAL } from '../../core/replica.ts';
import type { Picker } from '../../core/routing/pick.ts';
import { NONE_ELIGIBLE } from '../../core/routing/pick-codes.ts';
import { isEligible, type RouteTable } from '../../core/routing/route-table.ts';
import type { Recorder } from '../../metrics/recorder.ts';
import { BalancerError, ERRORS, type ErrorCode } from '../../platform/errors.ts';
import type { RequestContext } from '../downstream/request.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import {
  ABSENT,
  BROKEN,
  CLOSED,
  GATEWAY_FAILURES,
  LOST,
  UNREACHABLE,
  UNSERVED,
} from '../upstream/failure-kinds.ts';
import type { PassiveHealth } from '../upstream/passive-health.ts';
import type { ReplicaPools } from '../upstream/replica-pools.ts';
import { LostInstances } from './losses/lost-instances.ts';
import type { PoisonVerdicts } from './losses/poison-verdicts.ts';
import { UnservedAttempts } from './losses/unserved-attempts.ts';

/** What a lease needs of its worker. */
export interface LeaseWorker {
  readonly options: { readonly queueTimeoutMs: number; readonly retries: number };
  readonly nowMs: number;
  readonly table: RouteTable;
  readonly picker: Picker;
  readonly pools: Pick<ReplicaPools, 'get' | 'generationOf' | 'sticky'>;
  readonly health: PassiveHealth;
  readonly recorder: Recorder;
  readonly budget: RetryBudget;
  readonly verdicts: PoisonVerdicts;
}

/** An instance that failed the request; without a pool, one that this worker had not been given yet. */
interface TriedReplica {
  readonly ordinal: number;
  readonly pool: ConnectionPool | undefined;
}

/** An attempt that failed before its response. */
interface FailedTry extends Pick<FailedAttempt, 'bytesSent' | 'bodyKept'> {
  readonly pool: ConnectionPool;
  /** Its connection had carried a request before, and may have been closed by the replica before this one arrived. */
  readonly isReused: boolean;
}

/**
 * What follows on a failed attempt: the same replica is tried once more on a new connection; another replica is tried, at
 * once or after `requestVerdict` has cleared the request; or the request fails, with `failure`.
 */
export type NextStep = 'new-connection' | 'another-replica' | 'verdict' | 'failure';

const NONE_TRIED: readonly TriedReplica[] = [];
const NO_ORDINALS: readonly number[] = [];

/** How long a request that every eligible replica has failed waits for one of them to be replaced. */
const BLOCKED_WAIT_MS = 500;

export class ReplicaLease {
  readonly #worker: LeaseWorker;
  readonly #context: RequestContext;
  /** The replica that the request was given to last, or NO_ORDINAL. */
  last = NO_ORDINAL;

  #ordinal = NO_ORDINAL;
  /** The state word under which the replica was taken. */
  #stateWord = 0;
  /** The replica that was released when its response was complete, or NO_ORDINAL. */
  #releasedOrdinal = NO_ORDINAL;
  #tried = NONE_TRIED;
  #unserved: UnservedAttempts | undefined;
  #lost: LostInstances | undefined;
  #attempts = 0;
  /** Of these, how many do not count as tries: nobody was there to take the connection. */
  #misses = 0;
  /** The retry budget is charged with this request. */
  #isCharged = false;
  /**
   * Since when it looks for a replica that takes it, whether it waits or finds nobody there. `-0` is a double: V8 deoptimizes a
   * class at the first fraction among whole numbers.
   */
  #lookingSinceMs = -0;
  /** Why the last attempt failed. */
  #lastError: BalancerError | undefined;

  constructor(worker: LeaseWorker, context: RequestContext) {
    this.#worker = worker;
    this.#context = context;
    this.#lookingSinceMs = worker.nowMs;
  }

  /** The replica that is held, or NO_ORDINAL. */
  get heldOrdinal(): number {
    return this.#ordinal;
  }

  get isHeld(): boolean {
    return this.#ordinal !== NO_ORDINAL;
  }

  /** How many replicas the request was given to so far. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The ordinal that owns the request's slot now, or that its sticky cookie names. */
  get owner(): number {
    const { hash, head } = this.#context;
    return this.#worker.pools.sticky.queueOf(head.stickyToken, hash);
  }

  /** Every replica that is eligible has failed this request. */
  get isBlocked(): boolean {
    if (this.#tried === NONE_TRIED || this.#worker.table.eligible === 0) return false;
    return this.#worker.picker.pick(this.#context.hash, this.#triedOrdinals()) === NONE_ELIGIBLE;
  }

  // ---- taking a replica

  /** Takes the replica that the route table says and returns its pool; undefined while none can take the request. */
  acquire(): ConnectionPool | undefined {
    const { table, pools } = this.#worker;
    const token = this.#context.head.stickyToken;
    for (;;) {
      const ordinal = pools.sticky.lease(token, this.#context.hash, this.#triedOrdinals());
      if (ordinal < 0) return undefined;
      this.#ordinal = ordinal;
      const pool = pools.get(ordinal);
      if (pool !== undefined) {
        if (this.#attempts === 0 && token === '') this.#recordOverflow(ordinal);
        this.#hold(ordinal, table.stateWord(ordinal));
        return pool;
      }
      // the slots were published before this worker was given the endpoint
      this.#abandon(undefined);
    }
  }

  /** Takes this replica, whatever hash and load say; false where it may not be given requests. */
  acquirePinned(ordinal: number): boolean {
    const { table, pools } = this.#worker;
    const word = table.stateWord(ordinal);
    if (!isEligible(word) || pools.get(ordinal) === undefined) return false;
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

  #recordOverflow(taken: number): void {
    const owner = this.#worker.picker.overflowedFrom(this.#context.hash, taken);
    if (owner !== NO_ORDINAL) this.#worker.recorder.overflow(owner);
  }

  #triedOrdinals(): readonly number[] {
    if (this.#tried === NONE_TRIED) return NO_ORDINALS;
    // another instance in the place of one that failed has not been tried
    return this.#tried
      .filter(({ ordinal, pool }) => this.#worker.pools.get(ordinal) === pool)
      .map(({ ordinal }) => ordinal);
  }

  // ---- waiting for a replica

  /** How long it may wait now for a replica that can take the request. */
  get waitMs(): number {
    const remainingMs = this.#remainingLookMs;
    return this.isBlocked ? Math.min(BLOCKED_WAIT_MS, remainingMs) : remainingMs;
  }

  /** How much longer it may wait once the time that `waitMs` gave is over; 0 for no longer. */
  get remainingWaitMs(): number {
    // what blocked it has changed meanwhile, so it waits like any other
    return this.isBlocked ? 0 : this.#remainingLookMs;
  }

  /** How much longer it may look for a replica that takes it. */
  get #remainingLookMs(): number {
    const { nowMs, options } = this.#worker;
    return this.#lookingSinceMs + options.queueTimeoutMs - nowMs;
  }

  /** Why the request fails: what the last attempt did, or that no replica was found in time. */
  get failure(): BalancerError {
    const code = this.#worker.table.eligible === 0 ? 'none-eligible' : 'queue-timeout';
    return this.#lastError ?? new BalancerError(code);
  }

  // ---- what a response or a failure says of the replica

  /** Counts a response for or against the replica. */
  recordResponse(status: number): void {
    if (this.#ordinal === NO_ORDINAL) return;
    const { health, recorder } = this.#worker;
    this.#unserved?.count(true, this.#worker);
    this.#unserved = undefined;
    if (GATEWAY_FAILURES.has(status)) health.recordFailure(this.#ordinal, this.#stateWord);
    else health.recordSuccess(this.#ordinal);
    recorder.read(this.#ordinal);
  }

  /** Counts a failure against the replica, and reports what shows that it is down; `hasResponded`: it had begun to. */
  recordFailure(code: ErrorCode, hasResponded = false): void {
    const [ordinal, word] = [this.#ordinal, this.#stateWord];
    if (ordinal === NO_ORDINAL) return;
    const { recorder, health } = this.#worker;
    recorder.failedAttempt(ordinal);
    if (CLOSED.has(code)) health.hint(ordinal, word, code);
    if (UNSERVED.has(code)) {
      if (!hasResponded) {
        this.#unserved ??= new UnservedAttempts();
        return this.#unserved.add(ordinal, word);
      }
    } else if (!UNREACHABLE.has(code) && !BROKEN.has(code)) return;
    // a response that was cut is counted as such
    if (!hasResponded) recorder.fault(ordinal);
    // first: where this ejects the replica for failures in a row, that is the stronger report
    health.recordFailure(ordinal, word);
    if (UNREACHABLE.has(code)) health.reportDown(ordinal, word, code);
  }

  // ---- what follows on a failure

  /** Decides what follows on an attempt that failed before its response; releases the replica unless it is tried again. */
  decideAfterFailure(error: BalancerError, attempt: FailedTry): NextStep {
    const { code } = error;
    const { method } = this.#context;
    this.#lastError = error;
    const isStale = attempt.isReused && (CLOSED.has(code) || code === 'stream-refused');
    const retriable = isSafeToRetry({ ...attempt, method, retriable: ERRORS[code].mayRetry });
    this.#countMiss(attempt.bytesSent, code);
    const canRetry = retriable && this.#mayRetry(attempt.bytesSent);
    if (attempt.bytesSent && LOST.has(code)) {
      this.#lost ??= new LostInstances(this.#worker, this.#context);
      this.#lost.mark(attempt.pool);
    }
    if (isStale && retriable) {
      this.#worker.recorder.retry(this.last, 'stale-connection');
      return 'new-connection';
    }
    if (!isStale) this.recordFailure(code);
    const isLost = this.#lost?.report() === true;
    this.#abandon(attempt.pool);
    // an instance that has ended will be replaced in a moment; one that is slow is not worth waiting for
    if (!canRetry || (code === 'response-timeout' && this.isBlocked)) return 'failure';
    if (isLost && this.#lost?.isPoison === true) {
      this.#lastError = new BalancerError('poison');
      return 'failure';
    }
    if (isLost && this.#lost?.areSeveral === true) return 'verdict';
    this.countRetry();
    return 'another-replica';
  }

  /** Counts that another replica is given the request. */
  countRetry(): void {
    if (this.#lastError !== undefined) this.#worker.recorder.retry(this.last, this.#lastError.code);
  }

  /** Asks whether the request is to blame for the instances that were lost; `onVerdict` may never be called. */
  requestVerdict(onVerdict: (isPoison: boolean) => void): void {
    this.#lost?.requestVerdict(onVerdict);
  }

  /**
   * An attempt for whose connection nobody was there belongs to the search for a replica, which is limited as a whole. Of a
   * fleet most of which has just gone, those that are left are found.
   */
  #countMiss(bytesSent: boolean, code: ErrorCode): void {
    const isMiss = !bytesSent && ABSENT.has(code) && this.#remainingLookMs > 0;
    if (isMiss) this.#misses++;
    else this.#lookingSinceMs = this.#worker.nowMs;
  }

  /** Whether another replica may be given the request now. */
  #mayRetry(bytesSent: boolean): boolean {
    const { retries } = this.#worker.options;
    if (!this.isHeld || retries === 0 || this.#attempts - this.#misses > retries) return false;
    // a request that never went out costs the fleet nothing; the others are kept to a share
    return !bytesSent || this.#charge();
  }

  /** Charges the retry budget with this request, once; false where it is used up. */
  #charge(): boolean {
    this.#isCharged ||= this.#worker.budget.spend();
    if (!this.#isCharged) this.#worker.recorder.budgetExhausted();
    return this.#isCharged;
  }

  // ---- giving the replica back

  /** The response is complete: the replica is released before the request is over. */
  releaseEarly(): void {
    this.#releasedOrdinal = this.#release();
  }

  /** The request is over, `isServed` by a replica; returns the replica on which it made room, or NO_ORDINAL. */
  finish(isServed: boolean): number {
    const freed = this.isHeld ? this.#release() : this.#releasedOrdinal;
    this.#lost?.reportSettled(isServed);
    this.#unserved?.count(false, this.#worker);
    if (this.#isCharged) this.#worker.budget.ended();
    return freed;
  }

  /** The replica that is held has failed the request: it is released, and not given the request again. */
  #abandon(pool: ConnectionPool | undefined): void {
    if (this.#ordinal === NO_ORDINAL) return;
    this.#tried = [...this.#tried, { ordinal: this.#ordinal, pool }];
    this.#release();
  }

  #release(): number {
    const ordinal = this.#ordinal;
    if (ordinal !== NO_ORDINAL) this.#worker.table.release(ordinal);
    this.#ordinal = NO_ORDINAL;
    return ordinal;
  }
}
