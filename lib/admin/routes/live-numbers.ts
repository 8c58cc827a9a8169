/**
 * Samples the traffic once a second, keeps its history, and makes the dashboard's snapshots of the last sample.
 * The totals are those of the last second, so that a chart shows each second once; a replica's numbers in a snapshot
 * reach back WINDOW samples, since a second of one replica among many may hold no request at all.
 */

import type { ScaleView } from '../../api/scale.ts';
import type { Numbers, ReplicaSnapshot, Sample, Snapshot } from '../../api/snapshot.ts';
import type { ReplicaView } from '../../api/types.ts';
import type { DriverKind } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Fleet } from './fleet.ts';
import { MAX_REPLICAS, TrafficHistory } from './history.ts';
import type { SnapshotSource } from './live.ts';
import { hasLogs } from './logs.ts';

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
  /** Responses of 1xx to 5xx. */
  readonly byClass: readonly number[];
  /** Responses of 5xx, and attempts that failed, whatever became of the request. */
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
  readonly canDeploy: boolean;
  readonly driver: { readonly kind: DriverKind; readonly ownsInstances: boolean };
  /** May have more in it that is nobody's business. */
  readonly limits: Snapshot['limits'];
  readonly fleet: Fleet;
  readonly table: { readonly totalInFlight: number; readonly totalWaiting: number };
  readonly clock: Clock;
  readonly read: (names: readonly string[]) => Reading;
  readonly scale: () => ScaleView;
}

/** Readings that a replica's numbers in a snapshot reach back. */
const WINDOW = 5;

const NONE: Numbers = { requestsPerSecond: null, errorsPerSecond: null, p50Ms: null, p99Ms: null };
const NO_CLASSES = [null, null, null, null];

/** A reading whose replicas are found by name. */
interface Indexed {
  readonly atMs: number;
  readonly totals: Counters;
  readonly replicas: ReadonlyMap<string, Counters & { readonly life?: number }>;
}

/** What a second was read as, for the snapshots that may be made of it. */
interface Second {
  readonly atMs: number;
  readonly views: readonly ReplicaView[];
  readonly now: Indexed;
  readonly totals: Sample;
}

export class LiveNumbers implements SnapshotSource {
  readonly history = new TrafficHistory();
  readonly #parts: NumbersParts;
  readonly #startedAtMs: number;
  /** Readings before the last second's, the oldest first: WINDOW at most, and one while nobody watches. */
  readonly #earlier: Indexed[] = [];
  #second: Second | undefined;

  constructor(parts: NumbersParts) {
    this.#parts = parts;
    this.#startedAtMs = parts.clock.wallMs();
  }

