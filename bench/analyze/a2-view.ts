/** What A-2 found, as sentences and tables around its charts. Pure. */
import type { Distribution, Repeated } from './a1.ts';
import { overRuns } from './a1-view.ts';
import type { A2, Growth, RepeatedStep, Step } from './a2.ts';
import { type Bound, imbalanceChart, movedChart, spreadChart, stepName } from './a2-charts.ts';
import { count, duration, fixed, percent } from './format.ts';
import { type Section, type Table, table } from './section.ts';

const seedsWords = ({ sizes }: Growth) =>
  sizes[0]!.repeats.length > 1 ? '; means of all seeds (least to most)' : '';

function evenTable(growth: Growth, bound: Bound): Table {
  const head = [
    'N',
    'max ÷ mean',
    'of owners',
    'fair split',
    'σ',
    'fair σ',
    'not the owner',
    'errors',
    ...['requests/s', 'p50', 'p99'],
  ];
  const row = ({ replicas, fair, repeats }: Repeated) => {
    const over = (of: (each: Distribution) => number, show: (value: number) => string) =>
      overRuns(repeats.map(of), show);
    return [
      String(replicas),
      over(
        (each) => each.spread.imbalance,
        (value) => fixed(value, 3),
      ),
      over(
        (each) => each.ownedSpread.imbalance,
        (value) => fixed(value, 3),
      ),
      fixed(fair.imbalance, 3),
      over(
        (each) => each.spread.deviation,
        (value) => fixed(value, 1),
      ),
      fixed(fair.deviation, 1),
      over(
        (each) => each.overflow,
        (share) => percent(share),
      ),
      over((each) => each.load.errors, count),
      over((each) => each.load.perSecond, count),
      over((each) => each.load.p50Ms, duration),
      over((each) => each.load.p99Ms, duration),
    ];
  };
  return table(`A-2: how even, load bound ${bound}${seedsWords(growth)}`, head, growth.sizes.map(row));
}

function movedTable(growth: Growth): Table {
  const over = ({ repeats }: RepeatedStep, of: (each: Step) => number, digits: number) =>
    overRuns(repeats.map(of), (share) => percent(share, digits));
  return table(
    `A-2: what moved${seedsWords(growth)}`,
    ['step', 'ideal 1 ÷ N', 'owner changed', 'of it between old replicas', 'another replica answered'],
    growth.steps.map((step) => [
      stepName(step),
      percent(step.ideal),
      over(step, ({ movedOwner }) => movedOwner, 1),
      over(step, ({ movedBetweenOld }) => movedBetweenOld, 2),
      over(step, ({ movedAnswer }) => movedAnswer, 1),
    ]),
  );
}

export function viewA2({ unbounded, bounded }: A2): Section {
  const growths = [unbounded, bounded].filter((growth) => growth !== undefined);
  const runs = growths.flatMap(({ sizes }) => sizes.flatMap(({ repeats }) => repeats));
  const errors = runs.reduce((sum, { load }) => sum + load.errors, 0);
  const total = runs.reduce((sum, { spread, load }) => sum + spread.total + load.errors, 0);
  const steps = growths.flatMap((growth) => growth.steps.flatMap(({ repeats }) => repeats));
  const needless = Math.max(...steps.map(({ movedBetweenOld }) => movedBetweenOld));
  const { sizes } = bounded;
  const first = unbounded ?? bounded;
  const asItIs = unbounded === undefined ? 'as it is' : 'on';
  return {
    id: 'A-2',
    title: `From ${sizes[0]!.replicas} to ${sizes.at(-1)!.replicas} replicas through /add`,
    findings: [
      `${count(errors)} of ${count(total)} requests failed. The mean load is the number of requests divided by N, whatever the algorithm does, so what is drawn is how far replicas are from it.`,
      `At most ${percent(needless, 2)} of the ids changed their owner without need, from one old replica to another.`,
    ],
    parts: [
      ...(unbounded === undefined ? [] : [imbalanceChart(unbounded, 'off')]),
      imbalanceChart(bounded, asItIs),
      spreadChart(first, unbounded === undefined ? 'as it is' : 'off'),
      movedChart(bounded),
      ...(unbounded === undefined ? [] : [evenTable(unbounded, 'off')]),
      evenTable(bounded, asItIs),
      movedTable(bounded),
    ],
    limits: [
      'Which request meets a full replica depends on timing, so what was answered elsewhere differs from run to run; owners do not.',
    ],
  };
}
