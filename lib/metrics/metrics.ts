/**
 * All metrics: what the data threads count, what the fleet reports, and how the threads are. Runs on the main thread.
 */

import { quote } from '../config/suggest.ts';
import type { Clock } from '../platform/clock.ts';
import { BalancerError } from '../platform/errors.ts';
import type { Exposer, Exposition } from './exposition.ts';
import { type Facts, familiesOf } from './families.ts';
import { FleetCounts } from './fleet-counts.ts';
import type { ReplicaFacts } from './fleet-families.ts';
import { Imbalance } from './imbalance.ts';
import { type MetricsShape, mainRow } from './layout.ts';
import { MetricsReader } from './reader.ts';
import { Recorder } from './recorder.ts';
import { ThreadHealth } from './thread-health.ts';

/** What a scrape reads from the fleet. */
export interface FleetSource {
  readonly fastPath: boolean;
  /** Draining ones included. */
  replicas(): readonly ReplicaFacts[];
  readonly table: { readonly eligible: number; readonly totalWaiting: number; readonly version: number };
  readonly log: { readonly dropped: number };
  /** The balancers that share the pool. */
  peers?(): readonly { readonly tableHash: string }[];
  /** Those of the TLS port. */
  certificates?(): readonly { readonly name: string; readonly expiresMs: number }[];
}

/** With more replicas than this each is exposed in brief, so that a scrape stays small. */
const MOST_IN_FULL = 100;

export class Metrics {
  readonly reader: MetricsReader;
  readonly fleet = new FleetCounts();
  /** Of the main thread. */
  readonly recorder: Recorder;
  readonly #clock: Clock;
  readonly #source: FleetSource;
  readonly #health: ThreadHealth;
  #hasRemoved = false;
  #imbalance: Imbalance | undefined;
  #exposer: Promise<Exposer> | undefined;

  constructor(shape: MetricsShape, clock: Clock, source: FleetSource) {
    this.reader = new MetricsReader(shape, () => clock.nowMs());
    this.#clock = clock;
    this.#source = source;
    this.recorder = new Recorder(this.reader.memory, shape, mainRow(shape));
    this.#health = new ThreadHealth(this.recorder.thread, clock);
  }

  /** To be called once the fleet can be read. */
  open(): void {
    this.#imbalance = new Imbalance(this.#clock, () => {
      const onRing = this.#source.replicas().filter(({ slots }) => slots > 0);
      return this.reader.requestsOf(onRing.map(({ name }) => name));
    });
  }

  /** The replica of this name was removed: its counts now belong to the removed ones. */
  removed(name: string): void {
    this.#hasRemoved = true;
    this.fleet.remove(name);
  }

  /** A new replica gets this name. */
  began(name: string): void {
    this.fleet.remove(name);
    this.reader.begin(name);
  }

  /**
   * Everything as text, in the format that `accept` (RFC 9110 section 12.5.1) prefers; where names are given, those
   * replicas alone, in full. Throws BalancerError `bad-request` for an unknown name.
   */
  async expose(accept: string | undefined, names: readonly string[] = []): Promise<Exposition> {
    // loaded with the first scrape: it costs 19 MB of memory and 60 ms
    this.#exposer ??= import('./exposition.ts').then(({ Exposer }) => new Exposer());
    const exposer = await this.#exposer;
    const isWhole = names.length === 0;
    return exposer.expose(familiesOf(isWhole ? this.#facts() : this.#factsOf(names)), accept, isWhole);
  }

  #facts(): Facts {
    const replicas = this.#source.replicas();
    return { ...this.#factsAbout(replicas), detail: replicas.length > MOST_IN_FULL ? 'brief' : 'full' };
  }

  #factsOf(names: readonly string[]): Facts {
    const byName = new Map(this.#source.replicas().map((replica) => [replica.name, replica]));
    const replicas = names.map((name) => {
      const found = byName.get(name);
      if (found === undefined) throw new BalancerError('bad-request', `There is no replica ${quote(name)}`);
      return found;
    });
    return { ...this.#factsAbout(replicas), detail: 'alone' };
  }

  #factsAbout(replicas: readonly ReplicaFacts[]): Omit<Facts, 'detail'> {
    const { table, log, fastPath } = this.#source;
    return {
      replicas,
      counts: this.reader.read(replicas.map(({ name }) => name)),
      fleet: this.fleet,
      eligible: table.eligible,
      waiting: table.totalWaiting,
      logDropped: log.dropped,
      tableVersion: table.version,
      peers: this.#source.peers?.() ?? [],
      fastPath,
      imbalance: this.#imbalance?.ratio ?? 0,
      hasRemoved: this.#hasRemoved,
      certificates: this.#source.certificates?.() ?? [],
      wallMs: this.#clock.wallMs(),
    };
  }

  close(): void {
    this.#health.close();
    this.#imbalance?.close();
  }
}
