/**
 * Options that would have no effect beside the value of another. One that a reload can bring to effect, as the
 * authorities for servers that are still to be listed, is let be.
 */
import type { SourceSpec } from '../../core/discovery/source-spec.ts';
import { isByRequestId } from '../../core/hashing/hash-key.ts';
import { type Check, isMeant, nameOf, type Source } from '../check.ts';
import type { Config, Key } from '../options.ts';

/** `missing` says what `key` needs to have an effect, or undefined. */
function needs(
  key: Key,
  reads: readonly Key[],
  missing: (config: Config, source: Source) => string | undefined,
): Check {
  return {
    reads: [key, ...reads],
    problem(config, sources) {
      const source = sources.get(key);
      if (!isMeant(source)) return undefined;
      const what = missing(config, source);
      return what === undefined ? undefined : `${nameOf(key, sources)} needs ${what}`;
    },
  };
}

/** How a probe over HTTP is made. */
const OF_HTTP_PROBES: readonly Key[] = [
  'probePath',
  'probeExpect',
  'probeHost',
  'probeHeader',
  'probePort',
  'probeTimeoutMs',
];

/** The load bound is for requests that are placed by a key. */
function missingKey({ balance, hashKey }: Config): string | undefined {
  if (balance !== 'hash') return `--balance hash, not ${balance}, which places no request by a key`;
  const isByLoad = hashKey.every(({ kind }) => kind === 'p2c');
  return isByLoad ? '--hash-key with a key before p2c, which places no request by one' : undefined;
}

/** With `--driver discover`, an option for some kinds of sources. */
function needsSource(key: Key, what: string, ...kinds: SourceSpec['kind'][]): Check {
  return needs(key, ['driver', 'source'], ({ driver, source }) => {
    if (driver !== 'discover' || source.length === 0) return undefined;
    return source.some(({ kind }) => kinds.includes(kind)) ? undefined : `--source ${what}`;
  });
}

export const EFFECT_CHECKS: readonly Check[] = [
  needs('slowStartFrom', ['slowStartMs'], ({ slowStartMs }) =>
    slowStartMs > 0 ? undefined : '--slow-start, such as --slow-start 30s',
  ),
  needs('loadFactor', ['balance', 'hashKey'], (config) =>
    config.loadFactor > 0 ? missingKey(config) : undefined,
  ),
  needs('loadFloor', ['balance', 'hashKey', 'loadFactor'], (config, { text }) => {
    // 0 is what it would be anyway
    if (Number(text) === 0) return undefined;
    if (config.loadFactor === 0) return '--load-factor above 0';
    const isByOwnId = config.balance === 'hash' && isByRequestId(config.hashKey);
    return isByOwnId ? '--hash-key with more than request-id, which has no minimum' : missingKey(config);
  }),
  needs('retryBudget', ['retries'], ({ retries, retryBudget }) =>
    retries === 0 && retryBudget > 0 ? '--retries above 0' : undefined,
  ),
  ...OF_HTTP_PROBES.map((key) =>
    needs(key, ['driver', 'probeIntervalMs'], ({ driver, probeIntervalMs }) => {
      // elsewhere the interval itself is refused
      const isOff = probeIntervalMs === 0 && (driver === 'static' || driver === 'discover');
      return isOff ? '--probe-interval above 0' : undefined;
    }),
  ),
  needsSource('resolver', 'dns:… or srv:…', 'dns', 'srv'),
  needsSource('network', 'docker:…', 'docker'),
  needs('poolMembers', ['driver'], ({ driver, poolMembers }) =>
    driver === 'swarm' && poolMembers === 'one'
      ? '--driver docker: a pool of a Swarm is always shared'
      : undefined,
  ),
  needs('logMaxFiles', ['logMaxBytes'], ({ logMaxBytes }) =>
    logMaxBytes === 0 ? '--log-max-size above 0' : undefined,
  ),
  needs('lenientReplicas', ['upstreamProtocol'], ({ lenientReplicas, upstreamProtocol }) =>
    lenientReplicas && upstreamProtocol === 'h2' ? '--upstream-protocol http1' : undefined,
  ),
  needs('adminTokenScope', ['publicAdmin'], ({ adminTokenScope, publicAdmin }) =>
    adminTokenScope === 'admin' && !publicAdmin ? '--public-admin on' : undefined,
  ),
  needs('startTimeoutMs', ['driver', 'takeOver'], ({ driver, takeOver }) => {
    // a balancer that takes over waits this long for servers that others run, too
    const isForeign = driver === 'static' || driver === 'discover';
    return isForeign && !takeOver ? `--driver process, docker or swarm, not ${driver}` : undefined;
  }),
];
