/**
 * What one option means for another: which values follow from others, and which do not go together.
 * Invariant: a check runs only if every option it reads was understood, so that one mistake is reported once.
 * Must not hold: reading (`config.ts`), or what a single text may be (`value-parsers.ts`).
 */

import { isByRequestId } from '../core/hashing/hash-key.ts';
import { DEFAULT_VNODES, defaultSlots, isPrime } from '../core/hashing/placement.ts';
import type { DriverKind } from '../drivers/driver.ts';
import { cpus } from '../platform/cgroup.ts';
import { isLoopback } from '../platform/ip-addresses.ts';
import { type Config, type Key, OPTIONS } from './options.ts';
import { orList } from './suggest.ts';

/** Where the value of an option came from, for those that were given at all. */
export interface Source {
  /** `--port` or `LB_PORT`, whichever it was. */
  readonly name: string;
  readonly isFlag: boolean;
  /** As it was written. */
  readonly text: string;
}

export type Sources = ReadonlyMap<Key, Source>;

const flagOf = (key: Key): string => `--${OPTIONS[key].flag}`;
const nameOf = (key: Key, sources: Sources): string => sources.get(key)?.name ?? flagOf(key);

/** How many replicas find room for all their virtual nodes: a bound in the classic ring alone. */
function capacityOf({ algorithm, slots, vnodes }: Config): number {
  return algorithm === 'classic' ? Math.floor(slots / vnodes) : Number.POSITIVE_INFINITY;
}

/**
 * Puts in what is left to be worked out: the algorithm's slots and vnodes, the number of workers, what `classic`,
 * the hash key and a fixed list decide.
 */
export function resolve(values: Config, sources: Sources): Config {
  const algorithm = values.classic ? 'classic' : values.algorithm;
  const largest = values.driver === 'static' ? values.upstreams.length : values.maxReplicas;
  const slots = values.slots || defaultSlots(algorithm, largest);
  const vnodes = DEFAULT_VNODES[algorithm] && (values.vnodes || DEFAULT_VNODES[algorithm]);
  const workers = values.workers || cpus().cores;
  // requests that have nothing in common lose nothing where they are spread
  const loadFloor = isByRequestId(values.hashKey) ? 0 : values.loadFloor;
  const rateBurst = values.rateBurst || Math.max(1, Math.round(values.rateLimit));
  const config: Config = { ...values, algorithm, slots, vnodes, workers, loadFloor, rateBurst };
  if (values.driver === 'static') {
    return { ...config, replicas: values.upstreams.length, maxReplicas: values.upstreams.length };
  }
  if (sources.has('maxReplicas')) return config;
  return { ...config, maxReplicas: Math.min(config.maxReplicas, capacityOf(config)) };
}

/** What the placement is built from. */
const SHAPE: readonly Key[] = ['classic', 'algorithm', 'slots', 'vnodes'];

interface Check {
  readonly reads: readonly Key[];
  /** What is wrong, as a sentence, or undefined. */
  problem(config: Config, sources: Sources): string | undefined;
}

function nextPrime(from: number): number {
  let candidate = from;
  while (!isPrime(candidate)) candidate++;
  return candidate;
}

/** A flag that was meant to protect, and holds nothing: a variable of a script that was never set. */
function notBlank(key: Key): Check {
  return {
    reads: [key],
    problem(_, sources) {
      const source = sources.get(key);
      return source?.text === '' ? `${source.name} must not be empty` : undefined;
    },
  };
}

