/** What A-2 found, as sentences and tables around its charts. Pure. */
import type { A2 } from './a2.ts';
import { imbalanceChart, movedChart, spreadChart, stepName } from './a2-charts.ts';
import { count, duration, fixed, percent } from './format.ts';
import { type Section, type Table, table } from './section.ts';

function evenTable({ sizes }: A2): Table {
  const head = [
    'N',
    'max ÷ mean',
    'of owners',
    'fair split',
    'least to most',
    'σ',
    'fair σ',
    'not the owner',
    'errors',
  ];
  return table(
    'A-2: how even',
    [...head, 'requests/s', 'p50', 'p99'],
    sizes.map(({ replicas, spread, ownedSpread, fair, overflow, load }) => [
      String(replicas),
      fixed(spread.imbalance, 3),
      fixed(ownedSpread.imbalance, 3),
      fixed(fair.imbalance, 3),
      `${count(spread.least)} to ${count(spread.most)}`,
      fixed(spread.deviation, 1),
      fixed(fair.deviation, 1),
      percent(overflow),
      count(load.errors),
      count(load.perSecond),
      duration(load.p50Ms),
      duration(load.p99Ms),
    ]),
  );
}

function movedTable({ steps }: A2): Table {
  return table(
    'A-2: what moved',
    ['step', 'ideal 1 ÷ N', 'owner changed', 'of it between old replicas', 'another replica answered'],
    steps.map((step) => [
      stepName(step),
      percent(step.ideal),
      percent(step.movedOwner),
      percent(step.movedBetweenOld, 2),
      percent(step.movedAnswer),
    ]),
  );
}

export function viewA2(a2: A2): Section {
  const { sizes, steps } = a2;
  const errors = sizes.reduce((sum, { load }) => sum + load.errors, 0);
  const total = sizes.reduce((sum, { spread, load }) => sum + spread.total + load.errors, 0);
  const needless = Math.max(...steps.map(({ movedBetweenOld }) => movedBetweenOld));
  return {
    id: 'A-2',
    title: `From ${sizes[0]!.replicas} to ${sizes.at(-1)!.replicas} replicas through /add`,
    findings: [
      `${count(errors)} of ${count(total)} requests failed. The mean load is the number of requests divided by N, whatever the algorithm does, so what is drawn is how far replicas are from it.`,
      `At most ${percent(needless, 2)} of the ids changed their owner without need, from one old replica to another.`,
    ],
    parts: [imbalanceChart(a2), spreadChart(a2), movedChart(a2), evenTable(a2), movedTable(a2)],
    limits: [
      'Which request meets a full replica depends on timing, so what was answered elsewhere differs from run to run; owners do not.',
    ],
  };
}
