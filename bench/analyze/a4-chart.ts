/** A-4's chart: imbalance against moved share, the whole of it and its crowded corner enlarged. Pure. */
import { type A4, A4_LOAD_FACTOR, A4_SIZES, type StructureResult } from './a4.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { fixed } from './format.ts';
import type { Chart } from './section.ts';
import { LEGEND } from './series.ts';
import type { Family } from './structures.ts';

const FAMILIES: Readonly<Record<Family, { name: string; symbol: string; color: string }>> = {
  textbook: { name: 'textbook Φ', symbol: 'triangle', color: COLORS.red },
  hash: { name: 'another Φ', symbol: 'diamond', color: COLORS.orange },
  ring: { name: 'ring of 65,536', symbol: 'rect', color: COLORS.green },
  rendezvous: { name: 'rendezvous', symbol: 'roundRect', color: COLORS.ink },
  maglev: { name: 'Maglev', symbol: 'circle', color: COLORS.blue },
};

/** The enlarged part: as wide as what is not bounded, beside the textbook's Φ. */
const CORNER = { left: 0.75, right: 1.3, low: 1, high: 1.5 };
const PANEL_HEIGHTS = [200, 380] as const;
const PANEL_GAP = 66;

export const plain = ({ results }: A4) => results.filter(({ loadFactor }) => loadFactor === 0);
const isBounded = ({ loadFactor }: StructureResult) => loadFactor > 0;
const pointOf = ({ movedToIdeal, imbalance }: StructureResult) =>
  [movedToIdeal.mean, imbalance.mean] as const;

/** The number by which the table and the chart call a structure; with `b` it is the bounded one. */
export function numberOf(a4: A4, result: StructureResult): string {
  return `${plain(a4).findIndex(({ name }) => name === result.name) + 1}${isBounded(result) ? 'b' : ''}`;
}

function isInCorner(result: StructureResult): boolean {
  const [moved, imbalance] = pointOf(result);
  return moved >= CORNER.left && moved <= CORNER.right && imbalance <= CORNER.high;
}

function titleOf(a4: A4): string {
  const best = plain(a4).reduce((a, b) => (b.imbalance.mean < a.imbalance.mean ? b : a));
  const textbook = a4.results[0]!;
  return `${best.name} is the most even (max ÷ mean ${fixed(best.imbalance.mean, 2)} against the textbook's ${fixed(textbook.imbalance.mean, 2)}) and moves ${fixed(best.movedToIdeal.mean, 2)} times what it must`;
}

/** The points of one family in one panel; in the enlarged one by name, and by number where they are bounded. */
function pointsOf(a4: A4, family: Family, bounded: boolean, panel: 0 | 1): object {
  const { name, symbol, color } = FAMILIES[family];
  const own = a4.results.filter((each) => each.family === family && isBounded(each) === bounded);
  const shown = panel === 0 ? own : own.filter(isInCorner);
  const away = own.filter((each) => !isInCorner(each));
  const labelOf = (each: StructureResult) => {
    if (panel === 1) return bounded ? numberOf(a4, each) : `${numberOf(a4, each)} ${each.name}`;
    // the textbook's lie together, so they are named together
    if (each !== away[0]) return '';
    return away.length === 1 ? numberOf(a4, each) : `${numberOf(a4, each)} to ${numberOf(a4, away.at(-1)!)}`;
  };
  return {
    name: bounded ? `${name}, bounded` : name,
    type: 'scatter',
    xAxisIndex: panel,
    yAxisIndex: panel,
    symbol,
    symbolSize: panel === 0 ? 10 : 13,
    itemStyle: { color: bounded ? '#ffffff' : color, borderColor: color, borderWidth: 2, opacity: 1 },
    labelLayout: { moveOverlap: 'shiftY' },
    data: shown.map((each) => ({
      value: pointOf(each),
      label: {
        show: true,
        position: labelPosition(family, bounded),
        distance: 8,
        fontSize: 11.5,
        color: COLORS.ink,
        formatter: labelOf(each),
      },
    })),
  };
}

/** Where it does not lie on another: the two Maglevs are side by side. */
function labelPosition(family: Family, bounded: boolean): string {
  if (family === 'textbook') return 'bottom';
  if (bounded) return 'left';
  return family === 'maglev' ? 'top' : 'right';
}

/** The line of the ideal, and in the whole a frame round the part that is enlarged. */
function guides(panel: 0 | 1): object {
  const { left, right, low, high } = CORNER;
  const frame = {
    silent: true,
    itemStyle: { color: 'rgba(0,0,0,0.04)', borderColor: COLORS.grey, borderWidth: 1 },
    label: { position: 'left', color: COLORS.grey, formatter: 'enlarged below' },
    data: [[{ coord: [left, low] }, { coord: [right, high] }]],
  };
  return {
    type: 'line',
    xAxisIndex: panel,
    yAxisIndex: panel,
    data: [],
    markLine: {
      symbol: 'none',
      silent: true,
      lineStyle: { color: COLORS.ink, type: 'dashed' },
      label: { position: 'end', formatter: 'ideal', color: COLORS.ink },
      data: [{ xAxis: 1 }],
    },
    ...(panel === 0 ? { markArea: frame } : {}),
  };
}

function axes(a4: A4) {
  const moved = a4.results.map((each) => pointOf(each)[0]);
  const grid = { splitLine: { show: true, lineStyle: { color: COLORS.faint } } };
  const steps = { axisLabel: { formatter: (value: number) => fixed(value, 1) } };
  const name = 'ids that moved at a step, as a multiple of the ideal 1 ÷ N';
  return {
    xAxis: [
      xAxis('', { ...grid, type: 'value' as const, min: 0, max: Math.ceil(Math.max(...moved) * 2) / 2 }),
      xAxis(name, { ...grid, type: 'value' as const, gridIndex: 1, min: CORNER.left, max: CORNER.right }),
    ],
    yAxis: [
      yAxis('max ÷ mean (log)', { ...steps, type: 'log' as const, logBase: 2, min: 1, max: 4 }),
      yAxis('max ÷ mean', { ...steps, gridIndex: 1, min: CORNER.low, max: CORNER.high }),
    ],
  };
}

export function mapChart(a4: A4): Chart {
  const families = Object.keys(FAMILIES) as Family[];
  const series = ([0, 1] as const).flatMap((panel) => [
    guides(panel),
    ...[true, false].flatMap((bounded) => families.map((each) => pointsOf(a4, each, bounded, panel))),
  ]);
  const [first, second] = PANEL_HEIGHTS;
  return renderChart({
    name: 'a4-map',
    title: titleOf(a4),
    subtitle: `Means over N = ${A4_SIZES[0]} to ${A4_SIZES.at(-1)}. Numbers are those of the table, b is with bounded load ${A4_LOAD_FACTOR} (hollow). Left of 1 fewer ids move than the even share of the new replica, because it gets less than that.`,
    alt: a4.results
      .map(
        (each) =>
          `${numberOf(a4, each)} ${each.name}: ${pointOf(each)
            .map((value) => fixed(value, 2))
            .join(' moved, max ÷ mean ')}`,
      )
      .join('; '),
    height: first + second + 2 * PANEL_GAP + 50,
    option: (top) => ({
      legend: {
        ...LEGEND,
        data: families.flatMap((each) => [FAMILIES[each].name, `${FAMILIES[each].name}, bounded`]),
      },
      grid: [
        gridAt({ top: top + 18, height: first, bottom: undefined }),
        gridAt({ top: top + 18 + first + PANEL_GAP - 14, height: second, bottom: undefined }),
      ],
      ...axes(a4),
      series,
    }),
  });
}
