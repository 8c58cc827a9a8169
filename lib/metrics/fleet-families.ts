/** The metrics of replicas, of the fleet and of the threads: their names, their help and their samples. */
import { SCALE_LIMITS } from '../core/policy/autoscale.ts';
import type { ReplicaState } from '../core/replica.ts';
import {
  counter,
  each,
  eachOf,
  type Family,
  gauge,
  histogram,
  histograms,
  one,
  type Sample,
  type Shown,
} from './family.ts';
import type { FleetCounts, ReplicaHistory, ScaleCounts } from './fleet-counts.ts';
import type { ThreadHealthCounts } from './reader.ts';

/** A replica as the control plane knows it. */
export interface ReplicaFacts {
  readonly name: string;
  readonly state: ReplicaState;
  readonly inFlight: number;
  readonly slots: number;
  /** Its part of the slots, 0 to 1. */
  readonly share: number;
  /** What its instance runs. */
  readonly image?: string | null;
  readonly generation?: number | null;
}

const STATES: readonly ReplicaState[] = ['starting', 'healthy', 'unhealthy', 'draining'];

/** The present state of `replicas`, and what was counted of those in `shown`. */
export function replicaFamilies(
  replicas: readonly ReplicaFacts[],
  shown: Shown<ReplicaHistory>,
): readonly Family[] {
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
        STATES.filter((one) => shown.all === undefined || one === state).map((one) => ({
          labels: { replica: name, state: one },
          value: Number(one === state),
        })),
      ),
    ),
    gauge(
      'ringlb_replica_info',
      '1 for what the instance of the replica runs: its image, and the generation of the deploy that started it.',
      replicas.map(({ name, image, generation }) => ({
        labels: { replica: name, image: image ?? '', generation: String(generation ?? '') },
        value: 1,
      })),
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
      histograms(shown, 'probeDuration'),
    ),
    counter(
      'ringlb_probe_failures_total',
      'Probes of the replica that failed.',
      each(shown, ({ probeFailures }) => probeFailures),
    ),
    counter(
      'ringlb_ejections_total',
      'Ejections of the replica because its requests failed.',
      each(shown, ({ ejections }) => ejections),
    ),
    counter(
      'ringlb_failed_starts_total',
      'Starts of an instance that failed.',
      each(shown, ({ failedStarts }) => failedStarts),
    ),
    counter(
      'ringlb_replacements_total',
      'Instances that were replaced, by what was wrong first.',
      eachOf(shown, 'cause', ({ replacements }) => replacements),
    ),
  ];
}

/** What is known of the fleet as a whole. */
export interface FleetFacts {
  readonly replicas: readonly ReplicaFacts[];
  readonly fleet: FleetCounts;
  readonly eligible: number;
  readonly tableVersion: number;
  /** The balancers that share the pool, this one first; none where it has one owner. */
  readonly peers?: readonly { readonly tableHash: string }[];
  /** Requests are read by the balancer's own parser. */
  readonly fastPath: boolean;
  readonly imbalance: number;
  /** Those of the TLS port, if any, and the time that their expiry is measured from. */
  readonly certificates?: readonly { readonly name: string; readonly expiresMs: number }[];
  readonly wallMs?: number;
}

export function fleetFamilies({
  replicas,
  fleet,
  eligible,
  tableVersion,
  peers = [],
  fastPath,
  imbalance,
  certificates = [],
  wallMs = 0,
}: FleetFacts): readonly Family[] {
  return [
    gauge(
      'ringlb_certificate_expiry_seconds',
      'Time until a certificate of the TLS port expires; negative after that.',
      certificates.map(({ name, expiresMs }) => ({ labels: { name }, value: (expiresMs - wallMs) / 1000 })),
    ),
    gauge('ringlb_replicas', 'Replicas, draining ones included.', one(replicas.length)),
    gauge('ringlb_eligible_replicas', 'Replicas that may be given requests.', one(eligible)),
    gauge(
      'ringlb_panic',
      '1 while so much of the fleet is not ready that every replica that responds to probes gets requests.',
      one(Number(fleet.isPanicking)),
    ),
    gauge(
      'ringlb_route_table_version',
      'Incremented with every route table that is published.',
      one(tableVersion),
    ),
    gauge(
      'ringlb_pool_balancers',
      'Balancers that share the pool, this one included.',
      one(Math.max(1, peers.length)),
    ),
    gauge(
      'ringlb_pool_tables_differ',
      'Other balancers of the pool whose route table differs from the one here; above 0 for seconds only while a change spreads.',
      one(peers.filter(({ tableHash }) => tableHash !== peers[0]?.tableHash).length),
    ),
    gauge(
      'ringlb_fast_path',
      '1 where requests are read by the fast parser; 0 with --parser node, or where this version of Node.js does not allow it.',
      one(Number(fastPath)),
    ),
    gauge(
      'ringlb_imbalance_ratio',
      'Requests of the last minute: the most that one replica had, divided by the mean; 0 without requests.',
      one(imbalance),
    ),
    counter(
      'ringlb_deploy_total',
      'Deploys that have ended, by result.',
      Object.entries(fleet.deploys).map(([result, value]) => ({ labels: { result }, value })),
    ),
    ...scaleFamilies(fleet.scale),
    histogram(
      'ringlb_replace_duration_seconds',
      'From the first sign that an instance was lost until another was healthy in its place.',
      [[{}, fleet.replaceDuration]],
    ),
  ];
}

function scaleFamilies({ desired, limitedBy, changes }: ScaleCounts): readonly Family[] {
  return [
    gauge(
      'ringlb_scale_desired',
      'Replicas that there should be, by the last decision of autoscaling.',
      desired === undefined ? [] : one(desired),
    ),
    gauge(
      'ringlb_scale_limited',
      '1 for what kept the last decision of autoscaling from what the load alone would have.',
      desired === undefined
        ? []
        : SCALE_LIMITS.map((by) => ({ labels: { by }, value: Number(by === limitedBy) })),
    ),
    counter(
      'ringlb_scale_total',
      'Changes of the size by autoscaling, by direction and reason.',
      [...changes].map(([key, value]) => {
        const [direction = '', reason = ''] = key.split(' ');
        return { labels: { direction, reason }, value };
      }),
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
      'How late timers of the thread fired, sampled 50 times a second.',
      health.map(({ name, loopDelay }) => [{ thread: name }, loopDelay]),
    ),
    counter(
      'ringlb_eventloop_active_seconds_total',
      'Time in which the event loop of the thread was not idle.',
      health.map(({ name, activeMs }) => ({ labels: { thread: name }, value: activeMs / 1000 })),
    ),
    {
      name: 'ringlb_gc_duration_seconds',
      help: 'Time spent in garbage collection.',
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
