/**
 * What the requests of one worker have in common: the route table and the picker, the connection pools, the queue, the
 * clock. It wires these together and drives them by its tick; each user of it declares the part that it needs.
 * Time is a number that is set ten times a second; time limits are as fine as that.
 */
import { AccessLog } from '../../access-log/access-log.ts';
import { createPlacement } from '../../core/hashing/placement.ts';
import { RetryBudget } from '../../core/policy/retry.ts';
import { Picker } from '../../core/routing/pick.ts';
import { RouteTable } from '../../core/routing/route-table.ts';
import { Recorder } from '../../metrics/recorder.ts';
import type { ErrorCode } from '../../platform/errors.ts';
import {
  type ClientLimits,
  ConnectionLimit,
  type LimitMemory,
  RequestRates,
} from '../downstream/client-limits.ts';
import type { RefusedRequest } from '../downstream/request.ts';
import type { TlsMaterial } from '../downstream/tls/tls-server.ts';
import type { ClientInfo } from '../headers/request-headers.ts';
import type { TrustedProxies } from '../headers/trusted-proxies.ts';
import { UnsentBytes } from '../io/unsent-bytes.ts';
import { PassiveHealth } from '../upstream/passive-health.ts';
import { ReplicaPools } from '../upstream/replica-pools.ts';
import { StickyReplicas } from '../upstream/sticky-replicas.ts';
import type { MessageFromWorker, WorkerOptions, WorkerStart } from '../worker-protocol.ts';
import { AccessLogEntries } from './access-log-entry.ts';
import { ActiveRequests } from './deadlines.ts';
import { PoisonVerdicts } from './losses/poison-verdicts.ts';
import { RequestQueue } from './request-queue.ts';

/** How often `tick` is to be called. */
export const TICK_MS = 100;
const TICKS_A_SECOND = 1000 / TICK_MS;
/** By this much at most a tick moves the clock of time limits: while the thread stands still, it reads nothing that came in time. */
const MAX_STEP_MS = 1000;
/** The longest that a request to the admin server may wait for a connection: more than any change of the fleet takes. */
const ADMIN_WAIT_MS = 600_000;

/** What TLS on the public port needs. */
export interface TlsContext {
  /** Undefined without TLS. */
  readonly material: TlsMaterial | undefined;
  /** The header line of responses over TLS, or ''. */
  readonly hstsLine: string;
}

export class WorkerContext {
  readonly options: WorkerOptions;
  readonly table: RouteTable;
  readonly picker: Picker;
  readonly pools: ReplicaPools;
  readonly health: PassiveHealth;
  readonly queue: RequestQueue;
  readonly budget: RetryBudget;
  readonly active = new ActiveRequests();
  readonly recorder: Recorder;
  readonly unsentBytes: UnsentBytes;
  readonly verdicts: PoisonVerdicts;
  clientLimits: ClientLimits;
  readonly tls: TlsContext;
  readonly access: AccessLogEntries;
  readonly #trusted: TrustedProxies;
  /**
   * The coarse clock of time limits, set by `tick`; milliseconds that never go back. It stops while the thread stands
   * still, as it does when the process is suspended.
   */
  nowMs: number;
  /** The same, but of time as it passes for others as well. */
  #passedMs: number;
  /** The time for Date headers, set by `tick`. */
  date = new Date().toUTCString();
  isDraining = false;

  #ticks = 0;
  readonly #clock: () => number;
  readonly #worker: number;
  readonly #workers: number;

