/** A-7's charts: one for each load, with the size, the load and the latency over the same time. Pure. */
import {
  DOWN_WINDOW_S,
  IDLE_S,
  MAX_IN_FLIGHT,
  type Run,
  SERVICE_MS,
  type Second,
  START_MS,
  TARGET,
  UP_WINDOW_S,
  WINDOW_S,
} from './a7.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { count, duration } from './format.ts';
import type { Chart } from './section.ts';
import { LEGEND, type LineLook, line } from './series.ts';

const DESIRED: LineLook = { color: COLORS.orange, symbol: 'none', type: 'dashed' };
const READY: LineLook = { color: COLORS.blue, symbol: 'none', type: 'solid' };
const IN_FLIGHT: LineLook = { color: COLORS.green, symbol: 'none', type: 'solid' };
const WAITING: LineLook = { color: COLORS.red, symbol: 'none', type: 'dotted' };
const P99: LineLook = { color: COLORS.purple, symbol: 'none', type: 'solid' };
const FAILED: LineLook = { color: COLORS.ink, symbol: 'diamond', type: 'solid' };

/** From the top; each has its own axis of values and shares the time. */
const PANELS = [
  { name: 'replicas', height: 120 },
  { name: 'requests', height: 120 },
  { name: 'p99, ms', height: 90 },
] as const;
const GAP = 26;

export function largest(values: readonly number[]): number {
  return Math.max(0, ...values);
}

/** What was found, in a sentence. */
export function titleOf({ title, seconds, requests, failed }: Run): string {
  const sizes = seconds.map(({ ready }) => ready).filter((ready, at, all) => ready !== all[at - 1]);
  const lost = failed === 0 ? 'none' : count(failed);
  const path = sizes.length > 8 ? `${sizes.slice(0, 8).join(' → ')} → …` : sizes.join(' → ');
  return `${title}: ${path} replicas ready, and ${lost} of ${count(requests)} requests failed`;
}

function altOf({ seconds }: Run): string {
  const every = seconds.filter((_, at) => at % 5 === 0);
  return every
    .map(
      ({ atS, desired, ready, inFlight, waiting }) =>
        `${atS} s: ${desired} desired, ${ready} ready, ${inFlight} in flight, ${waiting} waiting`,
    )
    .join('; ');
}

function seriesOf(seconds: readonly Second[]): readonly object[] {
  const points = (value: (second: Second) => number | null) => seconds.map((each) => [each.atS, value(each)]);
  const at = (panel: number) => ({ xAxisIndex: panel, yAxisIndex: panel });
  const failures = seconds.filter(({ failed }) => failed > 0).map(({ atS, failed }) => [atS, failed]);
  return [
    line(
      'desired',
      DESIRED,
      points(({ desired }) => desired),
      { ...at(0), step: 'end' },
    ),
    line(
      'ready',
      READY,
      points(({ ready }) => ready),
      { ...at(0), step: 'end' },
    ),
    line(
      'in flight',
      IN_FLIGHT,
      points(({ inFlight }) => inFlight),
      at(1),
    ),
    line(
      'waiting',
      WAITING,
      points(({ waiting }) => waiting),
      at(1),
    ),
    line('5xx a second', FAILED, failures, { ...at(1), lineStyle: { opacity: 0 } }),
    line(
      'p99',
      P99,
      points(({ p99Ms }) => p99Ms),
      at(2),
    ),
  ];
}

const NAMES = ['desired', 'ready', 'in flight', 'waiting', '5xx a second', 'p99'];

export function runChart(run: Run): Chart {
  const { id, seconds, requests } = run;
  const until = Math.ceil(largest(seconds.map(({ atS }) => atS)));
  const idle = id === 'zero' ? `, to zero after ${IDLE_S} s` : '';
  return renderChart({
    name: `a7-${id}`,
    title: titleOf(run),
    subtitle: `Processes that take ${SERVICE_MS} ms for a request and ${START_MS} ms to start, at most ${MAX_IN_FLIGHT} at a time; target ${TARGET}, windows of ${UP_WINDOW_S}, ${WINDOW_S} and ${DOWN_WINDOW_S} s (the defaults are 6, 60 and 300)${idle}. Sampled by the balancer, once a second.`,
    alt: altOf(run),
    sample: `${count(requests)} requests`,
    height: PANELS.reduce((sum, { height }) => sum + height + GAP, 62),
    data: {
      head: ['second', 'desired', 'ready', 'in flight', 'waiting', 'p99 ms', '5xx a second'],
      rows: seconds.map((each) => [
        each.atS,
        each.desired,
        each.ready,
        each.inFlight,
        each.waiting,
        each.p99Ms ?? '',
        each.failed,
      ]),
    },
    option: (top) => ({
      legend: { ...LEGEND, data: NAMES },
      grid: PANELS.map(({ height }, panel) => {
        const above = PANELS.slice(0, panel).reduce((sum, each) => sum + each.height + GAP, 0);
        return gridAt({ top: top + above, height, bottom: undefined });
      }),
      xAxis: PANELS.map((_, panel) =>
        xAxis(panel === PANELS.length - 1 ? 'seconds' : '', {
          type: 'value' as const,
          gridIndex: panel,
          min: 0,
          max: until,
          axisLabel: { show: panel === PANELS.length - 1, color: COLORS.ink, fontSize: 12 },
        }),
      ),
      yAxis: PANELS.map(({ name }, panel) =>
        yAxis(name, { gridIndex: panel, min: 0, splitNumber: 3, minInterval: 1 }),
      ),
      series: seriesOf(seconds),
    }),
  });
}

/** The greatest latency at the 99th percentile of a second. */
export function worstP99(run: Run): string {
  return duration(largest(run.seconds.map(({ p99Ms }) => p99Ms ?? 0)));
}
