/**
 * Keeps the certificates of all ACME domains valid: gets those that are missing, and renews each when two thirds of its
 * time are over, a tenth of that sooner or later, so that many balancers do not come at once.
 * Invariants: one order at a time; what failed is tried again after an hour, then after twice as long each time, a day at
 * most, since ACME servers lock out clients that order too often.
 */
import type { Clock, Timer } from '../platform/clock.ts';
import { messageOf } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { type AcmeDirectory, LOCK_MS } from './acme-directory.ts';
import type { Issue } from './issue.ts';

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
const FIRST_RETRY_MS = 3_600_000;
const LAST_RETRY_MS = 86_400_000;
const RENEWED_AT = 2 / 3;
const SPREAD = 0.1;
const HOUR_MS = 3_600_000;

/** What became of the last order for a domain. */
interface LastOrder {
  /** Failures in a row. */
  readonly failures: number;
  /** When there may be another, in milliseconds since the Unix epoch. */
  readonly untilMs: number;
}

export class Renewal {
  readonly #deps: RenewalDeps;
  /** From -1 to 1, for each domain; drawn once, so that a look does not change when one is due. */
  readonly #spread: ReadonlyMap<string, number>;
  readonly #lastOrders = new Map<string, LastOrder>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(deps: RenewalDeps) {
    this.#deps = deps;
    this.#spread = new Map(deps.domains.map((domain) => [domain, 2 * deps.random() - 1]));
  }

  /** Looks for what is due now, and from then on every ten minutes. Resolves when the first look is over. */
  async start(): Promise<void> {
    await this.#look();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    for (const domain of this.#deps.domains) {
      if (this.#isClosed) return;
      if (this.#isDue(domain)) await this.#renew(domain);
    }
    if (!this.#isClosed) this.#timer = this.#deps.clock.after(LOOK_MS, () => void this.#look());
  }

  #isDue(domain: string): boolean {
    const { clock, directory } = this.#deps;
    const nowMs = clock.wallMs();
    if (nowMs < (this.#lastOrders.get(domain)?.untilMs ?? 0)) return false;
    const validity = directory.validityOf(domain);
    if (validity === undefined) return true;
    const lengthMs = validity.toMs - validity.fromMs;
    const part = RENEWED_AT * (1 + SPREAD * this.#spread.get(domain)!);
    return nowMs >= validity.fromMs + lengthMs * part;
  }

  async #renew(domain: string): Promise<void> {
    const { clock, directory, issue, log, onIssued } = this.#deps;
    let touching: Timer | undefined;
    const touch = (): void => {
      touching = clock.after(LOCK_MS / 4, () => {
        directory.touchLock(clock.wallMs());
        touch();
      });
    };
    let isLocked = false;
    try {
      isLocked = directory.lock(clock.wallMs());
      if (!isLocked) return;
      touch();
      await issue(domain, directory);
      // whatever it says of its validity
      this.#lastOrders.set(domain, { failures: 0, untilMs: clock.wallMs() + FIRST_RETRY_MS });
      const until = new Date(directory.validityOf(domain)?.toMs ?? 0).toISOString();
      log.info({}, `certificate issued for ${domain}, valid until ${until}`);
      onIssued();
    } catch (error) {
      this.#recordFailure(domain, messageOf(error));
    } finally {
      touching?.cancel();
      if (isLocked) directory.unlock();
    }
  }

  #recordFailure(domain: string, cause: string): void {
    const { clock, log } = this.#deps;
    const failures = (this.#lastOrders.get(domain)?.failures ?? 0) + 1;
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LAST_RETRY_MS);
    this.#lastOrders.set(domain, { failures, untilMs: clock.wallMs() + waitMs });
    log.error({ cause }, `no certificate for ${domain}; trying again in ${waitMs / HOUR_MS} h`);
  }
}
