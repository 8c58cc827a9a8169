/**
 * Charts as SVG text, by ECharts' server-side rendering: one look for all of them, readable without colour (patterns
 * in bars, symbols and dashes on lines, labels beside the data).
 */
import * as echarts from 'echarts';
import { dataOf, type Grid } from './figure-data.ts';
import type { Chart } from './section.ts';

export const WIDTH = 880;
/** Of the lines above a chart: size, height and how many characters fit, with a wide font too. */
const TITLE = { size: 16, lineHeight: 22, characters: 87 };
const SUBTITLE = { size: 12.5, lineHeight: 18, characters: 126 };
const MARGIN = 14;
/** Between the subtitle and the area, for labels above the highest value. */
const ABOVE_AREA = 16;

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

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";

/** What is drawn below the title. */
export interface ChartSpec {
  readonly name: string;
  readonly title: string;
  /** How it was measured, in a line or two. */
  readonly subtitle: string;
  readonly alt: string;
  /** See Chart. */
  readonly sample: string;
  readonly isRepeated?: boolean;
  /** Where the series do not say it themselves. */
  readonly data?: Grid;
  /** Below title and subtitle. */
  readonly height?: number;
  /** In the terms of ECharts; `top` is where the title and the subtitle end. */
  readonly option: (top: number) => object;
}

const AXIS = {
  axisLine: { lineStyle: { color: COLORS.grey } },
  axisTick: { lineStyle: { color: COLORS.grey } },
  axisLabel: { color: COLORS.ink, fontSize: 12, lineHeight: 16 },
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

/** Beside its height, in a wide font. */
const WIDTH_OF_LETTER = 0.56;

// It guesses widths where there is no browser, and guesses low for most fonts; then texts would overlap.
echarts.setPlatformAPI({
  measureText(text, font = '12px') {
    const size = Number(/([\d.]+)px/.exec(font)?.[1] ?? 12);
    // it takes the width of one ideograph for the height of a line
    const letters = Array.from(text, (letter) => (letter > '\u2e80' ? 1 : WIDTH_OF_LETTER));
    const width = letters.reduce((sum, each) => sum + each, 0) * size;
    return { width: /bold|[6-9]00/.test(font) ? width * 1.1 : width };
  },
});

/** Breaks a text into lines of at most so many characters, between words. */
export function wrap(text: string, characters: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= characters) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

export function renderChart(spec: ChartSpec): Chart {
  const { name, title, subtitle, alt, sample, isRepeated = false, height = 340, option } = spec;
  const titleLines = wrap(title, TITLE.characters);
  const subtitleLines = wrap(subtitle, SUBTITLE.characters);
  const top =
    2 * MARGIN +
    ABOVE_AREA +
    titleLines.length * TITLE.lineHeight +
    subtitleLines.length * SUBTITLE.lineHeight;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: top + height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      textStyle: { fontFamily: FONT, color: COLORS.ink },
      title: {
        text: titleLines.join('\n'),
        subtext: subtitleLines.join('\n'),
        left: MARGIN,
        top: MARGIN,
        padding: 0,
        itemGap: 4,
        textStyle: {
          fontSize: TITLE.size,
          lineHeight: TITLE.lineHeight,
          fontWeight: 600,
          color: COLORS.ink,
        },
        subtextStyle: { fontSize: SUBTITLE.size, lineHeight: SUBTITLE.lineHeight, color: COLORS.grey },
      },
      ...option(top),
    } as echarts.EChartsOption);
    // a style for pointers that hover has no use in a picture
    const svg = chart.renderToSVGString().replace(/<style.*?<\/style>\s*/gs, '');
    const data = spec.data ?? dataOf(option(top));
    return { kind: 'chart', name, title, alt, svg, sample, isRepeated, data };
  } finally {
    // it holds a timer, which would keep the process alive
    chart.dispose();
  }
}

/** Where a chart is drawn: nothing in it moves for the sake of long labels. */
export function gridAt(place: object) {
  return { outerBoundsMode: 'none' as const, left: 74, right: 30, bottom: 56, ...place };
}
