/** A-2's charts: how even each size is, and what moved at each step. Pure. */
import type { Repeated } from './a1.ts';
import type { Growth, RepeatedStep, Step } from './a2.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { count, fixed, percent } from './format.ts';
import type { Chart } from './section.ts';
import { band, bars, DECALS, LEGEND, line, valueLabel, whiskers } from './series.ts';
import { rangeOf } from './statistics.ts';

const altOf = <T>(items: readonly T[], say: (item: T) => string) => items.map(say).join('; ');

/** How a fleet is named by its load bound. */
export type Bound = 'off' | 'on' | 'as it is';
const BOUNDS = {
  off: { name: 'a2-imbalance', words: 'with the load bound off' },
  on: { name: 'a2-bounded', words: 'with the load bound on' },
  'as it is': { name: 'a2-imbalance', words: 'with the load bound as it is' },
} as const;

const seedsOf = (sizes: readonly Repeated[]) => sizes[0]!.repeats.length;
const sampleOf = (sizes: readonly Repeated[]) =>
  `${count(sizes[0]!.spread.total)} requests at each size${seedsOf(sizes) > 1 ? ' with each seed' : ''}`;
const imbalances = ({ repeats }: Repeated) => repeats.map(({ spread }) => spread.imbalance);

function imbalanceTitle(sizes: readonly Repeated[], bound: Bound): string {
  const runs = sizes.flatMap(({ repeats }) => repeats);
  const inside = runs.filter(({ fairAsUneven }) => fairAsUneven >= 0.05).length;
  const worst = Math.max(...sizes.flatMap(imbalances));
  const what = seedsOf(sizes) > 1 ? 'runs' : 'sizes';
  const where = inside === runs.length ? `all ${runs.length} ${what}` : `${inside} of ${runs.length} ${what}`;
  const words = BOUNDS[bound].words.replace('with', 'With');
  return `${words} ${where} are as even as chance allows; the busiest replica has at most ${fixed(worst, 3)} times its share`;
}

const OWNED = 'owned by the table';

/** Whether each size is as even by what answered as by what owns, so that one line hides the other. */
const areOwners = (sizes: readonly Repeated[]) =>
  sizes.every(({ repeats }) =>
    repeats.every(({ spread, ownedSpread }) => spread.imbalance === ownedSpread.imbalance),
  );

function imbalanceSeries(sizes: readonly Repeated[]): readonly object[] {
  const fair = sizes.map((each) => each.fair);
  const ownedOf = ({ repeats }: Repeated) =>
    rangeOf(repeats.map(({ ownedSpread }) => ownedSpread.imbalance)).mean;
  const answered = sizes.map((each) => rangeOf(imbalances(each)));
  const lines = [
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
    ...(areOwners(sizes)
      ? []
      : [line(OWNED, { color: COLORS.orange, symbol: 'triangle', type: 'dotted' }, sizes.map(ownedOf))]),
    line(
      'answered',
      { color: COLORS.blue, symbol: 'circle', type: 'solid' },
      answered.map(({ mean }) => mean),
      {
        label:
          seedsOf(sizes) > 1
            ? { ...valueLabel('right', COLORS.blue, 3), offset: [2, 12] }
            : valueLabel('top', COLORS.blue, 3),
      },
    ),
  ];
  if (seedsOf(sizes) === 1) return lines;
  return [...lines, whiskers(answered.map(({ low, high }, at) => ({ at, low, high })))];
}

