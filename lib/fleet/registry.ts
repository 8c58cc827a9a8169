/**
 * Every replica there is: who is on the ring, under which ordinal, with which instance; the sole writer of what the
 * data plane sees of the fleet (slots and endpoints here, state words in `replica-states.ts`).
 * Invariants: an ordinal belongs to one replica until every data thread has stopped using it; a replica is on the
 * ring from `addToRing` to `removeFromRing`, whatever happens to its instances in between, so healing moves no key; a
 * state word says healthy only while the data threads know the endpoint of the instance that passed its probes.
 */

import { UNKNOWN_HEALTH } from '../core/policy/rise-and-fall.ts';
import { lowestFree, type UpstreamRecord } from '../core/replica.ts';
import type { Instance } from '../drivers/driver.ts';
import { BalancerError } from '../platform/errors.ts';
import { Standbys } from './deploy/standbys.ts';
import { type Entry, newEntry } from './entry.ts';
import type { Replica } from './replica.ts';
import { ReplicaStates, type StateParts } from './replica-states.ts';
import { Ring, type RingParts } from './ring/ring.ts';
import { type SlowStartOptions, SlowStarts } from './ring/slow-starts.ts';

const NO_SLOW_START: SlowStartOptions = { slowStartMs: 0, slowStartFrom: 1 };
/** Ordinals for removed replicas that still drain, beyond those in service. */
const DRAINING_ORDINALS = 64;

/** How many ordinals a route table needs for `maxReplicas` in service. */
export function ordinalsFor(maxReplicas: number): number {
  return maxReplicas + DRAINING_ORDINALS;
}

/** Sends every data thread the whole list; resolves when each has stopped using what is no longer on it. */
export type Publish = (records: readonly UpstreamRecord[]) => Promise<void>;

export interface RegistryParts extends Omit<StateParts, 'slowStarts'>, Omit<RingParts, 'slowStarts'> {
  readonly publish: Publish;
  readonly slowStart?: SlowStartOptions;
  /** A new replica is to have this name. */
  readonly onReserve?: (name: string) => void;
}

