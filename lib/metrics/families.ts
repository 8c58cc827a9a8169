/**
 * Every metric there is, out of what was counted.
 * Names follow Prometheus: base units, `_total` for what only grows. Labels are the replica's name and words of small
 * fixed lists, never what a client or an engine made up. Must not hold: the text format (`exposition.ts`), counting.
 */
import { counter, type Family, one } from './family.ts';
import { type FleetFacts, fleetFamilies, replicaFamilies, threadFamilies } from './fleet-families.ts';
import type { ReplicaCounts, Snapshot } from './reader.ts';
import { attemptFamilies, clientFamilies, requestFamilies } from './request-families.ts';

/** Everything that is shown, of one moment. */
export interface Facts extends FleetFacts {
  readonly counts: Snapshot;
  readonly waiting: number;
  /** Lines of the balancer's own log that nobody will read. */
  readonly logDropped: number;
}

/** The replica of what the balancer itself answered: no name of a replica, which never begins so. */
const NO_REPLICA = '-';
/** All families, the same ones at all times. */
export function familiesOf(facts: Facts): readonly Family[] {
  const { replicas, counts, fleet, waiting, logDropped } = facts;
  const answered: readonly ReplicaCounts[] = [...counts.replicas, { name: NO_REPLICA, ...counts.own }];
  return [
    ...requestFamilies(answered),
    ...attemptFamilies(counts.replicas),
    ...clientFamilies(counts.threads, waiting),
    ...replicaFamilies(replicas, fleet),
    ...fleetFamilies(facts),
    ...threadFamilies(counts.health, counts.threads.ended),
    counter(
      'ringlb_log_dropped_total',
      'Lines that are missing from the log on stderr because it is slow or cannot be written.',
      one(logDropped),
    ),
  ];
}
