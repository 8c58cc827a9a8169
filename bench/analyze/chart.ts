/**
 * Charts as SVG text, by ECharts' server-side rendering: one look for all of them, readable without colour (patterns
 * in bars, symbols and dashes on lines, labels beside the data). Must not hold: any data.
 */
import * as echarts from 'echarts';
import type { Chart } from './section.ts';

export const WIDTH = 880;
const TITLE_TOP = 12;
/** Where a chart's own area begins. */
export const TOP = 92;

/** Okabe and Ito's colours, told apart by most who see few. */
export const COLORS = {
  blue: '#0072B2',
  orange: '#E69F00',
  green: '#009E73',
  red: '#D55E00',
  purple: '#CC79A7',
  sky: '#56B4E9',
  grey: '#6b7280',
  ink: '#1f2933',
  faint: '#d5dae0',
} as const;

export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif';

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

/** What is drawn beside the title. */
export interface ChartSpec {
  readonly name: string;
  readonly title: string;
  /** How it was measured, in a line or two. */
  readonly subtitle: string;
  readonly alt: string;
  readonly height?: number;
  /** In the terms of ECharts. */
  readonly option: object;
}

const AXIS = {
  axisLine: { lineStyle: { color: COLORS.grey } },
  axisTick: { lineStyle: { color: COLORS.grey } },
  axisLabel: { color: COLORS.ink, fontSize: 12 },
  nameTextStyle: { color: COLORS.ink, fontSize: 12 },
  splitLine: { lineStyle: { color: COLORS.faint } },
};

/** A horizontal axis with its name below. */
export function xAxis<T extends object>(name: string, more: T) {
  return { ...AXIS, splitLine: { show: false }, name, nameLocation: 'middle' as const, nameGap: 30, ...more };
}

/** A vertical axis with its name along it. */
export function yAxis<T extends object>(name: string, more: T) {
  return { ...AXIS, type: 'value' as const, name, nameLocation: 'middle' as const, nameGap: 48, ...more };
}

export function renderChart({ name, title, subtitle, alt, height = 430, option }: ChartSpec): Chart {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      textStyle: { fontFamily: FONT, color: COLORS.ink },
      title: {
        text: title,
        subtext: subtitle,
        left: 16,
        top: TITLE_TOP,
        itemGap: 6,
        textStyle: { fontSize: 16, fontWeight: 600, color: COLORS.ink, width: WIDTH - 32, overflow: 'break' },
        subtextStyle: { fontSize: 12.5, color: COLORS.grey, width: WIDTH - 32, overflow: 'break' },
      },
      grid: { left: 74, right: 30, top: TOP, bottom: 62 },
      ...option,
    } as echarts.EChartsOption);
    return { kind: 'chart', name, title, alt, svg: chart.renderToSVGString() };
  } finally {
    // it holds a timer, which would keep the process alive
    chart.dispose();
  }
}

/** A legend at the lower edge. */
export const LEGEND = {
  bottom: 4,
  itemWidth: 28,
  itemHeight: 14,
  textStyle: { color: COLORS.ink, fontSize: 12.5 },
} as const;

export interface Band {
  readonly name: string;
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly color?: string;
}

/** Two stacked series that together fill what lies between `low` and `high`. */
export function bandSeries({ name, low, high, color = COLORS.grey }: Band): readonly object[] {
  const base = { type: 'line', stack: name, symbol: 'none', lineStyle: { opacity: 0 }, silent: true, z: 1 };
  return [
    { ...base, data: low, stackStrategy: 'all', tooltip: { show: false } },
    {
      ...base,
      name,
      data: high.map((value, at) => value - low[at]!),
      stackStrategy: 'all',
      areaStyle: { color, opacity: 0.18 },
      itemStyle: { color, opacity: 0.4 },
    },
  ];
}
