/**
 * From the measurements of the rounds to one row a peer. Pure. Ratios are taken inside a round, where both sides met
 * the same machine, and the median is taken over the rounds' ratios, not over quotients of medians.
 */

/** Everything that can be known of a peer in a case; each case fills what it measures. */
export const METRICS = [
  'cpuUs',
  'toNginx',
  'toHaproxy',
  'toHttpProxy',
  'toOneWorker',
  'perSecond',
  'p50Ms',
  'p99Ms',
  'addedP50Ms',
  'addedP99Ms',
  'readyMs',
  'idleMiB',
  'halfwayMiB',
  'residentMiB',
  'connectionKiB',
  'requests',
  'errors',
  'busy',
] as const;
export type Metric = (typeof METRICS)[number];
export type Values = Readonly<Partial<Record<Metric, number>>>;

export interface Sample {
  readonly peer: string;
  readonly values: Values;
}

export interface Row extends Sample {
  readonly rounds: number;
  /** Lowest and highest CPU µs per request of the rounds. */
  readonly cpuRangeUs?: readonly [number, number];
}

export const ONE_WORKER = 'ringlb, 1 worker';
export const DIRECT = 'direct';

/** `metric` is `of`, divided by the same of `peer`. */
const RATIOS: readonly { readonly metric: Metric; readonly peer: string }[] = [
  { metric: 'toNginx', peer: 'nginx' },
  { metric: 'toHaproxy', peer: 'haproxy' },
  { metric: 'toHttpProxy', peer: 'http-proxy' },
  { metric: 'toOneWorker', peer: ONE_WORKER },
];

/** The middle value, or the mean of the two middle ones; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The smallest value that at least `fraction` of the sorted values do not exceed (nearest rank); NaN of nothing. */
export function percentile(sorted: ArrayLike<number>, fraction: number): number {
  const rank = Math.max(1, Math.ceil(fraction * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** Adds to each sample of one round how it compares with the others of that round. */
export function compare(round: readonly Sample[]): Sample[] {
  const of = (peer: string, metric: Metric) =>
    round.find((sample) => sample.peer === peer)?.values[metric] ?? Number.NaN;
  return round.map(({ peer, values }) => {
    const more: Partial<Record<Metric, number>> = { ...values };
    for (const ratio of RATIOS) more[ratio.metric] = (values.cpuUs ?? Number.NaN) / of(ratio.peer, 'cpuUs');
    if (peer !== DIRECT) {
      more.addedP50Ms = (values.p50Ms ?? Number.NaN) - of(DIRECT, 'p50Ms');
      more.addedP99Ms = (values.p99Ms ?? Number.NaN) - of(DIRECT, 'p99Ms');
    }
    return { peer, values: more };
  });
}

function rowOf(peer: string, rounds: readonly Values[]): Row {
  const known = (metric: Metric) =>
    rounds.map((values) => values[metric] ?? Number.NaN).filter((value) => Number.isFinite(value));
  const values: Partial<Record<Metric, number>> = {};
  for (const metric of METRICS) {
    const all = known(metric);
    if (all.length === 0) continue;
    values[metric] = metric === 'errors' ? all.reduce((sum, count) => sum + count, 0) : median(all);
  }
  const cpu = known('cpuUs');
  const range = cpu.length === 0 ? {} : { cpuRangeUs: [Math.min(...cpu), Math.max(...cpu)] as const };
  return { peer, values, rounds: rounds.length, ...range };
}

/** One row a peer in the order of first appearance: medians over the rounds, errors summed. */
export function summarise(rounds: readonly (readonly Sample[])[]): Row[] {
  const byPeer = new Map<string, Values[]>();
  for (const { peer, values } of rounds.flatMap(compare)) {
    byPeer.set(peer, [...(byPeer.get(peer) ?? []), values]);
  }
  return [...byPeer].map(([peer, values]) => rowOf(peer, values));
}
