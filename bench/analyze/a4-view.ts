/** What A-4 found, as sentences, tables and the chart of imbalance against moved share. Pure. */
import { type A4, A4_LOAD_FACTOR, A4_SIZES, type StructureResult } from './a4.ts';
import { COLORS, LEGEND, renderChart, xAxis, yAxis } from './chart.ts';
import { count, fixed, percent, signed } from './format.ts';
import { type Chart, type Section, table } from './section.ts';
import type { Family } from './structures.ts';

const FAMILIES: Readonly<Record<Family, { name: string; symbol: string; color: string }>> = {
  textbook: { name: 'textbook Φ, 512 × 9', symbol: 'triangle', color: COLORS.red },
  hash: { name: 'another Φ, 512 × 9', symbol: 'diamond', color: COLORS.orange },
  ring: { name: 'ring of 65,536', symbol: 'rect', color: COLORS.green },
  maglev: { name: 'Maglev', symbol: 'circle', color: COLORS.blue },
};

const plain = ({ results }: A4) => results.filter(({ loadFactor }) => loadFactor === 0);
const distanceTo = (ideal: number) => (value: number) => Math.abs(value - ideal);

function title(a4: A4): string {
  const best = plain(a4).reduce((a, b) => (b.imbalance.mean < a.imbalance.mean ? b : a));
  const textbook = a4.results[0]!;
  return `${best.name} is the most even (max ÷ mean ${fixed(best.imbalance.mean, 2)} against the textbook's ${fixed(textbook.imbalance.mean, 2)}) and moves ${fixed(best.movedToIdeal.mean, 2)} times what it must`;
}

/** The number by which the table and the chart call a structure. */
const numberOf = (a4: A4, result: StructureResult) =>
  plain(a4).findIndex(({ name }) => name === result.name) + 1;

function chart(a4: A4): Chart {
  const seriesOf = (family: Family, isBounded: boolean) => {
    const { name, symbol, color } = FAMILIES[family];
    const own = a4.results.filter((each) => each.family === family && each.loadFactor > 0 === isBounded);
    return {
      name: isBounded ? `${name}, bounded` : name,
      type: 'scatter',
      symbol,
      symbolSize: 13,
      itemStyle: isBounded
        ? { color: '#ffffff', borderColor: color, borderWidth: 2 }
        : { color, borderColor: color, borderWidth: 2 },
      labelLayout: { moveOverlap: 'shiftY', hideOverlap: false },
      data: own.map((each) => ({
        value: [each.movedToIdeal.mean, each.imbalance.mean],
        label: {
          show: true,
          position: isBounded ? 'left' : 'right',
          fontSize: 11,
          color: COLORS.ink,
          formatter: `${numberOf(a4, each)}${isBounded ? 'b' : ''}`,
        },
      })),
    };
  };
  const families = Object.keys(FAMILIES) as Family[];
  const series = [
    ...families.map((each) => seriesOf(each, false)),
    ...families.map((each) => seriesOf(each, true)),
  ];
  return renderChart({
    name: 'a4-map',
    title: title(a4),
    subtitle: `Means over N = ${A4_SIZES[0]} to ${A4_SIZES.at(-1)}. Numbers are those of the table, b is with bounded load ${A4_LOAD_FACTOR}. Left of 1 fewer ids move than an even share of the new replica is, because it gets less than that.`,
    alt: plain(a4)
      .map(
        (each) =>
          `${numberOf(a4, each)} ${each.name}: ${fixed(each.imbalance.mean, 2)}, moved ${fixed(each.movedToIdeal.mean, 2)}`,
      )
      .join('; '),
    height: 620,
    option: {
      legend: { ...LEGEND, data: series.map(({ name }) => name) },
      grid: { left: 74, right: 40, top: 124, bottom: 116 },
      xAxis: xAxis('ids that moved at a step, as a multiple of the ideal 1 ÷ N', {
        type: 'value' as const,
        min: 0,
        splitLine: { show: true, lineStyle: { color: COLORS.faint } },
      }),
      yAxis: yAxis('max ÷ mean (log)', {
        type: 'log' as const,
        min: 1,
        max: 4,
        logBase: 2,
        axisLabel: { formatter: (value: number) => fixed(value, 1) },
      }),
      series: [
        ...series,
        {
          type: 'line',
          data: [],
          markLine: {
            symbol: 'none',
            silent: true,
            lineStyle: { color: COLORS.ink, type: 'dashed' },
            label: { position: 'insideEndTop', formatter: 'ideal', color: COLORS.ink },
            data: [{ xAxis: 1 }],
          },
        },
      ],
    },
  });
}

