/**
 * Combinations of options that are refused.
 * Invariant: a check runs only if every option it reads was parsed, so that one mistake is reported once.
 */

import { DEFAULT_VNODES, isPrime } from '../core/hashing/placement.ts';
import { formatEndpoint } from '../core/replica.ts';
import type { DriverKind } from '../drivers/driver.ts';
import { isLoopback } from '../platform/ip-addresses.ts';
import { type Check, nameOf, needs, rejectsBoth, type Sources } from './check.ts';
import { EFFECT_CHECKS } from './checks/effect-checks.ts';
import { FRONT_CHECKS } from './checks/front-checks.ts';
import { SCALE_CHECKS } from './checks/scale-checks.ts';
import { capacityOf, configuredWeights, firstNames } from './derived-values.ts';
import type { Config, Key } from './options.ts';
import { orList, quote } from './suggest.ts';

/** The options that shape the placement. */
const SHAPE: readonly Key[] = ['classic', 'algorithm', 'slots', 'vnodes'];

function nextPrime(from: number): number {
  let candidate = from;
  while (!isPrime(candidate)) candidate++;
  return candidate;
}

/** Refuses an empty value: most likely an unset variable in a script, where protection was intended. */
function rejectsBlank(key: Key): Check {
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
  rejectsBoth('adminToken', 'adminTokenFile'),
  needs(
    'adminTokenScope',
    ['adminToken', 'adminTokenFile'],
    ({ adminToken, adminTokenFile, adminTokenScope }) =>
      adminTokenScope === 'both' || adminToken !== '' || adminTokenFile !== ''
        ? undefined
        : '--admin-token or --admin-token-file',
  ),
  rejectsBlank('adminToken'),
  rejectsBlank('adminTokenFile'),
  rejectsBlank('stickySecret'),
  rejectsBlank('stickySecretFile'),
  rejectsBlank('config'),
];

const takingOver: readonly Check[] = [
  {
    reads: ['takeOver', 'port', 'adminPort'],
    problem({ takeOver, port, adminPort }, sources) {
      if (!takeOver || (port > 0 && adminPort > 0)) return undefined;
      return `${nameOf('takeOver', sources)} needs a --port and an --admin-port, not 0`;
    },
  },
];

const fleet: readonly Check[] = [
  {
    reads: ['poolMembers', 'driver'],
    problem({ poolMembers, driver }, sources) {
      if (poolMembers === 'one' || driver === 'docker' || driver === 'swarm') return undefined;
      return `${nameOf('poolMembers', sources)} many needs --driver docker or swarm, not ${driver}`;
    },
  },
  {
    reads: ['poolMembers', 'classic'],
    problem({ poolMembers, classic }, sources) {
      if (poolMembers === 'one' || !classic) return undefined;
      return `${nameOf('poolMembers', sources)} many and ${nameOf('classic', sources)} do not go together: its table depends on the order of changes`;
    },
  },
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
      // a fixed list has no count of its own, and exceeding the capacity is reported below
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
      if (onExit === 'remove' || driver === 'docker' || driver === 'swarm') return undefined;
      return `${nameOf('onExit', sources)} keep needs --driver docker or swarm, not ${driver}`;
    },
  },
];

/** An option that has no effect with the chosen driver. */
function needsDriver(key: Key, ...needed: DriverKind[]): Check {
  return needs(key, ['driver'], ({ driver }) =>
    needed.includes(driver) ? undefined : `--driver ${orList(needed)}, not ${driver}`,
  );
}

