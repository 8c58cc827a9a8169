/** What A-6 found: what tables cost, what rolling moves, what balancers agree on. Pure. */
import { type A6, type Agreement, BALANCERS } from './a6.ts';
import { COLORS, DECALS, gridAt, LEGEND, renderChart, xAxis, yAxis } from './chart.ts';
import { bytes, count, fixed, percent } from './format.ts';
import { type Chart, type Section, table } from './section.ts';

const STYLES = [
  { color: COLORS.blue, symbol: 'circle', type: 'solid' },
  { color: COLORS.purple, symbol: 'rect', type: 'dashed' },
  { color: COLORS.green, symbol: 'triangle', type: 'solid' },
] as const;

const placementsIn = (rows: readonly { readonly placement: string }[]) => [
  ...new Set(rows.map(({ placement }) => placement)),
];

function costChart({ costs }: A6): Chart {
  const placements = placementsIn(costs);
  const largest = Math.max(...costs.map(({ replicas }) => replicas));
  const first = costs.find(({ replicas, placement }) => replicas === largest && placement === placements[0])!;
  const panels = [
    { name: 'build a table, ms (log)', type: 'log', value: (each: A6['costs'][number]) => each.buildMs },
    { name: 'look up a key, ns', type: 'value', value: (each: A6['costs'][number]) => each.lookupNs },
    {
      name: 'shared memory, MiB (log)',
      type: 'log',
      value: (each: A6['costs'][number]) => each.bytes / 2 ** 20,
    },
  ];
  return renderChart({
    name: 'a6-cost',
    title: `${count(largest)} replicas cost ${fixed(first.buildMs, 0)} ms a table and ${bytes(first.bytes)}; a lookup takes ${fixed(first.lookupNs, 0)} ns (${first.placement})`,
    subtitle:
      'The fastest of six. A lookup is slot and owner of a key that is hashed already; memory is both banks of slots and the counts of every replica for two threads.',
    alt: costs
      .map(
        (each) =>
          `${each.placement}, ${each.replicas}: ${fixed(each.buildMs, 1)} ms, ${fixed(each.lookupNs, 1)} ns, ${bytes(each.bytes)}`,
      )
      .join('; '),
    option: (top) => ({
      legend: { ...LEGEND, data: placements },
      grid: panels.map((_, panel) => gridAt({ left: 66 + panel * 288, width: 212, top, bottom: 92 })),
      xAxis: panels.map((_, panel) =>
        xAxis('replicas (log)', { type: 'log' as const, gridIndex: panel, min: 10, max: 10_000 }),
      ),
      yAxis: panels.map(({ name, type }, panel) => ({
        ...yAxis(name, { gridIndex: panel, nameGap: 38 }),
        type,
        ...(type === 'value' ? { min: 0 } : {}),
      })),
      series: panels.flatMap(({ value }, panel) =>
        placements.map((placement, at) => ({
          name: placement,
          type: 'line',
          xAxisIndex: panel,
          yAxisIndex: panel,
          color: STYLES[at]!.color,
          symbol: STYLES[at]!.symbol,
          symbolSize: 8,
          lineStyle: { width: 2, type: STYLES[at]!.type },
          data: costs
            .filter((each) => each.placement === placement)
            .map((each) => [each.replicas, value(each)]),
        })),
      ),
    }),
  });
}

function rollingChart({ rolling }: A6): Chart {
  const comes = rolling.map(({ comeThenGo }) => comeThenGo);
  const goes = rolling.map(({ goThenCome }) => goThenCome);
  const better = comes.every((value, at) => value <= goes[at]!) ? 'never more' : 'not always less';
  const bars = [
    { name: 'in place, same names', color: COLORS.ink, data: rolling.map(({ inPlace }) => inPlace) },
    { name: 'the new one comes first', color: COLORS.blue, data: comes },
    { name: 'the old one goes first', color: COLORS.orange, data: goes },
  ];
  const inPlace = Math.max(...rolling.map((each) => each.inPlace));
  return renderChart({
    name: 'a6-rolling',
    title: `Replacing a whole fleet in place moves a key ${fixed(inPlace, 0)} times; under new names ${fixed(Math.min(...comes), 1)} to ${fixed(Math.max(...goes), 1)} times, and adding first is ${better}`,
    subtitle:
      'How many times a key changes its owner, in the mean, while every replica is replaced, one at a time. It has to once where all names are new.',
    alt: rolling
      .map(
        (each) =>
          `${each.placement}, ${each.replicas}: ${fixed(each.comeThenGo, 2)} and ${fixed(each.goThenCome, 2)}`,
      )
      .join('; '),
    height: 350,
    option: (top) => ({
      legend: { ...LEGEND, data: bars.map(({ name }) => name) },
      grid: gridAt({ left: 74, right: 30, top, bottom: 92 }),
      xAxis: xAxis('', {
        type: 'category' as const,
        data: rolling.map(({ placement, replicas }) => `${placement.split(' ')[0]}\n${replicas} replicas`),
      }),
      yAxis: yAxis('moves of a key', { min: 0 }),
      series: bars.map(({ name, color, data }, at) => ({
        name,
        type: 'bar',
        barGap: '8%',
        itemStyle: { color, decal: DECALS[at] },
        label: {
          show: true,
          position: 'top',
          fontSize: 12,
          formatter: ({ value }: { value: unknown }) => fixed(Number(value), value === 0 ? 0 : 2),
        },
        data,
      })),
    }),
  });
}

