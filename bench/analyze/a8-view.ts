/** What A-8 found, as sentences and a table around its charts. Pure. */
import type { A8 } from './a8.ts';
import { latencyChart, outcomeOf, shareChart, titleOf } from './a8-charts.ts';
import { count, duration, fixed, listed, percent } from './format.ts';
import { type Section, type Table, table } from './section.ts';

function findings(a8: A8): readonly string[] {
  const hash = outcomeOf(a8, 'ringlb', 'hash');
  const p2c = outcomeOf(a8, 'ringlb', 'p2c');
  const leastconn = outcomeOf(a8, 'HAProxy', 'leastconn');
  const sentences: string[] = [];
  if (hash !== undefined && p2c !== undefined) {
    const ratio = p2c.p99Ms / hash.p99Ms;
    sentences.push(
      `By p2c the 99th percentile is ${duration(p2c.p99Ms)}, ${fixed(ratio, ratio < 0.01 ? 4 : 2)} times that of plain hashing (${duration(hash.p99Ms)}).`,
    );
  }
  if (p2c !== undefined && leastconn !== undefined) {
    const words = p2c.p99Ms <= leastconn.p99Ms ? 'not above' : 'above';
    sentences.push(
      `That is ${words} the ${duration(leastconn.p99Ms)} of HAProxy’s leastconn in the same run; one service of the slow replica takes ${a8.slowMs} ms.`,
    );
  }
  if (a8.missing.length > 0) sentences.push(`Not installed, and so left out: ${listed(a8.missing)}.`);
  return sentences;
}

function outcomeTable({ outcomes, replicas }: A8): Table {
  const others = Array.from({ length: replicas - 1 }, (_, index) => `S${index + 2}`);
  return table(
    'Latency and shares by policy',
    ['policy', 'version', 'p50', 'p99', 'errors', 'S1, slow', ...others],
    outcomes.map((each) => [
      titleOf(each),
      each.version,
      duration(each.p50Ms),
      duration(each.p99Ms),
      count(each.errors),
      ...each.shares.map((share) => percent(share, 1)),
    ]),
  );
}

export function viewA8(a8: A8): Section {
  return {
    id: 'A-8',
    title: 'One slow replica',
    findings: findings(a8),
    parts: [latencyChart(a8), shareChart(a8), outcomeTable(a8)],
    limits: [
      'The replicas are servers of the study’s own process, which wait instead of working: what a policy costs in processor time is in bench:proxy.',
      'By plain hashing the queue of the slow replica grows as long as the load lasts, so its p99 is a matter of the length of a round.',
      'A replica that works on one request at a time makes the second in line wait for a whole service. Policies that go by what is in flight alone cannot tell an idle slow replica from an idle fast one, so one service of the slow replica is the least that their 99th percentile can be; p2c of ringlb also goes by how fast each replica has responded.',
      'Percentiles near one service of the slow replica differ between runs by some milliseconds, more on a busy machine.',
    ],
  };
}
