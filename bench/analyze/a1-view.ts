/** What A-1 found, as sentences, tables and a chart. Pure. */
import type { Distribution } from './a1.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { count, duration, fixed, percent, signed } from './format.ts';
import { type Chart, type Section, type Table, table } from './section.ts';
import { mark } from './series.ts';

/** 95 % of a fair split's counts lie within so many standard deviations. */
const TWO_SIDED_95 = 1.96;

const reachOf = ({ fair }: Distribution) => TWO_SIDED_95 * fair.deviation;

/** How the unevenness compares with chance, as the end of a sentence. */
export function againstChance({ fairAsUneven }: Pick<Distribution, 'fairAsUneven'>): string {
  if (fairAsUneven < 0.05) return `more uneven than ${percent(1 - fairAsUneven, 0)} of fair random splits`;
  return `no more uneven than chance: ${percent(fairAsUneven, 0)} of fair random splits are as uneven or more`;
}

function barsOf(a1: Distribution): object {
  const { mean } = a1.spread;
  const reach = reachOf(a1);
  const label = {
    show: true,
    position: 'insideTop',
    distance: 18,
    color: '#ffffff',
    fontSize: 15,
    fontWeight: 600,
  };
  return {
    type: 'bar',
    barWidth: '45%',
    itemStyle: { color: COLORS.blue },
    data: a1.counts.map((value) => {
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
}

function chart(a1: Distribution): Chart {
  const { spread, names, counts, replicas } = a1;
  const chance = a1.fairAsUneven < 0.05 ? 'more than chance explains' : 'within what chance does';
  return renderChart({
    name: 'a1-requests',
    title: `The busiest of ${replicas} replicas answered ${fixed(spread.imbalance, 3)} times its share: ${chance}`,
    subtitle: `${count(spread.total)} requests with random six-digit ids, algorithm ${a1.algorithm}. Shaded: where 95 % of the counts of a perfectly fair random split lie (${count(spread.mean)} ± ${count(reachOf(a1))}).`,
    alt: `Bars: requests answered by ${names.map((name, at) => `${name} ${count(counts[at]!)}`).join(', ')}; mean ${count(spread.mean)}.`,
    height: 310,
    option: (top) => ({
      grid: gridAt({ top }),
      xAxis: xAxis('replica', { type: 'category' as const, data: [...names], axisTick: { show: false } }),
      yAxis: yAxis('requests answered', { min: 0, nameGap: 56 }),
      series: [barsOf(a1)],
    }),
  });
}

function figures(a1: Distribution): Table {
  const { spread, fair, load } = a1;
  const range = `90 % of ${count(fair.runs)} splits: ${fixed(fair.low, 4)} to ${fixed(fair.high, 4)}`;
  return table(
    'A-1 in figures',
    ['', 'value'],
    [
      ['requests', count(spread.total + load.errors)],
      ['errors', count(load.errors)],
      ['max ÷ mean', fixed(spread.imbalance, 4)],
      ['max ÷ mean of a fair random split', `${fixed(fair.imbalance, 4)} (${range})`],
      ['max ÷ mean of the owners by the table', fixed(a1.ownedSpread.imbalance, 4)],
      ['standard deviation, requests', fixed(spread.deviation, 1)],
      ['standard deviation of a fair random split', fixed(fair.deviation, 1)],
      ['answered by another replica than the owner', percent(a1.overflow)],
      ['requests a second', count(load.perSecond)],
      ['p50', duration(load.p50Ms)],
      ['p99', duration(load.p99Ms)],
    ],
  );
}

function overflowSentence({ overflow }: Distribution): string {
  if (overflow === 0) return 'Every request was answered by the owner of its id.';
  return `${percent(overflow)} of the requests were answered by another replica than the owner of their id: with many under way at a time the owner was at the load bound, and the request went on to the next replica.`;
}

export function viewA1(a1: Distribution): Section {
  const { spread, load } = a1;
  const failures = `${count(load.errors)} requests failed: ${load.failures.join('; ')}.`;
  return {
    id: 'A-1',
    title: `${count(spread.total)} requests on ${a1.replicas} replicas`,
    findings: [
      `${load.errors === 0 ? 'No request failed.' : failures} The split is ${againstChance(a1)}.`,
      overflowSentence(a1),
    ],
    parts: [
      chart(a1),
      figures(a1),
      table(
        'Requests of each replica',
        ['replica', 'answered', 'owned by the table'],
        a1.names.map((name, at) => [name, count(a1.counts[at]!), count(a1.owned[at]!)]),
      ),
    ],
    limits: [
      'Load, balancer and replicas share this machine: requests a second and latencies are those of all three together, and worse than a balancer’s own.',
    ],
  };
}
