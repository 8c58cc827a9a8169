/**
 * Every replica there is, and the sole writer of what the data plane sees of it: state words, slots, endpoints.
 * Must not hold: decisions (the supervisor and the checker make them), timers, sockets.
 *
 * Invariants: an ordinal belongs to one replica until every data thread has let go of it. A replica is on the
 * ring from `join` to `leave`, whatever happens to its instances in between, so healing moves no key. A state
 * word says healthy only while the data threads know the endpoint of the instance that passed its probes.
 */

import type { Ending } from '../core/ending.ts';
import type { Placement } from '../core/hashing/slot-table.ts';
import { UNKNOWN_HEALTH } from '../core/policy/rise-and-fall.ts';
import { lowestFree, type ReplicaState, type UpstreamRecord } from '../core/replica.ts';
import type { RouteTableWriter } from '../core/routing/route-table.ts';
import type { Instance } from '../drivers/driver.ts';
import type { Clock } from '../platform/clock.ts';
import { BalancerError } from '../platform/errors.ts';
import { addProbe, type Entry, newEntry, shownState } from './entry.ts';
import type { EventKind, Journal } from './journal.ts';
import type { Replica, Transition } from './replica.ts';

/** Tells every data thread the whole list; resolves when each has let go of what is no longer on it. */
export type Publish = (records: readonly UpstreamRecord[]) => Promise<void>;

/** A change of state to be made; one of note in the journal has its kind. */
interface Change {
  readonly to: ReplicaState;
  readonly cause: string;
  readonly kind?: EventKind;
}

export interface RegistryParts {
  readonly table: RouteTableWriter;
  readonly placement: Placement;
  readonly clock: Clock;
  readonly publish: Publish;
  readonly onTransition: (transition: Transition) => void;
  /** A new replica is to have this name. */
  readonly onReserve?: (name: string) => void;
  readonly journal: Journal;
}

