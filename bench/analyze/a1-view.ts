/** What A-1 found, as sentences, tables and a chart. Pure. */
import type { Distribution, Repeated } from './a1.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { count, duration, fixed, percent, signed } from './format.ts';
import { type Chart, type Section, type Table, table } from './section.ts';
import { mark, whiskers } from './series.ts';
import { rangeOf } from './statistics.ts';

/** 95 % of a fair split's counts lie within so many standard deviations. */
const TWO_SIDED_95 = 1.96;

const reachOf = ({ fair }: Distribution) => TWO_SIDED_95 * fair.deviation;

/** How the unevenness compares with chance, as the end of a sentence. */
export function againstChance({ fairAsUneven }: Pick<Distribution, 'fairAsUneven'>): string {
  if (fairAsUneven < 0.05) return `more uneven than ${percent(1 - fairAsUneven, 0)} of fair random splits`;
  return `no more uneven than chance: ${percent(fairAsUneven, 0)} of fair random splits are as uneven or more`;
}

/** Requests of each replica over the seeds. */
const countsOf = ({ names, repeats }: Repeated) =>
  names.map((_, at) => rangeOf(repeats.map(({ counts }) => counts[at]!)));

/** `, mean of 10 seeds` where there are several. */
const overSeeds = ({ repeats }: Repeated) =>
  repeats.length === 1
    ? ''
    : `, mean of ${repeats.length} seeds (bars: least to most); with each another replica may be the busiest`;

function barsOf(a1: Repeated): readonly object[] {
  const { mean } = a1.spread;
  const reach = reachOf(a1);
  const ranges = countsOf(a1);
  const label = {
    show: true,
    position: 'inside',
    color: '#ffffff',
    fontSize: 15,
    fontWeight: 600,
  };
  const bars = {
    name: 'requests answered',
    type: 'bar',
    barWidth: '45%',
    itemStyle: { color: COLORS.blue },
    data: ranges.map(({ mean: value }) => {
      const formatter = `${count(value)}\n(${signed((value / mean - 1) * 100, 1)} %)`;
      return { value, label: { ...label, formatter } };
    }),
    markLine: mark({ position: 'insideEndTop', formatter: `mean ${count(mean)}` }, { yAxis: mean }),
    markArea: {
      silent: true,
      itemStyle: { color: COLORS.orange, opacity: 0.35 },
      data: [[{ yAxis: mean - reach }, { yAxis: mean + reach }]],
    },
  };
  if (a1.repeats.length === 1) return [bars];
  return [bars, whiskers(ranges.map(({ low, high }, at) => ({ at, low, high })))];
}

/** Seeds whose split is no more uneven than chance. */
const withinChance = ({ repeats }: Repeated) =>
  repeats.filter(({ fairAsUneven }) => fairAsUneven >= 0.05).length;

function titleOf(a1: Repeated): string {
  const { repeats, replicas } = a1;
  const { mean } = rangeOf(repeats.map(({ spread }) => spread.imbalance));
  const within = withinChance(a1);
  const chance =
    repeats.length === 1
      ? within === 0
        ? 'more than chance explains'
        : 'within what chance does'
      : `within what chance does with ${within} of ${repeats.length} seeds`;
  return `The busiest of ${replicas} replicas answered ${fixed(mean, 3)} times its share: ${chance}`;
}

function chart(a1: Repeated): Chart {
  const { spread, names, load } = a1;
  const ranges = countsOf(a1);
  return renderChart({
    name: 'a1-requests',
    title: titleOf(a1),
    subtitle: `${count(spread.total)} requests with random six-digit ids, algorithm ${a1.algorithm}${overSeeds(a1)}. Shaded: where 95 % of the counts of a perfectly fair random split lie (${count(spread.mean)} ± ${count(reachOf(a1))}).`,
    alt: `Bars: requests answered by ${names.map((name, at) => `${name} ${count(ranges[at]!.mean)}`).join(', ')}; mean ${count(spread.mean)}.`,
    sample: `${count(spread.total + load.errors)} requests${a1.repeats.length > 1 ? ' with each seed' : ''}`,
    isRepeated: true,
    data: {
      head: ['replica', 'seed', 'answered', 'owned'],
      rows: a1.repeats.flatMap(({ seed, counts, owned }) =>
        names.map((name, at) => [name, seed, counts[at]!, owned[at]!]),
      ),
    },
    height: 310,
    option: (top) => ({
      grid: gridAt({ top }),
      xAxis: xAxis('replica', { type: 'category' as const, data: [...names], axisTick: { show: false } }),
      yAxis: yAxis('requests answered', { min: 0, nameGap: 56 }),
      series: barsOf(a1),
    }),
  });
}

