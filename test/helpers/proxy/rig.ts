/**
 * The data plane in this process, between raw clients and fake replicas: one or more worker contexts and their listeners
 * over a route table that the test writes, with a clock that only the test moves. Tunnels are timed by Node, in real time.
 */

import { hashKeyOf } from '../../../lib/core/hashing/hash-key.ts';
import { createPlacement } from '../../../lib/core/hashing/placement.ts';
import type { Placement } from '../../../lib/core/hashing/slot-table.ts';
import type { Loss, Settlement } from '../../../lib/core/policy/poison.ts';
import type { Endpoint, UpstreamRecord } from '../../../lib/core/replica.ts';
import { RouteTableWriter, type StateCode } from '../../../lib/core/routing/route-table.ts';
import { TOKEN_LENGTH } from '../../../lib/core/sticky-cookie.ts';
import { MetricsReader, type Snapshot } from '../../../lib/metrics/reader.ts';
import { DEFAULT_UPSTREAM_TLS } from '../../../lib/platform/upstream-tls.ts';
import { NO_DESCRIPTORS } from '../../../lib/proxy/bind.ts';
import { createLimitMemory, type LimitMemory } from '../../../lib/proxy/downstream/client-limits.ts';
import { Listener } from '../../../lib/proxy/downstream/listener.ts';
import type { TlsMaterial } from '../../../lib/proxy/downstream/tls/tls-server.ts';
import { WorkerContext } from '../../../lib/proxy/exchange/worker-context.ts';
import { CountedIds } from '../../../lib/proxy/headers/request-ids.ts';
import { TrustedProxies } from '../../../lib/proxy/headers/trusted-proxies.ts';
import type { MessageFromWorker, WorkerOptions } from '../../../lib/proxy/worker-protocol.ts';
import { eventually } from '../eventually.ts';
import { load } from '../options.ts';
import { testMaterial } from './certificates.ts';
import { noLastResort } from './last-resort.ts';
import { Peer } from './peer.ts';
import { FakeReplica } from './replica.ts';

/** Nothing listens on it, and nobody may without being root. */
export const REFUSING: Endpoint = { host: '127.0.0.1', port: 1 };
const STEP_MS = 100;
/** Longer than any pool keeps an idle connection to a replica that said nothing of it. */
const IDLE_MS = 10_000;

export interface RigSettings extends Partial<WorkerOptions> {
  /** How many replicas are there; one unless said. */
  readonly replicas?: number;
  /** Workers on the one table; one unless said. */
  readonly threads?: number;
  /** Clients are served over TLS, with these certificates. */
  readonly tls?: TlsMaterial;
}

export class Rig {
  readonly replicas: FakeReplica[] = [];
  readonly table: RouteTableWriter;
  readonly metrics: MetricsReader;
  readonly reports: Extract<MessageFromWorker, { kind: 'report' }>[] = [];
  readonly losses: Loss[] = [];
  readonly settlements: Settlement[] = [];
  /** Judges requests that have lost these instances; 'never' sends no verdict. */
  judge: (generations: readonly number[]) => boolean | 'never' = () => false;
  /** Each time a worker began, or ended, to refuse connections. */
  readonly shedding: boolean[] = [];
  /** The access log of all workers. */
  logged = '';
  /** Requests that the test lets be ended by their last resort alone. */
  lastResorts = 0;
  readonly options: WorkerOptions;
  readonly threads: WorkerContext[] = [];
  readonly admin: FakeReplica;
  readonly #listeners: Listener[] = [];
  readonly #ports: number[] = [];
  readonly #peers: Peer[] = [];
  readonly #placement: Placement;
  #records: UpstreamRecord[] = [];
  #nowMs = 1_000_000.5;
  #generation = 1;
  readonly #ids = new CountedIds();
  readonly #limits: LimitMemory;
  readonly #tls: TlsMaterial | undefined;
  readonly #isTls: boolean;
  /** Of every thread, where clients are served without TLS. */
  readonly plainPorts: number[] = [];