export class Registry {
  readonly #parts: RegistryParts;
  readonly #entries = new Map<string, Entry>();
  /** In the order in which they joined: the order of `/rep`. */
  #joined: Entry[] = [];
  /** Still draining or stopping; off the ring, but with an ordinal. */
  readonly #leaving = new Set<Entry>();
  readonly #ordinals = new Set<number>();
  #generation = 0;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
  }

  /** Replicas on the ring, in the order they joined. */
  get members(): readonly Replica[] {
    return this.#joined;
  }

  /** Every replica that has or is to have an instance in service: the members and those still to join. */
  get replicas(): readonly Replica[] {
    return [...this.#entries.values()];
  }

  /** Replicas that were removed and are still draining. */
  get leaving(): readonly Replica[] {
    return [...this.#leaving];
  }

  find(name: string): Replica | undefined {
    return this.#entries.get(name);
  }

  /** True while `replica` has not left. */
  has(replica: Replica): boolean {
    return this.#entries.get(replica.name) === replica;
  }

  byOrdinal(ordinal: number): Replica | undefined {
    return this.replicas.find((replica) => replica.ordinal === ordinal);
  }

  byInstance(instanceId: string): Replica | undefined {
    return this.replicas.find((replica) => replica.instance?.instanceId === instanceId);
  }

  inFlight(replica: Replica): number {
    return this.#parts.table.inFlight(replica.ordinal);
  }

  /** Every ordinal is below it. */
  get ordinals(): number {
    return this.#parts.table.shape.ordinals;
  }

  /** How many replicas can be reserved until those that drain are forgotten. */
  get room(): number {
    return this.ordinals - this.#ordinals.size;
  }

  /** Makes a replica that is not on the ring yet, in state `starting`, with the lowest free id unless one is given. */
  reserve(name: string, id?: number): Replica {
    const taken = new Set(this.replicas.map((replica) => replica.id));
    const ordinal = this.#freeOrdinal();
    const place = { name, id: id !== undefined && !taken.has(id) ? id : lowestFree(taken) };
    const entry = newEntry(place, ordinal, this.#parts.clock.nowMs());
    this.#entries.set(name, entry);
    this.#parts.onReserve?.(name);
    this.#parts.table.setState(ordinal, 'starting');
    return entry;
  }

  /** Takes back a reservation that never joined. */
  cancel(replica: Replica, cause: string): void {
    const entry = this.#entry(replica);
    this.#entries.delete(entry.name);
    this.#transition(entry, { to: 'gone', cause, kind: 'cancelled' });
    void this.#letGo(entry);
  }

  /** Puts replicas on the ring, all in one new table. */
  join(replicas: readonly Replica[], cause: string): void {
    const entries = replicas.map((replica) => this.#entry(replica));
    for (const entry of entries) {
      entry.joined = true;
      this.#joined.push(entry);
    }
    this.#publishSlots();
    for (const entry of entries) {
      this.#writeState(entry);
      this.#note(entry, 'added', cause, entry.bornMs);
    }
  }

  /**
   * Gives the place of a replica whose instance has ended to one of another name, which joins as the last and has the
   * lowest free id: one new table. Its restarts are counted on. What the instance was answering fails now, unless the
   * old one is to drain.
   */
  renew(replica: Replica, name: string, cause: string, isDraining = false): Replica {
    const old = this.#entry(replica);
    this.#entries.delete(old.name);
    const entry = this.#entry(this.reserve(name));
    entry.joined = true;
    entry.cause = cause;
    entry.placed = old.placed;
    entry.restarts = old.restarts;
    this.#joined = [...this.#joined.filter((other) => other !== old), entry];
    this.#parts.journal.succeeds(old.name, name);
    if (isDraining) this.#leaving.add(old);
    this.#transition(old, { to: isDraining ? 'draining' : 'gone', cause, kind: 'removed' });
    if (!isDraining) void this.#letGo(old);
    this.#publishSlots();
    this.#writeState(entry);
    this.#note(entry, 'added', `instead of ${old.name}`, entry.bornMs);
    return entry;
  }

  /**
   * Makes a replica's place free for another instance while the one there finishes what it has in flight: that one goes
   * on as a replica that leaves, under the ordinal it had, and is given back. Needs room for one more ordinal.
   */
  depart(replica: Replica, cause: string): Replica {
    const entry = this.#entry(replica);
    const sinceMs = this.#parts.clock.nowMs();
    const probes = { ...entry.probes };
    const old: Entry = { ...entry, state: 'draining', isAdmitted: false, cause, sinceMs, probes };
    entry.ordinal = this.#freeOrdinal();
    this.#leaving.add(old);
    // told with the instance that it is about
    this.#transition(entry, { to: 'starting', cause });
    entry.instance = undefined;
    entry.health = UNKNOWN_HEALTH;
    this.#writeState(old);
    this.#publishSlots();
    return old;
  }

  /** Takes replicas off the ring, all in one new table; what is in flight on them goes on. */
  leave(replicas: readonly Replica[], cause: string): void {
    for (const replica of replicas) {
      const entry = this.#entry(replica);
      this.#entries.delete(entry.name);
      this.#leaving.add(entry);
      this.#transition(entry, { to: 'draining', cause, kind: 'removed' });
    }
    this.#joined = this.#joined.filter((entry) => this.#entries.get(entry.name) === entry);
    this.#publishSlots();
  }

  /** The replica that left has nothing in flight and no instance any more. */
  async forget(replica: Replica, cause: string): Promise<void> {
    const entry = replica as Entry;
    if (!this.#leaving.delete(entry)) return;
    this.#transition(entry, { to: 'gone', cause, kind: 'drained' });
    await this.#letGo(entry);
  }

  /** Puts an instance in the replica's place; it gets no request before `healthy`. */
  place(replica: Replica, instance: Instance): Promise<void> {
    const entry = this.#entry(replica);
    entry.instance = instance;
    entry.generation = ++this.#generation;
    entry.placed++;
    entry.restarts = Math.max(0, entry.placed - 1);
    entry.health = UNKNOWN_HEALTH;
    this.#parts.table.clearFailures(entry.ordinal);
    return this.#publishEndpoints();
  }

  /** There is no instance in the place any more: it died or is being replaced. What it was answering fails now. */
  vacate(replica: Replica, cause: string): Promise<void> {
    const entry = this.#entry(replica);
    // told with the instance that it is about
    this.#transition(entry, { to: 'starting', cause });
    entry.instance = undefined;
    entry.health = UNKNOWN_HEALTH;
    return this.#publishEndpoints();
  }

  /** How the last instance in the place ended; it is also why there is none, until another is placed. */
  noteEnding(replica: Replica, ending: Ending): void {
    const entry = this.#entry(replica);
    entry.ending = ending;
    if (entry.instance === undefined) entry.cause = ending.text;
  }

  setState(replica: Replica, state: 'starting' | 'healthy' | 'unhealthy', cause: string): void {
    const change = { to: state, cause };
    this.#transition(this.#entry(replica), state === 'starting' ? change : { ...change, kind: state });
  }

  /** Requests fail at it although it answers: it gets none for a while. */
  eject(replica: Replica, cause: string): void {
    this.#parts.table.clearFailures(replica.ordinal);
    this.#transition(this.#entry(replica), { to: 'unhealthy', cause, kind: 'ejected' });
  }

  /** Gives it requests although it is unhealthy, or no longer: nothing better is to be had. */
  admit(replica: Replica, isAdmitted: boolean): void {
    const entry = this.#entry(replica);
    if (entry.isAdmitted === isAdmitted) return;
    entry.isAdmitted = isAdmitted;
    this.#writeState(entry);
  }

  /** Keeps requests away from it, or no longer, whatever its state is; nothing where that is so already. */
  setDraining(replica: Replica, isDraining: boolean, cause: string): void {
    const entry = this.#entry(replica);
    if (entry.isDraining === isDraining) return;
    entry.isDraining = isDraining;
    this.#writeState(entry);
    this.#note(entry, isDraining ? 'drain' : 'undrain', cause);
  }

  /** Says again, under a new state word, what the state is: threads that had turned away look again. */
  confirm(replica: Replica): void {
    this.#writeState(this.#entry(replica));
  }

  /** Notes what a probe said, and the score that follows from it. */
  noteProbe(replica: Replica, passed: boolean, said: string, health: number): void {
    const entry = this.#entry(replica);
    entry.health = health;
    addProbe(entry.probes, passed, said);
  }

  /** Notes a probe that says nothing for or against the replica. */
  noteEmptyProbe(replica: Replica, said: string): void {
    this.#entry(replica).probes.last = said;
  }

  /** Sets the score without a probe. */
  setHealth(replica: Replica, health: number): void {
    this.#entry(replica).health = health;
  }

  /** Resolves when every data thread has seen all that was published until now. */
  settled(): Promise<void> {
    return this.#publishEndpoints();
  }

  #entry(replica: Replica): Entry {
    const entry = this.#entries.get(replica.name);
    if (entry === undefined || entry !== replica) throw new Error(`replica ${replica.name} has left`);
    return entry;
  }

  #transition(entry: Entry, { to, cause, kind }: Change): void {
    const from = entry.state;
    const { sinceMs } = entry;
    entry.cause = cause;
    entry.state = to;
    if (to !== 'unhealthy') entry.isAdmitted = false;
    this.#writeState(entry);
    if (from === to) return;
    entry.sinceMs = this.#parts.clock.nowMs();
    const instanceId = entry.instance?.instanceId;
    const ms = Math.round(entry.sinceMs - sinceMs);
    // first: who hears of the change may make another, which is a later event
    if (kind !== undefined) this.#note(entry, kind, cause, kind === 'removed' ? entry.bornMs : sinceMs);
    this.#parts.onTransition({ name: entry.name, from, to, cause, instanceId, ms });
  }

  /** Enters an event; `sinceMs` is when what it ends began. */
  #note(entry: Entry, kind: EventKind, cause: string, sinceMs?: number): void {
    const { clock, journal } = this.#parts;
    journal.note({
      kind,
      replica: entry.name,
      instance: entry.instance?.instanceId,
      cause,
      ...(sinceMs !== undefined && { ms: clock.nowMs() - sinceMs }),
    });
  }

  #writeState(entry: Entry): void {
    this.#parts.table.setState(entry.ordinal, shownState(entry));
  }

  #freeOrdinal(): number {
    for (let ordinal = 0; ordinal < this.ordinals; ordinal++) {
      if (this.#ordinals.has(ordinal)) continue;
      this.#ordinals.add(ordinal);
      return ordinal;
    }
    throw new BalancerError('bad-request', 'Too many removed replicas are still draining');
  }

  async #letGo(entry: Entry): Promise<void> {
    this.#parts.table.setState(entry.ordinal, 'free');
    entry.instance = undefined;
    await this.#publishEndpoints();
    this.#ordinals.delete(entry.ordinal);
  }

  #publishSlots(): void {
    this.#parts.table.publish((slots) => this.#parts.placement.build(this.#joined, slots));
  }

  #publishEndpoints(): Promise<void> {
    const records: UpstreamRecord[] = [];
    for (const { ordinal, name, instance, generation } of [...this.#entries.values(), ...this.#leaving]) {
      if (instance?.endpoint !== undefined)
        records.push({ ordinal, name, endpoint: instance.endpoint, generation });
    }
    return this.#parts.publish(records);
  }
}
