/** A-2's charts: how even each size is, and what moved at each step. Pure. */
import type { Distribution } from './a1.ts';
import type { A2, Step } from './a2.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { count, fixed, percent } from './format.ts';
import type { Chart } from './section.ts';
import { band, bars, DECALS, LEGEND, line, valueLabel } from './series.ts';

const altOf = <T>(items: readonly T[], say: (item: T) => string) => items.map(say).join('; ');

function imbalanceTitle(sizes: readonly Distribution[]): string {
  const inside = sizes.filter(({ fairAsUneven }) => fairAsUneven >= 0.05).length;
  const worst = Math.max(...sizes.map(({ spread }) => spread.imbalance));
  const where = inside === sizes.length ? 'every size' : `${inside} of ${sizes.length} sizes`;
  return `At ${where} the split is as even as chance allows; the busiest replica has at most ${fixed(worst, 3)} times its share`;
}

function imbalanceSeries(sizes: readonly Distribution[]): readonly object[] {
  const fair = sizes.map((each) => each.fair);
  const owned = sizes.map(({ ownedSpread }) => ownedSpread.imbalance);
  const answered = sizes.map(({ spread }) => spread.imbalance);
  return [
    ...band({
      name: 'fair split, 90 %',
      low: fair.map(({ low }) => low),
      high: fair.map(({ high }) => high),
    }),
    line(
      'fair split, mean',
      { color: COLORS.grey, symbol: 'diamond', type: 'dashed' },
      fair.map(({ imbalance }) => imbalance),
    ),
    line('owned by the table', { color: COLORS.orange, symbol: 'triangle', type: 'dotted' }, owned),
    line('answered', { color: COLORS.blue, symbol: 'circle', type: 'solid' }, answered, {
      label: valueLabel('top', COLORS.blue, 3),
    }),
  ];
}

export function imbalanceChart({ sizes }: A2): Chart {
  const range = { name: 'fair split, 90 %', icon: 'rect' };
  return renderChart({
    name: 'a2-imbalance',
    title: imbalanceTitle(sizes),
    subtitle: `Max ÷ mean of ${count(sizes[0]!.spread.total)} requests at each size; 1 is perfectly even. Shaded: 90 % of fair random splits.`,
    alt: altOf(
      sizes,
      ({ replicas, spread, fair }) =>
        `N = ${replicas}: ${fixed(spread.imbalance, 3)}, fair ${fixed(fair.imbalance, 3)}`,
    ),
    option: (top) => ({
      legend: { ...LEGEND, data: ['answered', 'owned by the table', 'fair split, mean', range] },
      grid: gridAt({ right: 40, top, bottom: 86 }),
      xAxis: xAxis('replicas', {
        type: 'category' as const,
        data: sizes.map(({ replicas }) => String(replicas)),
      }),
      yAxis: yAxis('max ÷ mean', {
        min: 1,
        nameGap: 52,
        axisLabel: { formatter: (value: number) => fixed(value, 2) },
      }),
      series: imbalanceSeries(sizes),
    }),
  });
}

export function spreadChart({ sizes }: A2): Chart {
  const points = sizes.flatMap(({ counts, spread }, at) =>
    counts.map((each) => [at, (each / spread.mean - 1) * 100]),
  );
  const reach = sizes.map(({ fair, spread }) => ((2 * fair.deviation) / spread.mean) * 100);
  const outside = points.filter(([at, off]) => Math.abs(off!) > reach[at!]!).length;
  const within = { name: 'fair split, ± 2 σ', low: reach.map((each) => -each), high: reach };
  const dot = { symbol: 'circle', symbolSize: 11, itemStyle: { color: COLORS.blue, opacity: 0.8 } };
  return renderChart({
    name: 'a2-spread',
    title: `${points.length - outside} of ${points.length} replica loads lie within two standard deviations of a fair split`,
    subtitle: `Each dot is one replica's load, relative to the mean (${count(sizes[0]!.spread.total)} ÷ N). σ is the standard deviation over the replicas, measured and (in brackets) of a fair split.`,
    alt: altOf(
      sizes,
      ({ replicas, spread }) =>
        `N = ${replicas}: ${count(spread.least)} to ${count(spread.most)}, σ ${fixed(spread.deviation, 1)}`,
    ),
    option: (top) => ({
      legend: { ...LEGEND, data: ['a replica', { name: within.name, icon: 'rect' }] },
      grid: gridAt({ right: 40, top, bottom: 104 }),
      xAxis: xAxis('replicas', {
        type: 'category' as const,
        nameGap: 48,
        data: sizes.map(
          ({ replicas, spread, fair }) =>
            `${replicas}\nσ ${fixed(spread.deviation, 1)} (${fixed(fair.deviation, 1)})`,
        ),
      }),
      yAxis: yAxis('load beside the mean, %', {}),
      series: [...band(within), { name: 'a replica', type: 'scatter', ...dot, data: points, z: 3 }],
    }),
  });
}

export const stepName = ({ from, to }: Step) => `${from} → ${to}`;

function movedTitle(steps: readonly Step[]): string {
  const excess = Math.max(...steps.map(({ movedOwner, ideal }) => movedOwner / ideal - 1));
  const answers = Math.max(...steps.map(({ movedAnswer, movedOwner }) => movedAnswer - movedOwner));
  const owners =
    excess > 0 ? `at most ${percent(excess, 1)} more owners than it must` : 'no more owners than it must';
  return `Growing by one moves ${owners}; the load bound sends up to ${percent(answers, 0)} of the ids elsewhere besides`;
}

export function movedChart({ steps }: A2): Chart {
  const kinds = [
    { name: 'ideal, 1 ÷ N', color: COLORS.faint, value: (step: Step) => step.ideal },
    { name: 'owner changed', color: COLORS.blue, value: (step: Step) => step.movedOwner },
    { name: 'another replica answered', color: COLORS.orange, value: (step: Step) => step.movedAnswer },
  ];
  return renderChart({
    name: 'a2-moved',
    title: movedTitle(steps),
    subtitle:
      'The same ids before and after each step. An owner is the replica that the table names; with many requests under way at a time the bound sends some of them past it.',
    alt: altOf(
      steps,
      (step) =>
        `${stepName(step)}: ideal ${percent(step.ideal)}, owner ${percent(step.movedOwner)}, answer ${percent(step.movedAnswer)}`,
    ),
    height: 360,
    option: (top) => ({
      legend: { ...LEGEND, data: kinds.map(({ name }) => name) },
      grid: gridAt({ top, bottom: 86 }),
      xAxis: xAxis('replicas before → after', { type: 'category' as const, data: steps.map(stepName) }),
      yAxis: yAxis('share of ids, %', { min: 0 }),
      series: kinds.map(({ name, color, value }, at) =>
        bars(
          name,
          { color, decal: DECALS[at]! },
          steps.map((step) => value(step) * 100),
          () => 1,
        ),
      ),
    }),
  });
}
