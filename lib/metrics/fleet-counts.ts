/**
 * What the control plane counts of each replica: probes, ejections, replacements and how long they took.
 * Invariant: what is counted under a name only grows until the replica is removed; its counts are then added to those of
 * all removed replicas, which never fall.
 */
import { HISTOGRAM_CELLS, HistogramView, recordMs } from '../core/policy/histogram.ts';

/** Why an instance was replaced. */
const REPLACE_CAUSES = ['died', 'unhealthy', 'ejected'] as const;
export type ReplaceCause = (typeof REPLACE_CAUSES)[number];

/** An event of the journal. */
export interface FleetEvent {
  readonly kind: string;
  readonly replica: string | null;
  readonly ms: number | null;
  /** A change of the size by autoscaling. */
  readonly scale?: { readonly from: number; readonly to: number; readonly reason: string };
}

/** Autoscaling, as metrics show it. */
export interface ScaleCounts {
  /** Replicas there should be, by the last decision; undefined before the first. */
  readonly desired: number | undefined;
  /** What kept that from what the load alone would have. */
  readonly limitedBy: string | undefined;
  /** Changes, by `up load`: direction and reason. */
  readonly changes: ReadonlyMap<string, number>;
}

export interface ReplicaHistory {
  readonly probeDuration: HistogramView;
  readonly probeFailures: number;
  readonly ejections: number;
  readonly failedStarts: number;
  readonly replacements: Readonly<Record<ReplaceCause, number>>;
}

interface Entry {
  readonly probeDuration: Float64Array;
  probeFailures: number;
  ejections: number;
  failedStarts: number;
  readonly replacements: Record<ReplaceCause, number>;
  /** What is wrong with it now, and what was wrong before it became healthy. */
  trouble: ReplaceCause | undefined;
  troubleBefore: ReplaceCause | undefined;
}

/** More than there can be replicas at a time, with room for late counts of removed ones. */
const MOST_ENTRIES = 2048;
/** Times are rounded to this part of a millisecond, so that sums are exact in any order. */
const PARTS_PER_MS = 1024;

export class FleetCounts {
  readonly #entries = new Map<string, Entry>();
  /** Counts of removed replicas. */
  readonly #gone = newEntry();
  readonly #probeDuration = new Float64Array(HISTOGRAM_CELLS);
  readonly #replaceDuration = new Float64Array(HISTOGRAM_CELLS);
  #isPanicking = false;
  #desired: number | undefined;
  #limitedBy: string | undefined;
  readonly #scaleChanges = new Map<string, number>();
  readonly #deploys = { done: 0, 'rolled-back': 0 };

