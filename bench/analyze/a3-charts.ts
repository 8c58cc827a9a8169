/** A-3's charts: what happened under the steady load, and how long the fleet was short of a replica. Pure. */
import { type A3, A3_KILLS } from './a3.ts';
import { COLORS, renderChart, WIDTH, xAxis, yAxis } from './chart.ts';
import { count, duration, fixed, listed } from './format.ts';
import type { Chart } from './section.ts';
import { quantilesOf } from './statistics.ts';
import { BUCKET_MS } from './timeline.ts';

const PANEL_LEFT = 74;
const PANEL_HEIGHT = 118;
const PANEL_GAP = 40;
const FIRST_TOP = 130;

const seconds = (ms: number) => ms / 1000;
const panelTop = (panel: number) => FIRST_TOP + panel * (PANEL_HEIGHT + PANEL_GAP);

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

export function timelineChart(a3: A3): Chart {
  const { buckets } = a3;
  const endS = seconds(buckets.length * BUCKET_MS);
  const middle = (fromMs: number) => seconds(fromMs + BUCKET_MS / 2);
  const panels = ['answered, requests/s', 'failed, requests', 'replicas', 'p99, ms (log)'];
  const line = (panel: number, more: object) => ({
    type: 'line',
    symbol: 'none',
    xAxisIndex: panel,
    yAxisIndex: panel,
    ...more,
  });
  return renderChart({
    name: 'a3-timeline',
    title: timelineTitle(a3),
    subtitle: `A steady load of ${count(a3.perSecond)} requests a second, in quarters of a second. A failure or a p99 stands at the time at which its requests were due, so a stall shows where it began.`,
    alt: a3.moments
      .map(
        (each) =>
          `${each.what} at ${fixed(seconds(each.atMs), 1)} s: whole after ${duration(each.wholeAfterMs)}, ${each.failed} failed, worst ${duration(each.worstMs)}`,
      )
      .join('; '),
    height: panelTop(4) + 14,
    option: {
      grid: panels.map((_, panel) => ({
        left: PANEL_LEFT,
        width: WIDTH - PANEL_LEFT - 70,
        top: panelTop(panel),
        height: PANEL_HEIGHT,
      })),
      xAxis: panels.map((_, panel) =>
        xAxis(panel === panels.length - 1 ? 'seconds' : '', {
          type: 'value' as const,
          gridIndex: panel,
          min: 0,
          max: Math.ceil(endS),
          nameGap: 24,
        }),
      ),
      yAxis: panels.map((name, panel) => ({
        ...yAxis(name, { gridIndex: panel, min: 0, nameGap: 46 }),
        ...(panel === 1 && a3.failed === 0 ? { max: 5 } : {}),
        ...(panel === 2 ? { minInterval: 1, max: (extent: { max: number }) => extent.max + 1 } : {}),
        ...(panel === 3 ? { type: 'log' as const, min: 1 } : {}),
      })),
      series: [
        line(0, {
          color: COLORS.blue,
          areaStyle: { opacity: 0.15 },
          data: buckets.map((each) => [middle(each.fromMs), each.perSecond]),
          markLine: marks(a3, true),
        }),
        {
          type: 'bar',
          xAxisIndex: 1,
          yAxisIndex: 1,
          barWidth: 5,
          itemStyle: { color: COLORS.red },
          data: buckets.map((each) => [middle(each.fromMs), each.failed]),
          markLine: marks(a3, false),
        },
        line(2, {
          step: 'end',
          color: COLORS.grey,
          lineStyle: { type: 'dotted', width: 2 },
          data: stepsOf(a3, ({ replicas }) => replicas),
          endLabel: { show: true, formatter: 'there are', color: COLORS.grey, offset: [0, -11] },
        }),
        line(2, {
          step: 'end',
          color: COLORS.green,
          lineStyle: { width: 2.5 },
          data: stepsOf(a3, ({ eligible }) => eligible),
          endLabel: { show: true, formatter: 'eligible', color: COLORS.green, offset: [0, 9] },
          markLine: marks(a3, false),
        }),
        line(3, {
          color: COLORS.purple,
          lineStyle: { width: 2 },
          data: buckets.map((each) => [middle(each.fromMs), Math.max(1, each.p99Ms)]),
          markLine: marks(a3, false),
        }),
      ],
    },
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
    subtitle: `${A3_KILLS} kills in turn under the steady load (${count(killRequests)} requests): from the signal until another instance is healthy in the replica's place.`,
    alt: `Milliseconds of each kill: ${killsMs.map((ms) => fixed(ms, 0)).join(', ')}.`,
    height: 380,
    option: {
      grid: { left: 74, right: 30, top: 104, bottom: 62 },
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
    },
  });
}
