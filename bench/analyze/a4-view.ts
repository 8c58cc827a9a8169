/** What A-4 found, as sentences and tables around its chart. Pure. */
import { type A4, A4_LOAD_FACTOR, A4_SIZES, type StructureResult } from './a4.ts';
import { mapCharts, numberOf, plain } from './a4-charts.ts';
import { count, fixed, percent, signed } from './format.ts';
import { type Section, table } from './section.ts';

const distanceTo = (ideal: number) => (value: number) => Math.abs(value - ideal);

function structureRow(a4: A4, result: StructureResult): readonly string[] {
  const bounded = result.loadFactor > 0;
  return [
    numberOf(a4, result),
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
      ...mapCharts(a4),
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
