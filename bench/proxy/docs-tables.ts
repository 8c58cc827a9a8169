/**
 * The tables of the documentation and of `bench/results/README.md`, from what `bench/results/` holds. The texts are made
 * by pure functions; `node bench/proxy/docs-tables.ts` writes the report anew, and `npm run docs` the documentation.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Result, readResults } from './results.ts';
import type { Metric } from './stats.ts';
import { formatMetric, markdown, renderRows } from './table.ts';

/** How the figures were taken. */
export const METHOD = `Processor time (user and system) of the peer's whole process tree, median of the rounds, each peer alone on one
core, load and backends on another. Every peer forwards over kept-alive connections to three nginx backends.
The peer nginx has buffers in which every body has room, nginx-default its own.`;

/** Which figure of which case a column shows, under which head. */
interface Column {
  readonly case: string;
  readonly metric: Metric;
  readonly head: string;
}

const COLUMNS: readonly Column[] = [
  { case: 'small', metric: 'cpuUs', head: 'small' },
  { case: 'small', metric: 'toNginx', head: '× nginx' },
  { case: 'small', metric: 'perSecond', head: 'requests/s' },
  { case: '64k', metric: 'cpuUs', head: '64 KiB' },
  { case: '1m', metric: 'cpuUs', head: '1 MiB' },
  { case: 'upload', metric: 'cpuUs', head: '1 MiB upload' },
  { case: '1000', metric: 'cpuUs', head: '1,000 clients' },
  { case: 'close', metric: 'cpuUs', head: 'new connection' },
  { case: '1000-close', metric: 'cpuUs', head: '1,000 new at once' },
  { case: 'upstreams-1000', metric: 'cpuUs', head: '1,000 upstreams' },
  { case: 'cold', metric: 'p99Ms', head: 'first crowd p99 ms' },
  { case: 'stalled', metric: 'connectionKiB', head: 'KiB a stalled download' },
  { case: 'deploy', metric: 'p99Ms', head: 'deploy p99 ms' },
  { case: 'latency', metric: 'addedP50Ms', head: 'added p50 ms' },
  { case: 'latency', metric: 'addedP99Ms', head: 'added p99 ms' },
  { case: 'small', metric: 'residentMiB', head: 'resident MiB' },
];

/** The machine and date of a result in one line. */
export function facts({ machine, date, rounds, seconds }: Result): string {
  const { cpu, cores, memoryGiB, kernel, node, wrk } = machine;
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}, wrk ${wrk}; ${rounds} rounds of ${seconds} s; ${date}.`;
}

/** The same for several results, a line for each machine and day with the cases that were measured there. */
export function allFacts(results: readonly Result[]): string {
  const byFacts = Map.groupBy(results, facts);
  if (byFacts.size === 1) return facts(results[0]!);
  return [...byFacts]
    .map(([line, measured]) => `- ${measured.map((result) => result.case).join(', ')}: ${line}`)
    .join('\n');
}

function peersOf(results: readonly Result[]): string[] {
  const first = results.find((result) => result.case === 'small') ?? results[0];
  return (first?.rows ?? []).map((row) => row.peer);
}

/** The peers of the comparison, and its columns. */
const COMPARED = ['ringlb', 'nginx', 'haproxy', 'caddy', 'http-proxy'];
const COMPARISON: readonly Column[] = [
  { case: 'small', metric: 'cpuUs', head: 'CPU µs per request' },
  { case: 'small', metric: 'perSecond', head: 'requests/s on one core' },
  { case: '1m', metric: 'cpuUs', head: 'CPU µs per 1 MiB response' },
  { case: 'latency', metric: 'addedP99Ms', head: 'added p99 ms' },
];

function table(
  results: readonly Result[],
  peers: readonly string[],
  columns: readonly Column[],
  title: string,
): string {
  const versions = Object.assign({}, ...results.map((result) => result.versions)) as Record<string, string>;
  const lines = peers.map((peer) => [
    `${peer} ${versions[peer] ?? ''}`.trim(),
    ...columns.map((column) => {
      const rows = results.find((result) => result.case === column.case)?.rows;
      return formatMetric(column.metric, rows?.find((row) => row.peer === peer)?.values[column.metric]);
    }),
  ]);
  return markdown([[title, ...columns.map((column) => column.head)], ...lines]);
}

/** The short table: a line for each peer, CPU µs per request by case. */
export function shortTable(results: readonly Result[]): string {
  const columns = COLUMNS.filter((column) => results.some((result) => result.case === column.case));
  return table(results, peersOf(results), columns, 'CPU µs per request');
}

/** The table of the README: the best known peers by what decides between them. */
export function comparisonTable(results: readonly Result[]): string {
  return table(results, COMPARED, COMPARISON, '');
}

/** Everything: a table for each case. */
export function fullReport(results: readonly Result[]): string {
  const parts = results.map(
    (result) => `## ${result.case}: ${result.title}\n\n${renderRows(result.rows)}\n\n${facts(result)}\n`,
  );
  return `# Proxy benchmark\n\n${METHOD}\nWritten by \`npm run bench:proxy\`.\n\n${parts.join('\n')}`;
}

/** Writes the report; returns a sentence for the one who runs it. */
export function writeReport(root: string): string {
  const dir = join(root, 'bench/results');
  const results = existsSync(dir) ? readResults(dir) : [];
  if (results.length === 0) return 'no results to make a table of';
  writeFileSync(join(dir, 'README.md'), fullReport(results));
  return 'wrote bench/results/README.md; npm run docs brings the tables of the documentation up to date';
}

if (resolve(process.argv[1] ?? '') === import.meta.filename) {
  process.stdout.write(`${writeReport(join(import.meta.dirname, '../..'))}\n`);
}
