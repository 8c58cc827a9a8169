/**
 * What happened to the fleet: every event of note, the last 1,000 of them, in the order in which they happened.
 * Must not hold: HTTP, what follows from an event. State alone; time comes from the clock.
 * Invariants: ids rise strictly and begin with when this balancer started, so one of an earlier balancer is never
 * taken for one of ours. What an outage cost is told once, with the event that ends it.
 */
import type { Clock } from '../clock.ts';
import { type Cost, type Costs, Incidents } from './incidents.ts';

/** README.md has a table of what each means, and what `ms` is with it. */
export type EventKind =
  | 'started'
  | 'start-failed'
  | 'adopted'
  | 'added'
  | 'cancelled'
  | 'healthy'
  | 'unhealthy'
  | 'ejected'
  | 'panic'
  | 'panic-over'
  | 'died'
  | 'replaced'
  | 'removed'
  | 'drain'
  | 'undrain'
  | 'drained'
  | 'engine-lost'
  | 'engine-back';

export interface FleetEvent {
  /** `<start>-<n>`: which start of the balancer, and which event since. */
  readonly id: string;
  /** ISO 8601. */
  readonly time: string;
  readonly kind: EventKind;
  readonly replica: string | null;
  readonly instance: string | null;
  readonly cause: string | null;
  readonly ms: number | null;
  readonly cost: Cost | null;
}

/** An event as its source tells it. */
export interface Note {
  readonly kind: EventKind;
  readonly replica?: string;
  readonly instance?: string | undefined;
  readonly cause?: string;
  readonly ms?: number;
}

/** How many are kept. */
export const EVENTS_KEPT = 1000;
/** So that all that are kept go through to a slow reader; the log has the whole of it. */
const MAX_CAUSE = 200;
const ID = /^([0-9a-z]+)-(0|[1-9][0-9]{0,14})$/;

export class Journal {
  readonly #clock: Clock;
  readonly #incidents: Incidents;
  readonly #start: string;
  readonly #events: FleetEvent[] = [];
  readonly #listeners = new Set<(event: FleetEvent) => void>();
  #count = 0;

  constructor(clock: Clock, costs: Costs) {
    this.#clock = clock;
    this.#incidents = new Incidents(clock, costs);
    this.#start = Math.floor(clock.wallMs()).toString(36);
  }

  /**
   * The events behind the one with this id, the oldest first; all that are kept where it is of another balancer,
   * long gone, or no id at all.
   */
  after(id: string): readonly FleetEvent[] {
    const [, start, number = ''] = ID.exec(id) ?? [];
    const seen = Number(number);
    if (start !== this.#start || seen > this.#count) return [...this.#events];
    return this.#events.slice(Math.max(0, this.#events.length - (this.#count - seen)));
  }

  /** Tells every event from now on, until the function returned is called. */
  subscribe(listener: (event: FleetEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something is wrong with the replica; the event that says what follows once that is known. */
  beginOutage(replica: string, instance: string): void {
    this.#incidents.begin(replica, instance);
  }

  note(note: Note): void {
    const { kind, replica, instance } = note;
    if (replica === undefined) return this.#record(note, null);
    switch (kind) {
      case 'unhealthy':
      case 'ejected':
      case 'died':
        this.#incidents.begin(replica, instance);
        return this.#record(note, null);
      case 'removed':
      case 'cancelled':
        return this.#record(note, this.#incidents.end(replica)?.cost ?? null);
      case 'healthy': {
        const outage = this.#incidents.end(replica);
        if (outage === undefined || outage.instance === instance)
          return this.#record(note, outage?.cost ?? null);
        this.#record(note, null);
        return this.#record({ ...note, kind: 'replaced', ms: outage.ms }, outage.cost);
      }
      default:
        return this.#record(note, null);
    }
  }

  /** The place of `replica` is that of another now: an outage of the one ends with the other. */
  succeeds(replica: string, other: string): void {
    this.#incidents.move(replica, other);
  }

  close(): void {
    this.#incidents.close();
    this.#listeners.clear();
  }

  #record({ kind, replica, instance, cause, ms }: Note, cost: Cost | null): void {
    const event: FleetEvent = {
      id: `${this.#start}-${++this.#count}`,
      time: new Date(this.#clock.wallMs()).toISOString(),
      kind,
      replica: replica ?? null,
      instance: instance ?? null,
      cause: cause === undefined || cause === '' ? null : shortened(cause),
      ms: ms === undefined ? null : Math.round(ms),
      cost,
    };
    this.#events.push(event);
    if (this.#events.length > EVENTS_KEPT) this.#events.shift();
    for (const listener of this.#listeners) listener(event);
  }
}

function shortened(text: string): string {
  return text.length > MAX_CAUSE ? `${text.slice(0, MAX_CAUSE - 1)}…` : text;
}
