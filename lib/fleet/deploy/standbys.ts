/**
 * Instances that run beside the one in a replica's place: the next version before a deploy switches to it, the version
 * before until it is known that the next one works, and what finishes its requests after it was replaced.
 * Invariants: a standby has an ordinal of its own, so that its requests in flight are counted apart; a swap moves no key
 * but those that a slow start holds back, since it changes the ordinal of a member and nothing of its place.
 */
import { UNKNOWN_HEALTH } from '../../core/policy/rise-and-fall.ts';
import type { RouteTableWriter } from '../../core/routing/route-table.ts';
import type { Instance } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import { type Entry, newEntry } from '../entry.ts';
import type { Replica } from '../replica.ts';
import type { ReplicaStates } from '../replica-states.ts';
import type { SlowStarts } from '../ring/slow-starts.ts';

/** What standbys need of the registry. */
export interface StandbyParts {
  readonly states: ReplicaStates;
  readonly table: RouteTableWriter;
  readonly clock: Clock;
  readonly slowStarts: Pick<SlowStarts, 'begin' | 'end'>;
  /** Replicas without a place of their own, which drain or stand by. */
  readonly leaving: Set<Entry>;
  entryOf(replica: Replica): Entry;
  takeOrdinal(): number;
  nextGeneration(): number;
  /** Publishes a new table of the same members. */
  publishSlots(): void;
  /** Resolves once every data thread knows the endpoints. */
  publishEndpoints(): Promise<void>;
}

export class Standbys {
  readonly #parts: StandbyParts;

  constructor(parts: StandbyParts) {
    this.#parts = parts;
  }

  /**
   * Registers an instance beside the one in the replica's place; it gets no requests. Resolves with its record once the
   * data threads know where it listens. Needs one more free ordinal; throws `bad-request` where there is none.
   */
  async add({ name, id, weight }: Replica, instance: Instance): Promise<Replica> {
    const { clock, states, leaving, table } = this.#parts;
    const standby = newEntry({ name, id }, this.#parts.takeOrdinal(), weight, clock.nowMs());
    standby.instance = instance;
    standby.generation = this.#parts.nextGeneration();
    standby.cause = 'stands by';
    leaving.add(standby);
    table.clearFailures(standby.ordinal);
    states.write(standby);
    await this.#parts.publishEndpoints();
    return standby;
  }

  /**
   * Exchanges the instance in the place for one that stands by and whose probes have passed: requests go there from now
   * on, and those in flight on the other one go on.
   */
  swap(replica: Replica, standby: Replica, cause: string): void {
    const { states, clock, slowStarts } = this.#parts;
    const entry = this.#parts.entryOf(replica);
    const other = standby as Entry;
    slowStarts.end(entry.name);
    // an instance that had the place before is warm
    if (other.firstHealthyMs === undefined && !entry.isDraining) slowStarts.begin(entry.name);
    const { ordinal, instance, generation, firstHealthyMs, probes } = entry;
    entry.ordinal = other.ordinal;
    entry.instance = other.instance;
    entry.generation = other.generation;
    entry.firstHealthyMs = other.firstHealthyMs ?? clock.nowMs();
    entry.probes = other.probes;
    entry.sinceMs = clock.nowMs();
    entry.placed = Math.max(1, entry.placed);
    Object.assign(other, { ordinal, instance, generation, firstHealthyMs, probes, isAdmitted: false });
    // the new ordinal is eligible before the table names it, and the old one until then
    states.change(entry, { to: 'healthy', cause, kind: 'healthy' });
    this.#parts.publishSlots();
    other.state = 'draining';
    other.cause = cause;
    states.write(other);
  }

  /**
   * Frees a replica's place for another instance while the one there finishes its requests in flight: that one goes on
   * as a replica that leaves, under the ordinal it had, and is returned. Needs one more free ordinal.
   */
  detach(replica: Replica, cause: string): Replica {
    const { states, clock, leaving } = this.#parts;
    const entry = this.#parts.entryOf(replica);
    const sinceMs = clock.nowMs();
    const probes = { ...entry.probes };
    const old: Entry = { ...entry, state: 'draining', isAdmitted: false, cause, sinceMs, probes };
    entry.ordinal = this.#parts.takeOrdinal();
    leaving.add(old);
    states.change(entry, { to: 'starting', cause });
    entry.instance = undefined;
    entry.health = UNKNOWN_HEALTH;
    states.write(old);
    this.#parts.publishSlots();
    return old;
  }
}
