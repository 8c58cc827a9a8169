/**
 * A-4's charts: imbalance against moved share, on linear axes throughout: every structure without a load bound, those
 * of them that lie close together on a larger scale, and all with the bound. Pure.
 */
import { type A4, A4_LOAD_FACTOR, A4_SIZES, type StructureResult } from './a4.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { count, fixed } from './format.ts';
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

/** What is close together: everything but the textbook's Φ. */
const CORNER = { left: 0.75, right: 1.3, high: 1.5 };

export const plain = ({ results }: A4) => results.filter(({ loadFactor }) => loadFactor === 0);
const bounded = ({ results }: A4) => results.filter(({ loadFactor }) => loadFactor > 0);
const pointOf = ({ movedToIdeal, imbalance }: StructureResult) =>
  [movedToIdeal.mean, imbalance.mean] as const;

/** The number by which the table and the charts call a structure; with `b` it is the bounded one. */
export function numberOf(a4: A4, result: StructureResult): string {
  const number = plain(a4).findIndex(({ name }) => name === result.name) + 1;
  return `${number}${result.loadFactor > 0 ? 'b' : ''}`;
}

function isInCorner(result: StructureResult): boolean {
  const [moved, imbalance] = pointOf(result);
  return moved >= CORNER.left && moved <= CORNER.right && imbalance <= CORNER.high;
}

interface Drawn {
  readonly name: string;
  readonly title: string;
  readonly subtitle: string;
  readonly results: readonly StructureResult[];
  /** What a point is called. */
  readonly label: (result: StructureResult) => string;
}

function pointsOf({ results, label }: Drawn, family: Family): object {
  const { name, symbol, color } = FAMILIES[family];
  const own = results.filter((each) => each.family === family);
  const isHollow = own.some(({ loadFactor }) => loadFactor > 0);
  return {
    name,
    type: 'scatter',
    symbol,
    symbolSize: 13,
    itemStyle: { color: isHollow ? '#ffffff' : color, borderColor: color, borderWidth: 2, opacity: 1 },
    data: own.map((each) => ({
      value: pointOf(each),
      label: {
        show: label(each) !== '',
        position: positionOf(each, own),
        distance: 8,
        fontSize: 11.5,
        offset: [0, isJustAbove(each, own) ? -7 : 0],
        color: COLORS.ink,
        formatter: label(each),
      },
    })),
    markLine: {
      symbol: 'none',
      silent: true,
      lineStyle: { color: COLORS.ink, type: 'dashed' },
      label: { position: 'end', formatter: 'ideal', color: COLORS.ink },
      data: [{ xAxis: 1 }],
    },
  };
}

/**
 * Where a label does not lie on another: rendezvous and the larger Maglev are side by side, and with the bound the hashes
 * are in a row, whose labels are above and below in turn.
 */
function positionOf(each: StructureResult, own: readonly StructureResult[]): string {
  if (each.family === 'rendezvous') return 'bottom';
  if (each.family === 'hash' && each.loadFactor > 0) {
    const row = own.toSorted((one, other) => one.movedToIdeal.mean - other.movedToIdeal.mean);
    return row.indexOf(each) % 2 === 0 ? 'bottom' : 'top';
  }
  return each.family === 'maglev' && each === own.at(-1) ? 'left' : 'right';
}

/** So near above another that the label would lie on the other's. */
function isJustAbove(each: StructureResult, own: readonly StructureResult[]): boolean {
  const [moved, imbalance] = pointOf(each);
  return own.some((other) => {
    const above = imbalance - pointOf(other)[1];
    return above > 0 && above < 0.03 && Math.abs(moved - pointOf(other)[0]) < 0.05;
  });
}

/** Rounded outwards, with 1 in it. */
function around(values: readonly number[]): { readonly min: number; readonly max: number } {
  const [least, most] = [Math.min(1, ...values), Math.max(1, ...values)];
  const steps = most - least > 0.5 ? 10 : 20;
  return { min: Math.floor(least * steps - 0.5) / steps, max: Math.ceil(most * steps + 0.5) / steps };
}