  probe(replica: string, tookMs: number, passed: boolean): void {
    const entry = this.#entry(replica);
    const exactMs = Math.round(tookMs * PARTS_PER_MS) / PARTS_PER_MS;
    recordMs(entry.probeDuration, 0, exactMs);
    recordMs(this.#probeDuration, 0, exactMs);
    if (!passed) entry.probeFailures++;
  }

  /** The replica of this name was removed, or the name is reused: its counts now belong to the removed ones. */
  remove(replica: string): void {
    const entry = this.#entries.get(replica);
    if (entry === undefined) return;
    this.#entries.delete(replica);
    addTo(this.#gone, entry);
  }

  /** Counts an event; other kinds are ignored. */
  countEvent({ kind, replica, ms, scale }: FleetEvent): void {
    if (scale !== undefined) this.#countScale(scale);
    if (kind === 'panic' || kind === 'panic-over') this.#isPanicking = kind === 'panic';
    if (kind === 'deploy-done') this.#deploys.done++;
    if (kind === 'deploy-rolled-back') this.#deploys['rolled-back']++;
    if (replica === null) return;
    const entry = this.#entry(replica);
    switch (kind) {
      case 'died':
        entry.trouble = 'died';
        break;
      case 'unhealthy':
        entry.trouble ??= 'unhealthy';
        break;
      case 'ejected':
        entry.ejections++;
        entry.trouble ??= 'ejected';
        break;
      case 'start-failed':
        entry.failedStarts++;
        break;
      case 'healthy':
        entry.troubleBefore = entry.trouble;
        entry.trouble = undefined;
        break;
      // noted after `healthy`
      case 'replaced':
        entry.replacements[entry.troubleBefore ?? 'died']++;
        if (ms !== null) recordMs(this.#replaceDuration, 0, ms);
        break;
    }
  }

  /** A substitute has taken the place of the replica: what was wrong there is why it will have been replaced. */
  recordSubstitution(replica: string, substitute: string): void {
    this.#entry(substitute).trouble = this.#entries.get(replica)?.trouble;
  }

  historyOf(replica: string): ReplicaHistory {
    return copyOf(this.#entries.get(replica) ?? newEntry());
  }

  /** The counts of all names but these. */
  removed(names: ReadonlySet<string>): ReplicaHistory {
    const sum = newEntry();
    addTo(sum, this.#gone);
    for (const [name, entry] of this.#entries) if (!names.has(name)) addTo(sum, entry);
    return copyOf(sum);
  }

  /** Of all probes. */
  get probeDuration(): HistogramView {
    return new HistogramView(this.#probeDuration.slice());
  }

  /** Autoscaling wants `to` replicas. */
  recordDecision({ to, limitedBy }: { readonly to: number; readonly limitedBy?: string | undefined }): void {
    this.#desired = to;
    this.#limitedBy = limitedBy;
  }

  get scale(): ScaleCounts {
    return { desired: this.#desired, limitedBy: this.#limitedBy, changes: this.#scaleChanges };
  }

  /** Deploys that have ended, by their result. */
  get deploys(): Readonly<Record<'done' | 'rolled-back', number>> {
    return this.#deploys;
  }

  /** Most of the fleet is not ready, so every replica that responds gets requests. */
  get isPanicking(): boolean {
    return this.#isPanicking;
  }

  /** From the first sign of trouble with a replica until another instance was healthy in its place. */
  get replaceDuration(): HistogramView {
    return new HistogramView(this.#replaceDuration.slice());
  }

  #countScale({ from, to, reason }: NonNullable<FleetEvent['scale']>): void {
    const key = `${to > from ? 'up' : 'down'} ${reason}`;
    this.#scaleChanges.set(key, (this.#scaleChanges.get(key) ?? 0) + 1);
  }

  #entry(replica: string): Entry {
    const found = this.#entries.get(replica);
    if (found !== undefined) return found;
    const entry = newEntry();
    this.#entries.set(replica, entry);
    const oldest = this.#entries.keys().next().value;
    if (this.#entries.size > MOST_ENTRIES && oldest !== undefined) this.remove(oldest);
    return entry;
  }
}

function newEntry(): Entry {
  return {
    probeDuration: new Float64Array(HISTOGRAM_CELLS),
    probeFailures: 0,
    ejections: 0,
    failedStarts: 0,
    replacements: { died: 0, unhealthy: 0, ejected: 0 },
    trouble: undefined,
    troubleBefore: undefined,
  };
}

function addTo(sum: Entry, entry: Entry): void {
  for (let cell = 0; cell < HISTOGRAM_CELLS; cell++)
    sum.probeDuration[cell] = sum.probeDuration[cell]! + entry.probeDuration[cell]!;
  sum.probeFailures += entry.probeFailures;
  sum.ejections += entry.ejections;
  sum.failedStarts += entry.failedStarts;
  for (const cause of REPLACE_CAUSES) sum.replacements[cause] += entry.replacements[cause];
}

/** A copy that does not change when more is counted. */
function copyOf(entry: Entry): ReplicaHistory {
  const { probeDuration, probeFailures, ejections, failedStarts, replacements } = entry;
  return {
    probeDuration: new HistogramView(probeDuration.slice()),
    probeFailures,
    ejections,
    failedStarts,
    replacements: { ...replacements },
  };
}
