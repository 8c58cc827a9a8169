/**
 * What the control plane counts of each replica: probes, ejections, replacements and how long they took.
 * Must not hold: how the control plane comes to know of them, what the data threads count (`recorder.ts`).
 * Invariant: what is counted under a name only grows, for as many names as may come back.
 */
import { HISTOGRAM_CELLS, HistogramView, recordMs } from '../core/histogram.ts';

/** What was wrong with an instance that was replaced. */
export const REPLACE_CAUSES = ['died', 'unhealthy', 'ejected'] as const;
export type ReplaceCause = (typeof REPLACE_CAUSES)[number];

/** What happened to a replica, as the journal of the fleet tells it. */
export interface FleetHappening {
  readonly kind: string;
  readonly replica: string | null;
  readonly ms: number | null;
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
  /** What is wrong with it now, and what was before it was healthy. */
  trouble: ReplaceCause | undefined;
  troubleBefore: ReplaceCause | undefined;
}

/** More than there can be replicas at a time. */
const MOST_REMEMBERED = 4096;

export class FleetCounts {
  readonly #entries = new Map<string, Entry>();
  readonly #replaceDuration = new Float64Array(HISTOGRAM_CELLS);
  #isPanicking = false;

  probe(replica: string, tookMs: number, passed: boolean): void {
    const entry = this.#entry(replica);
    recordMs(entry.probeDuration, 0, tookMs);
    if (!passed) entry.probeFailures++;
  }

  /** Counts what happened; kinds that are of no interest here are passed over. */
  happened({ kind, replica, ms }: FleetHappening): void {
    if (kind === 'panic' || kind === 'panic-over') this.#isPanicking = kind === 'panic';
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
      // told after that it is healthy
      case 'replaced':
        entry.replacements[entry.troubleBefore ?? 'died']++;
        if (ms !== null) recordMs(this.#replaceDuration, 0, ms);
        break;
    }
  }

  historyOf(replica: string): ReplicaHistory {
    const { probeDuration, probeFailures, ejections, failedStarts, replacements } =
      this.#entries.get(replica) ?? newEntry();
    return {
      probeDuration: new HistogramView(probeDuration.slice()),
      probeFailures,
      ejections,
      failedStarts,
      replacements: { ...replacements },
    };
  }

  /** Most of the fleet is not ready, so all that respond get requests. */
  get isPanicking(): boolean {
    return this.#isPanicking;
  }

  /** From when something was wrong with a replica until another instance was healthy in its place. */
  get replaceDuration(): HistogramView {
    return new HistogramView(this.#replaceDuration.slice());
  }

  #entry(replica: string): Entry {
    const found = this.#entries.get(replica);
    if (found !== undefined) return found;
    const entry = newEntry();
    this.#entries.set(replica, entry);
    const oldest = this.#entries.keys().next().value;
    if (this.#entries.size > MOST_REMEMBERED && oldest !== undefined) this.#entries.delete(oldest);
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
