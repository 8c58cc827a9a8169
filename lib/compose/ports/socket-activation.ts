/**
 * A balancer whose ports are sockets of the service manager: which options these decide instead of the operator, and how
 * many threads can serve them.
 */
import { nameOf, type Sources } from '../../config/check.ts';
import { type Config, ConfigError, type Settings } from '../../config/config.ts';
import { crossCheck } from '../../config/cross-checks.ts';
import type { Key } from '../../config/options.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import { threadsOnPort } from '../../proxy/bind.ts';
import type { PassedDescriptors } from '../../proxy/worker-protocol.ts';
import type { PassedName, PassedSockets } from './passed-sockets.ts';

const OPTIONS_OF = {
  port: ['port', 'host'],
  'tls-port': ['tlsPort', 'host'],
  'admin-port': ['adminPort', 'adminHost'],
} as const satisfies Readonly<Record<PassedName, readonly [Key, Key]>>;
const NAMES = Object.keys(OPTIONS_OF) as readonly PassedName[];

/** Why a balancer on such sockets cannot be taken over. */
export const SOCKETS_STAY =
  'this balancer serves on sockets of systemd, which another cannot take: restart the service instead; connections wait in the sockets meanwhile';

/** The descriptors for the data threads; undefined where there are none. */
export function descriptorsIn(sockets: PassedSockets | undefined): PassedDescriptors | undefined {
  const fdsOf = (name: PassedName): readonly number[] => (sockets?.[name] ?? []).map(({ fd }) => fd);
  const descriptors = { port: fdsOf('port'), tlsPort: fdsOf('tls-port') };
  return descriptors.port.length + descriptors.tlsPort.length === 0 ? undefined : descriptors;
}

/**
 * The options with the addresses of the sockets that are passed, which have passed every check between options. Throws
 * ConfigError, and `bad-request` where an option that was given says other than the sockets.
 */
export function withSockets(settings: Settings, sockets: PassedSockets | undefined): Settings {
  if (sockets === undefined) return settings;
  checkSockets(settings, sockets);
  const values: Partial<Record<Key, unknown>> = { ...settings.config };
  const sources = new Map(settings.sources);
  for (const name of NAMES) {
    const [first] = sockets[name];
    if (first === undefined) continue;
    const [port, host] = OPTIONS_OF[name];
    const given = { name: `FileDescriptorName=${name}`, origin: 'socket' } as const;
    values[port] = first.port;
    sources.set(port, { ...given, text: `${first.port}` });
    values[host] = first.host;
    sources.set(host, { ...given, text: first.host });
  }
  const config = values as Config;
  // such as an admin port that the socket opens wider than the option would
  const problems = crossCheck(config, sources, new Set());
  if (problems.length > 0) throw new ConfigError(problems);
  return { config, sources };
}

function checkSockets({ config, sources }: Settings, sockets: PassedSockets): void {
  if (config.takeOver)
    throw new BalancerError(
      'bad-request',
      `${nameOf('takeOver', sources)} does not go with sockets of systemd: restart the service instead; systemd keeps the sockets, and connections wait in them`,
    );
  for (const name of NAMES) checkPort(name, config, { sources, sockets });
}

function checkPort(
  name: PassedName,
  config: Config,
  { sources, sockets }: { readonly sources: Sources; readonly sockets: PassedSockets },
): void {
  const [first] = sockets[name];
  const [key] = OPTIONS_OF[name];
  if (first === undefined) return;
  // without a certificate there is no TLS port
  const isGiven = sources.has(key) || name === 'tls-port';
  if (isGiven && config[key] !== first.port)
    throw new BalancerError(
      'bad-request',
      `${nameOf(key, sources)} is ${config[key]}, but the socket named ${name} that systemd passes has port ${first.port}`,
    );
}

/** How many threads can serve: with passed sockets no more than there are of them. */
export function threadsFor({ workers }: Config, sockets: PassedSockets | undefined): number {
  const passed = [sockets?.port ?? [], sockets?.['tls-port'] ?? []].filter(({ length }) => length > 0);
  return Math.min(threadsOnPort(workers), ...passed.map(({ length }) => length));
}

/** Says how many threads serve where these are fewer than the options ask for. */
export function logThreads(config: Config, sockets: PassedSockets, log: Logger): void {
  const threads = threadsFor(config, sockets);
  const wanted = threadsOnPort(config.workers);
  const descriptors = NAMES.flatMap((name) => sockets[name].map(({ fd }) => `${fd}=${name}`)).join(' ');
  log.info({ descriptors, threads }, 'listening on sockets of systemd');
  if (threads < wanted)
    log.warn(
      { threads, workers: wanted },
      `${threads === 1 ? 'one thread serves' : `${threads} threads serve`}: each needs a socket of its own; add ListenStream= lines and ReusePort=yes`,
    );
}
