/** A-5's charts: what the papers found, drawn from our own numbers. Pure. */
import type { A5 } from './a5.ts';
import { COLORS, DECALS, gridAt, LEGEND, renderChart, xAxis, yAxis } from './chart.ts';
import { count, fixed, percent } from './format.ts';
import { BOUNDED, LAMPING_VEACH, MAGLEV } from './published.ts';
import type { Chart } from './section.ts';

const NAMES = { maglev: 'Maglev', karger: 'Karger', rendezvous: 'rendezvous' } as const;
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'roundRect'];
const SERIES_COLORS = [COLORS.red, COLORS.orange, COLORS.green, COLORS.blue, COLORS.purple];

export function publishedOver(method: keyof typeof NAMES, slots: number): number | undefined {
  if (method === 'maglev') return undefined;
  return MAGLEV.overprovision[method][slots === MAGLEV.small ? 'small' : 'large'];
}

export function balanceChart({ maglev }: A5): Chart {
  const small = maglev.balances.filter(({ slots }) => slots === MAGLEV.small);
  const over = (method: string) => percent(small.find((each) => each.method === method)!.over.mean, 1);
  const shown = maglev.balances;
  const bar = (
    name: string,
    color: string,
    decal: object,
    data: readonly (number | undefined)[],
    labels: readonly string[],
  ) => ({
    name,
    type: 'bar',
    barGap: '8%',
    itemStyle: { color, decal },
    data: data.map((value, at) => ({
      value: value === undefined ? '-' : value * 100,
      label: { show: value !== undefined, position: 'top', formatter: labels[at], fontSize: 12 },
    })),
  });
  const published = shown.map(({ method, slots }) => publishedOver(method, slots));
  return renderChart({
    name: 'a5-balance',
    title: `With ${count(maglev.backends)} backends in ${count(MAGLEV.small)} entries Maglev's busiest is ${over('maglev')} above the mean, Karger's ${over('karger')}, rendezvous' ${over('rendezvous')}`,
    subtitle: `After Maglev (NSDI 2016) §5.3 and figure 11: the busiest backend beside the mean. Ours: mean of ${small[0]!.draws} draws of names (least to most) in the small table, one in the large.`,
    alt: shown
      .map(
        ({ method, slots, over: each }, at) =>
          `${NAMES[method]} ${count(slots)}: ours ${percent(each.mean)}, published ${published[at] === undefined ? 'none' : percent(published[at]!)}`,
      )
      .join('; '),
    height: 350,
    option: (top) => ({
      legend: { ...LEGEND, data: ['published', 'ours'] },
      grid: gridAt({ left: 74, right: 30, top, bottom: 96 }),
      xAxis: xAxis('', {
        type: 'category' as const,
        data: shown.map(({ method, slots }) => `${NAMES[method]}\n${count(slots)}`),
      }),
      yAxis: yAxis('busiest above the mean, %', { min: 0 }),
      series: [
        bar(
          'published',
          COLORS.faint,
          DECALS[1],
          published,
          published.map((value) => (value === undefined ? '' : fixed(value * 100, 1))),
        ),
        bar(
          'ours',
          COLORS.blue,
          DECALS[0],
          shown.map(({ over: each }) => each.mean),
          shown.map(({ over: each, draws, method }) =>
            draws > 1 && method !== 'maglev'
              ? `${fixed(each.mean * 100, 1)}\n(${fixed(each.low * 100, 0)}–${fixed(each.high * 100, 0)})`
              : fixed(each.mean * 100, 1),
          ),
        ),
      ],
    }),
  });
}

export function changedChart({ maglev }: A5): Chart {
  const sizes = [...new Set(maglev.changes.map(({ slots }) => slots))];
  const most = Math.max(...maglev.changes.map(({ failures }) => failures));
  const at = (slots: number) =>
    maglev.changes.find((each) => each.slots === slots && each.failures === most)!.changed;
  const line = (name: string, color: string, symbol: string, data: readonly number[][], type = 'solid') => ({
    name,
    type: 'line',
    color,
    symbol,
    symbolSize: 9,
    lineStyle: { type, width: 2.2 },
    data,
    endLabel: { show: true, formatter: name, color, fontSize: 12.5, fontWeight: 600 },
  });
  const needed = [0, most].map((failures) => [failures, (failures / maglev.backends) * 100]);
  return renderChart({
    name: 'a5-changed',
    title: `${most} failures of ${count(maglev.backends)} change ${sizes.map((slots) => `${percent(at(slots), 1)} of ${count(slots)} entries`).join(' and ')}; ${percent(most / maglev.backends, 0)} have to`,
    subtitle: `After figure 12 of the same paper: the share of Maglev's entries that change when backends fail at once. Means of ${[...new Set(maglev.changes.map(({ repetitions }) => repetitions))].join(' and ')} draws; the paper took ${MAGLEV.repetitions}.`,
    alt: maglev.changes
      .map(({ slots, failures, changed }) => `${count(slots)}, ${failures}: ${percent(changed, 2)}`)
      .join('; '),
    option: (top) => ({
      grid: gridAt({ left: 74, right: 140, top, bottom: 62 }),
      xAxis: xAxis(`backends that fail, of ${count(maglev.backends)}`, {
        type: 'value' as const,
        min: 0,
        max: most,
      }),
      yAxis: yAxis('entries that change, %', { min: 0 }),
      series: [
        ...sizes.map((slots, index) =>
          line(
            `${count(slots)} entries`,
            [COLORS.red, COLORS.blue][index]!,
            SYMBOLS[index]!,
            maglev.changes
              .filter((each) => each.slots === slots)
              .map(({ failures, changed }) => [failures, changed * 100]),
          ),
        ),
        line('have to', COLORS.grey, 'none', needed, 'dashed'),
      ],
    }),
  });
}

