/**
 * What each outage of a replica cost: from the first sign of it until the replica is healthy again or gone.
 * Invariants: a replica has one outage at a time, however many signs there are. The data threads count for the whole
 * balancer, so that two outages at a time each show what both cost.
 */
import type { Cost } from '../api/types.ts';
import type { Clock, Timer } from '../platform/clock.ts';

/** Where the counts come from. */
export interface Costs {
  read(): Cost;
}

/** An outage that is over. */
export interface Outage {
  readonly ms: number;
  readonly cost: Cost;
  /** The instance that stood in the place when it began. */
  readonly instance: string | undefined;
}

interface Open {
  readonly sinceMs: number;
  readonly before: Cost;
  readonly instance: string | undefined;
}

/** A data thread counts what a death does to its requests a moment before the control plane learns of the death. */
const SAMPLE_MS = 250;

export class Incidents {
  readonly #clock: Clock;
  readonly #costs: Costs;
  readonly #open = new Map<string, Open>();
  /** The counts of at least one SAMPLE_MS ago, and those of the last sample. */
  #before: Cost;
  #last: Cost;
  #timer: Timer | undefined;

  constructor(clock: Clock, costs: Costs) {
    this.#clock = clock;
    this.#costs = costs;
    this.#last = costs.read();
    this.#before = this.#last;
    this.#sample();
  }

  /** Begins an outage of the replica; one that is open goes on. */
  begin(replica: string, instance: string | undefined): void {
    if (this.#open.has(replica)) return;
    this.#open.set(replica, { sinceMs: this.#clock.nowMs(), before: this.#before, instance });
  }

  /** Ends the outage; undefined where there is none. */
  end(replica: string): Outage | undefined {
    const open = this.#open.get(replica);
    if (open === undefined) return undefined;
    this.#open.delete(replica);
    const now = this.#costs.read();
    return {
      ms: Math.round(this.#clock.nowMs() - open.sinceMs),
      cost: {
        retried: now.retried - open.before.retried,
        held: now.held - open.before.held,
        failed: now.failed - open.before.failed,
      },
      instance: open.instance,
    };
  }

  /** The outage goes on under another name. */
  rename(from: string, to: string): void {
    const open = this.#open.get(from);
    if (open === undefined) return;
    this.#open.delete(from);
    this.#open.set(to, open);
  }

  close(): void {
    this.#timer?.cancel();
  }

  #sample(): void {
    this.#timer = this.#clock.after(SAMPLE_MS, () => {
      this.#before = this.#last;
      this.#last = this.#costs.read();
      this.#sample();
    });
  }
}
