/**
 * The metrics of replicas, of the fleet and of the threads: their names, what they mean, and their samples.
 * Must not hold: what was counted of requests (`request-families.ts`).
 */
import type { ReplicaState } from '../core/replica.ts';
import { counter, type Family, gauge, histogram, one, type Sample } from './family.ts';
import type { FleetCounts } from './fleet-counts.ts';
import type { ThreadHealthCounts } from './reader.ts';

/** A replica as the control plane knows it. */
export interface ReplicaFacts {
  readonly name: string;
  readonly state: ReplicaState;
  readonly inFlight: number;
  readonly slots: number;
  /** Its part of the slots, 0 to 1. */
  readonly share: number;
}

const STATES: readonly ReplicaState[] = ['starting', 'healthy', 'unhealthy', 'draining'];
export function replicaFamilies(replicas: readonly ReplicaFacts[], fleet: FleetCounts): readonly Family[] {
  const histories = replicas.map(({ name }) => ({ labels: { replica: name }, ...fleet.historyOf(name) }));
  const of = (read: (replica: ReplicaFacts) => number): readonly Sample[] =>
    replicas.map((replica) => ({ labels: { replica: replica.name }, value: read(replica) }));
  return [
    gauge(
      'ringlb_replica_up',
      '1 where the replica is healthy.',
      of(({ state }) => Number(state === 'healthy')),
    ),
    gauge(
      'ringlb_replica_state',
      '1 for the state that the replica is in.',
      replicas.flatMap(({ name, state }) =>
        STATES.map((one) => ({ labels: { replica: name, state: one }, value: Number(one === state) })),
      ),
    ),
    gauge(
      'ringlb_in_flight',
      'Requests in flight on the replica.',
      of(({ inFlight }) => inFlight),
    ),
    gauge(
      'ringlb_replica_slots',
      'Slots that the replica owns.',
      of(({ slots }) => slots),
    ),
    gauge(
      'ringlb_replica_share_ratio',
      "The replica's part of all slots.",
      of(({ share }) => share),
    ),
    histogram(
      'ringlb_probe_duration_seconds',
      'Time that a probe of the replica took.',
      histories.map(({ labels, probeDuration }) => [labels, probeDuration]),
    ),
    counter(
      'ringlb_probe_failures_total',
      'Probes of the replica that failed.',
      histories.map(({ labels, probeFailures: value }) => ({ labels, value })),
    ),
    counter(
      'ringlb_ejections_total',
      'Times that the replica was put out because its requests failed.',
      histories.map(({ labels, ejections: value }) => ({ labels, value })),
    ),
    counter(
      'ringlb_failed_starts_total',
      'Starts of an instance that came to nothing.',
      histories.map(({ labels, failedStarts: value }) => ({ labels, value })),
    ),
    counter(
      'ringlb_replacements_total',
      'Instances replaced by another, by what was wrong first.',
      histories.flatMap(({ labels, replacements }) =>
        Object.entries(replacements).map(([cause, value]) => ({ labels: { ...labels, cause }, value })),
      ),
    ),
  ];
}

/** What is known of the fleet as a whole. */
export interface FleetFacts {
  readonly replicas: readonly ReplicaFacts[];
  readonly fleet: FleetCounts;
  readonly eligible: number;
  readonly tableVersion: number;
  readonly imbalance: number;
}

export function fleetFamilies({
  replicas,
  fleet,
  eligible,
  tableVersion,
  imbalance,
}: FleetFacts): readonly Family[] {
  return [
    gauge('ringlb_replicas', 'Replicas, those included that drain.', one(replicas.length)),
    gauge('ringlb_eligible_replicas', 'Replicas that may be given requests.', one(eligible)),
    gauge(
      'ringlb_panic',
      '1 while so much of the fleet is not ready that all that respond to probes get requests.',
      one(Number(fleet.isPanicking)),
    ),
    gauge(
      'ringlb_route_table_version',
      'Goes up by one with every table that is published.',
      one(tableVersion),
    ),
    gauge(
      'ringlb_imbalance_ratio',
      'Requests of the last minute: those of the replica with most, divided by the mean; 0 without requests.',
      one(imbalance),
    ),
    histogram(
      'ringlb_replace_duration_seconds',
      'From the first sign that an instance was lost until another was healthy in its place.',
      [[{}, fleet.replaceDuration]],
    ),
  ];
}

export function threadFamilies(health: readonly ThreadHealthCounts[], ended: number): readonly Family[] {
  const gc = health.flatMap(({ name, gcRuns, gcMs }) =>
    Object.entries(gcRuns).flatMap(([kind, runs]) => {
      const labels = { thread: name, kind };
      return [
        {
          labels,
          value: gcMs[kind as keyof typeof gcMs] / 1000,
          metricName: 'ringlb_gc_duration_seconds_sum',
        },
        { labels, value: runs, metricName: 'ringlb_gc_duration_seconds_count' },
      ];
    }),
  );
  return [
    histogram(
      'ringlb_eventloop_delay_seconds',
      'How late timers of the thread were, looked at 50 times a second.',
      health.map(({ name, loopDelay }) => [{ thread: name }, loopDelay]),
    ),
    counter(
      'ringlb_eventloop_active_seconds_total',
      'Time in which the thread did not wait for something to do.',
      health.map(({ name, activeMs }) => ({ labels: { thread: name }, value: activeMs / 1000 })),
    ),
    {
      name: 'ringlb_gc_duration_seconds',
      help: 'Time that the collector took.',
      type: 'summary',
      values: gc,
    },
    gauge(
      'ringlb_thread_heap_bytes',
      "The thread's heap.",
      health.flatMap(({ name: thread, heap }) => [
        { labels: { thread, kind: 'used' }, value: heap.usedBytes },
        { labels: { thread, kind: 'total' }, value: heap.totalBytes },
        { labels: { thread, kind: 'external' }, value: heap.externalBytes },
      ]),
    ),
    counter('ringlb_thread_deaths_total', 'Data threads that died and were started again.', one(ended)),
  ];
}