function behindTitle(agreement: readonly Agreement[]): string {
  const largest = agreement.reduce((most, each) => (each.replicas > most.replicas ? each : most));
  return `One change behind, a balancer of ${count(largest.replicas)} replicas sends ${percent(largest.behind, 1)} of the keys elsewhere (${largest.placement}); ${percent(1 / largest.replicas, 1)} have to differ`;
}

function behindChart({ agreement }: A6): Chart {
  const placements = placementsIn(agreement);
  const sizes = [...new Set(agreement.map(({ replicas }) => replicas))].sort((a, b) => a - b);
  const line = (
    name: string,
    data: readonly number[][],
    style: { color: string; symbol: string; type: string },
  ) => ({
    name,
    type: 'line',
    color: style.color,
    symbol: style.symbol,
    symbolSize: 9,
    lineStyle: { width: 2, type: style.type },
    data,
  });
  return renderChart({
    name: 'a6-behind',
    title: behindTitle(agreement),
    subtitle:
      'The share of keys on which a balancer that has not yet heard of the last replica differs from the others, beside the 1 ÷ N that the new one should get.',
    alt: agreement
      .map((each) => `${each.placement}, ${each.replicas}: ${percent(each.behind, 2)}`)
      .join('; '),
    option: (top) => ({
      legend: { ...LEGEND, data: [...placements, 'ideal, 1 ÷ N'] },
      grid: gridAt({ left: 84, right: 40, top, bottom: 92 }),
      xAxis: xAxis('replicas (log)', { type: 'log' as const, min: 2, max: 2000 }),
      yAxis: yAxis('keys that differ, % (log)', { type: 'log' as const, nameGap: 56 }),
      series: [
        ...placements.map((placement, at) =>
          line(
            placement,
            agreement
              .filter((each) => each.placement === placement)
              .map((each) => [each.replicas, each.behind * 100]),
            [STYLES[0], STYLES[2], { color: COLORS.red, symbol: 'diamond', type: 'solid' }][at]!,
          ),
        ),
        line(
          'ideal, 1 ÷ N',
          sizes.map((size) => [size, 100 / size]),
          { color: COLORS.grey, symbol: 'none', type: 'dashed' },
        ),
      ],
    }),
  });
}

function agreementSentence({ agreement }: A6): string {
  const placements = placementsIn(agreement);
  return placements
    .map((placement) => {
      const least = Math.min(
        ...agreement.filter((each) => each.placement === placement).map(({ agree }) => agree),
      );
      return `${placement}: ${BALANCERS} balancers that heard of the same replicas in different orders agree on ${least === 1 ? 'every key' : `${percent(least, 1)} of the keys`}`;
    })
    .join('; ')
    .concat('. Names decide for maglev and ring; the textbook’s ids follow the order of arrival.');
}

export function viewA6(a6: A6): Section {
  return {
    id: 'A-6',
    title: 'Scale on paper',
    findings: [agreementSentence(a6)],
    parts: [
      costChart(a6),
      rollingChart(a6),
      behindChart(a6),
      table(
        'What a table costs',
        ['placement', 'replicas', 'build', 'lookup', 'shared memory', 'max ÷ mean of slots'],
        a6.costs.map((each) => [
          each.placement,
          count(each.replicas),
          `${fixed(each.buildMs, 2)} ms`,
          `${fixed(each.lookupNs, 1)} ns`,
          bytes(each.bytes),
          fixed(each.imbalance, 3),
        ]),
      ),
      table(
        'Rolling replacement: moves of a key',
        ['placement', 'replicas', 'in place', 'comes, then goes', 'goes, then comes'],
        a6.rolling.map((each) => [
          each.placement,
          count(each.replicas),
          fixed(each.inPlace, 2),
          fixed(each.comeThenGo, 2),
          fixed(each.goThenCome, 2),
        ]),
      ),
      table(
        `What ${BALANCERS} balancers agree on`,
        ['placement', 'replicas', 'all agree', 'one change behind differs', 'ideal 1 ÷ N'],
        a6.agreement.map((each) => [
          each.placement,
          count(each.replicas),
          percent(each.agree, 2),
          percent(each.behind, 2),
          percent(1 / each.replicas, 2),
        ]),
      ),
    ],
    limits: [
      'Numbers of replicas above what one machine runs are tables only; nothing here was served by 10,000 replicas.',
      'Times are those of a warm process with nothing else to do; a lookup in a cold cache takes longer, the more so the larger the table.',
    ],
  };
}