/** Values over the seeds as one cell: the value, or the mean and what it lies between. */
export function overRuns(values: readonly number[], show: (value: number) => string): string {
  const { mean, low, high } = rangeOf(values);
  return values.length === 1 ? show(mean) : `${show(mean)} (${show(low)} to ${show(high)})`;
}

function figures(a1: Repeated): Table {
  const { spread, fair, load, repeats } = a1;
  const range = `90 % of ${count(fair.runs)} splits: ${fixed(fair.low, 4)} to ${fixed(fair.high, 4)}`;
  const over = (of: (each: Distribution) => number, show: (value: number) => string) =>
    overRuns(repeats.map(of), show);
  const four = (value: number) => fixed(value, 4);
  return table(
    `A-1 in figures${repeats.length > 1 ? `: means of ${repeats.length} seeds (least to most)` : ''}`,
    ['', 'value'],
    [
      ['requests', count(spread.total + load.errors)],
      ['errors', over((each) => each.load.errors, count)],
      ['max ÷ mean', over((each) => each.spread.imbalance, four)],
      ['max ÷ mean of a fair random split', `${fixed(fair.imbalance, 4)} (${range})`],
      ['max ÷ mean of the owners by the table', over((each) => each.ownedSpread.imbalance, four)],
      [
        'standard deviation, requests',
        over(
          (each) => each.spread.deviation,
          (value) => fixed(value, 1),
        ),
      ],
      ['standard deviation of a fair random split', fixed(fair.deviation, 1)],
      [
        'answered by another replica than the owner',
        over(
          (each) => each.overflow,
          (share) => percent(share),
        ),
      ],
      ['requests a second', over((each) => each.load.perSecond, count)],
      ['p50', over((each) => each.load.p50Ms, duration)],
      ['p99', over((each) => each.load.p99Ms, duration)],
    ],
  );
}

function splitSentence(a1: Repeated): string {
  const { repeats } = a1;
  if (repeats.length === 1) return `The split is ${againstChance(a1)}.`;
  return `With ${withinChance(a1)} of ${repeats.length} seeds the split is no more uneven than chance: at least 5 % of fair random splits are as uneven or more.`;
}

function overflowSentence({ repeats }: Repeated): string {
  const overflow = rangeOf(repeats.map((each) => each.overflow)).mean;
  if (overflow === 0) return 'Every request was answered by the owner of its id.';
  return `${percent(overflow)} of the requests were answered by another replica than the owner of their id: with many under way at a time the owner was at the load bound, and the request went on to the next replica.`;
}

export function viewA1(a1: Repeated): Section {
  const { spread, repeats } = a1;
  const errors = repeats.reduce((sum, { load }) => sum + load.errors, 0);
  const kinds = new Set(repeats.flatMap(({ load }) => load.failures));
  const failures = `${count(errors)} requests failed: ${[...kinds].join('; ')}.`;
  return {
    id: 'A-1',
    title: `${count(spread.total)} requests on ${a1.replicas} replicas`,
    findings: [
      `${errors === 0 ? 'No request failed.' : failures} ${splitSentence(a1)}`,
      overflowSentence(a1),
    ],
    parts: [
      chart(a1),
      figures(a1),
      table(
        `Requests of each replica${repeats.length > 1 ? `, seed ${a1.seed}` : ''}`,
        ['replica', 'answered', 'owned by the table'],
        a1.names.map((name, at) => [name, count(a1.counts[at]!), count(a1.owned[at]!)]),
      ),
    ],
    limits: [
      'Load, balancer and replicas share this machine: requests a second and latencies are those of all three together, and worse than a balancer’s own.',
    ],
  };
}
