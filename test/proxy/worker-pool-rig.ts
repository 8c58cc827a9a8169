/** A worker pool as it is in service, on real threads, over fake replicas. */
import type { Worker } from 'node:worker_threads';
import { createPlacement } from '../../lib/core/hashing/placement.ts';
import type { Loss, Settlement } from '../../lib/core/policy/poison.ts';
import type { UpstreamRecord } from '../../lib/core/replica.ts';
import { RouteTableWriter } from '../../lib/core/routing/route-table.ts';
import { MetricsReader } from '../../lib/metrics/reader.ts';
import { systemClock } from '../../lib/platform/clock.ts';
import { DEFAULT_UPSTREAM_TLS } from '../../lib/platform/upstream-tls.ts';
import { claimPort } from '../../lib/proxy/bind.ts';
import { type PoolAddresses, WorkerPool } from '../../lib/proxy/worker-pool.ts';
import type { WorkerOptions } from '../../lib/proxy/worker-protocol.ts';
import { eventually } from '../helpers/eventually.ts';
import { load } from '../helpers/options.ts';
import { noLastResort } from '../helpers/proxy/last-resort.ts';
import { Peer } from '../helpers/proxy/peer.ts';
import { FakeReplica } from '../helpers/proxy/replica.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

export interface WorkerPoolSettings extends Partial<WorkerOptions> {
  readonly replicas?: number;
  readonly threads?: number;
}

export class WorkerPoolRig {
  readonly #addresses: PoolAddresses;
  #options: WorkerOptions;
  readonly plane: WorkerPool;
  readonly table: RouteTableWriter;
  readonly metrics: MetricsReader;
  readonly replicas: readonly FakeReplica[];
  readonly port: number;
  /** The threads that were started, the dead ones too. */
  readonly workers: Worker[] = [];
  readonly reports: { readonly ordinal: number; readonly code: string }[] = [];
  /** The messages of the log, by level. */
  readonly warnings: string[] = [];
  readonly infos: string[] = [];
  readonly debugs: string[] = [];
  readonly losses: Loss[] = [];
  readonly settlements: Settlement[] = [];
  /** What requests that have lost two instances are judged to be. */
  isPoison = false;
  /** Lines of the access log that came. */
  logged = 0;
  readonly #peers: Peer[] = [];

  private constructor(settings: WorkerPoolSettings, port: number, replicas: readonly FakeReplica[]) {
    const { replicas: _replicas, threads = 1, ...given } = settings;
    const options: WorkerOptions = {
      ...load('--slots 251 --load-factor 0 --rehearsal off'),
      port,
      host: '127.0.0.1',
      reusePort: threads > 1,
      admin: { host: '127.0.0.1', port: 1, secret: 'of-this-start' },
      debugFor: 'private',
      upstreamTls: DEFAULT_UPSTREAM_TLS,
      upstreamProtocol: 'http1',
      acmeDomains: [],
      ownsInstances: true,
      ...given,
    };
    this.port = port;
    this.replicas = replicas;
    this.table = new RouteTableWriter({ slots: 251, ordinals: 16, workers: threads });
    this.metrics = new MetricsReader(this.table.shape, () => systemClock.nowMs());
    const members = replicas.map((_, ordinal) => ({ ordinal, name: `S${ordinal}`, id: ordinal + 1 }));
    for (const { ordinal } of members) this.table.setState(ordinal, 'healthy');
    this.table.publish((slots) => createPlacement(options).build(members, slots));
    const into = (messages: string[]) => (_: unknown, message: string) => void messages.push(message);
    const log = {
      ...silentLogger,
      warn: into(this.warnings),
      info: into(this.infos),
      debug: into(this.debugs),
    };
    this.plane = new WorkerPool({
      table: this.table,
      metrics: this.metrics,
      options,
      clock: systemClock,
      log,
    });
    this.#addresses = { port: options.port, admin: options.admin };
    this.#options = options;
  }

  async #start(): Promise<void> {
    await this.plane.open(this.#addresses, {
      onLog: (_, lines, onDone) => {
        this.logged += lines;
        onDone();
      },
      judge: {
        recordLoss: (loss) => this.losses.push(loss),
        recordSettlement: (settlement) => this.settlements.push(settlement),
        judge: (_, onVerdict) => onVerdict(this.isPoison),
      },
      onSocketsLost: () => {},
      onReport: (ordinal, _, code) => this.reports.push({ ordinal, code }),
    });
  }

  /** Closed when the test `t` is over. */
  static async open(
    t: { after(run: () => unknown): void },
    settings: WorkerPoolSettings = {},
  ): Promise<WorkerPoolRig> {
    const replicas: FakeReplica[] = [];
    for (let count = 0; count < (settings.replicas ?? 1); count++) replicas.push(await FakeReplica.open());
    const rig = new WorkerPoolRig(settings, await claimPort(0, '127.0.0.1'), replicas);
    const onWorker = (worker: Worker): unknown => rig.workers.push(worker);
    process.on('worker', onWorker);
    t.after(async () => {
      process.off('worker', onWorker);
      for (const peer of rig.#peers) peer.close();
      for (const replica of replicas) replica.close();
      await rig.plane.close();
      noLastResort(rig.metrics);
    });
    await rig.#start();
    await rig.publish();
    return rig;
  }

  /** Tells the threads of every replica there is. */
  publish(replicas: readonly FakeReplica[] = this.replicas): Promise<void> {
    const records: UpstreamRecord[] = replicas.map(({ port }) => {
      const ordinal = this.replicas.findIndex((replica) => replica.port === port);
      return { ordinal, name: `S${ordinal}`, endpoint: { host: '127.0.0.1', port }, generation: ordinal + 1 };
    });
    return this.plane.publish(records);
  }

  /** Lets the threads run with these options changed. */
  configure(changed: Partial<WorkerOptions>): Promise<void> {
    this.#options = { ...this.#options, ...changed };
    return this.plane.configure(this.#options);
  }

  async client(): Promise<Peer> {
    const peer = await Peer.connect(this.port);
    this.#peers.push(peer);
    return peer;
  }

  async settled(): Promise<void> {
    await eventually(
      'no request in flight',
      () => this.table.totalInFlight === 0 && this.table.totalWaiting === 0,
      5000,
    );
  }
}
