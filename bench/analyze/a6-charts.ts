/** A-6's charts: what tables cost, what rolling moves, how far a balancer behind differs. Pure. */
import { type A6, type Agreement, type Cost, KEYS, placementsIn, ROUNDS } from './a6.ts';
import { COLORS, gridAt, renderChart, xAxis, yAxis } from './chart.ts';
import { bytes, count, fixed, percent } from './format.ts';
import type { Chart } from './section.ts';
import { bars, DECALS, LEGEND, type LineLook, line } from './series.ts';

const MAGLEV: LineLook = { color: COLORS.blue, symbol: 'circle', type: 'solid' };
const LARGE: LineLook = { color: COLORS.purple, symbol: 'rect', type: 'dashed' };
const RENDEZVOUS: LineLook = { color: COLORS.orange, symbol: 'roundRect', type: 'solid' };
const RING: LineLook = { color: COLORS.green, symbol: 'triangle', type: 'solid' };
const CLASSIC: LineLook = { color: COLORS.red, symbol: 'diamond', type: 'solid' };
const IDEAL: LineLook = { color: COLORS.grey, symbol: 'none', type: 'dashed' };

const COST_PANELS = [
  { name: 'build a table, ms (log)', axis: { type: 'log' }, value: (each: Cost) => each.buildMs },
  { name: 'look up a key, ns', axis: { min: 0 }, value: (each: Cost) => each.lookupNs },
  { name: 'shared memory, MiB (log)', axis: { type: 'log' }, value: (each: Cost) => each.bytes / 2 ** 20 },
];

function costSeries(costs: readonly Cost[]): readonly object[] {
  return COST_PANELS.flatMap(({ value }, panel) =>
    placementsIn(costs).map((placement, at) => {
      const points = costs.filter((each) => each.placement === placement);
      const data = points.map((each) => [each.replicas, value(each)]);
      return line(placement, [MAGLEV, LARGE, RENDEZVOUS, RING][at]!, data, {
        xAxisIndex: panel,
        yAxisIndex: panel,
      });
    }),
  );
}

export function costChart({ costs }: A6): Chart {
  const largest = costs.reduce((most, each) => (each.replicas > most.replicas ? each : most));
  return renderChart({
    name: 'a6-cost',
    title: `${count(largest.replicas)} replicas cost ${fixed(largest.buildMs, 0)} ms a table and ${bytes(largest.bytes)}; a lookup takes ${fixed(largest.lookupNs, 0)} ns (${largest.placement})`,
    subtitle:
      'The fastest of six. A lookup is slot and owner of a key that is hashed already; memory is both banks of slots and the counts of every replica for two threads.',
    alt: costs
      .map(
        (each) =>
          `${each.placement}, ${each.replicas}: ${fixed(each.buildMs, 1)} ms, ${fixed(each.lookupNs, 1)} ns, ${bytes(each.bytes)}`,
      )
      .join('; '),
    sample: `${ROUNDS} builds, and as many rounds of lookups`,
    option: (top) => ({
      legend: { ...LEGEND, data: placementsIn(costs) },
      grid: COST_PANELS.map((_, panel) => gridAt({ left: 82 + panel * 284, width: 202, top, bottom: 92 })),
      xAxis: COST_PANELS.map((_, panel) =>
        xAxis('replicas (log)', { type: 'log' as const, gridIndex: panel, min: 10, max: 10_000 }),
      ),
      yAxis: COST_PANELS.map(({ name, axis }, panel) =>
        yAxis(name, { gridIndex: panel, nameGap: 38, ...axis }),
      ),
      series: costSeries(costs),
    }),
  });
}

function rollingTitle(rolling: A6['rolling']): string {
  const comes = rolling.map(({ comeThenGo }) => comeThenGo);
  const goes = rolling.map(({ goThenCome }) => goThenCome);
  const inPlace = Math.max(...rolling.map((each) => each.inPlace));
  const better = comes.every((value, at) => value <= goes[at]!) ? 'never more' : 'not always less';
  const all = [...comes, ...goes];
  return `Replacing a whole fleet in place moves a key ${fixed(inPlace, 0)} times; under new names ${fixed(Math.min(...all), 1)} to ${fixed(Math.max(...all), 1)} times, and adding first is ${better}`;
}

