/**
 * The option table: flag, default, unit and help of every option, from which the type of `Config` is derived.
 * Invariants: the environment variable follows from the flag; every default is a text that its own parser accepts.
 */
import { ALGORITHMS, type Algorithm } from '../core/hashing/slot-table.ts';
import { BALANCES, type Balance } from '../core/routing/load-picker.ts';
import type { DriverKind } from '../drivers/driver.ts';
import { LOG_LEVELS, type LogLevel } from '../platform/log.ts';
import {
  email,
  files,
  httpsUrl,
  rate,
  rateKey,
  redirect,
  secretText,
  stickyName,
} from './parsers/front-parsers.ts';
import { scaleMin, scaleWindow } from './parsers/scale-parsers.ts';
import { addressRanges, hostNames, upstreams, weights } from './parsers/server-parsers.ts';
import { constraints, engines, nameServers, sources } from './parsers/source-parsers.ts';
import {
  commandWords,
  cpuCount,
  labels,
  memory,
  secrets,
  signal,
  tmpfsMounts,
  user,
  variableFiles,
  variables,
  volumes,
} from './parsers/spec-parsers.ts';
import {
  directory,
  duration,
  file,
  hashKey,
  headerLines,
  host,
  hostHeader,
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
  shellCommand,
  size,
  statuses,
  statusRanges,
  token,
  type ValueParser,
  whole,
} from './parsers/value-parsers.ts';

/** When a changed value is taken: by a reload, or by the next start alone. */
export type Takes = 'live' | 'start';

export interface Option<T> extends ValueParser<T> {
  readonly flag: string;
  readonly takes: Takes;
  /** As written on the command line; '' where there is none. */
  readonly default: string;
  readonly help: string;
}

/** An option that is read once, at the start. */
function option<T>(flag: string, standard: string, kind: ValueParser<T>, help: string): Option<T> {
  return { ...kind, flag, default: standard, help, takes: 'start' };
}

/** An option that a reload changes while the balancer runs. */
function live<T>(flag: string, standard: string, kind: ValueParser<T>, help: string): Option<T> {
  return { ...option(flag, standard, kind, help), takes: 'live' };
}

const driverKind = oneOf<DriverKind>('process', 'docker', 'swarm', 'static', 'discover');
const algorithm = oneOf<Algorithm>(...ALGORITHMS);
const balance = oneOf<Balance>(...BALANCES);
const upstreamProtocol = oneOf('http1', 'h2');
const poolMembers = oneOf('one', 'many');
const accessLog = oneOf('off', 'json', 'combined');
const tokenScope = oneOf('both', 'admin');
const parser = oneOf('fast', 'node');
const logLevel = oneOf<LogLevel>(...LOG_LEVELS);