const listening: readonly Check[] = [
  {
    reads: ['port', 'adminPort'],
    problem({ port, adminPort }, sources) {
      if (port === 0 || port !== adminPort) return undefined;
      return `${nameOf('port', sources)} and ${nameOf('adminPort', sources)} must differ, both are ${port}`;
    },
  },
  {
    reads: ['adminHost', 'adminToken', 'adminTokenFile'],
    problem({ adminHost, adminToken, adminTokenFile }, sources) {
      if (adminToken !== '' || adminTokenFile !== '' || isLoopback(adminHost)) return undefined;
      return `${nameOf('adminHost', sources)} ${adminHost || '(all interfaces)'} is wider than loopback and needs --admin-token or --admin-token-file`;
    },
  },
  {
    reads: ['adminToken', 'adminTokenFile'],
    problem({ adminToken, adminTokenFile }, sources) {
      if (adminToken === '' || adminTokenFile === '') return undefined;
      return `${nameOf('adminToken', sources)} and ${nameOf('adminTokenFile', sources)} are both given; give one`;
    },
  },
  {
    reads: ['adminToken', 'adminTokenFile', 'adminTokenScope'],
    problem({ adminToken, adminTokenFile, adminTokenScope }, sources) {
      if (adminTokenScope === 'both' || adminToken !== '' || adminTokenFile !== '') return undefined;
      if (sources.get('adminTokenScope')?.isFlag !== true) return undefined;
      return `${nameOf('adminTokenScope', sources)} needs --admin-token or --admin-token-file`;
    },
  },
  notBlank('adminToken'),
  notBlank('adminTokenFile'),
];

const fleet: readonly Check[] = [
  {
    reads: ['driver', 'upstreams'],
    problem({ driver, upstreams }, sources) {
      if (driver === 'static' && upstreams.length === 0) {
        return `${nameOf('driver', sources)} static needs --upstreams http://host:port,http://host:port`;
      }
      if (driver !== 'static' && upstreams.length > 0) {
        return `${nameOf('upstreams', sources)} needs --driver static, not ${driver}`;
      }
      return undefined;
    },
  },
  {
    reads: ['driver', 'source'],
    problem({ driver, source }, sources) {
      if (driver === 'discover' && source.length === 0)
        return `${nameOf('driver', sources)} discover needs --source, such as dns:web.example:5000`;
      return undefined;
    },
  },
  {
    reads: ['driver', 'replicas', 'maxReplicas', ...SHAPE],
    problem(config, sources) {
      const { driver, replicas, maxReplicas } = config;
      // a fixed list has no number beside its length, and more than the capacity is told below
      if (
        driver === 'static' ||
        driver === 'discover' ||
        replicas <= maxReplicas ||
        replicas > capacityOf(config)
      )
        return undefined;
      return `${nameOf('replicas', sources)} must be at most ${nameOf('maxReplicas', sources)} (${maxReplicas}), not ${replicas}`;
    },
  },
  {
    reads: ['driver', 'probeIntervalMs'],
    problem({ driver, probeIntervalMs }, sources) {
      if (probeIntervalMs > 0 || driver === 'static' || driver === 'discover') return undefined;
      return `${nameOf('probeIntervalMs', sources)} 0 needs --driver static or discover: replicas that are started must be probed`;
    },
  },
  {
    reads: ['driver', 'onExit'],
    problem({ driver, onExit }, sources) {
      if (onExit === 'remove' || driver === 'docker') return undefined;
      return `${nameOf('onExit', sources)} keep needs --driver docker, not ${driver}`;
    },
  },
];

/** What must have been given with another driver than the one there is for it. */
function needsDriver(key: Key, ...needed: DriverKind[]): Check {
  return {
    reads: ['driver', key],
    problem({ driver }, sources) {
      const source = sources.get(key);
      // the environment is often shared by balancers with different drivers; a flag is meant for this one
      if (source === undefined || !source.isFlag || needed.includes(driver)) return undefined;
      return `${source.name} needs --driver ${orList(needed)}, not ${driver}`;
    },
  };
}

/** How the access log is kept, said where there is none. */
function needsAccessLog(key: Key): Check {
  return {
    reads: ['accessLog', key],
    problem({ accessLog }, sources) {
      if (accessLog !== 'off' || sources.get(key)?.isFlag !== true) return undefined;
      return `${nameOf(key, sources)} needs --access-log json or combined`;
    },
  };
}

