/** What A-2 found, as sentences, a table and charts. Pure. */
import type { Distribution } from './a1.ts';
import type { A2, Step } from './a2.ts';
import { bandSeries, COLORS, DECALS, gridAt, LEGEND, renderChart, xAxis, yAxis } from './chart.ts';
import { count, duration, fixed, percent } from './format.ts';
import { type Chart, type Section, table } from './section.ts';

const sizesOf = ({ sizes }: A2) => sizes.map(({ replicas }) => String(replicas));
const worstOf = (sizes: readonly Distribution[]) =>
  sizes.reduce((worst, each) => (each.spread.imbalance > worst.spread.imbalance ? each : worst));

function imbalanceTitle({ sizes }: A2): string {
  const inside = sizes.filter(({ fairAsUneven }) => fairAsUneven >= 0.05).length;
  const worst = worstOf(sizes).spread.imbalance;
  const where = inside === sizes.length ? 'every size' : `${inside} of ${sizes.length} sizes`;
  return `At ${where} the split is as even as chance allows; the busiest replica has at most ${fixed(worst, 3)} times its share`;
}

function imbalanceChart(a2: A2): Chart {
  const { sizes } = a2;
  const total = sizes[0]!.spread.total;
  return renderChart({
    name: 'a2-imbalance',
    title: imbalanceTitle(a2),
    subtitle: `Max ÷ mean of ${count(total)} requests at each size; 1 is perfectly even. Shaded: 90 % of fair random splits.`,
    alt: sizes
      .map(
        (each) =>
          `N = ${each.replicas}: ${fixed(each.spread.imbalance, 3)}, fair ${fixed(each.fair.imbalance, 3)}`,
      )
      .join('; '),
    option: (top) => ({
      legend: {
        ...LEGEND,
        data: [
          'answered',
          'owned by the table',
          'fair split, mean',
          { name: 'fair split, 90 %', icon: 'rect' },
        ],
      },
      grid: gridAt({ left: 74, right: 40, top, bottom: 86 }),
      xAxis: xAxis('replicas', { type: 'category' as const, data: sizesOf(a2) }),
      yAxis: yAxis('max ÷ mean', {
        min: 1,
        nameGap: 52,
        axisLabel: { formatter: (value: number) => fixed(value, 2) },
      }),
      series: [
        ...bandSeries({
          name: 'fair split, 90 %',
          low: sizes.map(({ fair }) => fair.low),
          high: sizes.map(({ fair }) => fair.high),
        }),
        {
          name: 'fair split, mean',
          type: 'line',
          symbol: 'diamond',
          symbolSize: 9,
          lineStyle: { type: 'dashed', width: 1.5 },
          color: COLORS.grey,
          data: sizes.map(({ fair }) => fair.imbalance),
        },
        {
          name: 'owned by the table',
          type: 'line',
          symbol: 'triangle',
          symbolSize: 9,
          lineStyle: { type: 'dotted', width: 2 },
          color: COLORS.orange,
          data: sizes.map(({ ownedSpread }) => ownedSpread.imbalance),
        },
        {
          name: 'answered',
          type: 'line',
          symbol: 'circle',
          symbolSize: 10,
          lineStyle: { width: 2.5 },
          color: COLORS.blue,
          data: sizes.map(({ spread }) => spread.imbalance),
          label: {
            show: true,
            position: 'top',
            distance: 9,
            fontWeight: 600,
            color: COLORS.blue,
            formatter: ({ value }: { value: unknown }) => fixed(Number(value), 3),
          },
        },
      ],
    }),
  });
}

function spreadChart(a2: A2): Chart {
  const { sizes } = a2;
  const points = sizes.flatMap(({ counts, spread }, at) =>
    counts.map((each) => [at, (each / spread.mean - 1) * 100]),
  );
  const reach = sizes.map(({ fair, spread }) => ((2 * fair.deviation) / spread.mean) * 100);
  const outside = points.filter(([at, off]) => Math.abs(off!) > reach[at!]!).length;
  return renderChart({
    name: 'a2-spread',
    title: `${points.length - outside} of ${points.length} replica loads lie within two standard deviations of a fair split`,
    subtitle: `Each dot is one replica's load, relative to the mean (${count(sizes[0]!.spread.total)} ÷ N). σ is the standard deviation over the replicas, measured and (in brackets) of a fair split.`,
    alt: sizes
      .map(
        ({ replicas, spread }) =>
          `N = ${replicas}: ${count(spread.least)} to ${count(spread.most)}, σ ${fixed(spread.deviation, 1)}`,
      )
      .join('; '),
    option: (top) => ({
      legend: { ...LEGEND, data: ['a replica', { name: 'fair split, ± 2 σ', icon: 'rect' }] },
      grid: gridAt({ left: 74, right: 40, top, bottom: 104 }),
      xAxis: xAxis('replicas', {
        type: 'category' as const,
        nameGap: 48,
        data: sizes.map(
          ({ replicas, spread, fair }) =>
            `${replicas}\nσ ${fixed(spread.deviation, 1)} (${fixed(fair.deviation, 1)})`,
        ),
      }),
      yAxis: yAxis('load beside the mean, %', {}),
      series: [
        ...bandSeries({ name: 'fair split, ± 2 σ', low: reach.map((each) => -each), high: reach }),
        {
          name: 'a replica',
          type: 'scatter',
          symbol: 'circle',
          symbolSize: 11,
          itemStyle: { color: COLORS.blue, opacity: 0.8 },
          data: points,
          z: 3,
        },
      ],
    }),
  });
}