  /** `clock` gives milliseconds that never go back, the same for all workers. */
  constructor(
    start: WorkerStart,
    trusted: TrustedProxies,
    post: (message: MessageFromWorker) => void,
    clock: () => number,
  ) {
    const { options } = start;
    const nowMs = (): number => this.nowMs;
    this.options = options;
    this.#clock = clock;
    this.#worker = start.worker;
    this.#workers = start.shape.workers;
    this.nowMs = clock();
    this.#passedMs = this.nowMs;
    this.table = new RouteTable(start.table, start.shape, start.worker);
    this.recorder = new Recorder(start.metrics, start.shape, start.worker);
    this.verdicts = new PoisonVerdicts(post, !options.ownsInstances);
    this.unsentBytes = new UnsentBytes(nowMs);
    const placement = createPlacement(options);
    const { loadFactor, loadFloor, maxInFlight, balance, ejectAfter } = options;
    // workers that drew the same pairs would send their bursts to the same replicas
    const seed = Math.floor(Math.random() * 2 ** 32);
    const limits = { loadFactor, loadFloor, maxInFlight };
    this.picker = new Picker(this.table, { placement, ...limits, balance, seed });
    this.health = new PassiveHealth({ table: this.table, picker: this.picker, ejectAfter, nowMs, post });
    this.queue = new RequestQueue(this.table, options.queueDepth, (ordinal, waiting) =>
      this.recorder.waiting(ordinal, waiting),
    );
    this.budget = new RetryBudget(options.retryBudget);
    const onUpdated = (): void => this.queue.recheck();
    const sticky = new StickyReplicas(this.table, this.picker, options);
    const passedMs = (): number => this.#passedMs;
    const clocks = { nowMs, passedMs };
    const pools = {
      options,
      recorder: this.recorder,
      ...clocks,
      adminWaitMs: ADMIN_WAIT_MS,
      sticky,
      onUpdated,
    };
    this.pools = new ReplicaPools(pools);
    const hstsLine = options.hsts === 0 ? '' : `Strict-Transport-Security: max-age=${options.hsts}\r\n`;
    this.tls = { material: start.tls, hstsLine };
    this.#trusted = trusted;
    this.clientLimits = this.#createLimits(start.limits);
    this.access = this.#createAccessLog(this.#trusted, post);
    this.pools.update(start.upstreams);
  }

  /**
   * Goes by other options from now on: requests under way from their next step, connections from their next request.
   * Nothing is closed. The object is the same, since much holds it; what was derived from it is derived anew.
   */
  configure(options: WorkerOptions, limits: LimitMemory): void {
    Object.assign(this.options, options);
    this.picker.configure(options);
    this.health.configure(options.ejectAfter);
    this.queue.configure(options.queueDepth);
    this.budget.configure(options.retryBudget);
    this.pools.configure();
    this.clientLimits = this.#createLimits(limits);
    this.access.log.configure();
    this.queue.recheck();
  }

  /** Counts and logs a request that gets a failure before it is an exchange; it may not even have been parsed. */
  recordRefusal(code: ErrorCode, client: ClientInfo, bytesOut: number, request?: RefusedRequest): void {
    this.recorder.refusal(code, bytesOut);
    this.access.recordRefusal(code, client, bytesOut, request);
  }

  /** To be called every TICK_MS: sets the clocks, and ends what is past its time limit. */
  tick(): void {
    const passedMs = this.#clock();
    this.nowMs += Math.min(MAX_STEP_MS, passedMs - this.#passedMs);
    this.#passedMs = passedMs;
    this.date = new Date().toUTCString();
    this.budget.decay();
    // before the requests, whose own limits are the last resort behind those of the pools
    this.pools.tick();
    const isSecond = ++this.#ticks % TICKS_A_SECOND === 0;
    this.active.checkDeadlines(this.nowMs, isSecond);
    if (isSecond) this.#findCommonKey();
    this.access.log.flush();
  }

  /** For the control plane, where it has found that one replica has most of the load. */
  #findCommonKey(): void {
    const { watched } = this.table;
    if (watched < 0) return;
    const { hash, count } = this.active.commonKey(watched);
    this.table.setCommonKey(hash, count);
  }

  #createLimits({ rates, connections }: LimitMemory): ClientLimits {
    const { options } = this;
    return {
      rates: rates && new RequestRates(rates, options, this.#trusted, this.#clock),
      connections:
        connections &&
        new ConnectionLimit(connections, this.#workers, this.#worker, options.maxConnectionsPerClient),
    };
  }

  #createAccessLog(trusted: TrustedProxies, post: (message: MessageFromWorker) => void): AccessLogEntries {
    const { options, recorder } = this;
    const send = (text: string, lines: number): void => post({ kind: 'log', text, lines });
    const log = new AccessLog({ options, send, recorder: recorder.thread, random: Math.random });
    return new AccessLogEntries(log, options, trusted, (ordinal) => this.pools.nameOf(ordinal) ?? '');
  }
}
