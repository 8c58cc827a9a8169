/**
 * The data plane: the threads that serve clients, and the access log that they write.
 */
import { AccessSink } from '../access-log/sink.ts';
import type { Config } from '../config/config.ts';
import type { UpstreamRecord } from '../core/replica.ts';
import type { RouteTableWriter } from '../core/routing/route-table.ts';
import { StickyTokens } from '../fleet/ring/sticky-tokens.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../platform/clock.ts';
import { connectionsInLimits } from '../platform/fd-limits.ts';
import type { RootLogger } from '../platform/log.ts';
import { canSharePort } from '../proxy/bind.ts';
import { CertificateFiles } from '../proxy/downstream/tls/certificate-files.ts';
import type { TlsMaterial } from '../proxy/downstream/tls/tls-server.ts';
import { debugFor } from '../proxy/headers/debug-headers.ts';
import { isFastPath } from '../proxy/io/node-internals.ts';
import type { PoolListeners } from '../proxy/pool-listeners.ts';
import { type PoolAddresses, type PoolOptions, WorkerPool } from '../proxy/worker-pool.ts';
import type { PassedDescriptors } from '../proxy/worker-protocol.ts';
import type { PreparedChange } from './reload.ts';
import { upstreamTlsOf } from './upstream-tls.ts';

export interface DataPlaneDeps {
  readonly config: Config;
  readonly driver: { readonly ownsInstances: boolean };
  readonly table: RouteTableWriter;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: RootLogger;
}

export interface DataPlane {
  /** Sends every thread the endpoints of all replicas; resolves when each has stopped using those not on the list. */
  publish(records: readonly UpstreamRecord[]): Promise<void>;
  /** What the sticky cookie says for a replica of this name; '' while there are none. */
  tokenOf(name: string): string;
  /** Closes what tunnels there are to the replica of this ordinal, each at some moment of `withinMs`. */
  closeTunnels(ordinal: number, withinMs: number): void;
  /** Sends every thread the kinds of request that are not to be repeated. */
  setPoison(kinds: readonly string[]): void;
  /** Starts the threads; resolves when all of them listen, on the open sockets that were passed where there are some. */
  open(
    addresses: PoolAddresses,
    listeners: Omit<PoolListeners, 'onLog'>,
    passed?: PassedDescriptors,
  ): Promise<void>;
  /** Opens what other options need; everything stays as it is until `commit`. Throws `log-unwritable`. */
  prepare(config: Config): PreparedChange;
  /** Takes no new connections and lets requests in flight finish; false where some did not in time. */
  drain(timeoutMs: number): Promise<boolean>;
  /** Opens the file of the access log again, after it was moved; false where there is none. */
  reopenLogs(): boolean;
  /** Reads the certificates of the TLS port anew; what is wrong with those that are not taken, undefined without such a port. */
  reloadCertificates(): readonly string[] | undefined;
  certificateExpiries(): readonly { readonly name: string; readonly expiresMs: number }[];
  close(): Promise<void>;
}

export function createDataPlane(deps: DataPlaneDeps): DataPlane {
  const { driver, table, metrics, clock, log } = deps;
  let { config } = deps;
  let accessSink = createAccessSink(deps, config);
  const { workers } = table.shape;
  const upstreamTls = upstreamTlsOf(config);
  if (upstreamTls.isInsecure)
    log.warn(
      {},
      'upstream-insecure: certificates of servers are not verified, so anyone in between can read and change everything',
    );
  let tokens = new StickyTokens(config);
  let records: readonly UpstreamRecord[] = [];
  warnOfGuessableSecret(tokens, log);
  const optionsOf = (of: Config): PoolOptions => ({
    ...of,
    upstreamTls,
    reusePort: canSharePort,
    ownsInstances: driver.ownsInstances,
    debugFor: debugFor(of),
    maxConnections: Math.min(of.maxConnections, connectionsInLimits(workers)),
  });
  const pool = new WorkerPool({
    table,
    metrics: metrics.reader,
    options: optionsOf(config),
    clock,
    log: log.component('data-plane'),
  });
  const certificates = createCertificates(deps, (material) => pool.setTlsMaterial(material));
  return {
    certificateExpiries: () => certificates?.expiries ?? [],
    reloadCertificates: () => certificates?.reload(),
    publish(listed) {
      records = listed;
      return pool.publish(tokens.mark(listed));
    },
    tokenOf: (name) => tokens.tokenOf(name),
    closeTunnels: (ordinal, withinMs) => pool.closeTunnels(ordinal, withinMs),
    setPoison: (kinds) => pool.setPoison(kinds),
    open(addresses, listeners, passed) {
      if (config.parser === 'fast' && !isFastPath(config))
        log.warn({}, 'the fast path does not work with this Node.js: requests cost more CPU');
      certificates?.watch();
      const onLog: PoolListeners['onLog'] = (text, lines, onDone) => accessSink?.take(text, lines, onDone);
      return pool.open(addresses, { ...listeners, onLog }, passed);
    },
    prepare(next) {
      const former = accessSink;
      const isSame = outputOf(next) === outputOf(config);
      const nextTokens = makesSameTokens(next, config) ? tokens : new StickyTokens(next);
      const sink = isSame ? former : createAccessSink(deps, next);
      return {
        async commit() {
          config = next;
          if (nextTokens !== tokens) {
            tokens = nextTokens;
            warnOfGuessableSecret(tokens, log);
            void pool.publish(tokens.mark(records));
          }
          // the threads send their last lines before they say that they run without a log
          accessSink = sink ?? former;
          await pool.configure(optionsOf(next));
          accessSink = sink;
          if (!isSame) await former?.close();
        },
      };
    },
    drain: (timeoutMs) => pool.drain(timeoutMs),
    reopenLogs: () => accessSink?.reopen() ?? false,
    async close() {
      certificates?.close();
      await pool.close();
      await accessSink?.close();
    },
  };
}

/** Undefined without a TLS port. Throws BalancerError where a file is not in order. */
function createCertificates(
  { config, clock, log }: DataPlaneDeps,
  onChange: (material: TlsMaterial) => void,
): CertificateFiles | undefined {
  if (config.tlsPort === 0) return undefined;
  const files = new CertificateFiles({ options: config, clock, log: log.component('tls'), onChange });
  onChange(files.material);
  return files;
}

function makesSameTokens(one: Config, other: Config): boolean {
  return (one.sticky === '') === (other.sticky === '') && one.stickySecret === other.stickySecret;
}

function warnOfGuessableSecret({ isOn, secretSource }: StickyTokens, log: RootLogger): void {
  if (!isOn || secretSource !== 'pool') return;
  log.warn(
    {},
    'sticky: without --sticky-secret or --admin-token clients can make cookies themselves and so choose their replica',
  );
}

/** Where the access log goes; undefined while it is off. */
function outputOf({ accessLog, accessLogFile }: Config): string | undefined {
  return accessLog === 'off' ? undefined : accessLogFile;
}

function createAccessSink({ metrics, clock, log }: DataPlaneDeps, config: Config): AccessSink | undefined {
  const file = outputOf(config);
  if (file === undefined) return undefined;
  const onDropped = (lines: number): void => metrics.recorder.thread.logDropped(lines);
  return new AccessSink({ file, log: log.component('access-log'), clock, onDropped });
}
