/** What A-3 found, as sentences and tables around its charts. Pure. */
import type { A3 } from './a3.ts';
import { killsChart, timelineChart } from './a3-charts.ts';
import { count, duration, fixed } from './format.ts';
import { type Section, table } from './section.ts';
import { quantilesOf } from './statistics.ts';

function endpointSentence({ endpoints }: A3): string {
  const wrong = endpoints.filter(({ isRight }) => !isRight);
  if (wrong.length === 0)
    return `All ${endpoints.length} requests to the endpoints were answered as they must be.`;
  return `${wrong.length} of ${endpoints.length} requests to the endpoints were answered wrongly: ${wrong.map(({ request }) => request).join('; ')}.`;
}

function momentSentence({
  what,
  wholeAfterMs,
  failed,
  slow,
  worstMs,
  requests,
}: A3['moments'][number]): string {
  const waited = slow === 0 ? '' : ` ${count(slow)} of ${count(requests)} waited longer than a second.`;
  return `${what[0]!.toUpperCase()}${what.slice(1)}: all replicas healthy after ${duration(wholeAfterMs)}, ${count(failed)} requests failed, the slowest took ${duration(worstMs)}.${waited}`;
}

export function viewA3(a3: A3): Section {
  const { killsMs, failures } = a3;
  const kills = killsMs.length === 0 ? undefined : quantilesOf(killsMs);
  return {
    id: 'A-3',
    title: 'Endpoints, and failures under load',
    findings: [
      endpointSentence(a3),
      ...a3.moments.map(momentSentence),
      ...(failures.length === 0 ? [] : [`Failures were: ${failures.join('; ')}.`]),
      ...a3.left.map((left) => `Left out: ${left}.`),
    ],
    parts: [
      ...(a3.moments.length === 0 ? [] : [timelineChart(a3)]),
      ...(kills === undefined ? [] : [killsChart(a3)]),
      table(
        'What was done under load',
        ['', 'at', 'whole after', 'requests until the next', 'failed', 'over a second', 'slowest'],
        a3.moments.map((each) => [
          each.what,
          `${fixed(each.atMs / 1000, 1)} s`,
          duration(each.wholeAfterMs),
          count(each.requests),
          count(each.failed),
          count(each.slow),
          duration(each.worstMs),
        ]),
      ),
      ...(kills === undefined
        ? []
        : [
            table(
              'Until the fleet is whole after a kill',
              ['kills', 'median', '95 % within', 'worst', 'requests meanwhile', 'failed'],
              [
                [
                  count(killsMs.length),
                  duration(kills.median),
                  duration(kills.high),
                  duration(Math.max(...killsMs)),
                  count(a3.killRequests),
                  count(a3.killFailed),
                ],
              ],
            ),
          ]),
      table(
        'Every endpoint',
        ['port', 'request', 'must answer', 'answered', ''],
        a3.endpoints.map(({ port, request, expected, answered, isRight }) => [
          port,
          request,
          expected,
          answered,
          isRight ? 'right' : 'WRONG',
        ]),
      ),
    ],
    limits: [
      'All requests are GETs, which may be sent again; a POST that a dying replica has begun is answered 502. A hang is found by probes, so how long it lasts is a matter of --probe-interval, --probe-timeout and --fall.',
      'A fleet on one machine says nothing of a network that splits, or of a machine that is lost with all its replicas.',
    ],
  };
}
