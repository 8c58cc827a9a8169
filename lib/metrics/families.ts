/**
 * Every metric there is, made from the counts of one moment. Names follow Prometheus: base units, `_total` for counters.
 * Label values are replica names and words of small fixed lists, and names of images; never text from a client.
 */
import { counter, type Family, one, type Shown } from './family.ts';
import { type FleetFacts, fleetFamilies, replicaFamilies, threadFamilies } from './fleet-families.ts';
import type { RequestCounts, Snapshot } from './reader.ts';
import { attemptFamilies, clientFamilies, requestFamilies } from './request-families.ts';

/**
 * How much is exposed of each replica. `full`: everything. `brief`, for a large fleet: one histogram for all replicas
 * together, and no counts of zero. `alone`: everything of the named replicas, and nothing else.
 */
export type Detail = 'full' | 'brief' | 'alone';

/** Everything that is exposed, of one moment. */
export interface Facts extends FleetFacts {
  readonly counts: Snapshot;
  readonly waiting: number;
  /** Lines of the balancer's own log that were dropped. */
  readonly logDropped: number;
  readonly detail: Detail;
  /** Replicas have been removed since the start. */
  readonly hasRemoved: boolean;
}

/** Label value, in place of a replica's name, of requests that the balancer itself responded to, … */
const NO_REPLICA = '-';
/** … of replicas that were removed, … */
const REMOVED = '(removed)';
/** … and of all replicas, removed ones included. No name of a replica begins with such a character. */
const ALL = '(all)';

/** All families; which ones does not depend on the counts. */
export function familiesOf(facts: Facts): readonly Family[] {
  const { replicas, counts, fleet, waiting, logDropped, detail } = facts;
  const own = { name: NO_REPLICA, counts: counts.own };
  const removed = { name: REMOVED, counts: counts.removed };
  const gone = detail === 'brief' || (detail === 'full' && facts.hasRemoved);
  const shown: Shown<RequestCounts> = {
    replicas: counts.replicas.map((one) => ({ name: one.name, counts: one })),
    others: gone ? [removed] : [],
    ...(detail === 'brief' && { all: { name: ALL, counts: counts.totals } }),
  };
  const names = new Set(replicas.map(({ name }) => name));
  const ofReplicas = [
    ...requestFamilies(detail === 'alone' ? shown : { ...shown, others: [own, ...shown.others] }),
    ...attemptFamilies(shown),
    ...replicaFamilies(replicas, {
      replicas: replicas.map(({ name }) => ({ name, counts: fleet.historyOf(name) })),
      others: gone ? [{ name: REMOVED, counts: fleet.removed(names) }] : [],
      ...(detail === 'brief' && { all: { name: ALL, counts: fleet } }),
    }),
  ];
  if (detail === 'alone') return ofReplicas;
  return [
    ...ofReplicas,
    ...clientFamilies(counts.threads, waiting),
    ...fleetFamilies(facts),
    ...threadFamilies(counts.health, counts.threads.ended),
    counter(
      'ringlb_log_dropped_total',
      'Lines that are missing from the log on stderr because it is slow or cannot be written.',
      one(logDropped),
    ),
  ];
}
