/**
 * How often each replica was ejected, and until when: 10 s times the number of its ejections, five minutes at most. A
 * calm minute after an ejection halves the number (Envoy's outlier detection lowers it by one an interval).
 */
import type { Clock } from '../../platform/clock.ts';
import type { Replica } from '../replica.ts';

const FIRST_MS = 10_000;
const MOST_MS = 300_000;
const CALM_MS = 60_000;

interface Ejection {
  readonly count: number;
  readonly untilMs: number;
}

export class Ejections {
  readonly #clock: Clock;
  readonly #ejections = new Map<Replica, Ejection>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ejects it; returns for how long. */
  eject(replica: Replica): number {
    const nowMs = this.#clock.nowMs();
    const count = this.#remembered(replica, nowMs) + 1;
    const forMs = Math.min(MOST_MS, FIRST_MS * count);
    this.#ejections.set(replica, { count, untilMs: nowMs + forMs });
    return forMs;
  }

  isOut(replica: Replica): boolean {
    return this.#clock.nowMs() < (this.#ejections.get(replica)?.untilMs ?? Number.NEGATIVE_INFINITY);
  }

  /** True for its first ejection, or the first after a long calm: passed probes may end that one early. */
  isFirst(replica: Replica): boolean {
    return this.#ejections.get(replica)?.count === 1;
  }

  /** Ends the ejection now; it is remembered. */
  end(replica: Replica): void {
    const ejection = this.#ejections.get(replica);
    if (ejection !== undefined) this.#ejections.set(replica, { ...ejection, untilMs: this.#clock.nowMs() });
  }

  /** Another instance is in the place, or none. */
  forget(replica: Replica): void {
    this.#ejections.delete(replica);
  }

  #remembered(replica: Replica, nowMs: number): number {
    const ejection = this.#ejections.get(replica);
    if (ejection === undefined) return 0;
    const calmMinutes = Math.floor((nowMs - ejection.untilMs) / CALM_MS);
    return calmMinutes > 0 ? Math.floor(ejection.count / 2 ** calmMinutes) : ejection.count;
  }
}