  sample(isWatched: boolean): void {
    const { fleet, table, clock, read } = this.#parts;
    if (this.#second !== undefined) this.#earlier.push(this.#second.now);
    while (this.#earlier.length > (isWatched ? WINDOW : 1)) this.#earlier.shift();
    const before = this.#earlier.slice(-1);
    const views = fleet.replicas();
    // those without a history are read for a page alone
    const sampled = views.slice(0, MAX_REPLICAS);
    const now = indexed(read((isWatched ? views : sampled).map(({ name }) => name)));
    const { totalInFlight: inFlight, totalWaiting: queued } = table;
    const { desired, ready } = this.#parts.scale();
    const totals = sampleOf(now, before, IN_ALL, { inFlight, queued, desired, ready });
    const atMs = clock.wallMs();
    this.#second = { atMs, views, now, totals };
    // an instance that a deploy replaced finishes beside the next one of its name
    const inFlightOf = new Map<string, number>();
    for (const { name, inFlight } of sampled) inFlightOf.set(name, (inFlightOf.get(name) ?? 0) + inFlight);
    const replicas = [...inFlightOf].map(([name, inFlight]) => {
      const levels = { inFlight, queued: now.replicas.get(name)?.waiting ?? 0, desired: null, ready: null };
      return { name, sample: sampleOf(now, before, ofReplica(now, name), levels) };
    });
    this.history.record(atMs, totals, replicas);
  }

  snapshot(): Snapshot {
    if (this.#second === undefined) this.sample(true);
    const { atMs, views, now, totals } = this.#second!;
    const { version: program, driver, canDeploy, limits, fleet } = this.#parts;
    // traffic is counted by name, and what an instance finishes that has lost its name to the next one is not told apart
    const present = new Set(views.filter(({ state }) => state !== 'draining').map(({ name }) => name));
    const replicas = views.map((view): ReplicaSnapshot => {
      if (view.state === 'draining' && present.has(view.name))
        return { ...shownOf(view), queued: 0, ...NONE };
      const queued = now.replicas.get(view.name)?.waiting ?? 0;
      return { ...shownOf(view), queued, ...numbersOf(now, this.#earlier, ofReplica(now, view.name)) };
    });
    const { algorithm, slots, vnodes, version, imbalance } = fleet.ring();
    return {
      version: program,
      driver: driver.kind,
      canScale: driver.ownsInstances,
      canDeploy,
      hasLogs: hasLogs(driver.kind),
      limits: pick(limits),
      atMs,
      startedAtMs: this.#startedAtMs,
      readiness: fleet.readiness(),
      eligible: replicas.filter(({ state, drained }) => state === 'healthy' && !drained).length,
      desired: fleet.names().length,
      scale: this.#parts.scale(),
      totals,
      ring: { algorithm, slots, vnodes, version, imbalance },
      replicas,
    };
  }
}

function indexed({ atMs, totals, replicas }: Reading): Indexed {
  return { atMs, totals, replicas: new Map(replicas.map((replica) => [replica.name, replica])) };
}

function pick({ maxInFlight, queueDepth, maxReplicas }: Snapshot['limits']): Snapshot['limits'] {
  return { maxInFlight, queueDepth, maxReplicas };
}

/** What the page needs of a replica. */
function shownOf({
  instance: _,
  ending,
  draining,
  probes,
  ...view
}: ReplicaView): Omit<ReplicaSnapshot, keyof Numbers | 'queued'> {
  const drained = draining && view.state !== 'draining';
  return {
    ...view,
    drained,
    probes: { last: probes.last, recent: probes.recent },
    ending: ending === null ? null : { kind: ending.kind, code: ending.code, signal: ending.signal },
  };
}

/** Whose numbers, and what is an error there. */
interface Of {
  find(reading: Indexed): Counters | undefined;
  errors(counters: Counters): number;
}

/** In all an error is what a client was told, for a failed attempt that was made good by another was none to it. */
const IN_ALL: Of = { find: ({ totals }) => totals, errors: ({ byClass }) => byClass[4] ?? 0 };

const failures = (counters: Counters): number => counters.failures;

/** A replica's, for as long as its name has been its own. */
function ofReplica(now: Indexed, name: string): Of {
  const life = now.replicas.get(name)?.life;
  return {
    find(reading) {
      const counters = reading.replicas.get(name);
      return counters?.life === life ? counters : undefined;
    },
    errors: failures,
  };
}

/** The last second. */
function sampleOf(
  now: Indexed,
  before: readonly Indexed[],
  of: Of,
  levels: Pick<Sample, 'inFlight' | 'queued' | 'desired' | 'ready'>,
): Sample {
  return { ...numbersOf(now, before, of), byClass: classesOf(now, before[0], of), ...levels };
}

function classesOf(now: Indexed, before: Indexed | undefined, { find }: Of): Sample['byClass'] {
  const [current, earlier] = [find(now), before && find(before)];
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1000;
  if (current === undefined || earlier === undefined || seconds <= 0) return NO_CLASSES;
  return [1, 2, 3, 4].map((at) => ((current.byClass[at] ?? 0) - (earlier.byClass[at] ?? 0)) / seconds);
}

/**
 * What has happened since the oldest reading that knows it; a name may have counted before, so one that is not in any
 * says nothing yet.
 */
function numbersOf(now: Indexed, earlier: readonly Indexed[], { find, errors }: Of): Numbers {
  const oldest = earlier.find((reading) => find(reading) !== undefined);
  const [current, before] = [find(now), oldest && find(oldest)];
  if (oldest === undefined || current === undefined || before === undefined) return NONE;
  const seconds = (now.atMs - oldest.atMs) / 1000;
  if (seconds <= 0) return NONE;
  const requests = current.requests - before.requests;
  // most of many replicas had no request in a second, and then there is nothing to subtract
  const duration = requests === 0 ? undefined : current.duration.minus(before.duration);
  const quantile = (rank: number) =>
    duration !== undefined && duration.count > 0 ? duration.quantileMs(rank) : null;
  return {
    requestsPerSecond: requests / seconds,
    errorsPerSecond: (errors(current) - errors(before)) / seconds,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  };
}
