/** A-3's charts: what happened under the steady load, and how long the fleet was short of a replica. Pure. */
import type { A3 } from './a3.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { count, duration, fixed, listed } from './format.ts';
import type { Chart } from './section.ts';
import { quantilesOf } from './statistics.ts';
import { BUCKET_MS } from './timeline.ts';

const PANEL_HEIGHT = 112;
const PANEL_GAP = 34;
/** Above the first panel, for the names of the moments. */
const NAMES_HEIGHT = 28;

const seconds = (ms: number) => ms / 1000;
const panelTop = (panel: number) => NAMES_HEIGHT + panel * (PANEL_HEIGHT + PANEL_GAP);

function timelineTitle({ moments, failed, requests }: A3): string {
  const what = listed(moments.map(({ what: each }) => each.replace(' one', '').replace(' two', ' two')));
  const slowest = moments.reduce((worst, each) => (each.worstMs > worst.worstMs ? each : worst));
  return `${count(failed)} of ${count(requests)} requests failed through ${what}; the slowest waited ${duration(slowest.worstMs)} (${slowest.what})`;
}

/** A vertical line in every panel for each moment; its name stands above the first. */
function marks({ moments }: A3, isFirst: boolean): object {
  return {
    symbol: 'none',
    silent: true,
    animation: false,
    lineStyle: { color: COLORS.ink, type: 'dashed', width: 1.2 },
    label: {
      show: isFirst,
      position: 'end',
      distance: 8,
      color: COLORS.ink,
      fontSize: 12.5,
      fontWeight: 600,
      formatter: '{b}',
    },
    data: moments.map(({ what, atMs }) => ({ name: what, xAxis: seconds(atMs) })),
  };
}

/** Steps as they were, to the end of the load. */
function stepsOf({ looks, buckets }: A3, value: (look: A3['looks'][number]) => number): number[][] {
  const endS = seconds(buckets.length * BUCKET_MS);
  const points = looks
    .filter(({ atMs }) => seconds(atMs) <= endS)
    .map((look) => [seconds(look.atMs), value(look)]);
  return points.length === 0 ? [] : [...points, [endS, points.at(-1)![1]!]];
}

/** Answered, failed, replicas, p99: four panels over one time. */
const PANELS = [
  { name: 'answered/s', more: { splitNumber: 3 } },
  { name: 'failed', more: { splitNumber: 3, minInterval: 1 } },
  {
    name: 'replicas',
    more: { minInterval: 1, splitNumber: 3, max: (extent: { max: number }) => extent.max + 1 },
  },
  { name: 'p99, ms (log)', more: { type: 'log', min: 1 } },
];

function inPanel(panel: number, color: string, data: number[][], more: object): object {
  return { type: 'line', symbol: 'none', xAxisIndex: panel, yAxisIndex: panel, color, data, ...more };
}

/** How many replicas there are and are eligible, each named at its end. */
function replicaSteps(a3: A3): readonly object[] {
  const steps = (name: string, color: string, offset: number) => ({
    step: 'end',
    endLabel: { show: true, formatter: name, color, fontSize: 12, offset: [0, offset] },
  });
  const inAll = stepsOf(a3, ({ replicas }) => replicas);
  const eligible = stepsOf(a3, (look) => look.eligible);
  return [
    inPanel(2, COLORS.grey, inAll, {
      ...steps('in all', COLORS.grey, -9),
      lineStyle: { type: 'dotted', width: 2 },
    }),
    inPanel(2, COLORS.green, eligible, {
      ...steps('eligible', COLORS.green, 9),
      lineStyle: { width: 2.5 },
      markLine: marks(a3, false),
    }),
  ];
}

function panelSeries(a3: A3): readonly object[] {
  const points = (value: (bucket: A3['buckets'][number]) => number) =>
    a3.buckets.map((each) => [seconds(each.fromMs + BUCKET_MS / 2), value(each)]);
  const markLine = marks(a3, false);
  const answered = points(({ perSecond }) => perSecond);
  const failed = points((bucket) => bucket.failed);
  // nothing was due in a bucket without a p99
  const p99 = points(({ p99Ms }) => Math.max(1, p99Ms || 1));
  return [
    inPanel(0, COLORS.blue, answered, { areaStyle: { opacity: 0.15 }, markLine: marks(a3, true) }),
    inPanel(1, COLORS.red, failed, { step: 'middle', areaStyle: { opacity: 0.5 }, markLine }),
    ...replicaSteps(a3),
    inPanel(3, COLORS.purple, p99, { lineStyle: { width: 2 }, markLine }),
  ];
}