function mapOf(a4: A4, drawn: Drawn): Chart {
  const { name, title, subtitle, results } = drawn;
  const families = (Object.keys(FAMILIES) as Family[]).filter((family) =>
    results.some((each) => each.family === family),
  );
  const grid = { splitLine: { show: true, lineStyle: { color: COLORS.faint } } };
  const points = results.map(pointOf);
  // the least value of an axis may be close below a round one, and their numbers would touch
  const label = { axisLabel: { formatter: (value: number) => fixed(value, 2), showMinLabel: false } };
  return renderChart({
    name,
    title,
    subtitle,
    alt: results
      .map(
        (each) =>
          `${numberOf(a4, each)} ${each.name}: ${pointOf(each)
            .map((value) => fixed(value, 2))
            .join(' moved, max ÷ mean ')}`,
      )
      .join('; '),
    sample: `${count(a4.ids)} ids at N = ${A4_SIZES[0]} to ${A4_SIZES.at(-1)}, ${a4.fleets} fleets`,
    data: {
      head: [
        'number',
        'structure',
        'family',
        'load factor',
        'moved / ideal',
        'max / mean',
        'max / mean 5 %',
        'max / mean 95 %',
      ],
      rows: results.map((each) => [
        ...[numberOf(a4, each), each.name, FAMILIES[each.family].name, each.loadFactor],
        ...[...pointOf(each), each.imbalance.low, each.imbalance.high],
      ]),
    },
    height: 430,
    option: (top) => ({
      legend: { ...LEGEND, data: families.map((family) => FAMILIES[family].name) },
      grid: gridAt({ top, right: 120, bottom: 86 }),
      xAxis: xAxis('ids that moved at a step, as a multiple of the ideal 1 ÷ N', {
        ...grid,
        ...label,
        ...around(points.map(([moved]) => moved)),
        type: 'value' as const,
      }),
      yAxis: yAxis('max ÷ mean', { ...label, ...around(points.map(([, imbalance]) => imbalance)) }),
      series: families.map((family) => pointsOf(drawn, family)),
    }),
  });
}

export function mapCharts(a4: A4): readonly Chart[] {
  const best = plain(a4).reduce((a, b) => (b.imbalance.mean < a.imbalance.mean ? b : a));
  const textbook = a4.results[0]!;
  const most = Math.max(...bounded(a4).map(({ imbalance }) => imbalance.mean));
  const named = (each: StructureResult) => `${numberOf(a4, each)} ${each.name}`;
  // the textbook's Φ under other Hs is four times nearly the same point
  const variants = (results: readonly StructureResult[]) =>
    results.filter((each) => each.family === 'textbook').slice(1);
  const together = (results: readonly StructureResult[], each: StructureResult, alone: string) => {
    const same = variants(results);
    if (!same.includes(each)) return alone;
    return each === same[0] ? `${numberOf(a4, each)} to ${numberOf(a4, same.at(-1)!)}` : '';
  };
  const means = `Means over N = ${A4_SIZES[0]} to ${A4_SIZES.at(-1)}; numbers are those of the table.`;
  const near = plain(a4).filter(isInCorner);
  return [
    mapOf(a4, {
      name: 'a4-map',
      title: `${best.name[0]!.toUpperCase()}${best.name.slice(1)} is the most even (max ÷ mean ${fixed(best.imbalance.mean, 2)} against the textbook's ${fixed(textbook.imbalance.mean, 2)}) and moves ${fixed(best.movedToIdeal.mean, 2)} times what it must`,
      subtitle: `Without load bound. ${means} Left of 1 fewer ids move than the even share of the new replica, because it gets less than that. What has no name is in the next figure.`,
      results: plain(a4),
      label: (each) => (isInCorner(each) ? '' : together(plain(a4), each, named(each))),
    }),
    mapOf(a4, {
      name: 'a4-near',
      title: `${near.length} of ${plain(a4).length} structures are below ${fixed(CORNER.high, 1)} times the mean and move little more than they must`,
      subtitle: `The same without the others, on a larger scale. ${means}`,
      results: near,
      label: named,
    }),
    mapOf(a4, {
      name: 'a4-bounded',
      title: `With bounded load ${A4_LOAD_FACTOR} no structure is above ${fixed(most, 2)} times the mean; they differ in what moves`,
      subtitle: `Every structure with the bound. ${means}`,
      results: bounded(a4),
      label: (each) => together(bounded(a4), each, numberOf(a4, each)),
    }),
  ];
}
