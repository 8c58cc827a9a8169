/**
 * Sums of the few counters that the control plane itself uses, over the rows of all data threads. Cheap enough to be read
 * several times a second; `reader.ts` reads everything.
 */
import {
  bucketOf,
  bucketStartMs,
  HISTOGRAM_BUCKETS,
  HISTOGRAM_CELLS,
  HistogramView,
} from '../core/policy/histogram.ts';
import type { ResponseTimes } from '../core/policy/relative-speed.ts';
import { ERRORS } from '../platform/errors.ts';
import {
  ABORTERS,
  blockOf,
  FAILURES,
  type MetricsShape,
  REPLICA,
  RETRY_REASONS,
  rowOver,
  THREAD,
} from './layout.ts';

/** Requests that were retried, queued or failed; counters that only grow. */
export interface TroubleCounts {
  /** Retries at another replica. */
  readonly retried: number;
  /** Requests that were queued, whether they still are or not. */
  readonly held: number;
  /** Requests that the balancer failed (5xx of its own), and responses that were cut short. */
  readonly failed: number;
}

/** The outcome of the requests that a replica was given; counters that only grow. */
export interface TrafficCounts {
  readonly requests: number;
  /** Responses of 5xx, responses that the replica cut short, and requests without a response that count against it. */
  readonly failures: number;
}

/** The same with durations, for the comparison of versions; counters that only grow. */
export interface OutcomeCounts {
  readonly requests: number;
  readonly errors: number;
  readonly duration: HistogramView;
}

/** What became of requests that no replica could take at once; counters that only grow. */
export interface QueueCounts {
  /** Those that have left the queue after a quarter of a second or more. */
  readonly longWaits: number;
  readonly refused: number;
}

/** [bucket]: the binary logarithm of its time in ms; below a millisecond differences are none. */
const OCTAVES = Float64Array.from({ length: HISTOGRAM_BUCKETS }, (_, bucket) =>
  Math.log2(Math.max(1, bucketStartMs(bucket))),
);
/** The first bucket of a long wait: from 256 ms, which is where a bucket begins. */
const LONG_WAIT = bucketOf(256);
const QUEUE_FULL = FAILURES.indexOf('queue-full');
/** Columns of a thread's row, and of a replica's block, by the sum that they are part of. */
const OWN_FAILURES = FAILURES.flatMap((code, index) =>
  ERRORS[code].status >= 500 ? [THREAD.failures + index] : [],
);
const CUTS = ABORTERS.flatMap((by, index) => (by === 'client' ? [] : [REPLICA.aborts + index]));
const RETRIES = RETRY_REASONS.flatMap((why, index) =>
  why === 'stale-connection' ? [] : [REPLICA.retries + index],
);

/** Responses of 5xx are the last of them. */
const STATUS_CLASSES = 5;
const CUT_BY_REPLICA = REPLICA.aborts + ABORTERS.indexOf('replica');

export class CounterSums {
  readonly #rows: readonly Float64Array[];
  readonly #ordinals: number;

  /** `memory` is the shared memory that the data threads write. */
  constructor(memory: SharedArrayBuffer, shape: MetricsShape) {
    this.#rows = Array.from({ length: shape.workers }, (_, worker) => rowOver(memory, shape, worker));
    this.#ordinals = shape.ordinals;
  }

  trouble(): TroubleCounts {
    let [retried, held, failed] = [0, 0, 0];
    for (const row of this.#rows) {
      held += row[THREAD.held]!;
      for (const column of OWN_FAILURES) failed += row[column]!;
      for (let ordinal = 0; ordinal <= this.#ordinals; ordinal++) {
        const block = blockOf(ordinal);
        for (const column of RETRIES) retried += row[block + column]!;
        for (const column of CUTS) failed += row[block + column]!;
      }
    }
    return { retried, held, failed };
  }

  /** Reads of response bytes from the replica: any growth is a sign of life. */
  reads(ordinal: number): number {
    const column = blockOf(ordinal) + REPLICA.reads;
    let reads = 0;
    for (const row of this.#rows) reads += row[column]!;
    return reads;
  }

  traffic(ordinal: number): TrafficCounts {
    const block = blockOf(ordinal);
    let [requests, failures] = [0, 0];
    for (const row of this.#rows) {
      const faults = row[block + REPLICA.faults]!;
      requests += faults;
      for (let status = 1; status <= STATUS_CLASSES; status++)
        requests += row[block + REPLICA.classes + status]!;
      failures += faults + row[block + REPLICA.classes + STATUS_CLASSES]! + row[block + CUT_BY_REPLICA]!;
    }
    return { requests, failures };
  }

  /** Requests that ended at the replica and attempts that failed there, those in error among them, and durations. */
  outcomes(ordinal: number): OutcomeCounts {
    const block = blockOf(ordinal);
    const duration = new Float64Array(HISTOGRAM_CELLS);
    let [requests, errors] = [0, 0];
    for (const row of this.#rows) {
      const failedAttempts = row[block + REPLICA.failedAttempts]!;
      requests += failedAttempts;
      errors += failedAttempts + row[block + REPLICA.classes + STATUS_CLASSES]!;
      for (let status = 1; status <= STATUS_CLASSES; status++)
        requests += row[block + REPLICA.classes + status]!;
      for (let cell = 0; cell < HISTOGRAM_CELLS; cell++)
        duration[cell] = duration[cell]! + row[block + REPLICA.duration + cell]!;
    }
    return { requests, errors, duration: new HistogramView(duration) };
  }

  /** Responses of the replica, and how long their first bytes took. */
  responseTimes(ordinal: number): ResponseTimes {
    const start = blockOf(ordinal) + REPLICA.firstByte;
    let [count, octaves] = [0, 0];
    for (const row of this.#rows) {
      for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        const here = row[start + bucket]!;
        count += here;
        octaves += here * OCTAVES[bucket]!;
      }
    }
    return { count, octaves };
  }

  /** Requests that waited for long, and that were refused since the queue was full. */
  queueing(): QueueCounts {
    let [longWaits, refused] = [0, 0];
    for (const row of this.#rows) {
      refused += row[THREAD.failures + QUEUE_FULL]!;
      for (let bucket = LONG_WAIT; bucket < HISTOGRAM_BUCKETS; bucket++)
        longWaits += row[THREAD.queueWait + bucket]!;
    }
    return { longWaits, refused };
  }

  /** Requests that replicas have responded to, or that a client closed its connection on. */
  requests(): number {
    let requests = 0;
    for (const row of this.#rows)
      for (let ordinal = 0; ordinal < this.#ordinals; ordinal++)
        for (let status = 0; status <= STATUS_CLASSES; status++)
          requests += row[blockOf(ordinal) + REPLICA.classes + status]!;
    return requests;
  }

  /** Requests that wait and whose first choice is the replica. */
  waiting(ordinal: number): number {
    return this.#rows.reduce((sum, row) => sum + row[blockOf(ordinal) + REPLICA.waiting]!, 0);
  }

  /** Open tunnels to the replica. */
  openTunnels(ordinal: number): number {
    return this.#rows.reduce((sum, row) => sum + row[blockOf(ordinal) + REPLICA.openTunnels]!, 0);
  }
}
