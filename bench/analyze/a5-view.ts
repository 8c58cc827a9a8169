/** What A-5 found: published values, ours and the difference in one table, and its charts. Pure. */
import type { A5 } from './a5.ts';
import {
  balanceChart,
  boundedChart,
  changedChart,
  errorsChart,
  growthOverTenfold,
  publishedOver,
} from './a5-charts.ts';
import { count, fixed, percent, signed } from './format.ts';
import { BOUNDED, LAMPING_VEACH, MAGLEV } from './published.ts';
import { type Section, table } from './section.ts';

type Row = readonly [source: string, what: string, published: string, ours: string, difference: string];

const NAMES = { maglev: 'Maglev', karger: 'Karger, 1,000 points', rendezvous: 'rendezvous' } as const;
const points = (ours: number, published: number) => `${signed((ours - published) * 100, 1)} points`;

function maglevRows({ maglev }: A5): readonly Row[] {
  const balances = maglev.balances.map(({ method, slots, over, draws }): Row => {
    const published = publishedOver(method, slots);
    const range = draws > 1 && method !== 'maglev' ? ` (${percent(over.low)} to ${percent(over.high)})` : '';
    return [
      MAGLEV.source,
      `${NAMES[method]}, ${count(slots)} entries: busiest above the mean`,
      published === undefined ? '“almost perfect”; bars in figure 11' : percent(published),
      `${percent(over.mean)}${range}`,
      published === undefined ? '–' : points(over.mean, published),
    ];
  });
  const large = MAGLEV.overprovision.karger.large;
  const arcs: Row = [
    MAGLEV.source,
    'Karger, 1,000 points, arcs of the circle without a table',
    percent(large),
    `${percent(maglev.arcs.mean)} (${percent(maglev.arcs.low)} to ${percent(maglev.arcs.high)})`,
    points(maglev.arcs.mean, large),
  ];
  const builds = maglev.builds.map(({ slots, ms }): Row => {
    const published = slots === MAGLEV.small ? MAGLEV.buildMs.small : MAGLEV.buildMs.large;
    return [
      MAGLEV.source,
      `time to build ${count(slots)} entries`,
      `${published} ms`,
      `${fixed(ms, 1)} ms`,
      `× ${fixed(ms / published, 1)}`,
    ];
  });
  const changes = maglev.changes
    .filter(({ failures }) => [1, 10, 50].includes(failures))
    .map(
      ({ slots, failures, changed }): Row => [
        MAGLEV.source,
        `${failures} of ${count(maglev.backends)} fail, ${count(slots)} entries: share that changes`,
        'a curve in figure 12, no number in the text',
        percent(changed, 2),
        '–',
      ],
    );
  return [...balances, arcs, ...builds, ...changes];
}

function errorRows({ errors }: A5): readonly Row[] {
  return LAMPING_VEACH.rows.flatMap((row, at): readonly Row[] => {
    const ours = errors[at]!;
    const off = ours.error.mean / row.error - 1;
    return [
      [
        LAMPING_VEACH.source,
        `standard error, ${count(row.points)} points a bucket`,
        String(row.error),
        `${fixed(ours.error.mean, 4)} (${fixed(ours.error.low, 4)} to ${fixed(ours.error.high, 4)}; by arithmetic ${fixed(ours.exact, 4)})`,
        `${signed(off * 100, 1)} %`,
      ],
      [
        LAMPING_VEACH.source,
        `99 % of bucket sizes, ${count(row.points)} points`,
        `${row.low} to ${row.high}`,
        `${fixed(ours.low, 3)} to ${fixed(ours.high, 2)}`,
        `${signed(ours.low - row.low, 3)}, ${signed(ours.high - row.high, 2)}`,
      ],
    ];
  });
}

