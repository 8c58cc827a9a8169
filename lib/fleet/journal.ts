/**
 * The events of the fleet: the last 1,000 of them, in the order in which they happened; what an instance does again
 * and again is one event with a count.
 * Invariants: ids rise strictly and begin with the start time of this balancer, so that an id of an earlier balancer
 * is never taken for one of ours; the cost of an outage stands in the event that ends it, and only there.
 */
import type { ScaleChange } from '../api/scale.ts';
import type { Cost, EventKind, FleetEvent } from '../api/types.ts';
import type { Clock } from '../platform/clock.ts';
import { type Costs, Incidents } from './incidents.ts';
import { Repeats } from './repeats.ts';

/** An event as its source reports it. */
export interface Note {
  readonly kind: EventKind;
  readonly replica?: string;
  readonly instance?: string | undefined;
  readonly image?: string | undefined;
  readonly cause?: string;
  readonly ms?: number;
  /** What autoscaling changed. */
  readonly scale?: ScaleChange;
  /** What the instance that it is about printed last. */
  readonly lastLines?: readonly string[];
}

/** Counts events by replica. */
export interface EventCounter {
  countEvent(event: FleetEvent): void;
  /** A substitute has taken the place of the replica, with whatever is wrong there. */
  recordSubstitution(replica: string, substitute: string): void;
}

/** How many events are kept. */
export const EVENTS_KEPT = 1000;
/** Kinds that one instance may repeat without an operator; starts in a crash loop repeat too, each of its own instance. */
const REPEATED: ReadonlySet<EventKind> = new Set(['healthy', 'unhealthy', 'ejected', 'replaced']);
/** The least time between two events of the same series. */
const REPORT_MS = 1000;
/** Without a repeat for this long it is a new event; longer than any pause of a crash loop. */
const FORGET_MS = 120_000;
/** The longest cause, in characters, so that all kept events fit a slow reader; the log has the whole text. */
const MAX_CAUSE = 200;
const ID = /^([0-9a-z]+)-(0|[1-9][0-9]{0,14})$/;

export class Journal {
  readonly #clock: Clock;
  readonly #incidents: Incidents;
  readonly #start: string;
  readonly #events: FleetEvent[] = [];
  readonly #listeners = new Set<(event: FleetEvent) => void>();
  readonly #counters = new Set<EventCounter>();
  readonly #repeats: Repeats<FleetEvent>;
  /** Replicas whose last start failed: the next one is part of a crash loop. */
  readonly #failing = new Set<string>();
  /** The latest event of each series. */
  readonly #standing = new Map<string, FleetEvent>();
  #count = 0;

  constructor(clock: Clock, costs: Costs) {
    this.#clock = clock;
    this.#incidents = new Incidents(clock, costs);
    this.#start = Math.floor(clock.wallMs()).toString(36);
    const report = (event: FleetEvent, count: number, key: string): void => this.#keepOne(event, count, key);
    this.#repeats = new Repeats({ clock, reportMs: REPORT_MS, forgetMs: FORGET_MS, report });
  }

  /**
   * The events after the one with this id, the oldest first; all that are kept where the id is of another balancer, no
   * longer kept, or no id at all.
   */
  after(id: string): readonly FleetEvent[] {
    const [, start, number = ''] = ID.exec(id) ?? [];
    const seen = Number(number);
    if (start !== this.#start || seen > this.#count) return [...this.#events];
    const at = this.#events.findIndex((event) => numberOf(event) > seen);
    return at === -1 ? [] : this.#events.slice(at);
  }

  /** Calls the listener with every event from now on, until the returned function is called. */
  subscribe(listener: (event: FleetEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls the counter with everything that happens from now on: each repeat too, and without an id. */
  countAll(counter: EventCounter): void {
    this.#counters.add(counter);
  }

  /** Begins an outage whose cause is not known yet; the event follows once it is. */
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

  /** Another replica has taken the place of `replica`: an outage of the one ends with the other. */
  renameOutage(replica: string, substitute: string): void {
    this.#incidents.rename(replica, substitute);
    for (const counter of this.#counters) counter.recordSubstitution(replica, substitute);
  }

  close(): void {
    this.#incidents.close();
    this.#repeats.close();
    this.#listeners.clear();
  }

  #record({ kind, replica, instance, image, cause, ms, scale, lastLines }: Note, cost: Cost | null): void {
    const time = new Date(this.#clock.wallMs()).toISOString();
    const event: FleetEvent = {
      id: '',
      time,
      kind,
      replica: replica ?? null,
      instance: instance ?? null,
      image: image ?? null,
      cause: cause === undefined || cause === '' ? null : shortened(cause),
      ms: ms === undefined ? null : Math.round(ms),
      cost,
      ...(scale !== undefined && { scale }),
      ...(lastLines !== undefined && { lastLines }),
      count: 1,
      since: time,
    };
    for (const counter of this.#counters) counter.countEvent(event);
    const isOfLoop = replica !== undefined && this.#isOfCrashLoop(kind, replica);
    if (replica === undefined || !(isOfLoop || REPEATED.has(kind))) {
      this.#keep(event);
      return;
    }
    const who = isOfLoop ? '' : event.instance;
    this.#repeats.note([kind, replica, who, event.cause].join('\n'), event, merged);
  }

  /** A start that failed, or one behind it. */
  #isOfCrashLoop(kind: EventKind, replica: string): boolean {
    if (kind === 'start-failed') this.#failing.add(replica);
    else if (kind !== 'started') this.#failing.delete(replica);
    return this.#failing.has(replica);
  }

  /** Keeps the latest event of a series, under a new id, instead of the one before, which is no longer kept. */
  #keepOne(event: FleetEvent, count: number, key: string): void {
    const before = count === 1 ? undefined : this.#standing.get(key);
    const at = before === undefined ? undefined : this.#events.indexOf(before);
    if (at !== undefined && at !== -1) this.#events.splice(at, 1);
    this.#standing.delete(key);
    this.#standing.set(key, this.#keep({ ...event, count }));
    const [oldest] = this.#standing.keys();
    if (this.#standing.size > EVENTS_KEPT && oldest !== undefined) this.#standing.delete(oldest);
  }

  #keep(event: FleetEvent): FleetEvent {
    const kept = { ...event, id: `${this.#start}-${++this.#count}` };
    this.#events.push(kept);
    if (this.#events.length > EVENTS_KEPT) this.#events.shift();
    for (const listener of this.#listeners) listener(kept);
    return kept;
  }
}

/** The later of two with what both cost. */
function merged(before: FleetEvent, later: FleetEvent): FleetEvent {
  const { cost: a } = before;
  const { cost: b } = later;
  const cost =
    a === null || b === null
      ? (a ?? b)
      : { retried: a.retried + b.retried, held: a.held + b.held, failed: a.failed + b.failed };
  return { ...later, cost, since: before.since };
}

function numberOf({ id }: FleetEvent): number {
  return Number(id.slice(id.lastIndexOf('-') + 1));
}

function shortened(text: string): string {
  return text.length > MAX_CAUSE ? `${text.slice(0, MAX_CAUSE - 1)}…` : text;
}
