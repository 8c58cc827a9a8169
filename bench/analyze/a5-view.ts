/** What A-5 found, as sentences and tables around its charts. Pure. */
import type { A5 } from './a5.ts';
import {
  balanceChart,
  boundedChart,
  changedChart,
  errorsChart,
  growthOverTenfold,
  hasRange,
  publishedOver,
} from './a5-charts.ts';
import { METHOD_NAMES, publishedTable } from './a5-rows.ts';
import { count, fixed, percent } from './format.ts';
import { type Section, type Table, table } from './section.ts';

/** Which published imbalances our draws do not reach, and why that may be. */
function outsideSentence({ maglev }: A5): string {
  const outside = maglev.balances.filter((each) => {
    const published = publishedOver(each);
    return (
      published !== undefined && hasRange(each) && (published < each.over.low || published > each.over.high)
    );
  });
  if (outside.length === 0)
    return 'All published imbalances of the small table lie within the range of our draws.';
  const what = outside.map(({ method, slots }) => `${METHOD_NAMES[method]} at ${count(slots)} entries`);
  const karger = outside.some(({ method }) => method === 'karger')
    ? ` The paper does not say how Karger’s points become entries. Ours gives each entry whole to the first point in it, which adds to the unevenness of the points that of ${count(maglev.balances[0]!.slots)} entries over ${count(maglev.backends)} backends; the arcs of the circle alone come to ${percent(maglev.arcs.mean)}.`
    : '';
  return `Outside the range of our draws: ${what.join(' and ')}.${karger}`;
}

function boundedSentence(a5: A5): string {
  const [balls, bins] = (['movesPerBall', 'movesPerBin'] as const).map((of) =>
    fixed(growthOverTenfold(a5, of), 2),
  );
  return `Bounded load: ten times the bins multiply the moves a ball by ${balls} and those a bin by ${bins}, in the mean over the load factors; a cost in proportion to the bins would come to 10.`;
}

function boundedTable({ bounded }: A5): Table {
  const head = ['c', 'bins n', 'balls m', '⌈c·m/n⌉', 'most', 'most by pick', 'updates', 'moves a ball'];
  return table(
    'Bounded loads',
    [...head, 'moves a bin ÷ (m ÷ n)'],
    bounded.map((each) => [
      String(each.loadFactor),
      ...[each.bins, each.balls, each.bound, each.most, each.mostByPick, each.updates].map(count),
      fixed(each.movesPerBall, 2),
      fixed(each.movesPerBin, 2),
    ]),
  );
}

export function viewA5(a5: A5): Section {
  return {
    id: 'A-5',
    title: 'The literature, on our own code',
    findings: [
      outsideSentence(a5),
      boundedSentence(a5),
      'Build times are those of two machines and two languages; only that they grow with the table can be compared.',
    ],
    parts: [
      balanceChart(a5),
      changedChart(a5),
      boundedChart(a5),
      errorsChart(a5),
      publishedTable(a5),
      boundedTable(a5),
    ],
    limits: [
      'Where a paper has only a curve, no number was read off it: such curves are compared by their form alone.',
      'The balancer does not move requests that are under way; the moves of bounded load are those of the paper’s algorithm on core’s bound and points, not of the running balancer.',
      'The published standard errors and 99 % intervals hold for a number of buckets that the table does not give; ours have 1,000.',
    ],
  };
}