function boundedRows(a5: A5): readonly Row[] {
  const kept = a5.bounded.filter(
    ({ most, mostByPick, bound }) => most <= bound && mostByPick <= bound,
  ).length;
  const atLargest = (loadFactor: number, bins: number) =>
    a5.bounded.find((each) => each.loadFactor === loadFactor && each.bins === bins)!;
  return [
    [
      BOUNDED.source,
      `no load above ⌈c·m/n⌉, c from ${BOUNDED.loadFactors[0]} to ${BOUNDED.loadFactors.at(-1)}`,
      'always',
      `${kept} of ${a5.bounded.length} settings, by the paper's algorithm and by the balancer's pick`,
      kept === a5.bounded.length ? 'none' : `${a5.bounded.length - kept} above`,
    ],
    ...BOUNDED.loadFactors.map((loadFactor): Row => {
      const [some, many] = [atLargest(loadFactor, 100), atLargest(loadFactor, 1000)];
      return [
        BOUNDED.source,
        `c = ${loadFactor}: other balls that move when one comes, n = 100 and 1,000`,
        `O(1/ε²), 1/ε² = ${fixed(1 / (loadFactor - 1) ** 2, 1)}; not growing with n`,
        `${fixed(some.movesPerBall, 1)} and ${fixed(many.movesPerBall, 1)}`,
        `× ${fixed(many.movesPerBall / some.movesPerBall, 2)} for ten times the bins`,
      ];
    }),
  ];
}

function outsideSentence({ maglev }: A5): string {
  const outside = maglev.balances.filter(({ method, slots, over, draws }) => {
    const published = publishedOver(method, slots);
    return published !== undefined && draws > 1 && (published < over.low || published > over.high);
  });
  if (outside.length === 0)
    return 'All published imbalances of the small table lie within the range of our draws.';
  const what = outside.map(({ method, slots }) => `${NAMES[method]} at ${count(slots)}`).join(' and ');
  return `Outside the range of our draws: ${what}. The paper does not say how Karger's points become entries. Ours gives each entry whole to the first point in it, which adds to the points' own unevenness that of ${count(MAGLEV.small)} entries over ${count(maglev.backends)} backends; the circle's arcs alone come to ${percent(maglev.arcs.mean)}.`;
}

export function viewA5(a5: A5): Section {
  return {
    id: 'A-5',
    title: 'The literature, on our own code',
    findings: [
      outsideSentence(a5),
      `Bounded load: ten times the bins multiply the moves a ball by ${fixed(growthOverTenfold(a5, 'movesPerBall'), 2)} and those a bin by ${fixed(growthOverTenfold(a5, 'movesPerBin'), 2)}, in the mean over the load factors; a cost that grew with the number of bins would come to 10.`,
      'Build times are those of two machines and two languages; only that they grow with the table can be compared.',
    ],
    parts: [
      balanceChart(a5),
      changedChart(a5),
      boundedChart(a5),
      errorsChart(a5),
      table(
        'Published and ours',
        ['source', 'what', 'published', 'ours', 'difference'],
        [...maglevRows(a5), ...boundedRows(a5), ...errorRows(a5)],
      ),
      table(
        'Bounded loads',
        [
          'c',
          'bins n',
          'balls m',
          '⌈c·m/n⌉',
          'most',
          'most by pick',
          'updates',
          'moves a ball',
          'moves a bin ÷ (m ÷ n)',
        ],
        a5.bounded.map((each) => [
          String(each.loadFactor),
          count(each.bins),
          count(each.balls),
          String(each.bound),
          String(each.most),
          String(each.mostByPick),
          count(each.updates),
          fixed(each.movesPerBall, 2),
          fixed(each.movesPerBin, 2),
        ]),
      ),
    ],
    limits: [
      'Where a paper has only a curve, no number was read off it: the curves are compared by their form alone.',
      'The balancer does not move requests that are under way; the moves of bounded load are those of the paper’s algorithm on core’s bound and points, not of the running balancer.',
      'The published 99 % intervals and standard errors are one simulation each, whose number of buckets the table does not give; ours have 1,000.',
    ],
  };
}
