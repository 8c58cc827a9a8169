/**
 * Keeps the certificates of all ACME domains valid: gets those that are missing, and renews each when two thirds of its
 * time are over, a tenth of that sooner or later, so that many balancers do not come at once.
 * Invariants: one order at a time, and none longer than ORDER_MS; what failed is tried again after an hour, then after twice
 * as long each time, or when the server says, a day at most, since ACME servers lock out clients that order too often.
 * Whatever fails, a directory that cannot be read included, the next look comes.
 */
import type { Clock, Timer } from '../platform/clock.ts';
import { messageOf } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { type AcmeDirectory, LOCK_MS } from './acme-directory.ts';
import { ComeAgainLater, type Issue } from './issue.ts';

export interface RenewalDeps {
  readonly domains: readonly string[];
  readonly directory: AcmeDirectory;
  readonly issue: Issue;
  readonly clock: Clock;
  readonly log: Logger;
  /** 0 to 1. */
  readonly random: () => number;
  /** A certificate was saved. */
  readonly onIssued: () => void;
}

/** How often it is looked whether one is due: another balancer may have renewed it. */
const LOOK_MS = 600_000;
/** An order takes seconds; a server that is busy may take minutes. */
const ORDER_MS = 600_000;
const FIRST_RETRY_MS = 3_600_000;
const LAST_RETRY_MS = 86_400_000;
const RENEWED_AT = 2 / 3;
const SPREAD = 0.1;
const HOUR_MS = 3_600_000;

/** What became of the last order for a domain. */
interface LastOrder {
  /** Failures in a row. */
  readonly failures: number;
  /** When there may be another, by the clock that never goes back: after a failure the other may be put right. */
  readonly untilMs: number;
}

export class Renewal {
  readonly #deps: RenewalDeps;
  /** From -1 to 1, for each domain; drawn once, so that a look does not change when one is due. */
  readonly #spread: ReadonlyMap<string, number>;
  readonly #lastOrders = new Map<string, LastOrder>();
  readonly #closed = new AbortController();
  #timer: Timer | undefined;

  constructor(deps: RenewalDeps) {
    this.#deps = deps;
    this.#spread = new Map(deps.domains.map((domain) => [domain, 2 * deps.random() - 1]));
  }

  /** Looks for what is due now, and from then on every ten minutes. Resolves when the first look is over. */
  async start(): Promise<void> {
    await this.#look();
  }

  /** An order that is under way is given up, and the lock is free once this turn of the event loop is over. */
  close(): void {
    this.#closed.abort(new Error('the balancer ends'));
    this.#timer?.cancel();
  }

  get #isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  async #look(): Promise<void> {
    let lookMs = LOOK_MS;
    for (const domain of this.#deps.domains) {
      if (this.#isClosed) return;
      try {
        // the lock of one that died is void by then
        if (this.#isDue(domain) && !(await this.#renew(domain))) lookMs = LOCK_MS;
      } catch (error) {
        this.#recordFailure(domain, error);
      }
    }
    if (!this.#isClosed) this.#timer = this.#deps.clock.after(lookMs, () => void this.#look());
  }

  #isDue(domain: string): boolean {
    const { clock, directory } = this.#deps;
    if (clock.nowMs() < (this.#lastOrders.get(domain)?.untilMs ?? Number.NEGATIVE_INFINITY)) return false;
    const nowMs = clock.wallMs();
    const validity = directory.validityOf(domain);
    if (validity === undefined) return true;
    const lengthMs = validity.toMs - validity.fromMs;
    const part = RENEWED_AT * (1 + SPREAD * this.#spread.get(domain)!);
    return nowMs >= validity.fromMs + lengthMs * part;
  }

  /** False where another balancer has the lock. */
  async #renew(domain: string): Promise<boolean> {
    const { clock, directory, log, onIssued } = this.#deps;
    if (!directory.lock(clock.wallMs())) return false;
    const stopTouching = this.#touchLock();
    try {
      await this.#order(domain);
    } finally {
      stopTouching();
      this.#attempt(() => directory.unlock());
    }
    // whatever it says of its validity
    this.#lastOrders.set(domain, { failures: 0, untilMs: clock.nowMs() + FIRST_RETRY_MS });
    const until = new Date(directory.validityOf(domain)?.toMs ?? 0).toISOString();
    log.info({}, `certificate issued for ${domain}, valid until ${until}`);
    onIssued();
    return true;
  }

  /** Rejects where the order fails, takes too long, or the balancer ends meanwhile. */
  async #order(domain: string): Promise<void> {
    const { clock, directory, issue } = this.#deps;
    const late = new AbortController();
    const timer = clock.after(ORDER_MS, () =>
      late.abort(new Error(`the order took more than ${ORDER_MS / 60_000} minutes`)),
    );
    const signal = AbortSignal.any([late.signal, this.#closed.signal]);
    const given = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => given.reject(signal.reason));
    try {
      await Promise.race([issue(domain, directory, signal), given.promise]);
    } finally {
      timer.cancel();
    }
  }

  /** Again and again, until what it gives is called. */
  #touchLock(): () => void {
    const { clock, directory } = this.#deps;
    let timer: Timer | undefined;
    const schedule = (): void => {
      timer = clock.after(LOCK_MS / 4, () => {
        this.#attempt(() => directory.touchLock(clock.wallMs()));
        schedule();
      });
    };
    schedule();
    return () => timer?.cancel();
  }

  /** Of the lock: without it another balancer may order too, which costs an order and harms nothing. */
  #attempt(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#deps.log.warn({ cause: messageOf(error) }, 'lock of acme-dir not kept');
    }
  }

  #recordFailure(domain: string, error: unknown): void {
    if (this.#isClosed) return;
    const { clock, log } = this.#deps;
    const failures = (this.#lastOrders.get(domain)?.failures ?? 0) + 1;
    const askedMs = error instanceof ComeAgainLater ? error.afterMs : 0;
    const waitMs = Math.min(Math.max(FIRST_RETRY_MS * 2 ** (failures - 1), askedMs), LAST_RETRY_MS);
    this.#lastOrders.set(domain, { failures, untilMs: clock.nowMs() + waitMs });
    const hours = Math.ceil((10 * waitMs) / HOUR_MS) / 10;
    log.error({ cause: messageOf(error) }, `no certificate for ${domain}; trying again in ${hours} h`);
  }
}