// one option per line keeps this readable as a table
// biome-ignore format: the order is that of --help and of the documentation
export const OPTIONS = {
  port: option('port', '5000', port, 'public port'),
  host: option('host', '', host, 'public address; empty is all interfaces'),
  tlsPort: option('tls-port', '0', port, 'public port for TLS; 0 is none'),
  tlsCert: option('tls-cert', '', files, 'certificates with their chains, in PEM; the first is for clients that name no host'),
  tlsKey: option('tls-key', '', files, 'their private keys, in the same order'),
  tlsDir: option('tls-dir', '', file, 'directory of certificates: each NAME.pem has a certificate, its chain and its key'),
  tlsMin: option('tls-min', '1.2', oneOf('1.2', '1.3'), 'oldest version of TLS'),
  tlsStrictSni: option('tls-strict-sni', 'off', onOff, 'on refuses clients that name a host without a certificate'),
  tlsClientCa: option('tls-client-ca', '', file, 'authorities in PEM; clients must present a certificate of one of them'),
  tlsTicketSecret: option('tls-ticket-secret', '', file, 'file with a secret of 32 bytes or more, shared by balancers that resume the sessions of each other; empty is random'),
  tlsRedirect: option('tls-redirect', 'off', redirect, 'on redirects plain requests to the TLS port, a number to that port, such as 443'),
  hsts: option('hsts', '0', whole(0, 1_000_000_000), 'max-age of Strict-Transport-Security on TLS responses, in seconds; 0 sends none'),
  http2: option('http2', 'off', onOff, 'on offers HTTP/2 to TLS clients'),
  acmeDomains: option('acme-domains', '', hostNames, 'get a certificate for each of these host names from an ACME server, and renew it'),
  acmeEmail: option('acme-email', '', email, "address for the ACME server's notices"),
  acmeDirectory: option('acme-directory', 'https://acme-v02.api.letsencrypt.org/directory', httpsUrl, 'where the ACME server says what it offers (its directory)'),
  acmeDir: option('acme-dir', '', file, 'directory that keeps the account key and the certificates; balancers may share it'),
  adminPort: option('admin-port', '5001', port, 'admin port'),
  adminHost: option('admin-host', '127.0.0.1', host, 'admin address; wider than loopback needs a token'),
  adminToken: option('admin-token', '', token, 'bearer token that changes then need, on both ports; on a wider admin port all but /healthz, /readyz and the dashboard needs it'),
  adminTokenFile: option('admin-token-file', '', file, 'file that holds the token, read once at start'),
  adminTokenScope: option('admin-token-scope', 'both', tokenScope, 'ports that the token guards: both, or the admin port alone; /add, /rm and /scale on the public port are then as without a token'),
  adminHosts: option('admin-hosts', '', hostNames, 'further host names under which the admin port may be accessed'),
  publicAdmin: option('public-admin', 'on', onOff, 'on serves /rep, /add, /rm and /scale on the public port too; off routes these paths to the replicas'),

  driver: option('driver', 'process', driverKind, 'what the replicas run on'),
  replicas: option('replicas', '3', whole(1, 1024), 'replicas to start with'),
  maxReplicas: option('max-replicas', '64', whole(1, 1024), 'maximum number of replicas'),
  upstreams: live('upstreams', '', upstreams, 'static: the fixed list of servers'),
  source: option('source', '', sources, 'discover: where servers are looked up'),
  discoverIntervalMs: option('discover-interval', '5s', duration('above zero'), 'discover: time between lookups of a source; DNS records with a shorter TTL are looked up as often as that says, at most once a second'),
  discoverGraceMs: option('discover-grace', '30s', duration('from zero'), 'discover: how long a list that is empty or lacks more than half of the servers is ignored'),
  resolver: option('resolver', '', nameServers, "discover: name servers; empty is the system's"),
  upstreamCa: option('upstream-ca', '', file, 'authorities in PEM, beside those of Node.js, for servers given as https://'),
  upstreamInsecure: option('upstream-insecure', 'off', onOff, 'on does not verify certificates of servers given as https://'),
  upstreamProtocol: option('upstream-protocol', 'http1', upstreamProtocol, 'what replicas speak: http1, or h2 for HTTP/2 by prior knowledge, which gRPC servers need'),
  command: option('command', '', shellCommand, 'process: what to run as a replica, given PORT and SERVER_ID; empty is the sample replica'),
  image: option('image', 'ringlb-replica', image, 'docker, swarm: the image of a replica'),
  replicaPort: option('replica-port', '5000', whole(1, 65535), 'docker, swarm: the port a replica listens on in its container'),
  network: option('network', 'ringlb', name, "docker, swarm: the replicas' network; a balancer in a container uses its own, if that is not the engine's default bridge"),
  pool: option('pool', 'ringlb', name, 'docker, swarm: name of the fleet; each balancer on an engine needs a pool of its own'),
  poolMembers: option('pool-members', 'one', poolMembers, 'docker: many lets several balancers share the pool and the port of a host; a pool of a Swarm is always shared'),
  containerPrefix: option('container-prefix', '', namePrefix, "docker: prefix of container names, before the replica's own name"),
  engines: option('engines', '', engines, "swarm: managers, asked in turn; empty is the usual engine's"),
  constraints: option('constraints', '', constraints, 'swarm: on which nodes replicas may be'),
  swarmPublish: option('swarm-publish', 'auto', oneOf('auto', 'overlay', 'host'), "swarm: overlay reaches replicas at their own addresses, host at ports that their nodes publish; auto is overlay where the balancer's container is on one"),
  swarmHealMs: option('swarm-heal', '2s', duration('from zero'), 'swarm: how long a replica may give no sign of life before another is forced in its place; 0 leaves that to probes and Swarm'),
  startTimeoutMs: live('start-timeout', '30s', duration('above zero'), 'time limit from a start until the replica is healthy'),
  stopTimeoutMs: live('stop-timeout', '10s', duration('from zero'), 'time from the stop signal to the kill'),
  drainTimeoutMs: live('drain-timeout', '30s', duration('from zero'), 'time limit for requests in flight when a replica or the balancer shuts down'),
  onExit: live('on-exit', 'remove', oneOf('remove', 'keep'), 'keep leaves the replicas running for the next start to adopt (docker)'),

  env: live('env', '', variables, 'environment variable of a replica; NAME alone passes on that of the balancer; may be given several times'),
  envFile: live('env-file', '', variableFiles, 'file of environment variables, a NAME=VALUE in each line; may be given several times, --env overrides it'),
  secret: live('secret', '', secrets, 'containers: file mounted read-only at /run/secrets/NAME; may be given several times'),
  volume: live('volume', '', volumes, 'containers: volume or path of the host, mounted at DST; may be given several times'),
  tmpfs: live('tmpfs', '', tmpfsMounts, 'containers: file system in memory, 64m unless SIZE says otherwise; may be given several times'),
  readOnly: live('read-only', 'on', onOff, 'containers: read-only root file system, with a tmpfs at /tmp; off makes it writable'),
  memoryBytes: live('memory', '', memory, 'memory limit of a replica; 0 is unlimited; by default 512m for a container and none for a process'),
  cpus: live('cpus', '0', cpuCount, 'CPU limit of a replica, such as 1.5; 0 is unlimited'),
  pids: live('pids', '256', whole(0, 4_194_304), 'containers: maximum of processes and threads of a replica; 0 is unlimited'),
  replicaUser: live('replica-user', '', user, 'containers: user a replica runs as; empty is that of the image, and 65534 (nobody) where that is root'),
  replicaCommand: live('replica-command', '', commandWords, 'containers: arguments of the image in place of its own, split as by a shell'),
  workdir: live('workdir', '', directory, 'working directory of a replica; empty is that of the image or the balancer'),
  stopSignal: live('stop-signal', '', signal, 'signal that stops a replica; empty is that of the image, else SIGTERM'),
  replicaLabel: live('replica-label', '', labels, 'containers: label of a container; may be given several times'),
  logMaxBytes: live('log-max-size', '10m', size(0, Number.MAX_SAFE_INTEGER), "containers: size at which a container's log is rotated (json-file); 0 leaves logging to the engine"),
  logMaxFiles: live('log-max-files', '3', whole(1, 1000), 'containers: files kept of it, the current one included'),

  algorithm: option('algorithm', 'maglev', algorithm, 'how slots are assigned to replicas'),
  slots: option('slots', '0', whole(0, 16_777_216), 'slots of the table; 0 is maglev 65537 (always a prime), rendezvous 65536 (131072 with --max-replicas above 64), ring 65536, classic 512'),
  vnodes: option('vnodes', '0', whole(0, 10_000), 'virtual nodes of a replica; 0 is ring 160, classic 9; maglev and rendezvous have none'),
  hashKey: live('hash-key', 'request-id', hashKey, 'comma-separated sources, of which the first present is hashed: request-id, client-ip, path, uri, header:NAME, cookie:NAME, query:NAME; p2c, as the last, places requests without any of these by load'),
  weights: option('weights', '', weights, 'weights of replicas, such as S1=2,S2=1: shares of the keys in proportion, 1 where none is given, 0 for no requests'),
  slowStartMs: option('slow-start', '0', duration('from zero'), 'time in which a new instance of a replica, or one that was drained, gets a growing part of its keys; 0 is off'),
  slowStartFrom: option('slow-start-from', '10%', percent, 'part of its keys with which a slow start begins'),
  balance: live('balance', 'hash', balance, 'hash sends a request to the owner of its key, p2c to the less loaded of two random replicas, least to the least loaded of all'),
  sticky: live('sticky', 'off', stickyName, 'name of a cookie that keeps a client on the replica which served it first; off sets none'),
  stickyTtlMs: live('sticky-ttl', '0', duration('from zero'), 'lifetime of that cookie from when it is set; 0 is until the browser is closed'),
  stickySecret: live('sticky-secret', '', secretText, 'secret from which its values are made, the same for balancers that share clients; empty is made from the admin token, else from the name of the pool'),
  stickySecretFile: live('sticky-secret-file', '', file, 'file that holds that secret, read at start and reload'),
  stickyOnOutage: live('sticky-on-outage', 'move', oneOf('move', 'keep'), 'move gives a client whose replica cannot serve the cookie of another; keep leaves it, for when the replica is back'),
  loadFactor: live('load-factor', '1.25', loadFactor, 'bounded load: maximum of requests in flight on a replica, as a multiple of the mean; 0 is off'),
  loadFloor: live('load-floor', '16', whole(0, 1_000_000), 'minimum of the load bound, where the hash key is not request-id alone'),
  maxInFlight: live('max-in-flight', '256', whole(1, 1_000_000), 'maximum of requests in flight on one replica'),
  queueDepth: live('queue-depth', '1024', whole(0, 1_000_000), 'maximum of requests that wait for a replica'),
  queueTimeoutMs: live('queue-timeout', '5s', duration('above zero'), 'time limit for waiting for a replica'),
  classic: option('classic', 'off', onOff, "the textbook system: algorithm classic, random names, also for what replaces a dead replica; a replica's 404 becomes a 400"),

  scaleMax: live('scale-max', '0', whole(0, 1024), 'autoscaling: maximum number of replicas; 0 is off'),
  scaleMin: live('scale-min', '', scaleMin, 'autoscaling: minimum number of replicas; empty is that of --replicas, 0 needs --scale-idle'),
  scaleTarget: live('scale-target', '16', whole(1, 1_000_000), 'autoscaling: requests in flight or waiting for each replica'),
  scaleUpWindowMs: live('scale-up-window', '6s', scaleWindow, 'autoscaling: time over which a sudden load is measured'),
  scaleWindowMs: live('scale-window', '60s', scaleWindow, 'autoscaling: time over which the load is measured'),
  scaleDownWindowMs: live('scale-down-window', '5m', scaleWindow, 'autoscaling: time in which nothing may have needed a replica before it is removed'),
  scaleDownStep: live('scale-down-step', '1', whole(1, 1024), 'autoscaling: replicas that are removed at a time, every 30 s'),
  scaleIdleMs: live('scale-idle', '0', duration('from zero'), 'autoscaling: time without requests after which a fleet with --scale-min 0 is removed'),

  probePath: live('probe-path', '/heartbeat', path, 'path of health probes'),
  probeExpect: live('probe-expect', '200-399', statusRanges, 'statuses of a ready replica; with any other it gets no requests'),
  probeHost: live('probe-host', '', hostHeader, "Host header of probes, for an application with a list of allowed hosts; empty is the replica's address"),
  probeHeader: live('probe-header', '', headerLines, 'additional header of probes; may be given several times'),
  probePort: live('probe-port', '0', port, 'port of probes; 0 is the port of requests'),
  probeIntervalMs: live('probe-interval', '2s', duration('from zero'), 'time between probes; 0 is off (static only)'),
  probeTimeoutMs: live('probe-timeout', '2s', duration('above zero'), 'time limit for the response to a probe'),
  rise: live('rise', '2', whole(1, 1000), 'consecutive passes that make a replica healthy'),
  fall: live('fall', '3', whole(1, 1000), 'consecutive failures that make it unhealthy'),

  replaceAfterMs: live('replace-after', '30s', duration('from zero'), 'how long a replica may respond without being ready before it is replaced; 0 is forever'),
  panicThreshold: live('panic-threshold', '50%', percent, 'with more than this share of the fleet not ready, all replicas that respond to probes get requests, and none is replaced for it; 100% is never'),
  ejectAfter: live('eject-after', '5', whole(0, 1_000_000), 'consecutive failed requests after which a replica is ejected; 0 is off'),
  ejectOutliers: live('eject-outliers', 'on', onOff, 'eject a replica that fails more than half of its requests and three times the share of the others'),

  retries: live('retries', '2', whole(0, 100), 'maximum of retries of a request, each on another replica'),
  retryBudget: live('retry-budget', '20%', percent, 'maximum of retries as a share of requests; 3 at a time are always allowed, and unless 0% each thread has 32 in reserve'),
  connectTimeoutMs: live('connect-timeout', '2s', duration('above zero'), 'time limit for establishing a connection'),
  responseTimeoutMs: live('response-timeout', '30s', duration('above zero'), 'time limit for receiving the response head'),
  idleTimeoutMs: live('idle-timeout', '60s', duration('above zero'), 'time limit between two bytes of the response body, or in a tunnel'),
  lenientReplicas: option('lenient-replicas', 'off', onOff, 'on accepts malformed response heads: line ends without CR, control bytes (which become spaces), folded lines; off responds 502'),

  headerTimeoutMs: live('header-timeout', '10s', duration('above zero'), 'time limit for receiving the request head'),
  bodyTimeoutMs: live('body-timeout', '30s', duration('above zero'), 'time limit between two bytes of the request body'),
  sendTimeoutMs: live('send-timeout', '30s', duration('above zero'), 'time limit for the client to accept more of the response'),
  requestTimeoutMs: live('request-timeout', '0', duration('from zero'), 'time limit from the request head to the end of the response; 0 is off'),
  keepAliveTimeoutMs: live('keep-alive-timeout', '65s', duration('above zero'), 'time limit for an idle connection'),

  maxHeadBytes: live('max-head-bytes', '65536', size(1024, 1_048_576), 'maximum size of a request head: request line and headers'),
  maxHeaders: live('max-headers', '256', whole(8, 10_000), 'maximum number of headers of a request'),
  maxTargetBytes: live('max-target-bytes', '16384', size(256, 1_048_576), 'maximum length of a request target'),
  maxBodyBytes: live('max-body-bytes', '0', size(0, 999_999_999_999_999), 'maximum size of a request body; 0 is unlimited'),
  maxConnections: live('max-connections', '16384', whole(1, 1_000_000), 'maximum of client connections per thread, within the limit on open files'),
  maxConnectionsPerClient: live('max-connections-per-client', '0', whole(0, 1_000_000), 'maximum of connections of one client address over all threads, except trusted proxies; 0 is unlimited'),
  rateLimit: live('rate-limit', '0', rate, 'maximum request rate of a client, as 100/s, 600/m or 5000/h; beyond it the response is 429; 0 is off'),
  rateBurst: live('rate-burst', '0', whole(0, 1_000_000), 'requests that a client may send at once after a pause; 0 is the number of one second'),
  rateKey: live('rate-key', 'client-ip', rateKey, 'what identifies a client: client-ip (IPv6 by its /64), or header:NAME, with the address where it is absent'),
  rateEntries: option('rate-entries', '65536', whole(1024, 16_777_216), 'clients whose rate is tracked at a time; the least recently seen are forgotten'),
  trustedProxies: option('trusted-proxies', '', addressRanges, 'whose X-Forwarded-… and Forwarded headers are trusted and appended to'),
  proxyProtocol: option('proxy-protocol', 'off', onOff, 'on expects a PROXY protocol header (version 1 or 2) on connections from trusted proxies, and takes the client address from it'),
  forwarded: live('forwarded', 'off', onOff, 'send Forwarded (RFC 7239) beside the X-Forwarded-… headers'),
  via: live('via', 'off', onOff, 'add Via to requests and responses'),

  workers: option('workers', '0', whole(0, 256), 'data-plane threads; 0 is one per core, within the CPU quota of the cgroup, rounded up'),
  rehearsal: option('rehearsal', 'on', onOff, 'each data-plane thread serves itself for up to 0.5 s before it is ready, so that the first clients do not wait for code to be compiled'),
  parser: option('parser', 'fast', parser, "parser of requests: the balancer's own, or node for that of Node's HTTP server, at several times the cost"),
  takeOver: option('take-over', 'off', onOff, 'take the place of the balancer that runs on the same ports, without losing a request'),
  config: option('config', '', file, 'file of options, in YAML: names as below, without the dashes in front; a flag or a variable beats it'),
  logLevel: live('log-level', 'info', logLevel, 'minimum log level'),
  replicaLogs: live('replica-logs', 'on', onOff, 'on shows what replicas print in the log too (level info); process and docker'),

  accessLog: live('access-log', 'off', accessLog, 'a line for each request: JSON, or the combined format with further fields'),
  accessLogFile: live('access-log-file', '-', outputFile, 'its file, which is reopened on SIGHUP; - is standard output'),
  accessLogSample: live('access-log-sample', '100%', percent, 'share of requests that are logged'),
  accessLogStatus: live('access-log-status', '', statuses, 'only requests with these statuses or classes, none for no response; empty is all'),
  accessLogMinMs: live('access-log-slower', '0', duration('from zero'), 'only requests that took at least this long'),
} as const;

export type Options = typeof OPTIONS;
export type Key = keyof Options;
export const KEYS = Object.keys(OPTIONS) as readonly Key[];

/** The heading above an option, in `--help` and in the documentation. */
export const HEADINGS: { readonly [K in Key]?: string } = {
  port: 'Listening',
  driver: 'Replicas',
  env: 'What a replica is given',
  algorithm: 'Routing',
  scaleMax: 'Autoscaling',
  probePath: 'Health',
  retries: 'Upstream',
  headerTimeoutMs: 'Downstream',
  workers: 'The process',
  accessLog: 'Access log',
};

type Value<O> = O extends Option<infer T> ? T : never;

/** The balancer's configuration; OPTIONS describes each field. */
export type Config = { readonly [K in Key]: Value<Options[K]> };

/** `LB_PROBE_INTERVAL` for `probe-interval`. */
export function environmentName(flag: string): string {
  return `LB_${flag.replaceAll('-', '_').toUpperCase()}`;
}
