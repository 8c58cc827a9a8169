/** The results of `npm run bench:deploy`: what must hold of them, and their table. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdown } from '../proxy/table.ts';
import type { CaseResult, Version } from './run-case.ts';

export interface DeployResults {
  readonly date: string;
  /** Processor, cores and Node.js, in words. */
  readonly machine: string;
  readonly rate: number;
  readonly watchMs: number;
  readonly cases: readonly CaseResult[];
}

export const RESULTS_FILE = join(import.meta.dirname, 'results.json');
/** The part of requests that a version may cost that is taken back. */
const MAY_LOSE = 0.001;

const TITLES: Readonly<Record<Version, string>> = {
  good: 'a good one',
  exits: 'exits at once',
  silent: 'never listens (start timeout 5 s)',
  errors: 'responds 500 to half',
  slow: 'takes 150 ms for each request',
  dies: 'dies after 3 s',
};

export function readDeployResults(): DeployResults {
  return JSON.parse(readFileSync(RESULTS_FILE, 'utf8')) as DeployResults;
}

/** What does not hold of a case, in words. */
export function problemsOf(result: CaseResult): readonly string[] {
  const { version, state, requests, lost, isAsItShould, reason } = result;
  const isGood = version === 'good';
  const wanted = isGood ? 'done' : 'rolled-back';
  const most = isGood ? 0 : requests * MAY_LOSE;
  return [
    ...(state === wanted ? [] : [`it is ${state} instead of ${wanted}: ${reason}`]),
    ...(lost <= most ? [] : [`${lost} of ${requests} requests lost: ${JSON.stringify(result.failures)}`]),
    ...(isAsItShould ? [] : ['other versions respond than should']),
  ];
}

/** The table of the cases, in the order in which they were run. */
export function deployTable(cases: readonly CaseResult[]): string {
  const head = [
    'new version',
    'replicas',
    'requests',
    'lost',
    'p99 ms before',
    'added p99 ms',
    'seconds',
    'ends',
  ];
  const rows = cases.map(({ version, replicas, requests, lost, beforeP99Ms, p99Ms, seconds, state }) => [
    TITLES[version],
    String(replicas),
    requests.toLocaleString('en-US'),
    String(lost),
    beforeP99Ms.toFixed(1),
    (p99Ms - beforeP99Ms).toFixed(1),
    seconds.toFixed(1),
    state,
  ]);
  return markdown([head, ...rows]);
}

/** The table with the circumstances, for the documentation. */
export function deployReport({ date, machine, rate, watchMs, cases }: DeployResults): string {
  return `${deployTable(cases)}\n\n${rate.toLocaleString('en-US')} requests a second, watched for ${watchMs / 1000} s; ${machine}; ${date}.`;
}
