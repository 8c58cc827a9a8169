/** The results of `npm run bench:takeover`: what must hold of them, and the rows of their table. */
import type { RunOptions, RunResult } from './run.ts';

/** The part of requests that may fail without the sysctl: connections that nobody has accepted yet are reset. */
const MAY_FAIL = 1 / 10_000;

export const TITLES = [
  'tcp_migrate_req',
  'take-overs',
  'new connections failed',
  'kept-alive requests failed',
  'seconds',
] as const;

/** What does not hold of a run, in words. */
export function problemsOf(
  { migrate, count }: RunOptions,
  { opened, kept, badEnds }: RunResult,
): readonly string[] {
  const [requests, failed] = [opened.requests + kept.requests, opened.failed + kept.failed];
  const most = migrate ? 0 : Math.floor(requests * MAY_FAIL);
  const failures = JSON.stringify({ opened: opened.failures, kept: kept.failures });
  return [
    ...(failed <= most ? [] : [`${failed} of ${requests} requests failed, at most ${most} may: ${failures}`]),
    ...(badEnds === 0 ? [] : [`${badEnds} of ${count} balancers did not end with status 0`]),
  ];
}

export function rowOf(
  { migrate, count }: RunOptions,
  { opened, kept, seconds }: RunResult,
): readonly string[] {
  const of = ({ requests, failed }: RunResult['kept']): string =>
    `${failed} of ${requests.toLocaleString('en-US')}`;
  return [migrate ? '1' : '0', String(count), of(opened), of(kept), seconds.toFixed(0)];
}
