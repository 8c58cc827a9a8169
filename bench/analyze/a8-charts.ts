/** A-8's charts: how long requests take by each policy, and how many the slow replica gets. Pure. */
import type { A8, Outcome } from './a8.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { count, duration, fixed, percent } from './format.ts';
import type { Chart } from './section.ts';
import { bars, DECALS, LEGEND, mark } from './series.ts';

/** `ringlb p2c`. */
export function titleOf({ program, policy }: Pick<Outcome, 'program' | 'policy'>): string {
  return `${program} ${policy}`;
}

/** The outcome of one policy; undefined where its program is not installed. */
export function outcomeOf(
  { outcomes }: A8,
  program: Outcome['program'],
  policy: string,
): Outcome | undefined {
  return outcomes.find((each) => each.program === program && each.policy === policy);
}

function labelsOf({ outcomes }: A8): readonly string[] {
  return outcomes.map(({ program, policy }) => `${program}\n${policy}`);
}

function sampleOf({ requests, rounds, perSecond }: A8): string {
  return `${rounds} rounds of ${count(requests)} requests, ${count(perSecond)} a second; the median of the rounds`;
}

function latencyTitle(a8: A8): string {
  const told = [
    [outcomeOf(a8, 'ringlb', 'hash'), 'plain hashing'],
    [outcomeOf(a8, 'ringlb', 'p2c'), 'p2c'],
    [outcomeOf(a8, 'HAProxy', 'leastconn'), 'HAProxy’s leastconn'],
  ] as const;
  const each = told.flatMap(([outcome, name]) =>
    outcome === undefined ? [] : [`${duration(outcome.p99Ms)} by ${name}`],
  );
  return `With one slow replica of ${a8.replicas}, one request in a hundred takes longer than ${each.join(', ')}`;
}

export function latencyChart(a8: A8): Chart {
  const { outcomes, fastMs, slowMs, replicas, perSecond } = a8;
  const kinds = [
    { name: 'p50', color: COLORS.sky, data: outcomes.map(({ p50Ms }) => p50Ms) },
    { name: 'p99', color: COLORS.blue, data: outcomes.map(({ p99Ms }) => p99Ms) },
  ];
  return renderChart({
    name: 'a8-latency',
    title: latencyTitle(a8),
    subtitle: `${replicas} replicas, each with one request at a time: ${replicas - 1} take ${fastMs} ms for it, one ${slowMs} ms. ${count(perSecond)} requests a second at random moments, whatever becomes of them; latency runs from the moment a request is due.`,
    alt: outcomes
      .map((each) => `${titleOf(each)}: p50 ${duration(each.p50Ms)}, p99 ${duration(each.p99Ms)}`)
      .join('; '),
    sample: sampleOf(a8),
    option: (top) => ({
      legend: { ...LEGEND, data: kinds.map(({ name }) => name) },
      grid: gridAt({ top, bottom: 88 }),
      xAxis: xAxis('', { type: 'category' as const, data: labelsOf(a8) }),
      yAxis: yAxis('latency, ms (log)', { type: 'log' as const, min: 1 }),
      series: kinds.map(({ name, color, data }, at) =>
        bars(name, { color, decal: DECALS[at]! }, data, (value) => (value < 10 ? 1 : 0)),
      ),
    }),
  });
}

export function shareChart(a8: A8): Chart {
  const { outcomes, replicas, perSecond, slowMs } = a8;
  const capacity = 1000 / slowMs / perSecond;
  const shares = outcomes.map(({ shares: [slow = 0] }) => slow * 100);
  const over = outcomes.filter(({ shares: [slow = 0] }) => slow > capacity).map(titleOf);
  return renderChart({
    name: 'a8-share',
    title:
      over.length === 0
        ? `No policy gives the slow replica more than the ${percent(capacity, 1)} that it can serve`
        : `The slow replica gets more than the ${percent(capacity, 1)} that it can serve by ${over.join(', ')}`,
    subtitle: `The part of all requests that the slow replica got. A fifth, ${percent(1 / replicas, 0)}, is an even share; above the line its queue only grows.`,
    alt: outcomes.map((each) => `${titleOf(each)}: ${percent(each.shares[0] ?? 0, 1)}`).join('; '),
    sample: sampleOf(a8),
    height: 300,
    option: (top) => ({
      grid: gridAt({ top, bottom: 56 }),
      xAxis: xAxis('', { type: 'category' as const, data: labelsOf(a8) }),
      yAxis: yAxis('requests to the slow replica, %', { min: 0 }),
      series: [
        {
          ...bars('slow replica', { color: COLORS.orange, decal: DECALS[0] }, shares, () => 1),
          markLine: mark(
            { formatter: `can serve ${fixed(capacity * 100, 1)} %`, position: 'insideEndTop' },
            { yAxis: capacity * 100 },
          ),
        },
      ],
    }),
  });
}
