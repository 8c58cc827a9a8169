/**
 * The slots that the data threads see, built from the members of the ring, their weights and their slow starts.
 * Invariant: what is published is always a whole table of the members at that moment.
 */
import type { Placement } from '../../core/hashing/slot-table.ts';
import { holdBack, type SlowMember } from '../../core/hashing/slow-start.ts';
import type { Entry } from '../entry.ts';
import type { ReplicaStates, StateParts } from '../replica-states.ts';

export interface RingParts extends Pick<StateParts, 'table' | 'slowStarts'> {
  readonly placement: Placement;
  /** Weights by name, of replicas there are or are to be; an entry is written with the weight of its name. */
  readonly weights?: Map<string, number>;
}

/** What the ring reads of the registry. */
export interface RingEntries {
  readonly states: ReplicaStates;
  /** The members, in the order in which they joined. */
  members(): readonly Entry[];
  find(name: string): Entry | undefined;
}

export class Ring {
  readonly #parts: RingParts;
  readonly #entries: RingEntries;

  constructor(parts: RingParts, entries: RingEntries) {
    this.#parts = parts;
    this.#entries = entries;
  }

  /** The weight that a new replica of this name would have; `otherwise` where none is set. */
  weightFor(name: string, otherwise = 1): number {
    return this.#parts.weights?.get(name) ?? otherwise;
  }

  /** Sets weights by name, those of members in one new table. */
  setWeights(weights: ReadonlyMap<string, number>, cause: string): void {
    const { states } = this.#entries;
    let isMemberChanged = false;
    for (const [name, weight] of weights) {
      this.#parts.weights?.set(name, weight);
      const entry = this.#entries.find(name);
      if (entry === undefined || entry.weight === weight) continue;
      entry.weight = weight;
      states.write(entry);
      states.note(entry, { kind: 'weight', cause: `${weight}, ${cause}` });
      isMemberChanged ||= entry.joined;
    }
    if (isMemberChanged) this.publish();
  }

  /** True while a member is in its slow start. */
  get isRamping(): boolean {
    const { slowStarts } = this.#parts;
    return this.#entries.members().some(({ name }) => (slowStarts?.shareOf(name) ?? 1) < 1);
  }

  /** Publishes a new table of the members. */
  publish(): void {
    const { table, placement } = this.#parts;
    const members = this.#entries.members();
    const slow = this.#slowMembers(members);
    table.publish((slots) => {
      if (slow.length === 0) return placement.build(members, slots);
      const base = new Uint16Array(slots.length);
      placement.build(
        members.filter(({ ordinal }) => !slow.some((member) => member.ordinal === ordinal)),
        base,
      );
      placement.build(members, slots);
      holdBack(slots, base, slow);
    });
  }

  /** Publishes the table and the weights after a step of a slow start. */
  publishStep(): void {
    for (const entry of this.#entries.members()) this.#entries.states.writeWeight(entry);
    this.publish();
  }

  /** None where there would be nobody to take over the slots that are held back. */
  #slowMembers(members: readonly Entry[]): readonly SlowMember[] {
    const { slowStarts } = this.#parts;
    if (slowStarts === undefined) return [];
    const slow = members
      .map(({ name, ordinal }) => ({ name, ordinal, share: slowStarts.shareOf(name) }))
      .filter(({ share }) => share < 1);
    const others = members.filter(
      ({ name, state, weight, isDraining }) =>
        slowStarts.shareOf(name) === 1 && state === 'healthy' && weight > 0 && !isDraining,
    );
    return others.length === 0 ? [] : slow;
  }
}