const stepName = ({ from, to }: Step) => `${from} → ${to}`;

function movedTitle({ steps }: A2): string {
  const excess = Math.max(...steps.map(({ movedOwner, ideal }) => movedOwner / ideal - 1));
  const answers = Math.max(...steps.map(({ movedAnswer }) => movedAnswer));
  return `Growing by one moves at most ${percent(excess, 1)} more owners than it must; bounded load makes up to ${percent(answers, 0)} of answers come from elsewhere`;
}

function movedChart(a2: A2): Chart {
  const { steps } = a2;
  const bars = [
    { name: 'ideal, 1 ÷ N', color: COLORS.faint, value: (step: Step) => step.ideal },
    { name: 'owner changed', color: COLORS.blue, value: (step: Step) => step.movedOwner },
    { name: 'another replica answered', color: COLORS.orange, value: (step: Step) => step.movedAnswer },
  ];
  return renderChart({
    name: 'a2-moved',
    title: movedTitle(a2),
    subtitle:
      'The same ids before and after each step. An owner is the replica that the table names; with many requests under way at a time the bound sends some of them past it.',
    alt: steps
      .map(
        (step) =>
          `${stepName(step)}: ideal ${percent(step.ideal)}, owner ${percent(step.movedOwner)}, answer ${percent(step.movedAnswer)}`,
      )
      .join('; '),
    height: 360,
    option: (top) => ({
      legend: { ...LEGEND, data: bars.map(({ name }) => name) },
      grid: gridAt({ left: 74, right: 30, top, bottom: 86 }),
      xAxis: xAxis('replicas before → after', { type: 'category' as const, data: steps.map(stepName) }),
      yAxis: yAxis('share of ids, %', { min: 0 }),
      series: bars.map(({ name, color, value }, at) => ({
        name,
        type: 'bar',
        itemStyle: { color, decal: DECALS[at] },
        barGap: '8%',
        label: {
          show: true,
          position: 'top',
          fontSize: 12,
          formatter: (shown: { value: unknown }) => fixed(Number(shown.value), 1),
        },
        data: steps.map((step) => value(step) * 100),
      })),
    }),
  });
}

export function viewA2(a2: A2): Section {
  const errors = a2.sizes.reduce((sum, { load }) => sum + load.errors, 0);
  const needless = Math.max(...a2.steps.map(({ movedBetweenOld }) => movedBetweenOld));
  return {
    id: 'A-2',
    title: `From ${a2.sizes[0]!.replicas} to ${a2.sizes.at(-1)!.replicas} replicas through /add`,
    findings: [
      `${count(errors)} of ${count(a2.sizes.length * a2.sizes[0]!.spread.total + errors)} requests failed. The mean load is the number of requests divided by N, whatever the algorithm does, so what is drawn is how far replicas are from it.`,
      `At most ${percent(needless, 2)} of the ids changed their owner without need, from one old replica to another.`,
    ],
    parts: [
      imbalanceChart(a2),
      spreadChart(a2),
      movedChart(a2),
      table(
        'A-2: how even',
        [
          'N',
          'max ÷ mean',
          'of owners',
          'fair split',
          'least to most',
          'σ',
          'fair σ',
          'not the owner',
          'errors',
          'requests/s',
          'p50',
          'p99',
        ],
        a2.sizes.map(({ replicas, spread, ownedSpread, fair, overflow, load }) => [
          String(replicas),
          fixed(spread.imbalance, 3),
          fixed(ownedSpread.imbalance, 3),
          fixed(fair.imbalance, 3),
          `${count(spread.least)} to ${count(spread.most)}`,
          fixed(spread.deviation, 1),
          fixed(fair.deviation, 1),
          percent(overflow),
          count(load.errors),
          count(load.perSecond),
          duration(load.p50Ms),
          duration(load.p99Ms),
        ]),
      ),
      table(
        'A-2: what moved',
        ['step', 'ideal 1 ÷ N', 'owner changed', 'of it between old replicas', 'another replica answered'],
        a2.steps.map((step) => [
          stepName(step),
          percent(step.ideal),
          percent(step.movedOwner),
          percent(step.movedBetweenOld, 2),
          percent(step.movedAnswer),
        ]),
      ),
    ],
    limits: [
      'Which request meets a full replica depends on timing, so what was answered elsewhere differs from run to run; owners do not.',
    ],
  };
}