export function rollingChart({ rolling }: A6): Chart {
  const kinds = [
    { name: 'in place, same names', color: COLORS.ink, data: rolling.map(({ inPlace }) => inPlace) },
    { name: 'the new one comes first', color: COLORS.blue, data: rolling.map((each) => each.comeThenGo) },
    { name: 'the old one goes first', color: COLORS.orange, data: rolling.map((each) => each.goThenCome) },
  ];
  return renderChart({
    name: 'a6-rolling',
    title: rollingTitle(rolling),
    subtitle:
      'How many times a key changes its owner, in the mean, while every replica is replaced, one at a time. It has to once where all names are new.',
    alt: rolling
      .map(
        (each) =>
          `${each.placement}, ${each.replicas}: ${fixed(each.comeThenGo, 2)} and ${fixed(each.goThenCome, 2)}`,
      )
      .join('; '),
    sample: `${count(KEYS)} keys`,
    height: 350,
    option: (top) => ({
      legend: { ...LEGEND, data: kinds.map(({ name }) => name) },
      grid: gridAt({ top, bottom: 98 }),
      xAxis: xAxis('table and replicas', {
        type: 'category' as const,
        data: rolling.map(({ placement, replicas }) => `${placement.split(' ')[0]}\n${replicas}`),
        axisLabel: { color: COLORS.ink, fontSize: 12, lineHeight: 16, interval: 0 },
        nameGap: 42,
      }),
      yAxis: yAxis('moves of a key', { min: 0 }),
      series: kinds.map(({ name, color, data }, at) =>
        bars(name, { color, decal: DECALS[at]! }, data, (value) => (value === 0 ? 0 : 1)),
      ),
    }),
  });
}

function behindTitle(agreement: readonly Agreement[]): string {
  const largest = agreement.reduce((most, each) => (each.replicas > most.replicas ? each : most));
  return `One change behind, a balancer of ${count(largest.replicas)} replicas sends ${percent(largest.behind, 1)} of the keys elsewhere (${largest.placement}); ${percent(1 / largest.replicas, 1)} have to differ`;
}

export function behindChart({ agreement }: A6): Chart {
  const placements = placementsIn(agreement);
  const sizes = [...new Set(agreement.map(({ replicas }) => replicas))].sort((a, b) => a - b);
  const ideal = 'ideal, 1 ÷ N';
  const pointsOf = (placement: string) =>
    agreement
      .filter((each) => each.placement === placement)
      .map(({ replicas, behind }) => [replicas, behind * 100]);
  return renderChart({
    name: 'a6-behind',
    title: behindTitle(agreement),
    subtitle:
      'The share of keys on which a balancer that has not yet heard of the last replica differs from the others, beside the 1 ÷ N that the new one should get.',
    alt: agreement
      .map((each) => `${each.placement}, ${each.replicas}: ${percent(each.behind, 2)}`)
      .join('; '),
    sample: `${count(KEYS)} keys`,
    option: (top) => ({
      legend: { ...LEGEND, data: [...placements, ideal] },
      grid: gridAt({ left: 84, right: 40, top, bottom: 88 }),
      xAxis: xAxis('replicas (log)', { type: 'log' as const, min: 2, max: 2000 }),
      yAxis: yAxis('keys that differ, % (log)', { type: 'log' as const, nameGap: 56 }),
      series: [
        ...placements.map((placement, at) =>
          line(placement, [MAGLEV, RENDEZVOUS, RING, CLASSIC][at]!, pointsOf(placement)),
        ),
        line(
          ideal,
          IDEAL,
          sizes.map((size) => [size, 100 / size]),
        ),
      ],
    }),
  });
}
