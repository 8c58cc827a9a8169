/**
 * The last fifteen minutes of traffic, one sample a second: of the whole balancer, and of each replica.
 * Invariant: memory is bounded. A ring of SECONDS rows of 32-bit floats for the totals, and one more (43 KB) for each
 * of at most MAX_REPLICAS replicas; a replica that is gone gives its ring to the next one.
 */
import type { History, Sample } from '../../api/snapshot.ts';
import { quote } from '../../config/suggest.ts';
import { checkParameters, refuse } from '../query.ts';
import { succeeded } from '../reply.ts';
import type { Route } from './fleet.ts';

export const SECONDS = 900;
/** More replicas than these have no history of their own: 256 rings are 11 MB. */
export const MAX_REPLICAS = 256;

/** Status classes a sample has, 2xx to 5xx. */
const CLASSES = 4;
/** requests, four classes, errors, p50, p99, in flight, queued, desired, ready */
const FIELDS = 12;

export interface ReplicaSample {
  readonly name: string;
  readonly sample: Sample;
}

export class TrafficHistory {
  /** Milliseconds since the Unix epoch; a row has the same place in every ring. */
  readonly #times = new Float64Array(SECONDS);
  readonly #totals = newRing();
  readonly #replicas = new Map<string, Float32Array>();
  readonly #spare: Float32Array[] = [];
  /** Rows written since the start; the next goes to `#written % SECONDS`. */
  #written = 0;

  /** Keeps one second, in place of that of fifteen minutes ago. Replicas not named here are forgotten. */
  record(atMs: number, totals: Sample, replicas: readonly ReplicaSample[]): void {
    const row = this.#written % SECONDS;
    // after a step of the clock older times would not rise; what is kept begins anew
    if (atMs < this.#timeOf(this.#written - 1)) return this.#restart(atMs, totals, replicas);
    this.#times[row] = atMs;
    this.#written++;
    write(this.#totals, row, totals);
    this.#forgetOthers(replicas);
    for (const { name, sample } of replicas) {
      const ring = this.#ringOf(name);
      if (ring !== undefined) write(ring, row, sample);
    }
  }

  /** What is kept of the whole balancer, or of one replica, after a time; undefined for a replica it does not know. */
  read(replica?: string, afterMs = Number.NEGATIVE_INFINITY): History | undefined {
    const ring = replica === undefined ? this.#totals : this.#replicas.get(replica);
    if (ring === undefined) return undefined;
    const rows: number[] = [];
    for (let index = Math.max(0, this.#written - SECONDS); index < this.#written; index++)
      if (this.#timeOf(index) > afterMs) rows.push(index % SECONDS);
    const column = (field: number) => rows.map((row) => shown(ring[row * FIELDS + field]!));
    return {
      atMs: rows.map((row) => this.#times[row]!),
      requestsPerSecond: column(0),
      byClass: Array.from({ length: CLASSES }, (_, index) => column(1 + index)),
      errorsPerSecond: column(1 + CLASSES),
      p50Ms: column(2 + CLASSES),
      p99Ms: column(3 + CLASSES),
      inFlight: column(4 + CLASSES),
      queued: column(5 + CLASSES),
      desired: column(6 + CLASSES),
      ready: column(7 + CLASSES),
    };
  }

  #timeOf(index: number): number {
    return index < 0 ? Number.NEGATIVE_INFINITY : this.#times[index % SECONDS]!;
  }

  #restart(atMs: number, totals: Sample, replicas: readonly ReplicaSample[]): void {
    this.#written = 0;
    this.#forgetOthers([]);
    this.record(atMs, totals, replicas);
  }

  #forgetOthers(replicas: readonly ReplicaSample[]): void {
    const names = new Set(replicas.map(({ name }) => name));
    for (const [name, ring] of this.#replicas) {
      if (names.has(name)) continue;
      this.#replicas.delete(name);
      this.#spare.push(ring.fill(Number.NaN));
    }
  }

  #ringOf(name: string): Float32Array | undefined {
    const known = this.#replicas.get(name);
    if (known !== undefined || this.#replicas.size >= MAX_REPLICAS) return known;
    const ring = this.#spare.pop() ?? newRing();
    this.#replicas.set(name, ring);
    return ring;
  }
}

/** NaN is what is not known. */
function newRing(): Float32Array {
  return new Float32Array(SECONDS * FIELDS).fill(Number.NaN);
}

function write(ring: Float32Array, row: number, sample: Sample): void {
  const { requestsPerSecond, byClass, errorsPerSecond, p50Ms, p99Ms } = sample;
  const { inFlight, queued, desired, ready } = sample;
  const rates = [requestsPerSecond, ...byClass, errorsPerSecond];
  const values = [...rates, p50Ms, p99Ms, inFlight, queued, desired, ready];
  for (const [field, value] of values.entries()) ring[row * FIELDS + field] = value ?? Number.NaN;
}

/** Two decimals: more than a chart can show, and short as JSON. */
function shown(value: number): number | null {
  return Number.isNaN(value) ? null : Math.round(value * 100) / 100;
}

const TIME = /^\d{1,15}(\.\d{1,3})?$/;

/** `/history`: the samples of the balancer, or of one replica, and only those after a time where it is given. */
export function historyRoute(history: Pick<TrafficHistory, 'read'>): Route {
  return {
    path: '/history',
    methods: ['GET', 'HEAD'],
    access: 'read',
    handle({ query }) {
      checkParameters(query, ['replica', 'after']);
      const after = query.get('after');
      if (after !== null && !TIME.test(after))
        return refuse(`after must be a time in milliseconds since 1970, not ${quote(after)}`);
      const replica = query.get('replica') ?? undefined;
      const found = history.read(replica, after === null ? undefined : Number(after));
      return found === undefined
        ? refuse(`no history of a replica ${quote(replica ?? '')}`)
        : succeeded(found);
    },
  };
}
