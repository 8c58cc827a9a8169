/**
 * Finds replicas that fail far more of their requests than the others, over the last ten seconds.
 * An application that fails everywhere makes no outlier: a replica is one only where more than half of at least 20
 * requests failed, and three times the share that is usual among the others.
 */
import type { Replica } from '../replica.ts';

/** What came of requests, as numbers that only grow. */
export interface Traffic {
  readonly requests: number;
  readonly failures: number;
}

interface Sample extends Traffic {
  readonly atMs: number;
  /** The counters that were read. */
  readonly ordinal: number;
}

const WINDOW_MS = 10_000;
const LEAST_REQUESTS = 20;
const LEAST_SHARE = 0.5;
const TIMES_THE_OTHERS = 3;

export class OutlierDetector {
  readonly #read: (replica: Replica) => Traffic;
  /** Of each replica, the oldest first; the first is at most WINDOW_MS old, but for the time between two looks. */
  readonly #samples = new Map<Replica, Sample[]>();

  constructor(read: (replica: Replica) => Traffic) {
    this.#read = read;
  }

  /**
   * Takes a sample of these, which may be given requests; gives the outliers among them, the worst first. What one did
   * before a look that it was not part of counts no more.
   */
  look(replicas: readonly Replica[], nowMs: number): readonly Replica[] {
    const known = new Set(replicas);
    for (const replica of this.#samples.keys()) if (!known.has(replica)) this.#samples.delete(replica);
    const windows = replicas.map((replica) => ({ replica, ...this.#window(replica, nowMs) }));
    return windows
      .filter(({ replica, requests, share }) => {
        if (requests < LEAST_REQUESTS || share <= LEAST_SHARE) return false;
        const others = windows.filter((other) => other.replica !== replica);
        return others.length > 0 && share >= TIMES_THE_OTHERS * median(others.map((other) => other.share));
      })
      .sort((a, b) => b.share - a.share)
      .map(({ replica }) => replica);
  }

  #window(replica: Replica, nowMs: number): { readonly requests: number; readonly share: number } {
    const known = this.#samples.get(replica) ?? [];
    // another instance that was swapped in is counted under an ordinal of its own
    const samples = known[0]?.ordinal === replica.ordinal ? known : [];
    this.#samples.set(replica, samples);
    const now: Sample = { atMs: nowMs, ordinal: replica.ordinal, ...this.#read(replica) };
    samples.push(now);
    while (samples.length > 1 && nowMs - samples[0]!.atMs > WINDOW_MS) samples.shift();
    const oldest = samples[0]!;
    const requests = now.requests - oldest.requests;
    return { requests, share: requests > 0 ? (now.failures - oldest.failures) / requests : 0 };
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
