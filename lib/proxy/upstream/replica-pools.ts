/**
 * The connection pools of one worker: one for each replica's instance, and one for the admin server.
 * Invariant: a pool whose instance is replaced or gone is closed, and what it was doing fails over.
 */
import { type Endpoint, NO_ORDINAL, type UpstreamRecord } from '../../core/replica.ts';
import { LENIENT_LIMITS, RESPONSE_LIMITS } from '../../http1/response-parser.ts';
import type { Recorder } from '../../metrics/recorder.ts';
import type { WorkerOptions } from '../worker-protocol.ts';
import { ConnectionPool, type PoolCaps } from './connection-pool.ts';
import { connectUpstream, connectUpstreamOver } from './early-response.ts';
import { connectUpstreamHttp2 } from './http2/http2-sessions.ts';
import type { StickyReplicas } from './sticky-replicas.ts';

/** Connections to the admin server from one worker. */
const ADMIN_CONNECTIONS = 16;

export interface ReplicaPoolsDeps {
  readonly options: Pick<
    WorkerOptions,
    'admin' | 'connectTimeoutMs' | 'lenientReplicas' | 'maxInFlight' | 'upstreamProtocol' | 'upstreamTls'
  >;
  readonly recorder: Recorder;
  /** The worker's coarse clock of time limits. */
  readonly nowMs: () => number;
  /** The same, but going on while the thread stands still, as the replicas' clocks do. */
  readonly passedMs: () => number;
  /** How long a request to the admin server may wait for a connection. */
  readonly adminWaitMs: number;
  readonly sticky: StickyReplicas;
  /** The instances have changed. */
  readonly onUpdated: () => void;
}

interface InstancePool {
  readonly generation: number;
  readonly pool: ConnectionPool;
}

export class ReplicaPools {
  /** To the admin server, for what only the control plane can respond to. */
  readonly admin: ConnectionPool;
  /** Which of them clients with a sticky cookie are sent to. */
  readonly sticky: StickyReplicas;
  readonly #deps: ReplicaPoolsDeps;
  readonly #pools: (InstancePool | undefined)[] = [];
  readonly #generations = new WeakMap<ConnectionPool, number>();
  /** The name that each ordinal had last: a request may end after its replica has gone. */
  readonly #names: string[] = [];

  constructor(deps: ReplicaPoolsDeps) {
    this.#deps = deps;
    this.sticky = deps.sticky;
    this.admin = this.#open(NO_ORDINAL, deps.options.admin, this.#adminCaps);
  }

  /** The pool of the replica's instance; undefined until this worker has been given one. */
  get(ordinal: number): ConnectionPool | undefined {
    return this.#pools[ordinal]?.pool;
  }

  /** The generation of the instance that the pool is of, which may be gone. */
  generationOf(pool: ConnectionPool): number | undefined {
    return this.#generations.get(pool);
  }

  /** The replica's name, also when it has gone; undefined where there was none. */
  nameOf(ordinal: number): string | undefined {
    return this.#names[ordinal];
  }

  /** Takes over the whole list: opens pools for new instances, and closes those of instances that are not on it. */
  update(records: readonly UpstreamRecord[]): void {
    const { recorder } = this.#deps;
    const generations = new Map(records.map((record) => [record.ordinal, record.generation]));
    for (const [ordinal, known] of this.#pools.entries()) {
      if (known === undefined || generations.get(ordinal) === known.generation) continue;
      this.#pools[ordinal] = undefined;
      known.pool.close();
      recorder.pool(ordinal, 0, 0, 0);
    }
    for (const { ordinal, name, generation, endpoint } of records) {
      if (this.#pools[ordinal] !== undefined) continue;
      const pool = this.#open(ordinal, endpoint, this.#replicaCaps);
      this.#generations.set(pool, generation);
      this.#pools[ordinal] = { generation, pool };
      this.#names[ordinal] = name;
    }
    this.sticky.update(records);
    this.#deps.onUpdated();
  }

  /** Ends what has waited or been idle for too long, and counts connections. To be called at each tick of the worker. */
  tick(): void {
    for (const [ordinal, known] of this.#pools.entries()) {
      if (known === undefined) continue;
      known.pool.tick();
      const { idle, settling, quarantined, pinnedIdle, busy, connecting } = known.pool.connections;
      this.#deps.recorder.pool(ordinal, idle + settling + quarantined + pinnedIdle, busy, connecting);
    }
    this.admin.tick();
  }

  /** The options have changed: every pool keeps to those of now. */
  configure(): void {
    for (const known of this.#pools) known?.pool.configure(this.#replicaCaps);
    this.admin.configure(this.#adminCaps);
  }

  get #replicaCaps(): PoolCaps {
    const { maxInFlight, connectTimeoutMs } = this.#deps.options;
    return { maxConnections: maxInFlight, connectTimeoutMs, waitTimeoutMs: connectTimeoutMs };
  }

  get #adminCaps(): PoolCaps {
    const { options, adminWaitMs } = this.#deps;
    const { connectTimeoutMs } = options;
    return { maxConnections: ADMIN_CONNECTIONS, connectTimeoutMs, waitTimeoutMs: adminWaitMs };
  }

  #open(ordinal: number, endpoint: Endpoint, caps: PoolCaps): ConnectionPool {
    const { options, recorder, nowMs, passedMs } = this.#deps;
    const isLenient = options.lenientReplicas && ordinal !== NO_ORDINAL;
    const limits = isLenient ? LENIENT_LIMITS : RESPONSE_LIMITS;
    const tls = endpoint.tls === true ? options.upstreamTls : undefined;
    const connectHttp1 = tls === undefined ? connectUpstream : connectUpstreamOver(tls);
    const isHttp2 = options.upstreamProtocol === 'h2' && ordinal !== NO_ORDINAL;
    const connect = isHttp2 ? connectUpstreamHttp2(tls, connectHttp1, nowMs) : connectHttp1;
    return new ConnectionPool({ ordinal, endpoint, ...caps, nowMs, passedMs, recorder, limits, connect });
  }
}