export function imbalanceChart({ sizes }: Growth, bound: Bound): Chart {
  const range = { name: 'fair split, 90 %', icon: 'rect' };
  const owners = areOwners(sizes) ? ' Each request went to its owner.' : '';
  const bars =
    seedsOf(sizes) > 1 ? ` Lines are means of ${seedsOf(sizes)} seeds, bars from the least to the most.` : '';
  return renderChart({
    name: BOUNDS[bound].name,
    title: imbalanceTitle(sizes, bound),
    subtitle: `Max ÷ mean of ${count(sizes[0]!.spread.total)} requests at each size, ${BOUNDS[bound].words}; 1 is perfectly even. Shaded: 90 % of fair random splits.${owners}${bars}`,
    alt: altOf(
      sizes,
      (each) =>
        `N = ${each.replicas}: ${fixed(rangeOf(imbalances(each)).mean, 3)}, fair ${fixed(each.fair.imbalance, 3)}`,
    ),
    sample: sampleOf(sizes),
    isRepeated: true,
    data: {
      head: [
        'replicas',
        'seed',
        'max / mean answered',
        'max / mean owned',
        'fair 5 %',
        'fair mean',
        'fair 95 %',
      ],
      rows: sizes.flatMap(({ repeats }) =>
        repeats.map(({ replicas, seed, spread, ownedSpread, fair }) => [
          ...[replicas, seed, spread.imbalance, ownedSpread.imbalance],
          ...[fair.low, fair.imbalance, fair.high],
        ]),
      ),
    },
    option: (top) => ({
      legend: {
        ...LEGEND,
        data: ['answered', ...(areOwners(sizes) ? [] : [OWNED]), 'fair split, mean', range],
      },
      grid: gridAt({ right: 60, top, bottom: 86 }),
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

const loads = ({ repeats }: Repeated) => repeats.flatMap(({ counts }) => counts);
const deviation = ({ repeats }: Repeated) => rangeOf(repeats.map(({ spread }) => spread.deviation)).mean;

export function spreadChart({ sizes }: Growth, bound: Bound): Chart {
  const points = sizes.flatMap(({ repeats }, at) =>
    repeats.flatMap(({ counts, spread }) => counts.map((each) => [at, (each / spread.mean - 1) * 100])),
  );
  const reach = sizes.map(({ fair, spread }) => ((2 * fair.deviation) / spread.mean) * 100);
  const outside = points.filter(([at, off]) => Math.abs(off!) > reach[at!]!).length;
  const within = { name: 'fair split, ± 2 σ', low: reach.map((each) => -each), high: reach };
  const opacity = seedsOf(sizes) > 1 ? 0.35 : 0.8;
  const dot = { symbol: 'circle', symbolSize: 11, itemStyle: { color: COLORS.blue, opacity } };
  return renderChart({
    name: 'a2-spread',
    title: `${points.length - outside} of ${points.length} replica loads lie within two standard deviations of a fair split`,
    subtitle: `Each dot is one replica's load, ${BOUNDS[bound].words}, relative to the mean (${count(sizes[0]!.spread.total)} ÷ N). σ is the standard deviation over the replicas, measured and (in brackets) of a fair split.`,
    alt: altOf(
      sizes,
      (each) =>
        `N = ${each.replicas}: ${count(Math.min(...loads(each)))} to ${count(Math.max(...loads(each)))}, σ ${fixed(deviation(each), 1)}`,
    ),
    sample: sampleOf(sizes),
    isRepeated: true,
    data: {
      head: ['replicas', 'seed', 'replica', 'answered', 'fair deviation'],
      rows: sizes.flatMap(({ repeats }) =>
        repeats.flatMap(({ replicas, seed, names, counts, fair }) =>
          names.map((name, at) => [replicas, seed, name, counts[at]!, fair.deviation]),
        ),
      ),
    },
    option: (top) => ({
      legend: { ...LEGEND, data: ['a replica', { name: within.name, icon: 'rect' }] },
      grid: gridAt({ right: 40, top, bottom: 104 }),
      xAxis: xAxis('replicas', {
        type: 'category' as const,
        nameGap: 48,
        data: sizes.map(
          (each) => `${each.replicas}\nσ ${fixed(deviation(each), 1)} (${fixed(each.fair.deviation, 1)})`,
        ),
      }),
      yAxis: yAxis('load beside the mean, %', {}),
      series: [...band(within), { name: 'a replica', type: 'scatter', ...dot, data: points, z: 3 }],
    }),
  });
}

export const stepName = ({ from, to }: Step) => `${from} → ${to}`;

/** Over the seeds. */
const rangeOfStep = ({ repeats }: RepeatedStep, of: (each: Step) => number) => rangeOf(repeats.map(of));

function movedTitle(steps: readonly RepeatedStep[]): string {
  const runs = steps.flatMap(({ repeats }) => repeats);
  const excess = Math.max(...runs.map(({ movedOwner, ideal }) => movedOwner / ideal - 1));
  const answers = Math.max(...runs.map(({ movedAnswer, movedOwner }) => movedAnswer - movedOwner));
  const owners =
    excess > 0 ? `at most ${percent(excess, 1)} more owners than it must` : 'no more owners than it must';
  return `Growing by one moves ${owners}; the load bound sends up to ${percent(answers, 0)} of the ids elsewhere besides`;
}

const MOVED = [
  { name: 'ideal, 1 ÷ N', color: COLORS.faint, value: (step: Step) => step.ideal },
  { name: 'owner changed', color: COLORS.blue, value: (step: Step) => step.movedOwner },
  { name: 'another replica answered', color: COLORS.orange, value: (step: Step) => step.movedAnswer },
] as const;

function movedSeries(steps: readonly RepeatedStep[]): readonly object[] {
  const isRepeated = steps.some(({ repeats }) => repeats.length > 1);
  return MOVED.flatMap(({ name, color, value }, at) => {
    const ranges = steps.map((step) => rangeOfStep(step, value));
    const means = ranges.map(({ mean }) => mean * 100);
    // the ideal is the same with every seed
    if (!isRepeated || at === 0) return [bars(name, { color, decal: DECALS[at]! }, means, () => 1)];
    const reaches = ranges.map(({ low, high, mean }, step) => {
      return { at: step, low: low * 100, high: high * 100, label: fixed(mean * 100, 1) };
    });
    return [
      { ...bars(name, { color, decal: DECALS[at]! }, means, () => 1), label: { show: false } },
      whiskers(reaches, { at, of: MOVED.length }),
    ];
  });
}

export function movedChart({ steps, sizes }: Growth): Chart {
  const repeats =
    seedsOf(sizes) > 1 ? ` Means of ${seedsOf(sizes)} seeds, error bars from the least to the most.` : '';
  const mean = (step: RepeatedStep, of: (each: Step) => number) => percent(rangeOfStep(step, of).mean);
  return renderChart({
    name: 'a2-moved',
    title: movedTitle(steps),
    subtitle: `The same ids before and after each step. An owner is the replica that the table names; with many requests under way at a time the bound sends some of them past it.${repeats}`,
    alt: altOf(
      steps,
      (step) =>
        `${stepName(step)}: ideal ${percent(step.ideal)}, owner ${mean(step, ({ movedOwner }) => movedOwner)}, answer ${mean(step, ({ movedAnswer }) => movedAnswer)}`,
    ),
    sample: sampleOf(sizes),
    isRepeated: true,
    data: {
      head: [
        'from',
        'to',
        'seed',
        'ideal',
        'owner changed',
        'between old replicas',
        'another replica answered',
      ],
      rows: steps.flatMap(({ repeats }) =>
        repeats.map(({ seed, from, to, ideal, movedOwner, movedBetweenOld, movedAnswer }) => [
          ...[from, to, seed, ideal],
          ...[movedOwner, movedBetweenOld, movedAnswer],
        ]),
      ),
    },
    height: 360,
    option: (top) => ({
      legend: { ...LEGEND, data: MOVED.map(({ name }) => name) },
      grid: gridAt({ top, bottom: 86 }),
      xAxis: xAxis('replicas before → after', { type: 'category' as const, data: steps.map(stepName) }),
      yAxis: yAxis('share of ids, %', { min: 0 }),
      series: movedSeries(steps),
    }),
  });
}
