/**
 * All that is counted, and the one place that shows it: what data threads write, what the fleet tells, how threads are.
 * Must not hold: HTTP. Runs on the main thread.
 */
import type { Clock } from '../clock.ts';
import type { Exposer, Exposition } from './exposition.ts';
import { familiesOf } from './families.ts';
import { FleetCounts } from './fleet-counts.ts';
import type { ReplicaFacts } from './fleet-families.ts';
import { Imbalance } from './imbalance.ts';
import { type MetricsShape, mainRow } from './layout.ts';
import { MetricsReader } from './reader.ts';
import { Recorder } from './recorder.ts';
import { ThreadHealth } from './thread-health.ts';

/** What is asked of the fleet when somebody looks. */
export interface FleetSource {
  /** Those that drain included. */
  replicas(): readonly ReplicaFacts[];
  readonly table: { readonly eligible: number; readonly totalWaiting: number; readonly version: number };
  readonly log: { readonly dropped: number };
}

export class Metrics {
  readonly reader: MetricsReader;
  readonly fleet = new FleetCounts();
  /** Of the main thread. */
  readonly recorder: Recorder;
  readonly #clock: Clock;
  readonly #source: FleetSource;
  readonly #health: ThreadHealth;
  #imbalance: Imbalance | undefined;
  #exposer: Promise<Exposer> | undefined;

  constructor(shape: MetricsShape, clock: Clock, source: FleetSource) {
    this.reader = new MetricsReader(shape, () => clock.nowMs());
    this.#clock = clock;
    this.#source = source;
    this.recorder = new Recorder(this.reader.memory, shape, mainRow(shape));
    this.#health = new ThreadHealth(this.recorder, clock);
  }

  /** The fleet can be asked from now on. */
  open(): void {
    this.#imbalance = new Imbalance(this.#clock, () => {
      const onRing = this.#source.replicas().filter(({ slots }) => slots > 0);
      return new Map(onRing.map(({ name }) => [name, this.reader.requestsOf(name)]));
    });
  }

  /** Everything as text, in the format that `accept` (RFC 9110 section 12.5.1) likes best. */
  async expose(accept: string | undefined): Promise<Exposition> {
    // not loaded before somebody asks: it costs 19 MB of memory and 60 ms
    this.#exposer ??= import('./exposition.ts').then(({ Exposer }) => new Exposer());
    const exposer = await this.#exposer;
    const { table, log } = this.#source;
    const replicas = this.#source.replicas();
    const families = familiesOf({
      replicas,
      counts: this.reader.read(replicas.map(({ name }) => name)),
      fleet: this.fleet,
      eligible: table.eligible,
      waiting: table.totalWaiting,
      logDropped: log.dropped,
      tableVersion: table.version,
      imbalance: this.#imbalance?.ratio ?? 0,
    });
    return exposer.expose(families, accept);
  }

  close(): void {
    this.#health.close();
    this.#imbalance?.close();
  }
}
