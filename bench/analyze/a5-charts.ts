/** A-5's charts: what the papers found, drawn from our own numbers. Pure. */
import type { A5 } from './a5.ts';
import type { Balance } from './a5-maglev.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { count, fixed, percent } from './format.ts';
import { BOUNDED, LAMPING_VEACH, MAGLEV } from './published.ts';
import type { Chart } from './section.ts';
import { DECALS, endLabel, LEGEND, line, valueLabel } from './series.ts';

const NAMES = { maglev: 'Maglev', karger: 'Karger', rendezvous: 'rendezvous' } as const;
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'roundRect'];
const FIVE_COLORS = [COLORS.red, COLORS.orange, COLORS.green, COLORS.blue, COLORS.purple];

/** What the paper says of it; undefined where it has no number. */
export function publishedOver({ method, slots }: Pick<Balance, 'method' | 'slots'>): number | undefined {
  if (method === 'maglev') return undefined;
  return MAGLEV.overprovision[method][slots === MAGLEV.small ? 'small' : 'large'];
}

/** True where the draws differ enough for their range to say something. */
export const hasRange = ({ draws, method }: Balance) => draws > 1 && method !== 'maglev';

function balanceBars(
  name: string,
  look: object,
  data: readonly { value: number | undefined; label: string }[],
) {
  return {
    name,
    type: 'bar',
    barGap: '8%',
    itemStyle: look,
    data: data.map(({ value, label }) => ({
      value: value === undefined ? '-' : value * 100,
      label: { show: value !== undefined, position: 'top', formatter: label, fontSize: 12, lineHeight: 14 },
    })),
  };
}

function oursLabel(balance: Balance): string {
  const { mean, low, high } = balance.over;
  const range = hasRange(balance) ? `\n(${fixed(low * 100, 0)}–${fixed(high * 100, 0)})` : '';
  return `${fixed(mean * 100, 1)}${range}`;
}

function balanceTitle({ backends, balances }: A5['maglev']): string {
  const over = (['maglev', 'karger', 'rendezvous'] as const).map((method) =>
    percent(balances.find((each) => each.method === method)!.over.mean, 1),
  );
  return `With ${count(backends)} backends in ${count(balances[0]!.slots)} entries Maglev's busiest is ${over[0]} above the mean, Karger's ${over[1]}, rendezvous' ${over[2]}`;
}

export function balanceChart({ maglev }: A5): Chart {
  const { balances } = maglev;
  const published = balances.map((each) => {
    const value = publishedOver(each);
    return { value, label: value === undefined ? '' : fixed(value * 100, 1) };
  });
  const ours = balances.map((each) => ({ value: each.over.mean, label: oursLabel(each) }));
  return renderChart({
    name: 'a5-balance',
    title: balanceTitle(maglev),
    subtitle: `After Maglev (NSDI 2016) §5.3 and figure 11: the busiest backend beside the mean. Ours: mean of ${balances[0]!.draws} draws of names (least to most) in the small table, of ${balances.at(-1)!.draws} in the large.`,
    alt: balances
      .map(
        (each, at) =>
          `${NAMES[each.method]} ${count(each.slots)}: ours ${percent(each.over.mean)}, published ${published[at]!.label || 'none'}`,
      )
      .join('; '),
    sample: `${balances[0]!.draws} draws of names in the small table, ${balances.at(-1)!.draws} in the large`,
    height: 350,
    option: (top) => ({
      legend: { ...LEGEND, data: ['published', 'ours'] },
      grid: gridAt({ top, bottom: 84 }),
      xAxis: xAxis('', {
        type: 'category' as const,
        data: balances.map(({ method, slots }) => `${NAMES[method]}\n${count(slots)}`),
      }),
      yAxis: yAxis('busiest above the mean, %', { min: 0 }),
      series: [
        balanceBars('published', { color: COLORS.faint, decal: DECALS[1] }, published),
        balanceBars('ours', { color: COLORS.blue, decal: DECALS[0] }, ours),
      ],
    }),
  });
}

export function changedChart({ maglev }: A5): Chart {
  const { changes, backends } = maglev;
  const sizes = [...new Set(changes.map(({ slots }) => slots))];
  const most = Math.max(...changes.map(({ failures }) => failures));
  const pointsOf = (slots: number) =>
    changes.filter((each) => each.slots === slots).map((each) => [each.failures, each.changed * 100]);
  const draws = [...new Set(changes.map(({ repetitions }) => repetitions))].join(' and ');
  const atMost = sizes.map(
    (slots) => `${fixed(pointsOf(slots).at(-1)![1]!, 1)} % of ${count(slots)} entries`,
  );
  const needed = [0, most].map((failures) => [failures, (failures / backends) * 100]);
  return renderChart({
    name: 'a5-changed',
    title: `${most} failures of ${count(backends)} change ${atMost.join(' and ')}; ${percent(most / backends, 0)} have to`,
    subtitle: `After figure 12 of the same paper: the share of Maglev's entries that change when backends fail at once. Means of ${draws} draws; the paper took ${MAGLEV.repetitions}.`,
    alt: changes
      .map(({ slots, failures, changed }) => `${count(slots)}, ${failures}: ${percent(changed, 2)}`)
      .join('; '),
    sample: `${draws} draws`,
    option: (top) => ({
      grid: gridAt({ right: 140, top }),
      xAxis: xAxis(`backends that fail, of ${count(backends)}`, {
        type: 'value' as const,
        min: 0,
        max: most,
      }),
      yAxis: yAxis('entries that change, %', { min: 0 }),
      series: [
        ...sizes.map((slots, at) => {
          const look = { color: [COLORS.red, COLORS.blue][at]!, symbol: SYMBOLS[at]!, type: 'solid' };
          const name = `${count(slots)} entries`;
          return line(name, look, pointsOf(slots), { endLabel: endLabel(name, look.color) });
        }),
        line('have to', { color: COLORS.grey, symbol: 'none', type: 'dashed' }, needed, {
          endLabel: endLabel('have to', COLORS.grey),
        }),
      ],
    }),
  });
}

