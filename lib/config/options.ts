/**
 * Every option, once: flag, default, unit, help and the type of `Config` come from the one table here.
 * Invariants: the environment variable follows from the flag; every default is a text that its own unit accepts.
 * Must not hold: what an option does, or what one means for another (`cross-checks.ts`).
 */
import { ALGORITHMS, type Algorithm } from '../core/hashing/slot-table.ts';
import type { DriverKind } from '../drivers/driver.ts';
import { LOG_LEVELS, type LogLevel } from '../platform/log.ts';
import { nameServers, sources } from './source-parsers.ts';
import {
  addressRanges,
  duration,
  file,
  hashKey,
  headerLines,
  host,
  hostHeader,
  hostNames,
  image,
  loadFactor,
  name,
  namePrefix,
  oneOf,
  onOff,
  outputFile,
  path,
  percent,
  port,
  rate,
  rateKey,
  shellCommand,
  statuses,
  statusRanges,
  token,
  type Unit,
  upstreams,
  whole,
} from './value-parsers.ts';

export interface Option<T> extends Unit<T> {
  readonly flag: string;
  /** As it would be written on the command line; '' where there is none. */
  readonly default: string;
  readonly help: string;
}

function option<T>(flag: string, standard: string, kind: Unit<T>, help: string): Option<T> {
  return { ...kind, flag, default: standard, help };
}

const driverKind = oneOf<DriverKind>('process', 'docker', 'static', 'discover');
const algorithm = oneOf<Algorithm>(...ALGORITHMS);
const accessLog = oneOf('off', 'json', 'combined');
const tokenScope = oneOf('both', 'admin');
const parser = oneOf('fast', 'node');
const logLevel = oneOf<LogLevel>(...LOG_LEVELS);

