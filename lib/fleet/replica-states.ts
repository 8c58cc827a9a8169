/**
 * The states of replicas, and the only writer of the state words that the data threads read. Every change of state
 * goes through here: to shared memory first, then into the journal, and then to those who follow transitions.
 */

import type { EventKind } from '../api/types.ts';
import type { Ending } from '../core/ending.ts';
import type { RouteTableWriter } from '../core/routing/route-table.ts';
import type { Clock } from '../platform/clock.ts';
import { addProbe, type Entry, publishedState, type StateChange } from './entry.ts';
import type { Journal } from './journal.ts';
import type { Replica, Transition } from './replica.ts';
import type { SlowStarts } from './ring/slow-starts.ts';

export interface StateParts {
  readonly table: RouteTableWriter;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly onTransition: (transition: Transition) => void;
  readonly slowStarts: SlowStarts;
}

/** The entry of a replica; throws where the replica has left the fleet. */
export type EntryOf = (replica: Replica) => Entry;

export class ReplicaStates {
  readonly #parts: StateParts;
  readonly #entryOf: EntryOf;

  constructor(parts: StateParts, entryOf: EntryOf) {
    this.#parts = parts;
    this.#entryOf = entryOf;
  }

  set(replica: Replica, state: 'starting' | 'healthy' | 'unhealthy', cause: string): void {
    const change = { to: state, cause };
    this.change(this.#entryOf(replica), state === 'starting' ? change : { ...change, kind: state });
  }

  /** Its requests fail although it responds: it is taken out of rotation for a while. */
  eject(replica: Replica, cause: string): void {
    this.#parts.table.clearFailures(replica.ordinal);
    this.change(this.#entryOf(replica), { to: 'unhealthy', cause, kind: 'ejected' });
  }

  /** Gives it requests although it is unhealthy, or stops doing so: during a panic no healthier replica is available. */
  setAdmitted(replica: Replica, isAdmitted: boolean): void {
    const entry = this.#entryOf(replica);
    if (entry.isAdmitted === isAdmitted) return;
    entry.isAdmitted = isAdmitted;
    this.write(entry);
  }

  /** Keeps requests away from it at an operator's request, or stops doing so, whatever its state is. */
  setDraining(replica: Replica, isDraining: boolean, cause: string): void {
    const entry = this.#entryOf(replica);
    if (entry.isDraining === isDraining) return;
    entry.isDraining = isDraining;
    if (!isDraining) entry.keepsSessions = false;
    if (isDraining) this.#parts.slowStarts.end(entry.name);
    else if (entry.joined && entry.state === 'healthy') this.#parts.slowStarts.beginNow(entry.name);
    this.write(entry);
    this.note(entry, { kind: isDraining ? 'drain' : 'undrain', cause });
  }

  /** Whether it still gets requests of clients that have its sticky cookie while it is drained. */
  setKeepsSessions(replica: Replica, keepsSessions: boolean): void {
    const entry = this.#entryOf(replica);
    if (entry.keepsSessions === keepsSessions) return;
    entry.keepsSessions = keepsSessions;
    if (entry.isDraining) this.write(entry);
  }

  /** Writes the same state under a new state word, so that data threads that stopped using it try it again. */
  republish(replica: Replica): void {
    this.write(this.#entryOf(replica));
  }

  /** Records what a probe found, and the health score that follows from it. */
  recordProbe(replica: Replica, passed: boolean, detail: string, health: number): void {
    const entry = this.#entryOf(replica);
    entry.health = health;
    addProbe(entry.probes, passed, detail);
  }

  /** Records a probe that counts neither for nor against the replica. */
  recordInconclusiveProbe(replica: Replica, detail: string): void {
    this.#entryOf(replica).probes.last = detail;
  }

  /** Sets the health score without a probe. */
  setHealth(replica: Replica, health: number): void {
    this.#entryOf(replica).health = health;
  }

  /** Records how the last instance in the place ended; that is also the cause until another instance is placed. */
  recordEnding(replica: Replica, ending: Ending): void {
    const entry = this.#entryOf(replica);
    entry.ending = ending;
    if (entry.instance === undefined) entry.cause = ending.text;
  }

  /** Makes a change of state, for the registry: of an entry that may have left the fleet. */
  change(entry: Entry, { to, cause, kind }: StateChange): void {
    const { state: from, sinceMs, bornMs } = entry;
    entry.cause = cause;
    entry.state = to;
    if (to !== 'unhealthy') entry.isAdmitted = false;
    // the first instance of a name has nothing to warm up for: the whole fleet is new
    if (to !== 'healthy') this.#parts.slowStarts.end(entry.name);
    else if (from === 'starting' && entry.joined && entry.placed > 1)
      this.#parts.slowStarts.beginNow(entry.name);
    this.write(entry);
    if (from === to) return;
    entry.sinceMs = this.#parts.clock.nowMs();
    if (to === 'healthy') entry.firstHealthyMs ??= entry.sinceMs;
    const instanceId = entry.instance?.instanceId;
    const ms = Math.round(entry.sinceMs - sinceMs);
    // before the transition is announced: a follower may change the state again, and that is the later event
    if (kind !== undefined) this.note(entry, { kind, cause, sinceMs: kind === 'removed' ? bornMs : sinceMs });
    this.#parts.onTransition({ name: entry.name, from, to, cause, instanceId, ms });
  }

  /** Enters an event in the journal; `sinceMs` is when what it ends began. */
  note(
    entry: Entry,
    { kind, cause, sinceMs }: { readonly kind: EventKind; readonly cause: string; readonly sinceMs?: number },
  ): void {
    const { clock, journal } = this.#parts;
    journal.note({
      kind,
      replica: entry.name,
      instance: entry.instance?.instanceId,
      cause,
      ...(sinceMs !== undefined && { ms: clock.nowMs() - sinceMs }),
    });
  }

  /** Requests in flight on it, over all data threads. */
  inFlightOf(replica: Replica): number {
    return this.#parts.table.inFlight(replica.ordinal);
  }

  /** Writes the weight by which its load is judged: less in a slow start. */
  writeWeight({ ordinal, weight, name }: Entry): void {
    this.#parts.table.setWeight(ordinal, weight * this.#parts.slowStarts.shareOf(name));
  }

  /** Writes the state word and the weight of an entry. */
  write(entry: Entry): void {
    this.writeWeight(entry);
    this.#parts.table.setState(entry.ordinal, publishedState(entry));
  }
}
