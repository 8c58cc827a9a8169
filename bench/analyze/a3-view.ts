/** What A-3 found, as sentences and tables around its charts. Pure. */
import type { A3 } from './a3.ts';
import { killsChart, timelineChart } from './a3-charts.ts';
import { count, duration, fixed } from './format.ts';
import { type Section, type Table, table } from './section.ts';
import { quantilesOf } from './statistics.ts';

function endpointSentence({ endpoints }: A3): string {
  const wrong = endpoints.filter(({ isRight }) => !isRight);
  if (wrong.length === 0)
    return `All ${endpoints.length} requests to the endpoints were answered as they must be.`;
  return `${wrong.length} of ${endpoints.length} requests to the endpoints were answered wrongly: ${wrong.map(({ request }) => request).join('; ')}.`;
}

function momentSentence(moment: A3['moments'][number]): string {
  const { what, wholeAfterMs, failed, slow, worstMs, requests } = moment;
  const waited = slow === 0 ? '' : ` ${count(slow)} of ${count(requests)} waited longer than a second.`;
  return `${what[0]!.toUpperCase()}${what.slice(1)}: all replicas healthy after ${duration(wholeAfterMs)}, ${count(failed)} requests failed, the slowest took ${duration(worstMs)}.${waited}`;
}

function momentTable({ moments }: A3): Table {
  return table(
    'What was done under load',
    ['', 'at', 'whole after', 'requests until the next', 'failed', 'over a second', 'slowest'],
    moments.map((each) => [
      each.what,
      `${fixed(each.atMs / 1000, 1)} s`,
      duration(each.wholeAfterMs),
      count(each.requests),
      count(each.failed),
      count(each.slow),
      duration(each.worstMs),
    ]),
  );
}

function killTable({ killsMs, killRequests, killFailed }: A3): Table {
  const { median, high } = quantilesOf(killsMs);
  const times = [median, high, Math.max(...killsMs)].map(duration);
  return table(
    'Until the fleet is whole after a kill',
    ['kills', 'median', '95 % within', 'worst', 'requests meanwhile', 'failed'],
    [[count(killsMs.length), ...times, count(killRequests), count(killFailed)]],
  );
}

function endpointTable({ endpoints }: A3): Table {
  return table(
    'Every endpoint',
    ['port', 'request', 'must answer', 'answered', ''],
    endpoints.map(({ port, request, expected, answered, isRight }) => [
      port,
      request,
      expected,
      answered,
      isRight ? 'right' : 'WRONG',
    ]),
  );
}

export function viewA3(a3: A3): Section {
  const { failures, left, killsMs } = a3;
  return {
    id: 'A-3',
    title: 'Endpoints, and failures under load',
    findings: [
      endpointSentence(a3),
      ...a3.moments.map(momentSentence),
      ...(failures.length === 0 ? [] : [`Failures were: ${failures.join('; ')}.`]),
      ...left.map((each) => `Left out: ${each}.`),
    ],
    parts: [
      timelineChart(a3),
      ...(killsMs.length === 0 ? [] : [killsChart(a3)]),
      momentTable(a3),
      ...(killsMs.length === 0 ? [] : [killTable(a3)]),
      endpointTable(a3),
    ],
    limits: [
      'Streams (/live, followed /events) have no end to check and were not asked.',
      'All requests are GETs, which may be sent again; a POST that a dying replica has begun is answered 502. A hang is found by probes, so how long it lasts is a matter of --probe-interval, --probe-timeout and --fall.',
      'A fleet on one machine says nothing of a network that splits, or of a machine that is lost with all its replicas.',
    ],
  };
}