export class Registry {
  /** Changes of state, probes and drains of single replicas. */
  readonly states: ReplicaStates;
  /** The slots, with weights and slow starts. */
  readonly ring: Ring;
  /** Instances beside those in the places of replicas. */
  readonly standbys: Standbys;
  readonly #slowStarts: SlowStarts;
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
    const { clock, slowStart = NO_SLOW_START } = parts;
    const slowStarts = new SlowStarts(clock, slowStart, () => this.ring.publishStep());
    this.states = new ReplicaStates({ ...parts, slowStarts }, (replica) => this.#entry(replica));
    const find = (name: string): Entry | undefined => this.#entries.get(name);
    const entries = { states: this.states, members: () => this.#joined, find };
    this.ring = new Ring({ ...parts, slowStarts }, entries);
    this.#slowStarts = slowStarts;
    this.standbys = new Standbys({
      states: this.states,
      table: parts.table,
      clock: parts.clock,
      slowStarts,
      leaving: this.#leaving,
      entryOf: (replica) => this.#entry(replica),
      takeOrdinal: () => this.#takeOrdinal(),
      nextGeneration: () => ++this.#generation,
      publishSlots: () => this.ring.publish(),
      publishEndpoints: () => this.#publishEndpoints(),
    });
  }

  /** Replicas on the ring, in the order they joined. */
  get members(): readonly Replica[] {
    return this.#joined;
  }

  /** Every replica that has or is to have an instance in service: the members and those still to join. */
  get replicas(): readonly Replica[] {
    return [...this.#entries.values()];
  }

  /** Records of instances without a place: of removed replicas that drain, and of those that stand by. */
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

  findByOrdinal(ordinal: number): Replica | undefined {
    return this.replicas.find((replica) => replica.ordinal === ordinal);
  }

  findByInstance(instanceId: string): Replica | undefined {
    return this.replicas.find((replica) => replica.instance?.instanceId === instanceId);
  }

  /** How many replicas can be reserved before those that drain are forgotten. */
  get freeOrdinals(): number {
    return this.#parts.table.shape.ordinals - this.#ordinals.size;
  }

  /**
   * Makes a replica that is not on the ring yet, in state `starting`, with the lowest free id unless one is given.
   * `weight` is that of its instance, unless another is set for the name; autoscaling may remove it where it is elastic.
   */
  reserve(name: string, id?: number, weight = 1, isElastic = false): Replica {
    const taken = new Set(this.replicas.map((replica) => replica.id));
    const ordinal = this.#takeOrdinal();
    const place = { name, id: id !== undefined && !taken.has(id) ? id : lowestFree(taken) };
    const entry = newEntry(place, ordinal, this.ring.weightFor(name, weight), this.#parts.clock.nowMs());
    entry.isElastic = isElastic;
    this.#entries.set(name, entry);
    this.#parts.onReserve?.(name);
    this.states.write(entry);
    return entry;
  }

  /** Takes back a reservation that never joined the ring. */
  cancelReservation(replica: Replica, cause: string): void {
    const entry = this.#entry(replica);
    this.#entries.delete(entry.name);
    this.states.change(entry, { to: 'gone', cause, kind: 'cancelled' });
    void this.#releaseOrdinal(entry);
  }

  /** Puts replicas on the ring, all in one new table. */
  addToRing(replicas: readonly Replica[], cause: string): void {
    const entries = replicas.map((replica) => this.#entry(replica));
    for (const entry of entries) {
      entry.joined = true;
      this.#joined.push(entry);
      if (entry.state === 'healthy') this.#slowStarts.begin(entry.name);
    }
    this.ring.publish();
    for (const entry of entries) {
      this.states.write(entry);
      this.states.note(entry, { kind: 'added', cause, sinceMs: entry.bornMs });
    }
  }

  /**
   * Puts a new replica of another name in the place of one whose instance has ended, as the classic profile does: one
   * new table, in which it is the last and has the lowest free id. The restarts go on counting. Requests in flight on
   * the old one fail now, unless it is to drain.
   */
  substitute(replica: Replica, name: string, cause: string, isDraining = false): Replica {
    const old = this.#entry(replica);
    this.#entries.delete(old.name);
    const entry = this.#entry(this.reserve(name));
    entry.joined = true;
    entry.cause = cause;
    entry.placed = old.placed;
    entry.restarts = old.restarts;
    entry.isElastic = old.isElastic;
    this.#joined = [...this.#joined.filter((other) => other !== old), entry];
    this.#parts.journal.renameOutage(old.name, name);
    if (isDraining) this.#leaving.add(old);
    this.states.change(old, { to: isDraining ? 'draining' : 'gone', cause, kind: 'removed' });
    if (!isDraining) void this.#releaseOrdinal(old);
    this.ring.publish();
    this.states.write(entry);
    this.states.note(entry, { kind: 'added', cause: `instead of ${old.name}`, sinceMs: entry.bornMs });
    return entry;
  }

  /** Takes replicas off the ring, all in one new table; their requests in flight go on. */
  removeFromRing(replicas: readonly Replica[], cause: string): void {
    for (const replica of replicas) {
      const entry = this.#entry(replica);
      this.#entries.delete(entry.name);
      this.#leaving.add(entry);
      this.states.change(entry, { to: 'draining', cause, kind: 'removed' });
    }
    this.#joined = this.#joined.filter((entry) => this.#entries.get(entry.name) === entry);
    this.ring.publish();
  }

  /** Forgets a replica that left: it has no requests in flight and no instance any more. */
  async forget(replica: Replica, cause: string): Promise<void> {
    const entry = replica as Entry;
    if (!this.#leaving.delete(entry)) return;
    this.states.change(entry, { to: 'gone', cause, kind: 'drained' });
    await this.#releaseOrdinal(entry);
  }

  /** Puts an instance in the replica's place; it gets no request before `healthy`. */
  placeInstance(replica: Replica, instance: Instance): Promise<void> {
    const entry = this.#entry(replica);
    entry.instance = instance;
    entry.generation = ++this.#generation;
    entry.placed++;
    entry.restarts = Math.max(0, entry.placed - 1);
    entry.firstHealthyMs = undefined;
    entry.health = UNKNOWN_HEALTH;
    this.#parts.table.clearFailures(entry.ordinal);
    return this.#publishEndpoints();
  }

  /** The instance in the place died or is being replaced: its requests in flight fail now. */
  clearInstance(replica: Replica, cause: string): Promise<void> {
    this.#startAnew(this.#entry(replica), cause);
    return this.#publishEndpoints();
  }

  /** Resolves when every data thread has seen all that was published until now. */
  whenPublished(): Promise<void> {
    return this.#publishEndpoints();
  }

  #entry(replica: Replica): Entry {
    const entry = this.#entries.get(replica.name);
    if (entry === undefined || entry !== replica) throw new Error(`replica ${replica.name} has left`);
    return entry;
  }

  #startAnew(entry: Entry, cause: string): void {
    // the transition names the instance that it is about, so it comes before the instance goes
    this.states.change(entry, { to: 'starting', cause });
    entry.instance = undefined;
    entry.health = UNKNOWN_HEALTH;
  }

  #takeOrdinal(): number {
    const { ordinals } = this.#parts.table.shape;
    for (let ordinal = 0; ordinal < ordinals; ordinal++) {
      if (this.#ordinals.has(ordinal)) continue;
      this.#ordinals.add(ordinal);
      return ordinal;
    }
    throw new BalancerError('bad-request', 'Too many removed replicas are still draining');
  }

  /** The ordinal is free again once no data thread uses the endpoint under it. */
  async #releaseOrdinal(entry: Entry): Promise<void> {
    this.#parts.table.setState(entry.ordinal, 'free');
    entry.instance = undefined;
    await this.#publishEndpoints();
    this.#ordinals.delete(entry.ordinal);
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
