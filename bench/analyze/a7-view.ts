/** What A-7 found, as sentences and a table around its charts. Pure. */
import { type A7, type Run, TARGET } from './a7.ts';
import { largest, runChart, worstP99 } from './a7-charts.ts';
import { count, duration } from './format.ts';
import { type Section, type Table, table } from './section.ts';

/** How often the size that was wanted changed. */
function changes({ seconds }: Run): number {
  return seconds.filter(({ desired }, at) => at > 0 && desired !== seconds[at - 1]!.desired).length;
}

function runTable(runs: readonly Run[]): Table {
  return table(
    'Autoscaling under five loads',
    [
      'load',
      'most in flight',
      'most ready',
      'changes of the desired size',
      'most waiting',
      'worst p99 of a second',
      'slowest request',
      'requests',
      'failed',
    ],
    runs.map((run) => [
      run.title,
      count(largest(run.seconds.map(({ inFlight }) => inFlight))),
      count(largest(run.seconds.map(({ ready }) => ready))),
      count(changes(run)),
      count(largest(run.seconds.map(({ waiting }) => waiting))),
      worstP99(run),
      duration(run.worstMs),
      count(run.requests),
      count(run.failed),
    ]),
  );
}

function lossSentence(runs: readonly Run[]): string {
  const failed = runs.reduce((sum, run) => sum + run.failed, 0);
  const requests = runs.reduce((sum, run) => sum + run.requests, 0);
  return failed === 0
    ? `None of ${count(requests)} requests failed, while replicas came, drained and went.`
    : `${count(failed)} of ${count(requests)} requests failed.`;
}

function noiseSentence(runs: readonly Run[]): readonly string[] {
  const noise = runs.find(({ id }) => id === 'noise');
  if (noise === undefined) return [];
  const settled = { ...noise, seconds: noise.seconds.filter(({ atS }) => atS >= noise.seconds.length / 2) };
  return [
    `Under noise the desired size changed ${changes(settled)} times in the second half of the minute, when it had found its size.`,
  ];
}

export function viewA7({ runs }: A7): Section {
  return {
    id: 'A-7',
    title: 'Autoscaling',
    findings: [lossSentence(runs), ...noiseSentence(runs)],
    parts: [...runs.map(runChart), runTable(runs)],
    limits: [
      `Windows are a tenth of the defaults and less, and replicas that are not needed go eight at a time, so that a minute shows what takes an hour; the law is the same. The target of ${TARGET} is of these replicas, not a recommendation.`,
      'Clients ask again as soon as they have a response, so a slow fleet is asked less; an open loop would show longer queues.',
    ],
  };
}