/** How requests are limited, said where they are not. */
function needsRateLimit(key: Key): Check {
  return {
    reads: ['rateLimit', key],
    problem({ rateLimit }, sources) {
      if (rateLimit > 0 || sources.get(key)?.isFlag !== true) return undefined;
      return `${nameOf(key, sources)} needs --rate-limit, such as 100/s`;
    },
  };
}

const routing: readonly Check[] = [
  {
    reads: ['classic', 'algorithm'],
    problem({ classic }, sources) {
      const algorithm = sources.get('algorithm');
      if (!classic || algorithm === undefined || algorithm.text === 'classic') return undefined;
      return `${nameOf('classic', sources)} needs algorithm classic, and ${algorithm.name} is ${algorithm.text}`;
    },
  },
  {
    reads: [...SHAPE, 'maxReplicas', 'upstreams'],
    problem({ algorithm, slots, maxReplicas }, sources) {
      const name = nameOf('slots', sources);
      if (algorithm === 'maglev' && !isPrime(slots)) {
        return `${name} must be a prime number with algorithm maglev, such as ${nextPrime(slots)}, not ${slots}`;
      }
      if (algorithm === 'classic' || slots > maxReplicas) return undefined;
      return `${name} must be more than ${nameOf('maxReplicas', sources)} (${maxReplicas}), not ${slots}`;
    },
  },
  {
    reads: [...SHAPE, 'driver', 'replicas', 'maxReplicas', 'upstreams'],
    problem(config, sources) {
      const { driver, slots, vnodes, replicas, maxReplicas } = config;
      const capacity = capacityOf(config);
      const places = `${slots} slots of the classic ring hold ${capacity} times ${vnodes} virtual nodes`;
      if (replicas > capacity) {
        const key = driver === 'static' ? 'upstreams' : 'replicas';
        return `${nameOf(key, sources)} must be at most ${capacity}, not ${replicas}: ${places}`;
      }
      if (maxReplicas <= capacity) return undefined;
      return `${nameOf('maxReplicas', sources)} must be at most ${capacity}, not ${maxReplicas}: ${places}`;
    },
  },
  {
    reads: ['classic', 'algorithm', 'vnodes'],
    problem({ algorithm }, sources) {
      const source = sources.get('vnodes');
      if (DEFAULT_VNODES[algorithm] > 0 || !source?.isFlag) return undefined;
      return `${source.name} needs --algorithm ring or classic: ${algorithm} has no virtual nodes`;
    },
  },
];

const CHECKS: readonly Check[] = [
  ...listening,
  ...fleet,
  needsDriver('source', 'discover'),
  needsDriver('discoverIntervalMs', 'discover'),
  needsDriver('discoverGraceMs', 'discover'),
  needsDriver('resolver', 'discover'),
  needsDriver('command', 'process'),
  needsDriver('image', 'docker'),
  needsDriver('replicaPort', 'docker'),
  needsDriver('network', 'docker', 'discover'),
  needsDriver('pool', 'docker'),
  needsDriver('containerPrefix', 'docker'),
  ...routing,
  needsRateLimit('rateBurst'),
  needsRateLimit('rateKey'),
  needsRateLimit('rateEntries'),
  needsAccessLog('accessLogFile'),
  needsAccessLog('accessLogSample'),
  needsAccessLog('accessLogStatus'),
  needsAccessLog('accessLogMinMs'),
];

/** Every way in which the options do not go together; `unread` are those whose own text was wrong. */
export function crossCheck(config: Config, sources: Sources, unread: ReadonlySet<Key>): readonly string[] {
  const runnable = CHECKS.filter((check) => !check.reads.some((key) => unread.has(key)));
  return runnable.map((check) => check.problem(config, sources)).filter((problem) => problem !== undefined);
}
