/**
 * Limits guesses of the admin token: failures are counted by client network, and one without a try left has to wait
 * for the next.
 * Invariants: memory is bounded; the failures of one network take nothing from another.
 */

import type { Clock } from '../platform/clock.ts';
import { networkOf } from '../platform/ip-addresses.ts';

/** Tries before an address has to wait. */
export const MOST_TRIES = 20;
/**
 * Of these, for the same wrong token over and over, as a page with an old one sends it: the rest is left to others
 * behind the address.
 */
export const MOST_REPEATS = 10;
/** A try comes back in this time. */
const TRY_MS = 1000;
/** Networks that are remembered; the one that failed longest ago is forgotten first. */
const MOST_NETWORKS = 4096;

interface Failures {
  /** At `sinceMs`; one less for each TRY_MS since. */
  readonly count: number;
  readonly sinceMs: number;
  /** The digest of the token that came last. */
  readonly last: string;
}

export class FailureLimit {
  readonly #clock: Clock;
  readonly #networks = new Map<string, Failures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long the peer has to wait before this token is looked at; 0 for no wait. */
  waitMs(peer: string, digest: string): number {
    const known = this.#networks.get(networkOf(peer));
    if (known === undefined) return 0;
    const most = known.last === digest ? MOST_REPEATS : MOST_TRIES;
    return Math.max(0, Math.ceil((this.#countOf(known) + 1 - most) * TRY_MS));
  }

  /** Records that the token of this digest was wrong. */
  recordFailure(peer: string, digest: string): void {
    const network = networkOf(peer);
    const known = this.#networks.get(network);
    const count = 1 + (known === undefined ? 0 : this.#countOf(known));
    // behind all others, which makes the first the one to forget
    this.#networks.delete(network);
    this.#networks.set(network, { count, sinceMs: this.#clock.nowMs(), last: digest });
    if (this.#networks.size > MOST_NETWORKS) {
      const [oldest = ''] = this.#networks.keys();
      this.#networks.delete(oldest);
    }
  }

  #countOf({ count, sinceMs }: Failures): number {
    return Math.max(0, count - (this.#clock.nowMs() - sinceMs) / TRY_MS);
  }
}
