/** What A-6 found, as sentences and tables around its charts. Pure. */
import { type A6, BALANCERS, placementsIn } from './a6.ts';
import { behindChart, costChart, rollingChart } from './a6-charts.ts';
import { bytes, count, fixed, percent } from './format.ts';
import { type Section, type Table, table } from './section.ts';

function agreementSentence({ agreement }: A6): string {
  const each = placementsIn(agreement).map((placement) => {
    const own = agreement.filter((row) => row.placement === placement);
    const least = Math.min(...own.map(({ agree }) => agree));
    return `${placement}: ${least === 1 ? 'every key' : `${percent(least, 1)} of the keys at the least`}`;
  });
  return `${BALANCERS} balancers that heard of the same replicas in different orders agree on ${each.join(', ')}. Names decide for maglev, rendezvous and ring; the textbook’s ids follow the order of arrival.`;
}

function costTable({ costs }: A6): Table {
  return table(
    'What a table costs',
    ['placement', 'replicas', 'build', 'lookup', 'shared memory', 'max ÷ mean of slots'],
    costs.map((each) => [
      each.placement,
      count(each.replicas),
      `${fixed(each.buildMs, 2)} ms`,
      `${fixed(each.lookupNs, 1)} ns`,
      bytes(each.bytes),
      fixed(each.imbalance, 3),
    ]),
  );
}

function rollingTable({ rolling }: A6): Table {
  return table(
    'Rolling replacement: moves of a key',
    ['placement', 'replicas', 'in place', 'comes, then goes', 'goes, then comes'],
    rolling.map((each) => [
      each.placement,
      count(each.replicas),
      ...[each.inPlace, each.comeThenGo, each.goThenCome].map((moves) => fixed(moves, 2)),
    ]),
  );
}

function agreementTable({ agreement }: A6): Table {
  return table(
    `What ${BALANCERS} balancers agree on`,
    ['placement', 'replicas', 'all agree', 'one change behind differs', 'ideal 1 ÷ N'],
    agreement.map((each) => [
      each.placement,
      count(each.replicas),
      ...[each.agree, each.behind, 1 / each.replicas].map((share) => percent(share, 2)),
    ]),
  );
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
      costTable(a6),
      rollingTable(a6),
      agreementTable(a6),
    ],
    limits: [
      'Numbers of replicas above what one machine runs are tables only; nothing here was served by 10,000 replicas.',
      'Times are those of a warm process with nothing else to do; a lookup in a cold cache takes longer, the more so the larger the table.',
    ],
  };
}