function structureRow(a4: A4, result: StructureResult): readonly string[] {
  const bounded = result.loadFactor > 0;
  return [
    `${numberOf(a4, result)}${bounded ? 'b' : ''}`,
    bounded ? `${result.name}, bounded` : result.name,
    ...result.curve.imbalance.map((value) => fixed(value, 2)),
    ...result.curve.moved.map((share) => percent(share, 1)),
    `${fixed(result.imbalance.mean, 2)} (${fixed(result.imbalance.low, 2)} to ${fixed(result.imbalance.high, 2)})`,
    fixed(result.movedToIdeal.mean, 2),
  ];
}

function boundedSentence(a4: A4): string {
  const bounded = a4.results.filter(({ loadFactor }) => loadFactor > 0);
  const most = Math.max(...bounded.flatMap(({ curve }) => curve.imbalance));
  const price = bounded.map((each, at) => each.movedToIdeal.mean - plain(a4)[at]!.movedToIdeal.mean);
  return `With bounded load ${A4_LOAD_FACTOR} nothing is above ${fixed(most, 3)} times the mean, whatever lies below it; the price is in what moves, ${signed(Math.max(...price), 2)} times the ideal share for the most uneven and ${signed(Math.min(...price), 2)} for the most even.`;
}

function faultSentence({ known, randomPhi }: A4): string {
  const textbook = known.find(({ what }) => what === 'textbook, N = 3')!.ours;
  const onlyH = known.find(({ what }) => what.startsWith('only H'))!.ours;
  const isPhi = onlyH > textbook * 0.9 && randomPhi.median < textbook * 0.75;
  const verdict = isPhi
    ? 'The unevenness is the fault of Φ, not of H.'
    : 'These figures do not tell whether the unevenness is the fault of Φ or of H.';
  return `${verdict} At N = 3 an even H leaves max ÷ mean at ${fixed(onlyH, 2)} (textbook ${fixed(textbook, 2)}); ${count(randomPhi.draws)} random Φs with the textbook's H come to ${fixed(randomPhi.median, 2)} in the median (mean ${fixed(randomPhi.mean, 2)}, 90 % between ${fixed(randomPhi.low, 2)} and ${fixed(randomPhi.high, 2)}), and ${percent(randomPhi.evener, 1)} of them are more even than the textbook's.`;
}

function knownSentence({ known, randomPhi }: A4): string {
  const missed = known.filter(({ known: value, ours }) => distanceTo(value)(ours) >= 0.005);
  const met = missed.length === 0 ? 'All known values are met' : `${missed.length} known values are missed`;
  return `${met}. A Φ is one draw of ${27} virtual nodes, so 1.31 is the value of one Φ: ${percent(randomPhi.below131, 0)} of the random ones are below it.`;
}

export function viewA4(a4: A4): Section {
  const steps = A4_SIZES.slice(1).map((size, at) => `moved ${A4_SIZES[at]} → ${size}`);
  return {
    id: 'A-4',
    title: 'Hash functions and structures',
    findings: [faultSentence(a4), knownSentence(a4), boundedSentence(a4)],
    parts: [
      chart(a4),
      table(
        `Imbalance and moved share, request ids 1 to ${count(a4.ids)}; the last two columns are means over N (and ${a4.fleets} fleets of other names and ids, with what 5 % and 95 % of them stay below; the textbook's Φ has but one fleet of a size)`,
        ['', 'structure', ...A4_SIZES.map((size) => `N = ${size}`), ...steps, 'max ÷ mean', 'moved ÷ ideal'],
        a4.results.map((result) => structureRow(a4, result)),
      ),
      table(
        'Known values of max ÷ mean',
        ['', 'known', 'ours', 'difference', 'read as'],
        a4.known.map(({ what, known, ours, reading }) => [
          what,
          fixed(known, 2),
          fixed(ours, 3),
          signed(ours - known, 3),
          reading,
        ]),
      ),
    ],
    limits: [
      'Every id counts once here. In use some keys are asked for far more often than others, and no placement spreads a single hot key; bounded load does.',
      'With bounded load no request ends here before the last has come, which is the hardest case: 10,000 in flight at once.',
    ],
  };
}