/** How much the moves grow from a tenth of the largest number of bins to it; the mean over the load factors. */
export function growthOverTenfold({ bounded }: A5, of: 'movesPerBall' | 'movesPerBin'): number {
  const largest = Math.max(...bounded.map(({ bins }) => bins));
  const ratios = BOUNDED.loadFactors.map((loadFactor) => {
    const at = (bins: number) =>
      bounded.find((each) => each.loadFactor === loadFactor && each.bins === bins)![of];
    return at(largest) / at(largest / 10);
  });
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}

export function boundedChart(a5: A5): Chart {
  const { bounded } = a5;
  const panels = [
    { of: 'movesPerBall', name: 'other balls moved, a ball comes' },
    { of: 'movesPerBin', name: 'moves ÷ (m ÷ n), a bin goes' },
  ] as const;
  return renderChart({
    name: 'a5-bounded',
    title: `Ten times the bins, ${fixed(growthOverTenfold(a5, 'movesPerBall'), 1)} times the moves a ball and ${fixed(growthOverTenfold(a5, 'movesPerBin'), 1)} times those a bin`,
    subtitle: `After arXiv 1608.01350, its algorithm with ${bounded[0]!.balls / bounded[0]!.bins} balls a bin; growth from 100 to 1,000 bins, mean over the load factors c. A bin's m ÷ n balls have to move when it goes; 1 would be only those.`,
    alt: bounded
      .map(
        (each) =>
          `c ${each.loadFactor}, n ${each.bins}: ${fixed(each.movesPerBall, 1)} a ball, ${fixed(each.movesPerBin, 1)} a bin`,
      )
      .join('; '),
    height: 360,
    option: (top) => ({
      grid: panels.map((_, panel) => gridAt({ left: panel === 0 ? 74 : 500, width: 310, top, bottom: 62 })),
      xAxis: panels.map((_, panel) =>
        xAxis('bins n (log)', { type: 'log' as const, gridIndex: panel, min: 10, max: 1000 }),
      ),
      yAxis: panels.map(({ name }, panel) =>
        yAxis(`${name} (log)`, { type: 'log' as const, gridIndex: panel, nameGap: 38 }),
      ),
      series: panels.flatMap(({ of }, panel) =>
        BOUNDED.loadFactors.map((loadFactor, at) => ({
          name: `c = ${loadFactor}`,
          type: 'line',
          xAxisIndex: panel,
          yAxisIndex: panel,
          symbol: SYMBOLS[at],
          symbolSize: 9,
          color: SERIES_COLORS[at],
          lineStyle: { width: 2 },
          endLabel: {
            show: true,
            formatter: `c ${loadFactor}`,
            color: SERIES_COLORS[at],
            fontWeight: 600,
            fontSize: 12,
          },
          labelLayout: { moveOverlap: 'shiftY' },
          data: bounded.filter((each) => each.loadFactor === loadFactor).map((each) => [each.bins, each[of]]),
        })),
      ),
    }),
  });
}

/** What the error is divided by for ten times the points, the geometric mean of the steps. */
function errorRatio(errors: A5['errors']): number {
  return (errors[0]!.error.mean / errors.at(-1)!.error.mean) ** (1 / (errors.length - 1));
}

export function errorsChart({ errors }: A5): Chart {
  const off = Math.max(
    ...LAMPING_VEACH.rows.map((row, at) => Math.abs(errors[at]!.error.mean / row.error - 1)),
  );
  return renderChart({
    name: 'a5-errors',
    title: `Ten times the points divide the error by ${fixed(errorRatio(errors), 1)}; our ring is within ${percent(off, 1)} of the published standard errors`,
    subtitle: `After arXiv 1406.2294: standard deviation of a bucket's size ÷ its mean, ${count(errors[0]!.buckets)} buckets on Karger's circle.`,
    alt: errors
      .map(
        ({ points, error }, at) =>
          `${points} points: ours ${fixed(error.mean, 4)}, published ${fixed(LAMPING_VEACH.rows[at]!.error, 4)}`,
      )
      .join('; '),
    option: (top) => ({
      legend: { ...LEGEND, data: ['published', 'ours'] },
      grid: gridAt({ left: 84, right: 60, top, bottom: 92 }),
      xAxis: xAxis('points of a bucket (log)', { type: 'log' as const, min: 0.5, max: 2000 }),
      yAxis: yAxis('standard error (log)', { type: 'log' as const, min: 0.01, max: 2, nameGap: 54 }),
      series: [
        {
          name: 'ours',
          type: 'line',
          color: COLORS.blue,
          symbol: 'circle',
          symbolSize: 9,
          lineStyle: { width: 2 },
          data: errors.map(({ points, error }) => [points, error.mean]),
          label: {
            show: true,
            position: 'right',
            distance: 12,
            color: COLORS.blue,
            formatter: ({ value }: { value: unknown }) => fixed((value as number[])[1]!, 4),
          },
        },
        {
          name: 'published',
          type: 'scatter',
          symbol: 'diamond',
          symbolSize: 20,
          itemStyle: { color: 'rgba(0,0,0,0)', borderColor: COLORS.ink, borderWidth: 2 },
          data: LAMPING_VEACH.rows.map(({ points, error }) => [points, error]),
        },
      ],
    }),
  });
}