export function timelineChart(a3: A3): Chart {
  const endS = Math.ceil(seconds(a3.buckets.length * BUCKET_MS));
  return renderChart({
    name: 'a3-timeline',
    title: timelineTitle(a3),
    subtitle: `A steady load of ${count(a3.perSecond)} requests a second, in quarters of a second. A failure or a p99 stands at the time at which its requests were due, so a stall shows where it began.`,
    alt: a3.moments
      .map(
        ({ what, atMs, wholeAfterMs, failed, worstMs }) =>
          `${what} at ${fixed(seconds(atMs), 1)} s: whole after ${duration(wholeAfterMs)}, ${failed} failed, worst ${duration(worstMs)}`,
      )
      .join('; '),
    sample: `${count(a3.requests)} requests`,
    height: panelTop(PANELS.length) + 14,
    option: (top) => ({
      grid: PANELS.map((_, panel) =>
        gridAt({ right: 70, bottom: undefined, top: top + panelTop(panel), height: PANEL_HEIGHT }),
      ),
      xAxis: PANELS.map((_, panel) => {
        const name = panel === PANELS.length - 1 ? 'seconds' : '';
        return xAxis(name, { type: 'value' as const, gridIndex: panel, min: 0, max: endS, nameGap: 22 });
      }),
      yAxis: PANELS.map(({ name, more }, panel) => ({
        ...yAxis(name, { gridIndex: panel, min: 0, nameGap: 48 }),
        ...more,
        ...(panel === 1 && a3.failed === 0 ? { max: 3 } : {}),
      })),
      series: panelSeries(a3),
    }),
  });
}

/** A width that a person would choose, for some ten bars. */
export function binWidth(values: readonly number[]): number {
  const span = Math.max(...values) - Math.min(...values);
  return [5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000].find((width) => span / width <= 10) ?? 5000;
}

export function killsChart({ killsMs, killFailed, killRequests }: A3): Chart {
  const { median } = quantilesOf(killsMs);
  const worst = Math.max(...killsMs);
  const width = binWidth(killsMs);
  const from = Math.floor(Math.min(...killsMs) / width) * width;
  const bins = Array.from({ length: Math.floor((worst - from) / width) + 1 }, (_, bin) => from + bin * width);
  return renderChart({
    name: 'a3-kills',
    title: `After kill -9 the fleet is whole again in ${duration(median)} (median of ${killsMs.length}; worst ${duration(worst)}), and ${count(killFailed)} requests fail`,
    subtitle: `${killsMs.length} kills in turn under the steady load (${count(killRequests)} requests): from the signal until another instance is healthy in the replica's place.`,
    alt: `Milliseconds of each kill: ${killsMs.map((ms) => fixed(ms, 0)).join(', ')}.`,
    sample: `${killsMs.length} kills`,
    data: {
      head: ['kill', 'milliseconds until whole'],
      rows: killsMs.map((ms, at) => [at + 1, ms]),
    },
    height: 300,
    option: (top) => ({
      grid: gridAt({ left: 74, right: 30, top, bottom: 62 }),
      xAxis: xAxis('milliseconds until the fleet is whole', {
        type: 'category' as const,
        data: bins.map((bin) => `${bin}–${bin + width}`),
      }),
      yAxis: yAxis('kills', { min: 0, minInterval: 1 }),
      series: [
        {
          type: 'bar',
          barCategoryGap: '6%',
          itemStyle: { color: COLORS.green },
          label: {
            show: true,
            position: 'top',
            formatter: ({ value }: { value: unknown }) => (value === 0 ? '' : String(value)),
          },
          data: bins.map((bin) => killsMs.filter((ms) => ms >= bin && ms < bin + width).length),
        },
      ],
    }),
  });
}
