/**
 * Makes the dashboard's snapshots: what the fleet says now, and what its counters say of the last seconds.
 * Must not hold: counting (`metrics/`), when a snapshot is made (`live.ts`), how it is shown (`dashboard/`).
 *
 * The totals are those of the last second, so that a chart shows each second once; a replica's own reach back
 * WINDOW snapshots, since a second of one replica among many may hold no request at all.
 */

import type { Numbers, ReplicaSnapshot, Snapshot } from '../../api/snapshot.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Fleet, ReplicaView } from './api.ts';
import type { SnapshotSource } from './live.ts';

/** How durations are spread since some moment. */
export interface Durations {
  readonly count: number;
  /** 0 where there are none. */
  quantileMs(rank: number): number;
  /** What came after `earlier` was read. */
  minus(earlier: Durations): Durations;
}

/** Counters since the balancer started. */
export interface Counters {
  readonly requests: number;
  /** Answers of 1xx to 5xx. */
  readonly byClass: readonly number[];
  /** Answers of 5xx, and attempts that failed, whatever became of the request. */
  readonly failures: number;
  readonly duration: Durations;
  /** Requests that wait for it first. */
  readonly waiting: number;
}

/** All counters at one moment. */
export interface Reading {
  readonly atMs: number;
  readonly totals: Counters;
  readonly replicas: readonly (Counters & { readonly name: string; readonly life?: number })[];
}

export interface NumbersParts {
  readonly version: string;
  readonly driver: { readonly kind: string; readonly ownsInstances: boolean };
  /** May have more in it that is nobody's business. */
  readonly limits: Snapshot['limits'];
  readonly fleet: Fleet;
  readonly table: { readonly totalInFlight: number; readonly totalWaiting: number };
  readonly clock: Clock;
  readonly read: (names: readonly string[]) => Reading;
}

const WINDOW = 5;

const NONE: Numbers = { requestsPerSecond: null, errorsPerSecond: null, p50Ms: null, p99Ms: null };

export class LiveNumbers implements SnapshotSource {
  readonly #parts: NumbersParts;
  readonly #startedAtMs: number;
  /** At most WINDOW, the oldest first. */
  readonly #earlier: Reading[] = [];

  constructor(parts: NumbersParts) {
    this.#parts = parts;
    this.#startedAtMs = parts.clock.wallMs();
  }

  next(): Snapshot {
    const { version: program, driver, limits, fleet, table, clock, read } = this.#parts;
    const views = fleet.replicas();
    const now = read(views.map(({ name }) => name));
    const earlier = [...this.#earlier];
    const replicas = views.map((view): ReplicaSnapshot => {
      const life = now.replicas.find(({ name }) => name === view.name)?.life;
      const find = (reading: Reading) =>
        reading.replicas.find((one) => one.name === view.name && one.life === life);
      const queued = find(now)?.waiting ?? 0;
      return { ...shownOf(view), queued, ...numbersOf(now, earlier, { find, errors: failures }) };
    });
    this.#earlier.push(now);
    if (this.#earlier.length > WINDOW) this.#earlier.shift();
    const { algorithm, slots, vnodes, version, imbalance } = fleet.ring();
    return {
      version: program,
      driver: driver.kind,
      canScale: driver.ownsInstances,
      limits: pick(limits),
      atMs: clock.wallMs(),
      startedAtMs: this.#startedAtMs,
      readiness: fleet.readiness(),
      eligible: replicas.filter(({ state, drained }) => state === 'healthy' && !drained).length,
      desired: fleet.names().length,
      totals: {
        ...numbersOf(now, earlier.slice(-1), IN_ALL),
        inFlight: table.totalInFlight,
        queued: table.totalWaiting,
      },
      ring: { algorithm, slots, vnodes, version, imbalance },
      replicas,
    };
  }

  reset(): void {
    this.#earlier.length = 0;
  }
}

function pick({ maxInFlight, queueDepth, maxReplicas }: Snapshot['limits']): Snapshot['limits'] {
  return { maxInFlight, queueDepth, maxReplicas };
}

/** What the page needs of a replica. */
function shownOf({
  instance: _,
  ending: _ending,
  draining,
  probes,
  ...view
}: ReplicaView): Omit<ReplicaSnapshot, keyof Numbers | 'queued'> {
  const drained = draining && view.state !== 'draining';
  return { ...view, drained, probes: { last: probes.last, recent: probes.recent } };
}

/** Whose numbers, and what is an error there. */
interface Of {
  find(reading: Reading): Counters | undefined;
  errors(counters: Counters): number;
}

const failures = (counters: Counters): number => counters.failures;

/** In all an error is what a client was told, for a failed attempt that was made good by another was none to it. */
const IN_ALL: Of = { find: ({ totals }) => totals, errors: ({ byClass }) => byClass[4] ?? 0 };

/**
 * What has happened since the oldest reading that knows it; a name may have counted before, so one that is not in any
 * says nothing yet.
 */
function numbersOf(now: Reading, earlier: readonly Reading[], { find, errors }: Of): Numbers {
  const oldest = earlier.find((reading) => find(reading) !== undefined);
  const [current, before] = [find(now), oldest && find(oldest)];
  if (oldest === undefined || current === undefined || before === undefined) return NONE;
  const seconds = (now.atMs - oldest.atMs) / 1000;
  if (seconds <= 0) return NONE;
  const duration = current.duration.minus(before.duration);
  const quantile = (rank: number) => (duration.count > 0 ? duration.quantileMs(rank) : null);
  return {
    requestsPerSecond: (current.requests - before.requests) / seconds,
    errorsPerSecond: (errors(current) - errors(before)) / seconds,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  };
}