/** An option of the access log, given while the log is off. */
function needsAccessLog(key: Key): Check {
  return needs(key, ['accessLog'], ({ accessLog }) =>
    accessLog === 'off' ? '--access-log json or combined' : undefined,
  );
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
    reads: [...SHAPE, 'weights', 'upstreams'],
    problem({ algorithm, weights, upstreams }, sources) {
      if (algorithm !== 'classic') return undefined;
      const key = weights.length > 0 ? 'weights' : 'upstreams';
      const isWeighted = weights.length > 0 || upstreams.some(({ weight }) => weight !== undefined);
      return isWeighted ? `${nameOf(key, sources)}: the classic ring has no weights` : undefined;
    },
  },
  {
    reads: ['driver', 'weights', 'upstreams'],
    problem({ driver, weights, upstreams }, sources) {
      if (driver !== 'static') return undefined;
      const servers = upstreams.map(formatEndpoint);
      const unknown = weights.find(({ name }) => !servers.includes(name));
      if (unknown === undefined) return undefined;
      return `${nameOf('weights', sources)} names ${unknown.name}, which is not one of ${nameOf('upstreams', sources)}`;
    },
  },
  {
    reads: ['driver', 'replicas', 'weights', 'upstreams'],
    problem(config, sources) {
      const names = firstNames(config);
      const given = configuredWeights(config);
      if (names.length === 0 || names.some((name) => given.get(name) !== 0)) return undefined;
      const kind = config.driver === 'static' ? 'server' : 'replica';
      return `${nameOf('weights', sources)} must leave a ${kind} with a weight above 0`;
    },
  },
  needs('hashKey', ['balance'], ({ balance }) =>
    balance === 'hash' ? undefined : `--balance hash, not ${balance}, which places no request by a key`,
  ),
  needs('vnodes', ['classic', 'algorithm'], ({ algorithm }) =>
    DEFAULT_VNODES[algorithm] > 0
      ? undefined
      : `--algorithm ring or classic: ${algorithm} has no virtual nodes`,
  ),
];

/** What only a container can be given. */
const CONTAINERS_ONLY: readonly Key[] = [
  'secret',
  'volume',
  'tmpfs',
  'readOnly',
  'pids',
  'replicaUser',
  'replicaCommand',
  'replicaLabel',
  'logMaxBytes',
  'logMaxFiles',
];

const CHECKS: readonly Check[] = [
  ...listening,
  ...takingOver,
  ...FRONT_CHECKS,
  ...fleet,
  needsDriver('source', 'discover'),
  needsDriver('discoverIntervalMs', 'discover'),
  needsDriver('discoverGraceMs', 'discover'),
  needsDriver('resolver', 'discover'),
  needsDriver('command', 'process'),
  rejectsBlank('command'),
  ...(['env', 'envFile', 'memoryBytes', 'cpus', 'workdir', 'stopSignal'] as const).map((key) =>
    needsDriver(key, 'process', 'docker', 'swarm'),
  ),
  ...CONTAINERS_ONLY.map((key) => needsDriver(key, 'docker', 'swarm')),
  {
    reads: ['driver', 'workdir'],
    problem({ driver, workdir }, sources) {
      const isInContainer = driver === 'docker' || driver === 'swarm';
      if (!isInContainer || workdir === '' || workdir.startsWith('/')) return undefined;
      return `${nameOf('workdir', sources)} must be an absolute path with --driver ${driver}, not ${quote(workdir)}`;
    },
  },
  needsDriver('image', 'docker', 'swarm'),
  needsDriver('replicaPort', 'docker', 'swarm'),
  needsDriver('network', 'docker', 'swarm', 'discover'),
  needsDriver('pool', 'docker', 'swarm'),
  needsDriver('containerPrefix', 'docker'),
  needsDriver('engines', 'swarm'),
  needsDriver('constraints', 'swarm'),
  needsDriver('swarmPublish', 'swarm'),
  needsDriver('swarmHealMs', 'swarm'),
  ...routing,
  ...SCALE_CHECKS,
  ...EFFECT_CHECKS,
  ...(['scaleMax', 'scaleMin', 'scaleTarget', 'scaleIdleMs'] as const).map((key) =>
    needsDriver(key, 'process', 'docker', 'swarm'),
  ),
  needsAccessLog('accessLogFile'),
  needsAccessLog('accessLogSample'),
  needsAccessLog('accessLogStatus'),
  needsAccessLog('accessLogMinMs'),
];

/** Every problem with the combination of options; `unread` are those that failed to parse. */
export function crossCheck(config: Config, sources: Sources, unread: ReadonlySet<Key>): readonly string[] {
  const runnable = CHECKS.filter((check) => !check.reads.some((key) => unread.has(key)));
  return runnable.map((check) => check.problem(config, sources)).filter((problem) => problem !== undefined);
}
