/** A metric with its samples, and constructors for each type of metric. */
import type { HistogramView } from '../core/policy/histogram.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  /** Further labels, in an object that is reused for every scrape, so that prom-client serialises it once. */
  readonly sharedLabels?: Labels;
  readonly value: number;
  /** Where it is not the family's. */
  readonly metricName?: string;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly values: readonly Sample[];
}

/** Bucket limits are powers of two of milliseconds, at which the histograms are exact; labels are in seconds. */
const LIMITS_MS: readonly number[] = Array.from({ length: 18 }, (_, index) => 2 ** (index - 1));
const LIMITS: readonly Labels[] = LIMITS_MS.map((ms) => ({ le: String(ms / 1000) }));
const NO_LIMIT: Labels = { le: '+Inf' };

export function counter(name: string, help: string, values: readonly Sample[]): Family {
  return { name, help, type: 'counter', values };
}

export function gauge(name: string, help: string, values: readonly Sample[]): Family {
  return { name, help, type: 'gauge', values };
}

export function one(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}

/** The counts to make samples of. */
export interface Shown<Counts> {
  readonly replicas: readonly Named<Counts>[];
  /** Pseudo-replicas, such as all removed ones. */
  readonly others: readonly Named<Counts>[];
  /** Where given, its histograms stand for those of all others, and counts of zero are left out. */
  readonly all?: Named<Pick<Counts, HistogramsOf<Counts>>>;
}

export interface Named<Counts> {
  readonly name: string;
  readonly counts: Counts;
}

/** The keys of counts that hold histograms. */
export type HistogramsOf<Counts> = {
  [Key in keyof Counts]: Counts[Key] extends HistogramView ? Key : never;
}[keyof Counts];

/** One sample for each. */
export function each<Counts>(
  { replicas, others, all }: Shown<Counts>,
  read: (counts: Counts) => number,
): readonly Sample[] {
  const samples: Sample[] = [];
  for (const { name, counts } of replicas) {
    const value = read(counts);
    if (all === undefined || value !== 0) samples.push({ labels: { replica: name }, value });
  }
  for (const { name, counts } of others) samples.push({ labels: { replica: name }, value: read(counts) });
  return samples;
}

/** One sample for each of them and each word of a fixed list. */
export function eachOf<Counts>(
  { replicas, others, all }: Shown<Counts>,
  label: string,
  read: (counts: Counts) => Readonly<Record<string, number>>,
): readonly Sample[] {
  const samples: Sample[] = [];
  const add = ({ name, counts }: Named<Counts>, isBrief: boolean): void => {
    for (const [word, value] of Object.entries(read(counts)))
      if (!isBrief || value !== 0) samples.push({ labels: { replica: name, [label]: word }, value });
  };
  for (const replica of replicas) add(replica, all !== undefined);
  for (const other of others) add(other, false);
  return samples;
}

/** A histogram for each, or the one of all. */
export function histograms<Counts, Key extends HistogramsOf<Counts>>(
  { replicas, others, all }: Shown<Counts>,
  key: Key,
): Labelled {
  const shown: readonly Named<Pick<Counts, HistogramsOf<Counts>>>[] = all ? [all] : [...replicas, ...others];
  return shown.map(({ name, counts }) => [{ replica: name }, counts[key] as HistogramView]);
}

export type Labelled = readonly (readonly [labels: Labels, histogram: HistogramView])[];

export function histogram(name: string, help: string, labelled: Labelled): Family {
  const bucket = `${name}_bucket`;
  const values = labelled.flatMap(([labels, view]) => {
    const below = view.countsBelow(LIMITS_MS);
    const { count } = view;
    return [
      ...below.map((value, index) => ({ labels, sharedLabels: LIMITS[index]!, value, metricName: bucket })),
      { labels, sharedLabels: NO_LIMIT, value: count, metricName: bucket },
      { labels, value: view.sumMs / 1000, metricName: `${name}_sum` },
      { labels, value: count, metricName: `${name}_count` },
    ];
  });
  return { name, help, type: 'histogram', values };
}
