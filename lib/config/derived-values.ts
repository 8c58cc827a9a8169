/** Values of options that follow from other options. */
import { isByRequestId } from '../core/hashing/hash-key.ts';
import { DEFAULT_VNODES, defaultSlots } from '../core/hashing/placement.ts';
import { formatEndpoint } from '../core/replica.ts';
import { cpus } from '../platform/cgroup.ts';
import type { Sources } from './check.ts';
import type { Config } from './options.ts';
import { NO_MINIMUM } from './parsers/scale-parsers.ts';

/** How many replicas the classic ring has slots for; other algorithms have no such limit. */
export function capacityOf({ algorithm, slots, vnodes }: Config): number {
  return algorithm === 'classic' ? Math.floor(slots / vnodes) : Number.POSITIVE_INFINITY;
}

/**
 * Fills in derived values: slots and vnodes of the algorithm, the number of workers, and what follows from `classic`,
 * the hash key and a fixed list of servers.
 */
export function resolve(values: Config, sources: Sources): Config {
  const algorithm = values.classic ? 'classic' : values.algorithm;
  const largest = values.driver === 'static' ? values.upstreams.length : values.maxReplicas;
  const slots = values.slots || defaultSlots(algorithm, largest);
  const vnodes = DEFAULT_VNODES[algorithm] && (values.vnodes || DEFAULT_VNODES[algorithm]);
  const workers = values.workers || cpus().cores;
  // random keys have no cache affinity to lose, so no floor is needed
  const loadFloor = isByRequestId(values.hashKey) ? 0 : values.loadFloor;
  const rateBurst = values.rateBurst || Math.max(1, Math.round(values.rateLimit));
  // by load no request has a key
  const hashKey: Config['hashKey'] = values.balance === 'hash' ? values.hashKey : [{ kind: 'p2c' }];
  const scaleMin = values.scaleMin === NO_MINIMUM ? values.replicas : values.scaleMin;
  const shape = { algorithm, slots, vnodes };
  const config: Config = { ...values, ...shape, workers, hashKey, loadFloor, rateBurst, scaleMin };
  if (values.driver === 'static') {
    const { length } = values.upstreams;
    // room for those that a reload adds
    const room = Math.min(config.maxReplicas, capacityOf(config), slots - 1);
    return { ...config, replicas: length, maxReplicas: Math.max(length, room) };
  }
  if (sources.has('maxReplicas')) return config;
  return { ...config, maxReplicas: Math.min(config.maxReplicas, capacityOf(config)) };
}

/** The weights that a reload sets: of servers that are new on the list, and of those whose weight in the options is another. */
export function changedWeights(
  before: Pick<Config, 'weights' | 'upstreams'>,
  after: Pick<Config, 'weights' | 'upstreams'>,
): Map<string, number> {
  const listedBefore = new Set(before.upstreams.map(formatEndpoint));
  const weightsBefore = configuredWeights(before);
  const weights = configuredWeights(after);
  const changed = after.upstreams.map(formatEndpoint).flatMap((name) => {
    const weight = weights.get(name) ?? 1;
    const isSame = listedBefore.has(name) && weight === (weightsBefore.get(name) ?? 1);
    return isSame ? [] : [[name, weight] as const];
  });
  return new Map(changed);
}

/**
 * The options of one of `balancers` that share a fleet, where each takes its part of what is meant for the whole: what a
 * replica may have in flight, and the rate and connections of a client.
 */
export function sharedOut(config: Config, balancers: number): Config {
  const partOf = (value: number): number => (value === 0 ? 0 : Math.max(1, Math.ceil(value / balancers)));
  return {
    ...config,
    maxInFlight: partOf(config.maxInFlight),
    rateLimit: config.rateLimit / balancers,
    rateBurst: partOf(config.rateBurst),
    maxConnectionsPerClient: partOf(config.maxConnectionsPerClient),
  };
}

/** The names that a fleet begins with; none where it is found at the start, or named at random. */
export function firstNames({
  driver,
  replicas,
  classic,
  upstreams,
}: Pick<Config, 'driver' | 'replicas' | 'classic' | 'upstreams'>): readonly string[] {
  if (driver === 'static') return upstreams.map(formatEndpoint);
  if (driver !== 'process' || classic) return [];
  return Array.from({ length: replicas }, (_, index) => `S${index + 1}`);
}

/** The weights that options give to names: of a fixed server also behind its address, which --weights overrides. */
export function configuredWeights({
  weights,
  upstreams,
}: Pick<Config, 'weights' | 'upstreams'>): Map<string, number> {
  return new Map([
    ...upstreams.flatMap((upstream) =>
      upstream.weight === undefined ? [] : [[formatEndpoint(upstream), upstream.weight] as const],
    ),
    ...weights.map(({ name, weight }) => [name, weight] as const),
  ]);
}
