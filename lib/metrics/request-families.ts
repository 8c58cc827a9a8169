/**
 * The metrics of requests, attempts and clients: their names, what they mean, and their samples.
 * Must not hold: replicas as the control plane sees them (`fleet-families.ts`).
 */
import {
  counter,
  each,
  eachOf,
  type Family,
  gauge,
  histogram,
  histograms,
  one,
  type Shown,
} from './family.ts';
import type { RequestCounts, ThreadCounts } from './reader.ts';

const CLASSES: readonly string[] = ['1xx', '2xx', '3xx', '4xx', '5xx'];

function byClass({ requests, byClass: classes }: RequestCounts): Readonly<Record<string, number>> {
  const answered = classes.reduce((sum, count) => sum + count, 0);
  return {
    ...Object.fromEntries(CLASSES.map((name, index) => [name, classes[index]!])),
    none: requests - answered,
  };
}

export function requestFamilies(answered: Shown<RequestCounts>): readonly Family[] {
  return [
    counter(
      'ringlb_requests_total',
      'Requests by who answered (- is the balancer itself) and status class (none: the client left before).',
      eachOf(answered, 'class', byClass),
    ),
    histogram(
      'ringlb_request_duration_seconds',
      "From a request's head to the end of its answer.",
      histograms(answered, 'duration'),
    ),
    histogram(
      'ringlb_first_byte_seconds',
      "From a request's head to the head of the replica's answer.",
      histograms(answered, 'firstByte'),
    ),
    counter(
      'ringlb_request_bytes_total',
      'Bytes of requests, heads and bodies, and of tunnels from clients.',
      each(answered, ({ bytesIn }) => bytesIn),
    ),
    counter(
      'ringlb_response_bytes_total',
      'Bytes of answers, heads and bodies, and of tunnels to clients.',
      each(answered, ({ bytesOut }) => bytesOut),
    ),
    counter(
      'ringlb_aborts_total',
      'Requests whose answer did not become whole, by who ended them.',
      eachOf(answered, 'by', ({ aborts }) => aborts),
    ),
  ];
}

export function attemptFamilies(replicas: Shown<RequestCounts>): readonly Family[] {
  const now = { ...replicas, others: [] };
  return [
    counter(
      'ringlb_failed_attempts_total',
      'Requests that the replica was given and failed, whatever became of them.',
      each(replicas, ({ failedAttempts }) => failedAttempts),
    ),
    counter(
      'ringlb_retries_total',
      'Requests sent again, by the replica that had failed them and how.',
      eachOf(replicas, 'reason', ({ retries }) => retries),
    ),
    counter(
      'ringlb_overflows_total',
      'Requests that another replica got because this one, their owner, was at its load bound.',
      each(replicas, ({ overflows }) => overflows),
    ),
    histogram(
      'ringlb_connect_duration_seconds',
      'Time to connect to the replica.',
      histograms(replicas, 'connect'),
    ),
    counter(
      'ringlb_connect_failures_total',
      'Connections to the replica that could not be made.',
      each(replicas, ({ connectFailures }) => connectFailures),
    ),
    counter(
      'ringlb_attempts_total',
      'Requests written to the replica, on a connection that had carried others or on a new one.',
      eachOf(replicas, 'connection', ({ reused, fresh }) => ({ reused, new: fresh })),
    ),
    gauge(
      'ringlb_upstream_connections',
      'Connections to the replica, a tenth of a second ago at most.',
      eachOf(now, 'state', ({ connections }) => connections),
    ),
    counter(
      'ringlb_tunnels_total',
      'Requests that switched protocols.',
      each(replicas, ({ tunnels }) => tunnels),
    ),
    gauge(
      'ringlb_open_tunnels',
      'Connections that switched protocols and are open.',
      each(now, ({ openTunnels }) => openTunnels),
    ),
  ];
}

export function clientFamilies(threads: ThreadCounts, waiting: number): readonly Family[] {
  return [
    counter('ringlb_client_connections_total', 'Client connections taken.', one(threads.clientConnections)),
    gauge(
      'ringlb_open_client_connections',
      'Client connections that are open.',
      one(threads.openClientConnections),
    ),
    counter(
      'ringlb_idle_closes_total',
      'Client connections closed because no request came on them in time.',
      one(threads.idleCloses),
    ),
    counter(
      'ringlb_failures_total',
      "Answers of the balancer's own that say what failed, by what did.",
      [...threads.failuresByCode].map(([code, value]) => ({ labels: { code }, value })),
    ),
    counter(
      'ringlb_retry_budget_exhausted_total',
      'Requests that were not retried because the budget was used up.',
      one(threads.budgetExhausted),
    ),
    counter(
      'ringlb_last_resort_timeouts_total',
      'Requests and tunnels that only the last of all time limits ended: each is a fault of the balancer, please report it.',
      one(threads.lastResorts),
    ),
    counter(
      'ringlb_access_log_lines_total',
      'Lines that were handed to the access log.',
      one(threads.logLines),
    ),
    counter(
      'ringlb_access_log_dropped_total',
      'Lines that are missing from the access log because it is slow or cannot be written.',
      one(threads.logDropped),
    ),
    gauge('ringlb_queue_depth', 'Requests that wait for a replica.', one(waiting)),
    histogram('ringlb_queue_wait_seconds', 'Wait for a replica, of requests that had to.', [
      [{}, threads.queueWait],
    ]),
  ];
}
