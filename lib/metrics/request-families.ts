/** The metrics of requests, attempts and clients: their names, their help and their samples. */
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
  const withStatus = classes.reduce((sum, count) => sum + count, 0);
  return {
    ...Object.fromEntries(CLASSES.map((name, index) => [name, classes[index]!])),
    none: requests - withStatus,
  };
}

export function requestFamilies(shown: Shown<RequestCounts>): readonly Family[] {
  return [
    counter(
      'ringlb_requests_total',
      'Requests by who responded (- is the balancer itself) and status class (none: the client closed before).',
      eachOf(shown, 'class', byClass),
    ),
    histogram(
      'ringlb_request_duration_seconds',
      "From a request's head to the end of the response.",
      histograms(shown, 'duration'),
    ),
    histogram(
      'ringlb_first_byte_seconds',
      "From a request's head to the head of the replica's response.",
      histograms(shown, 'firstByte'),
    ),
    counter(
      'ringlb_request_bytes_total',
      'Bytes of requests, heads and bodies, and of tunnels from clients.',
      each(shown, ({ bytesIn }) => bytesIn),
    ),
    counter(
      'ringlb_response_bytes_total',
      'Bytes of responses, heads and bodies, and of tunnels to clients.',
      each(shown, ({ bytesOut }) => bytesOut),
    ),
    counter(
      'ringlb_aborts_total',
      'Requests without a complete response, by who ended them.',
      eachOf(shown, 'by', ({ aborts }) => aborts),
    ),
  ];
}

export function attemptFamilies(replicas: Shown<RequestCounts>): readonly Family[] {
  const now = { ...replicas, others: [] };
  return [
    counter(
      'ringlb_failed_attempts_total',
      'Attempts at the replica that failed, retried or not.',
      each(replicas, ({ failedAttempts }) => failedAttempts),
    ),
    counter(
      'ringlb_retries_total',
      'Retries, by the replica that had failed the request and why.',
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
      'Connections to the replica that could not be opened.',
      each(replicas, ({ connectFailures }) => connectFailures),
    ),
    counter(
      'ringlb_attempts_total',
      'Attempts at the replica, on a reused connection or on a new one.',
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
    counter(
      'ringlb_client_connections_total',
      'Client connections accepted.',
      one(threads.clientConnections),
    ),
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
      'ringlb_tls_handshakes_total',
      'TLS handshakes by result: full, resumed from a session ticket, or failed.',
      Object.entries(threads.handshakes).map(([result, value]) => ({ labels: { result }, value })),
    ),
    counter(
      'ringlb_failures_total',
      'Failures that the balancer itself responded with, by what failed.',
      [...threads.failuresByCode].map(([code, value]) => ({ labels: { code }, value })),
    ),
    counter(
      'ringlb_retry_budget_exhausted_total',
      'Requests that were not retried because the budget was exhausted.',
      one(threads.budgetExhausted),
    ),
    counter(
      'ringlb_last_resort_timeouts_total',
      'Requests and tunnels that only the last-resort time limit ended: each is a bug of the balancer, please report it.',
      one(threads.lastResorts),
    ),
    counter('ringlb_access_log_lines_total', 'Lines passed to the access log.', one(threads.logLines)),
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