// one option a line reads as the table it is
// biome-ignore format: the order is the order of --help and of docs/configuration.md
export const OPTIONS = {
  port: option('port', '5000', port, 'public port'),
  host: option('host', '', host, 'public address; empty is all interfaces'),
  adminPort: option('admin-port', '5001', port, 'admin port'),
  adminHost: option('admin-host', '127.0.0.1', host, 'admin address; wider than loopback needs a token'),
  adminToken: option('admin-token', '', token, 'bearer token that changes then need, on both ports; on a wider admin port all but /healthz, /readyz and the dashboard needs it'),
  adminTokenFile: option('admin-token-file', '', file, 'file that holds the token, read once at start'),
  adminTokenScope: option('admin-token-scope', 'both', tokenScope, 'ports that the token guards: both, or the admin port alone; /add, /rm and /scale on the public port are then as without a token'),
  adminHosts: option('admin-hosts', '', hostNames, 'further host names by which browsers and programs may ask the admin port'),
  publicAdmin: option('public-admin', 'on', onOff, 'on answers /rep, /add, /rm and /scale on the public port too; off leaves these paths to the replicas'),

  driver: option('driver', 'process', driverKind, 'what the replicas run on'),
  replicas: option('replicas', '3', whole(1, 1024), 'replicas to start with'),
  maxReplicas: option('max-replicas', '64', whole(1, 1024), 'most replicas that /add may reach'),
  upstreams: option('upstreams', '', upstreams, 'static: the servers, all there will be'),
  source: option('source', '', sources, 'discover: where servers are looked up'),
  discoverIntervalMs: option('discover-interval', '5s', duration('above zero'), 'discover: from one look at a source to the next; DNS records with a shorter TTL are looked up as often as that says, once a second at most'),
  discoverGraceMs: option('discover-grace', '30s', duration('from zero'), 'discover: how long a list that is empty, or lacks more than half of the servers, is doubted'),
  resolver: option('resolver', '', nameServers, "discover: name servers; empty is the system's"),
  command: option('command', '', shellCommand, 'process: what to run as a replica, given PORT and SERVER_ID; empty is the sample replica'),
  image: option('image', 'ringlb-replica', image, 'docker: the image of a replica'),
  replicaPort: option('replica-port', '5000', whole(1, 65535), 'docker: the port a replica listens on in its container'),
  network: option('network', 'ringlb', name, "docker: the replicas' network; a balancer in a container uses its own, if that is not the engine's default bridge"),
  pool: option('pool', 'ringlb', name, 'docker: what belongs together; two balancers on one engine need two pools'),
  containerPrefix: option('container-prefix', '', namePrefix, "docker: what the names of containers begin with, before the replica's own name"),
  startTimeoutMs: option('start-timeout', '30s', duration('above zero'), 'longest time from a start to the first passed probes'),
  stopTimeoutMs: option('stop-timeout', '10s', duration('from zero'), 'from asking an instance to stop to killing it'),
  drainTimeoutMs: option('drain-timeout', '30s', duration('from zero'), 'longest wait for requests in flight when a replica or the balancer goes'),
  onExit: option('on-exit', 'remove', oneOf('remove', 'keep'), 'keep leaves the replicas running for the next start to adopt (docker)'),

  algorithm: option('algorithm', 'maglev', algorithm, 'how slots get their owners'),
  slots: option('slots', '0', whole(0, 16_777_216), 'slots of the table; 0 is maglev 65537 (always a prime), rendezvous 65536 (131072 with --max-replicas above 64), ring 65536, classic 512'),
  vnodes: option('vnodes', '0', whole(0, 10_000), 'virtual nodes of a replica; 0 is ring 160, classic 9; maglev and rendezvous have none'),
  hashKey: option('hash-key', 'request-id', hashKey, 'first present of request-id, client-ip, path, uri, header:NAME, cookie:NAME, query:NAME, separated by commas'),
  loadFactor: option('load-factor', '1.25', loadFactor, 'bounded load: most in flight on a replica, as a multiple of the mean; 0 is off'),
  loadFloor: option('load-floor', '16', whole(0, 1_000_000), 'no load bound is below so many in flight, where the hash key is not request-id alone'),
  maxInFlight: option('max-in-flight', '256', whole(1, 1_000_000), 'most requests in flight on one replica'),
  queueDepth: option('queue-depth', '1024', whole(0, 1_000_000), 'most requests that wait for a replica'),
  queueTimeoutMs: option('queue-timeout', '5s', duration('above zero'), 'longest wait for a replica'),
  classic: option('classic', 'off', onOff, "the textbook system: algorithm classic, random names, also for what replaces a dead replica; a replica's 404 becomes a 400"),

  probePath: option('probe-path', '/heartbeat', path, 'what a replica that is ready answers as expected'),
  probeExpect: option('probe-expect', '200-399', statusRanges, 'statuses of a replica that is ready; any other takes it off the ring'),
  probeHost: option('probe-host', '', hostHeader, "Host header of probes, for an application with a list of allowed hosts; empty is the replica's address"),
  probeHeader: option('probe-header', '', headerLines, 'further header of probes; may be given several times'),
  probePort: option('probe-port', '0', port, 'port that is probed; 0 is the one that requests go to'),
  probeIntervalMs: option('probe-interval', '2s', duration('from zero'), 'from one probe to the next; 0 is off (static only)'),
  probeTimeoutMs: option('probe-timeout', '2s', duration('above zero'), 'longest wait for the answer to a probe'),
  rise: option('rise', '2', whole(1, 1000), 'passes in a row that make a replica healthy'),
  fall: option('fall', '3', whole(1, 1000), 'failures in a row that make it unhealthy'),

  replaceAfterMs: option('replace-after', '30s', duration('from zero'), 'how long one may respond and not be ready before another is started in its place; 0 is for ever'),
  panicThreshold: option('panic-threshold', '50%', percent, 'with more than this part of the fleet not ready, all that respond to probes get requests, and none is replaced for it; 100% is never'),
  ejectAfter: option('eject-after', '5', whole(0, 1_000_000), 'requests that fail in a row before a replica is ejected; 0 is off'),
  ejectOutliers: option('eject-outliers', 'on', onOff, 'eject a replica that fails over half of its requests, and three times the share of the others'),

  retries: option('retries', '2', whole(0, 100), 'most further replicas that a request is given to'),
  retryBudget: option('retry-budget', '20%', percent, 'most retries, as a share of requests; 3 at a time always may, and but for 0% each thread has 32 in reserve'),
  connectTimeoutMs: option('connect-timeout', '2s', duration('above zero'), 'longest wait for a connection'),
  responseTimeoutMs: option('response-timeout', '30s', duration('above zero'), 'longest wait for its response head'),
  idleTimeoutMs: option('idle-timeout', '60s', duration('above zero'), 'longest silence between two bytes of its body, or in a tunnel'),
  lenientReplicas: option('lenient-replicas', 'off', onOff, 'on serves heads that are not quite HTTP: line ends without CR, control bytes (which become spaces), folded lines; off answers them 502'),

  headerTimeoutMs: option('header-timeout', '10s', duration('above zero'), 'longest wait for its whole request head'),
  bodyTimeoutMs: option('body-timeout', '30s', duration('above zero'), 'longest silence between two bytes of its body'),
  sendTimeoutMs: option('send-timeout', '30s', duration('above zero'), 'longest time it may take no byte of its answer'),
  requestTimeoutMs: option('request-timeout', '0', duration('from zero'), 'longest time from its request head to the end of the answer; 0 is off'),
  keepAliveTimeoutMs: option('keep-alive-timeout', '65s', duration('above zero'), 'longest time a connection may be idle'),

  maxHeadBytes: option('max-head-bytes', '65536', whole(1024, 1_048_576), 'longest request head: request line and headers'),
  maxHeaders: option('max-headers', '256', whole(8, 10_000), 'most headers of a request'),
  maxTargetBytes: option('max-target-bytes', '16384', whole(256, 1_048_576), 'longest request target'),
  maxBodyBytes: option('max-body-bytes', '0', whole(0, 999_999_999_999_999), 'longest request body; 0 is any'),
  maxConnections: option('max-connections', '16384', whole(1, 1_000_000), 'most client connections of a thread; as far as the open-files limit goes'),
  maxConnectionsPerClient: option('max-connections-per-client', '0', whole(0, 1_000_000), 'most connections of one client address, over all threads, but for trusted proxies; 0 is any'),
  rateLimit: option('rate-limit', '0', rate, 'requests that one client may make, as 100/s, 600/m or 5000/h; more are answered 429; 0 is off'),
  rateBurst: option('rate-burst', '0', whole(0, 1_000_000), 'requests that it may make at once after a pause; 0 is as many as in one second'),
  rateKey: option('rate-key', 'client-ip', rateKey, 'what tells clients apart: client-ip (IPv6 by its /64), or header:NAME, and the address where that is absent'),
  rateEntries: option('rate-entries', '65536', whole(1024, 16_777_216), 'clients whose rate is known at a time; those that asked longest ago are forgotten'),
  trustedProxies: option('trusted-proxies', '', addressRanges, 'whose X-Forwarded-… and Forwarded headers are believed and added to'),
  forwarded: option('forwarded', 'off', onOff, 'send Forwarded (RFC 7239) beside the X-Forwarded-… headers'),
  via: option('via', 'off', onOff, 'add Via to requests and answers'),

  workers: option('workers', '0', whole(0, 256), 'data-plane threads; 0 is one a core, within the CPU quota of its cgroup, rounded up'),
  parser: option('parser', 'fast', parser, "what reads requests: the balancer's own parser, or node for that of Node's HTTP server, at several times the cost"),
  logLevel: option('log-level', 'info', logLevel, 'least severe line that is logged'),

  accessLog: option('access-log', 'off', accessLog, 'a line for each request: JSON, or the combined format with more behind it'),
  accessLogFile: option('access-log-file', '-', outputFile, 'where it goes; - is standard output; a file is opened again on SIGHUP'),
  accessLogSample: option('access-log-sample', '100%', percent, 'share of the requests that get a line'),
  accessLogStatus: option('access-log-status', '', statuses, 'only requests that ended so: statuses, classes, none for no answer; empty is all'),
  accessLogMinMs: option('access-log-slower', '0', duration('from zero'), 'only requests that took at least as long'),
} as const;

export type Options = typeof OPTIONS;
export type Key = keyof Options;
export const KEYS = Object.keys(OPTIONS) as readonly Key[];

/** The heading that stands before an option, in `--help` and in docs/configuration.md. */
export const HEADINGS: { readonly [K in Key]?: string } = {
  port: 'Listening',
  driver: 'Replicas',
  algorithm: 'Routing',
  probePath: 'Health',
  retries: 'Towards a replica',
  headerTimeoutMs: 'Towards a client',
  workers: 'The process',
  accessLog: 'Access log',
};

type Value<O> = O extends Option<infer T> ? T : never;

/** What the balancer runs with; OPTIONS says what each field is. */
export type Config = { readonly [K in Key]: Value<Options[K]> };

/** `LB_PROBE_INTERVAL` for `probe-interval`. */
export function environmentName(flag: string): string {
  return `LB_${flag.replaceAll('-', '_').toUpperCase()}`;
}
