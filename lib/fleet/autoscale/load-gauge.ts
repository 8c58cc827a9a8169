/**
 * Reads the load of the data threads out of shared memory, several times a second, for a decision every second.
 * Invariant: nothing is asked of the threads, and nothing is counted for this that is not counted anyway.
 */
import type { RouteTableWriter } from '../../core/routing/route-table.ts';
import type { Replica } from '../replica.ts';

export interface GaugeCounts {
  /** Counters that only grow. */
  queueing(): { readonly longWaits: number; readonly refused: number };
  requests(): number;
  /** Requests that wait and whose first choice is the replica. */
  waiting(ordinal: number): number;
}

export interface GaugeParts {
  readonly table: Pick<
    RouteTableWriter,
    'totalInFlight' | 'totalWaiting' | 'inFlight' | 'nextTicket' | 'isWaitingSince'
  >;
  readonly counts: GaugeCounts;
}

/** Between two samples; a request that waits for longer than this is one too many. */
export const SAMPLE_MS = 250;
/** A key is hot where its owner has more than this part of the load … */
const HOT_SHARE = 0.6;
/** … and each other replica less than this part of the target. */
const COLD_SHARE = 0.5;

/** What was seen since the last reading. */
export interface LoadReading {
  /** Requests in flight and waiting, as the mean of the samples. */
  readonly load: number;
  /** A request has waited for more than SAMPLE_MS, or was refused since the queue was full. */
  readonly isPressed: boolean;
  /** Requests have come, or are there. */
  readonly isBusy: boolean;
}

export class LoadGauge {
  readonly #parts: GaugeParts;
  #sum = 0;
  #samples = 0;
  #hasWaited = false;
  /** The ticket that was the next at the last sample. */
  #ticket: number;
  #troubles: number;
  #requests: number;

  constructor(parts: GaugeParts) {
    this.#parts = parts;
    this.#ticket = parts.table.nextTicket;
    this.#troubles = this.#countTroubles();
    this.#requests = parts.counts.requests();
  }

  /** In flight and waiting now. */
  get load(): number {
    const { totalInFlight, totalWaiting } = this.#parts.table;
    return totalInFlight + totalWaiting;
  }

  /** To be called every SAMPLE_MS. */
  sample(): void {
    const { table } = this.#parts;
    this.#sum += this.load;
    this.#samples++;
    if (table.isWaitingSince(this.#ticket)) this.#hasWaited = true;
    this.#ticket = table.nextTicket;
  }

  /** What was seen since the last call. */
  read(): LoadReading {
    const load = this.#samples === 0 ? this.load : this.#sum / this.#samples;
    const [troubles, requests] = [this.#countTroubles(), this.#parts.counts.requests()];
    const isPressed = this.#hasWaited || troubles > this.#troubles;
    const isBusy = load > 0 || requests > this.#requests;
    [this.#sum, this.#samples, this.#hasWaited] = [0, 0, false];
    [this.#troubles, this.#requests] = [troubles, requests];
    return { load, isPressed, isBusy };
  }

  /** The replica that has most of the load while the others have little to do; undefined where there is none. */
  hotOwner(replicas: readonly Replica[], target: number): Replica | undefined {
    const { table, counts } = this.#parts;
    if (replicas.length < 2) return undefined;
    const loads = replicas.map(({ ordinal }) => table.inFlight(ordinal) + counts.waiting(ordinal));
    const most = Math.max(...loads);
    const hot = loads.indexOf(most);
    const isMost = most > target && most > HOT_SHARE * this.load;
    const areOthersCold = loads.every((load, index) => index === hot || load < COLD_SHARE * target);
    return isMost && areOthersCold ? replicas[hot] : undefined;
  }

  #countTroubles(): number {
    const { longWaits, refused } = this.#parts.counts.queueing();
    return longWaits + refused;
  }
}
