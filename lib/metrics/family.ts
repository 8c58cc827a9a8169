/**
 * A metric with its samples, and how each kind is made.
 * Must not hold: which metrics there are, the text format (`exposition.ts`).
 */
import type { HistogramView } from '../core/histogram.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  /** Further labels, in an object that is the same every time: it is made into text once. */
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

/** Powers of two of milliseconds, at which the histograms are exact; the label is in seconds. */
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
