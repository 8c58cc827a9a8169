/**
 * Every metric there is, out of what was counted.
 * Names follow Prometheus: base units, `_total` for what only grows. Labels are the replica's name and words of small
 * fixed lists, never what a client or an engine made up. Must not hold: the text format (`exposition.ts`), counting.
 */
import { counter, type Family, one, type Shown } from './family.ts';
import { type FleetFacts, fleetFamilies, replicaFamilies, threadFamilies } from './fleet-families.ts';
import type { RequestCounts, Snapshot } from './reader.ts';
import { attemptFamilies, clientFamilies, requestFamilies } from './request-families.ts';

/**
 * How much is said of each replica. `full`: everything. `brief`, for a large fleet: histograms are those of all
 * replicas together, and counts of nothing are left out. `alone`: everything of them, and of nothing else.
 */
export type Detail = 'full' | 'brief' | 'alone';

/** Everything that is shown, of one moment. */
export interface Facts extends FleetFacts {
  readonly counts: Snapshot;
  readonly waiting: number;
  /** Lines of the balancer's own log that nobody will read. */
  readonly logDropped: number;
  readonly detail: Detail;
  /** Replicas have been removed since the start. */
  readonly hasRemoved: boolean;
}

/** What is shown in place of a replica's name, which never begins so: whose requests the balancer itself answered, … */
const NO_REPLICA = '-';
/** … what replicas counted that are gone, … */
const REMOVED = '(removed)';
/** … and all replicas, those that are gone included. */
const ALL = '(all)';

/** All families, the same ones at all times. */
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
