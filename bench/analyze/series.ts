/** Kinds of series that several charts draw, in the terms of ECharts. */
import { COLORS } from './chart.ts';
import { fixed } from './format.ts';

/** A legend at the lower edge. */
export const LEGEND = {
  bottom: 4,
  itemWidth: 28,
  itemHeight: 14,
  itemGap: 22,
  textStyle: { color: COLORS.ink, fontSize: 12.5 },
} as const;

/** Patterns for bars, in the order of the series; the first is plain. */
export const DECALS = [
  { symbol: 'none' },
  {
    symbol: 'rect',
    dashArrayX: [1, 0],
    dashArrayY: [2, 5],
    rotation: -Math.PI / 4,
    color: 'rgba(0,0,0,0.35)',
  },
  {
    symbol: 'circle',
    dashArrayX: [
      [6, 6],
      [0, 6, 6, 0],
    ],
    dashArrayY: [6, 0],
    symbolSize: 0.7,
    color: 'rgba(0,0,0,0.35)',
  },
] as const;

/** What a callback of ECharts is given of a datum. */
interface Shown {
  readonly value: unknown;
}

/** Between bars beside each other. */
const BAR_GAP = '8%';

/** Bars with their values above them. */
export function bars(
  name: string,
  look: { readonly color: string; readonly decal: object },
  data: readonly number[],
  digits: (value: number) => number,
): object {
  return {
    name,
    type: 'bar',
    barGap: BAR_GAP,
    itemStyle: look,
    label: {
      show: true,
      position: 'top',
      fontSize: 12,
      formatter: ({ value }: Shown) => fixed(Number(value), digits(Number(value))),
    },
    data,
  };
}

export interface LineLook {
  readonly color: string;
  readonly symbol: string;
  readonly type: string;
}

/** A line with a symbol at each datum; `more` is added or put in the place of what is here. */
export function line(name: string, look: LineLook, data: readonly unknown[], more: object = {}): object {
  const { color, symbol, type } = look;
  return { name, type: 'line', color, symbol, symbolSize: 9, lineStyle: { width: 2.2, type }, data, ...more };
}

/** The name of a line beside its end. */
export function endLabel(name: string, color: string): object {
  return { show: true, formatter: name, color, fontSize: 12.5, fontWeight: 600 };
}

/** A value beside each datum. */
export function valueLabel(position: string, color: string, digits: number, at = 0): object {
  const numberIn = (value: unknown) => Number(Array.isArray(value) ? value[at] : value);
  return {
    show: true,
    position,
    distance: 9,
    fontWeight: 600,
    color,
    formatter: ({ value }: Shown) => fixed(numberIn(value), digits),
  };
}

export interface Band {
  readonly name: string;
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** Two stacked series that together fill what lies between `low` and `high`. */
export function band({ name, low, high }: Band): readonly object[] {
  const base = {
    type: 'line',
    stack: name,
    stackStrategy: 'all',
    symbol: 'none',
    lineStyle: { opacity: 0 },
    silent: true,
    z: 1,
  };
  const look = {
    areaStyle: { color: COLORS.grey, opacity: 0.18 },
    itemStyle: { color: COLORS.grey, opacity: 0.4 },
  };
  return [
    { ...base, data: low },
    { ...base, ...look, name, data: high.map((value, at) => value - low[at]!) },
  ];
}

/** What an error bar reaches over, at which value of the axis across: 0 is the first category. */
export interface Reach {
  readonly at: number;
  readonly low: number;
  readonly high: number;
  /** Written above it. */
  readonly label?: string;
}

interface CustomApi {
  value(dimension: number): number;
  coord(point: readonly number[]): readonly number[];
  barLayout(bars: {
    readonly barGap: string;
    readonly count: number;
  }): readonly { readonly offsetCenter: number }[];
}

/** Bars from the least to the most of each datum; over the bars of one series where several stand beside each other. */
export function whiskers(
  reaches: readonly Reach[],
  group?: { readonly at: number; readonly of: number },
): object {
  const CAP = 6;
  return {
    type: 'custom',
    silent: true,
    z: 5,
    // both ends, so that the axis holds them
    encode: { x: 0, y: [1, 2] },

    data: reaches.map(({ at, low, high }) => [at, low, high]),
    renderItem({ dataIndex }: { readonly dataIndex: number }, api: CustomApi) {
      const [middle = 0, low = 0] = api.coord([api.value(0), api.value(1)]);
      const [, high = 0] = api.coord([api.value(0), api.value(2)]);
      const layout = group && api.barLayout({ barGap: BAR_GAP, count: group.of })[group.at];
      const x = middle + (layout?.offsetCenter ?? 0);
      const bar = (x1: number, y1: number, x2: number, y2: number) => ({
        type: 'line',
        shape: { x1, y1, x2, y2 },
        style: { stroke: COLORS.ink, lineWidth: 1.5 },
      });
      const text = reaches[dataIndex]!.label;
      const label = {
        type: 'text',
        style: {
          text,
          x,
          y: high - CAP,
          align: 'center',
          verticalAlign: 'bottom',
          fontSize: 12,
          fill: COLORS.ink,
        },
      };
      return {
        type: 'group',
        children: [
          ...[bar(x, low, x, high), bar(x - CAP, low, x + CAP, low), bar(x - CAP, high, x + CAP, high)],
          ...(text === undefined ? [] : [label]),
        ],
      };
    },
  };
}

/** A line across a chart. */
export function mark(label: object, data: object): object {
  return {
    symbol: 'none',
    silent: true,
    lineStyle: { color: COLORS.ink, type: 'dashed', width: 1.4 },
    label: { color: COLORS.ink, ...label },
    data: [data],
  };
}
