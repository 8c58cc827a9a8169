/**
 * Whether a request that failed on one replica may be given to another, and how many may be at a time.
 * Must not hold: sockets, timers, error texts.
 * Source: RFC 9110 section 9.2.2 (idempotent methods), RFC 9112 section 9.3.1 (retrying on a closed connection).
 */

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** True for the methods whose repetition has the effect of one (RFC 9110 section 9.2.2). */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** What is known of an attempt that failed before a response head. */
export interface FailedAttempt {
  readonly method: string;
  /** The error's kind lets another replica be tried (`ERRORS[code].mayRetry`). */
  readonly retriable: boolean;
  /** Some bytes of the request were written to the replica, so it may have acted on them. */
  readonly bytesSent: boolean;
  /** The whole body so far is still at hand (or there is none). */
  readonly bodyKept: boolean;
}

/** True where sending the request again cannot do harm that sending it once would not. */
export function isSafeToRetry(attempt: FailedAttempt): boolean {
  if (!attempt.retriable || !attempt.bodyKept) return false;
  return !attempt.bytesSent || isIdempotent(attempt.method);
}

/** How many retries may be under way whatever the budget says. */
const MIN_CONCURRENT_RETRIES = 3;
/** The most that can be saved up, in retries: what one death among a thousand requests in flight may need. */
const MAX_SAVED = 1000;

/**
 * What is saved without any requests: one replica that dies early may have as many in flight. Used up, it comes back
 * over some ten seconds.
 */
export const RESERVE = 32;

/**
 * Keeps retries to a share of the requests, so that a fleet in trouble is not given a multiple of its load:
 * every request saves up `share` of a retry, every retry spends one, and what is saved loses its worth over
 * some ten seconds (Finagle's retry budget, with its minimum as a reserve). Three at a time always may.
 */
export class RetryBudget {
  readonly #share: number;
  readonly #reserve: number;
  /** Holds fractions, so it begins as a double (`-0`): a whole number would deoptimize the data path at the first of them. */
  #saved = -0;
  #retrying = 0;

  /** `share` is 0 to 1. */
  constructor(share: number) {
    this.#share = share;
    this.#reserve = share > 0 ? RESERVE : 0;
    this.#saved += this.#reserve;
  }

  /** Counts a request. */
  save(): void {
    if (this.#saved < MAX_SAVED) this.#saved += this.#share;
  }

  /** To be called ten times a second. */
  decay(): void {
    this.#saved += (this.#reserve - this.#saved) * 0.01;
  }

  /** Counts one retry under way, unless the budget is used up. */
  spend(): boolean {
    if (this.#saved < 1 && this.#retrying >= MIN_CONCURRENT_RETRIES) return false;
    this.#saved = Math.max(0, this.#saved - 1);
    this.#retrying++;
    return true;
  }

  /** Says that a retry for which `spend` said true has ended. */
  ended(): void {
    this.#retrying--;
  }
}