  private constructor(admin: FakeReplica, settings: RigSettings) {
    this.admin = admin;
    const { replicas: _replicas, threads = 1, tls, ...given } = settings;
    this.#isTls = tls !== undefined || process.env.RINGLB_TEST_TLS === '1';
    this.#tls = this.#isTls ? (tls ?? testMaterial()) : undefined;
    this.options = {
      ...load('--slots 251 --load-factor 0 --queue-depth 16'),
      ...(process.env.RINGLB_TEST_PARSER === 'node' && { parser: 'node' as const }),
      port: 0,
      host: '127.0.0.1',
      reusePort: false,
      admin: { host: '127.0.0.1', port: admin.port, secret: 'of-this-start' },
      debugFor: 'private',
      upstreamTls: DEFAULT_UPSTREAM_TLS,
      upstreamProtocol: 'http1',
      acmeDomains: [],
      ownsInstances: true,
      trustedProxies: [],
      ...given,
    };
    this.table = new RouteTableWriter({ slots: 251, ordinals: 16, workers: threads });
    this.metrics = new MetricsReader(this.table.shape, () => this.#nowMs);
    this.#limits = createLimitMemory(this.options, threads);
    this.#placement = createPlacement(this.options);
  }

  /** Closed when the test `t` is over. */
  static async open(t: { after(run: () => unknown): void }, settings: RigSettings = {}): Promise<Rig> {
    const rig = new Rig(await FakeReplica.open(), settings);
    t.after(() => rig.close());
    for (let index = 0; index < (settings.replicas ?? 1); index++)
      rig.replicas.push(await FakeReplica.open());
    rig.#records = rig.replicas.map(({ port }, ordinal) => rig.#record(ordinal, { host: '127.0.0.1', port }));
    for (const { ordinal } of rig.#records) rig.table.setState(ordinal, 'healthy');
    rig.table.publish((slots) =>
      rig.#placement.build(
        rig.#records.map(({ ordinal, name }) => ({ ordinal, name, id: ordinal + 1 })),
        slots,
      ),
    );
    for (let worker = 0; worker < (settings.threads ?? 1); worker++) await rig.#openThread(worker);
    return rig;
  }

  async #openThread(worker: number): Promise<void> {
    const { table, options } = this;
    const [metrics, upstreams] = [this.metrics.memory, this.#records];
    this.metrics.follow(upstreams);
    const trusted = new TrustedProxies(options.trustedProxies);
    const thread: WorkerContext = new WorkerContext(
      {
        worker,
        table: table.buffer,
        shape: table.shape,
        metrics,
        options,
        limits: this.#limits,
        tls: this.#tls,
        descriptors: NO_DESCRIPTORS,
        upstreams,
        isRehearsed: false,
      },
      trusted,
      (message) => {
        if (message.kind === 'report') this.reports.push(message);
        if (message.kind === 'lost') this.losses.push(message.loss);
        if (message.kind === 'settled') this.settlements.push(message.settlement);
        if (message.kind === 'judge') this.#judge(thread, message.sequence, message.generations);
        if (message.kind === 'log') this.logged += message.text;
      },
      () => this.#nowMs,
    );
    const listener = new Listener(thread, trusted, this.#ids, (isShedding) => this.shedding.push(isShedding));
    this.threads.push(thread);
    this.#listeners.push(listener);
    const { port, tlsPort } = await listener.listen(NO_DESCRIPTORS);
    this.#ports.push(this.#isTls ? tlsPort : port);
    this.plainPorts.push(port);
  }

  #judge(thread: WorkerContext, sequence: number, generations: readonly number[]): void {
    const verdict = this.judge(generations);
    if (verdict !== 'never') queueMicrotask(() => thread.verdicts.resolve(sequence, verdict));
  }

  #record(ordinal: number, endpoint: Endpoint): UpstreamRecord {
    const token = this.options.sticky === '' ? '' : this.tokenOf(ordinal);
    return { ordinal, name: `S${ordinal + 1}`, endpoint, generation: this.#generation++, token };
  }

  /** What the sticky cookie says for the replica of this ordinal. */
  tokenOf(ordinal: number): string {
    return `token-of-S${ordinal + 1}`.padEnd(TOKEN_LENGTH, '-');
  }

  get thread(): WorkerContext {
    return this.threads[0]!;
  }

  /** Of every thread, where its clients are served. */
  get ports(): readonly number[] {
    return this.#ports;
  }

  /** Gives every thread other certificates. */
  setTls(material: TlsMaterial): void {
    for (const listener of this.#listeners) listener.setTlsMaterial(material);
  }

  get port(): number {
    return this.#ports[0]!;
  }

  /** The only replica, or the first. */
  get replica(): FakeReplica {
    return this.replicas[0]!;
  }

  get inFlight(): number {
    return this.table.totalInFlight;
  }

  get waiting(): number {
    return this.table.totalWaiting;
  }

  /** A new client connection, to the first thread unless said. */
  async client(worker = 0): Promise<Peer> {
    const peer = await (this.#isTls
      ? Peer.connectTls(this.#ports[worker]!)
      : Peer.connect(this.#ports[worker]!));
    this.#peers.push(peer);
    return peer;
  }

  /** The ordinal of the replica that requests of this hash belong to. */
  ownerOf(hash: number): number {
    return this.table.slots[this.#placement.slotOf(hash)]!;
  }

  /** Request ids whose owner is the replica of this ordinal; `count` of them, all different. */
  idsFor(ordinal: number, count = 1): string[] {
    const ids: string[] = [];
    for (let number = 0; ids.length < count; number++) {
      const id = `id${number}`;
      if (this.ownerOf(hashKeyOf(id, this.options.algorithm)) === ordinal) ids.push(id);
    }
    return ids;
  }

  /** The header line of a request that the replica of this ordinal owns. */
  ownedBy(ordinal: number): string {
    return `X-Request-Id: ${this.idsFor(ordinal)[0]}\r\n`;
  }

  setState(ordinal: number, state: StateCode): void {
    this.table.setState(ordinal, state);
  }

  /** Puts another instance in the replica's place. */
  place(ordinal: number, endpoint: Endpoint): void {
    this.#records = this.#records.map((record) =>
      record.ordinal === ordinal ? this.#record(ordinal, endpoint) : record,
    );
    for (const thread of this.threads) thread.pools.update(this.#records);
  }

  /** Takes the instance away: requests that are on it fail. */
  vacate(ordinal: number): void {
    this.#records = this.#records.filter((record) => record.ordinal !== ordinal);
    this.table.setState(ordinal, 'starting');
    for (const thread of this.threads) thread.pools.update(this.#records);
  }

  /** The replica's instance is back, as a new one at the old place, and healthy. */
  restore(ordinal: number): void {
    const endpoint = { host: '127.0.0.1', port: this.replicas[ordinal]!.port };
    this.#records = [...this.#records, this.#record(ordinal, endpoint)];
    for (const thread of this.threads) thread.pools.update(this.#records);
    this.table.setState(ordinal, 'healthy');
  }

  /** Moves the clock on, and ticks every worker as often as in service. */
  advance(byMs: number): void {
    for (let left = byMs; left > 0; left -= STEP_MS) {
      this.#nowMs += Math.min(STEP_MS, left);
      this.tick();
    }
  }

  /** The threads stand still for so long, as those of a suspended process do. */
  stall(forMs: number): void {
    this.#nowMs += forMs;
    this.tick();
  }

  tick(): void {
    for (const thread of this.threads) thread.tick();
    for (const listener of this.#listeners) listener.tick();
  }

  /** Lets time go by until the promise settles. */
  async elapse<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const mark = (): void => {
      isSettled = true;
    };
    promise.then(mark, mark);
    await eventually('an end, as time goes by', () => {
      if (!isSettled) this.advance(STEP_MS);
      return isSettled;
    });
    return promise;
  }

  /** Lets time go by until no connection to a replica is kept for the next request. */
  closeIdle(): void {
    this.advance(IDLE_MS);
  }

  /** What was counted until now. */
  counts(): Snapshot {
    return this.metrics.read(this.#records.map(({ name }) => name));
  }

  /** Waits until no request is in flight or waits. */
  async settled(): Promise<void> {
    await eventually('no request in flight', () => this.inFlight === 0 && this.waiting === 0, 5000);
  }

  /** Drains every listener; resolves once no client connection is left. */
  async drain(): Promise<void> {
    await this.elapse(this.beginDrain());
  }

  /** The same, without letting time go by. */
  async beginDrain(): Promise<void> {
    for (const thread of this.threads) thread.isDraining = true;
    await Promise.all(this.#listeners.map((listener) => listener.drain()));
  }

  /** Resolves once no connection is accepted any more. */
  async refusing(): Promise<void> {
    await eventually('a refused connection', () =>
      Peer.connect(this.port).then(
        (peer) => {
          peer.close();
          return false;
        },
        () => true,
      ),
    );
  }

  /** Closes all that was opened. */
  async close(): Promise<void> {
    for (const replica of [...this.replicas, this.admin]) replica.close();
    for (const peer of this.#peers) peer.close();
    await this.drain();
    for (const thread of this.threads) thread.pools.update([]);
    noLastResort(this.metrics, this.lastResorts);
  }
}