/** How much the moves grow from a tenth of the largest number of bins to it; the mean over the load factors. */
export function growthOverTenfold({ bounded }: A5, of: 'movesPerBall' | 'movesPerBin'): number {
  const largest = Math.max(...bounded.map(({ bins }) => bins));
  const at = (loadFactor: number, bins: number) =>
    bounded.find((each) => each.loadFactor === loadFactor && each.bins === bins)![of];
  const ratios = BOUNDED.loadFactors.map((each) => at(each, largest) / at(each, largest / 10));
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}

const BOUNDED_PANELS = [
  { of: 'movesPerBall', name: 'other balls moved, a ball comes' },
  { of: 'movesPerBin', name: 'moves ÷ (m ÷ n), a bin goes' },
] as const;

function boundedSeries(bounded: A5['bounded']): readonly object[] {
  return BOUNDED_PANELS.flatMap(({ of }, panel) =>
    BOUNDED.loadFactors.map((loadFactor, at) => {
      const look = { color: FIVE_COLORS[at]!, symbol: SYMBOLS[at]!, type: 'solid' };
      const own = bounded.filter((each) => each.loadFactor === loadFactor);
      const data = own.map((each) => [each.bins, each[of]]);
      return line(`c = ${loadFactor}`, look, data, {
        xAxisIndex: panel,
        yAxisIndex: panel,
        endLabel: endLabel(`c ${loadFactor}`, look.color),
        labelLayout: { moveOverlap: 'shiftY' },
      });
    }),
  );
}

export function boundedChart(a5: A5): Chart {
  const { bounded } = a5;
  const [balls, bins] = (['movesPerBall', 'movesPerBin'] as const).map((of) =>
    fixed(growthOverTenfold(a5, of), 1),
  );
  return renderChart({
    name: 'a5-bounded',
    title: `Ten times the bins, ${balls} times the moves a ball and ${bins} times those a bin`,
    subtitle: `After arXiv 1608.01350, its algorithm with ${bounded[0]!.balls / bounded[0]!.bins} balls a bin; growth from 100 to 1,000 bins, mean over the load factors c. A bin's m ÷ n balls have to move when it goes; 1 would be only those.`,
    alt: bounded
      .map(
        (each) =>
          `c ${each.loadFactor}, n ${each.bins}: ${fixed(each.movesPerBall, 1)} a ball, ${fixed(each.movesPerBin, 1)} a bin`,
      )
      .join('; '),
    sample: `${count(bounded.at(-1)!.balls)} balls in ${count(bounded.at(-1)!.bins)} bins at the most`,
    height: 360,
    option: (top) => ({
      grid: BOUNDED_PANELS.map((_, panel) => gridAt({ left: panel === 0 ? 74 : 500, width: 310, top })),
      xAxis: BOUNDED_PANELS.map((_, panel) =>
        xAxis('bins n (log)', { type: 'log' as const, gridIndex: panel, min: 10, max: 1000 }),
      ),
      yAxis: BOUNDED_PANELS.map(({ name }, panel) =>
        yAxis(`${name} (log)`, { type: 'log' as const, gridIndex: panel, nameGap: 38 }),
      ),
      series: boundedSeries(bounded),
    }),
  });
}

/** What the error is divided by for ten times the points, the geometric mean of the steps. */
function errorRatio(errors: A5['errors']): number {
  return (errors[0]!.error.mean / errors.at(-1)!.error.mean) ** (1 / (errors.length - 1));
}

export function errorsChart({ errors }: A5): Chart {
  const { rows } = LAMPING_VEACH;
  const off = Math.max(...rows.map((row, at) => Math.abs(errors[at]!.error.mean / row.error - 1)));
  const hollow = { color: 'rgba(0,0,0,0)', borderColor: COLORS.ink, borderWidth: 2 };
  const published = rows.map(({ points, error }) => [points, error]);
  const ours = errors.map(({ points, error }) => [points, error.mean]);
  return renderChart({
    name: 'a5-errors',
    title: `Ten times the points divide the error by ${fixed(errorRatio(errors), 1)}; our ring is within ${percent(off, 1)} of the published standard errors`,
    subtitle: `After arXiv 1406.2294: standard deviation of a bucket's size ÷ its mean, ${count(errors[0]!.buckets)} buckets on Karger's circle.`,
    alt: errors
      .map(
        ({ points, error }, at) =>
          `${points} points: ours ${fixed(error.mean, 4)}, published ${fixed(rows[at]!.error, 4)}`,
      )
      .join('; '),
    sample: `${count(errors[0]!.buckets)} buckets`,
    option: (top) => ({
      legend: { ...LEGEND, data: ['published', 'ours'] },
      grid: gridAt({ left: 84, right: 60, top, bottom: 88 }),
      xAxis: xAxis('points of a bucket (log)', { type: 'log' as const, min: 0.5, max: 2000 }),
      yAxis: yAxis('standard error (log)', { type: 'log' as const, min: 0.01, max: 2, nameGap: 54 }),
      series: [
        line('ours', { color: COLORS.blue, symbol: 'circle', type: 'solid' }, ours, {
          // above the line, which falls to the right
          label: { ...valueLabel('right', COLORS.blue, 4, 1), offset: [0, -10] },
        }),
        {
          name: 'published',
          type: 'scatter',
          symbol: 'diamond',
          symbolSize: 20,
          itemStyle: hollow,
          data: published,
        },
      ],
    }),
  });
}
