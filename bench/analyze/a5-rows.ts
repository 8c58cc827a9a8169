/** A-5's table of published values, ours and the difference. Pure. */
import type { A5 } from './a5.ts';
import { hasRange, publishedOver } from './a5-charts.ts';
import type { Balance } from './a5-maglev.ts';
import { count, fixed, percent, signed } from './format.ts';
import { BOUNDED, LAMPING_VEACH, MAGLEV } from './published.ts';
import { type Table, table } from './section.ts';

type Row = readonly [source: string, what: string, published: string, ours: string, difference: string];

export const METHOD_NAMES = {
  maglev: 'Maglev',
  karger: 'Karger, 1,000 points',
  rendezvous: 'rendezvous',
} as const;

/** Failures that the table names; the chart has all. */
const FAILURES = [1, 10, 50];
const points = (ours: number, published: number) => `${signed((ours - published) * 100, 1)} points`;

function balanceRow(balance: Balance): Row {
  const { method, slots, over } = balance;
  const published = publishedOver(balance);
  const range = hasRange(balance) ? ` (${percent(over.low)} to ${percent(over.high)})` : '';
  return [
    MAGLEV.source,
    `${METHOD_NAMES[method]}, ${count(slots)} entries: busiest above the mean`,
    published === undefined ? 'almost perfect; bars in figure 11, no number' : percent(published),
    `${percent(over.mean)}${range}`,
    published === undefined ? '–' : points(over.mean, published),
  ];
}

function maglevRows({ maglev }: A5): readonly Row[] {
  const { arcs, backends } = maglev;
  const large = MAGLEV.overprovision.karger.large;
  const builds = maglev.builds.map(({ slots, ms }): Row => {
    const published = slots === MAGLEV.small ? MAGLEV.buildMs.small : MAGLEV.buildMs.large;
    const what = `time to build ${count(slots)} entries`;
    return [MAGLEV.source, what, `${published} ms`, `${fixed(ms, 1)} ms`, `× ${fixed(ms / published, 1)}`];
  });
  const changes = maglev.changes
    .filter(({ failures }) => FAILURES.includes(failures))
    .map(({ slots, failures, changed }): Row => {
      const what = `${failures} of ${count(backends)} fail, ${count(slots)} entries: share that changes`;
      return [MAGLEV.source, what, 'a curve in figure 12, no number', percent(changed, 2), '–'];
    });
  return [
    ...maglev.balances.map(balanceRow),
    [
      MAGLEV.source,
      'Karger, 1,000 points, arcs of the circle without a table',
      `${percent(large)} (the larger table)`,
      `${percent(arcs.mean)} (${percent(arcs.low)} to ${percent(arcs.high)})`,
      points(arcs.mean, large),
    ],
    ...builds,
    ...changes,
  ];
}

function boundedRows({ bounded }: A5): readonly Row[] {
  const kept = bounded.filter(({ most, mostByPick, bound }) => most <= bound && mostByPick <= bound).length;
  const movesAt = (loadFactor: number, bins: number) =>
    bounded.find((each) => each.loadFactor === loadFactor && each.bins === bins)!.movesPerBall;
  const moves = BOUNDED.loadFactors.map((loadFactor): Row => {
    const [some, many] = [movesAt(loadFactor, 100), movesAt(loadFactor, 1000)];
    return [
      BOUNDED.source,
      `c = ${loadFactor}: other balls that move when one comes, n = 100 and 1,000`,
      `O(1/ε²), 1/ε² = ${fixed(1 / (loadFactor - 1) ** 2, 1)}, whatever n is`,
      `${fixed(some, 1)} and ${fixed(many, 1)}`,
      `× ${fixed(many / some, 2)} for ten times the bins`,
    ];
  });
  const [least, most] = [BOUNDED.loadFactors[0], BOUNDED.loadFactors.at(-1)];
  return [
    [
      BOUNDED.source,
      `no load above ⌈c·m/n⌉, c from ${least} to ${most}`,
      'always',
      `${kept} of ${bounded.length} settings, by the paper’s algorithm and by the balancer’s pick`,
      kept === bounded.length ? 'none' : `${bounded.length - kept} above`,
    ],
    ...moves,
  ];
}

function errorRows({ errors }: A5): readonly Row[] {
  return LAMPING_VEACH.rows.flatMap((row, at): readonly Row[] => {
    const { error, exact, low, high } = errors[at]!;
    const range = `${fixed(error.low, 4)} to ${fixed(error.high, 4)}; by arithmetic ${fixed(exact, 4)}`;
    return [
      [
        LAMPING_VEACH.source,
        `standard error, ${count(row.points)} points a bucket`,
        String(row.error),
        `${fixed(error.mean, 4)} (${range})`,
        `${signed((error.mean / row.error - 1) * 100, 1)} %`,
      ],
      [
        LAMPING_VEACH.source,
        `99 % of bucket sizes, ${count(row.points)} points`,
        `${row.low} to ${row.high}`,
        `${fixed(low, 3)} to ${fixed(high, 2)}`,
        `${signed(low - row.low, 3)}, ${signed(high - row.high, 2)}`,
      ],
    ];
  });
}

export function publishedTable(a5: A5): Table {
  return table(
    'Published and ours',
    ['source', 'what', 'published', 'ours', 'difference'],
    [...maglevRows(a5), ...boundedRows(a5), ...errorRows(a5)],
  );
}
