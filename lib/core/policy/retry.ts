/**
 * Whether a request that failed on one replica may be sent to another, and how many retries the budget allows.
 * Source: RFC 9110 section 9.2.2 (idempotent methods), RFC 9112 section 9.3.1 (retrying on a closed connection).
 */

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** True for the methods whose repetition has the effect of one (RFC 9110 section 9.2.2). */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** An attempt that failed before a response head. */
export interface FailedAttempt {
  readonly method: string;
  /** The error's kind lets another replica be tried (`ERRORS[code].mayRetry`). */
  readonly retriable: boolean;
  /** Some bytes of the request were written to the replica, so it may have acted on them. */
  readonly bytesSent: boolean;
  /** The body sent so far is still buffered, or there is none. */
  readonly bodyKept: boolean;
}

/** True where repeating the request cannot have an effect that sending it once would not. */
export function isSafeToRetry(attempt: FailedAttempt): boolean {
  if (!attempt.retriable || !attempt.bodyKept) return false;
  return !attempt.bytesSent || isIdempotent(attempt.method);
}

/** Retries that may be in flight at a time whatever the budget says. */
const MIN_CONCURRENT_RETRIES = 3;
/** The most retries that can be saved up: what the death of a replica with a thousand requests in flight may need. */
const MAX_SAVED = 1000;

/**
 * Retries that are available before any request was counted, since a replica that dies early may have as many in
 * flight. Once spent, the reserve refills over some ten seconds.
 */
export const RESERVE = 32;

/**
 * Keeps retries to a share of the requests, so that a fleet in trouble is not given a multiple of its load:
 * every request saves `share` of a retry, every retry spends one, and savings decay over some ten seconds
 * (Finagle's retry budget, with its minimum as a reserve). Three retries at a time are always allowed.
 */
export class RetryBudget {
  #share = -0;
  #reserve = 0;
  /** Holds fractions, so it begins as a double (`-0`): a whole number would deoptimize the data path at the first of them. */
  #saved = -0;
  #retrying = 0;

  /** `share` is 0 to 1. */
  constructor(share: number) {
    this.configure(share);
    this.#saved += this.#reserve;
  }

  /** Allows another share from now on; what is saved stays, and decays towards the new reserve. */
  configure(share: number): void {
    this.#share = share;
    this.#reserve = share > 0 ? RESERVE : 0;
  }

  /** Counts a request. */
  save(): void {
    if (this.#saved < MAX_SAVED) this.#saved += this.#share;
  }

  /** Decays the savings; to be called ten times a second. */
  decay(): void {
    this.#saved += (this.#reserve - this.#saved) * 0.01;
  }

  /** Takes one retry from the budget; false where it is exhausted. */
  spend(): boolean {
    if (this.#saved < 1 && this.#retrying >= MIN_CONCURRENT_RETRIES) return false;
    this.#saved = Math.max(0, this.#saved - 1);
    this.#retrying++;
    return true;
  }

  /** A retry that `spend` allowed has ended. */
  ended(): void {
    this.#retrying--;
  }
}
