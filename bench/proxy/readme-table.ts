/**
 * Writes what `bench/results/` holds into the README, between two marker comments, and in full into
 * `bench/results/README.md`. Run by `bench/proxy.ts`, or by itself: `node bench/proxy/readme-table.ts`.
 * The texts are made by pure functions.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Result, readResults } from './results.ts';
import type { Metric } from './stats.ts';
import { formatMetric, markdown, renderRows } from './table.ts';

export const START = '<!-- bench:proxy -->';
export const END = '<!-- /bench:proxy -->';

const NOTE = `Processor time (user and system) of the peer's whole process tree, median of the rounds, each peer alone on one
core, load and backends on another. Every peer forwards over kept-alive connections to three nginx backends.
The peer nginx has buffers in which every body has room, nginx-default its own.`;

/** What of which case the short table shows, under which head. */
const COLUMNS: readonly { readonly case: string; readonly metric: Metric; readonly head: string }[] = [
  { case: 'small', metric: 'cpuUs', head: 'small' },
  { case: 'small', metric: 'toNginx', head: '× nginx' },
  { case: 'small', metric: 'perSecond', head: 'requests/s' },
  { case: '64k', metric: 'cpuUs', head: '64 KiB' },
  { case: '1m', metric: 'cpuUs', head: '1 MiB' },
  { case: 'upload', metric: 'cpuUs', head: '1 MiB upload' },
  { case: '1000', metric: 'cpuUs', head: '1,000 clients' },
  { case: 'close', metric: 'cpuUs', head: 'new connection' },
  { case: 'latency', metric: 'addedP50Ms', head: 'added p50 ms' },
  { case: 'latency', metric: 'addedP99Ms', head: 'added p99 ms' },
  { case: 'small', metric: 'residentMiB', head: 'resident MiB' },
];

/** The machine and date of a result in one line. */
export function facts({ machine, date, rounds, seconds }: Result): string {
  const { cpu, cores, memoryGiB, kernel, node, wrk } = machine;
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}, wrk ${wrk}; ${rounds} rounds of ${seconds} s; ${date}.`;
}

function peersOf(results: readonly Result[]): string[] {
  const first = results.find((result) => result.case === 'small') ?? results[0];
  return (first?.rows ?? []).map((row) => row.peer);
}

/** The short table: a line for each peer, CPU µs per request by case. */
export function shortTable(results: readonly Result[]): string {
  const columns = COLUMNS.filter((column) => results.some((result) => result.case === column.case));
  const versions = Object.assign({}, ...results.map((result) => result.versions)) as Record<string, string>;
  const lines = peersOf(results).map((peer) => [
    `${peer} ${versions[peer] ?? ''}`.trim(),
    ...columns.map((column) => {
      const rows = results.find((result) => result.case === column.case)?.rows;
      return formatMetric(column.metric, rows?.find((row) => row.peer === peer)?.values[column.metric]);
    }),
  ]);
  return markdown([['CPU µs per request', ...columns.map((column) => column.head)], ...lines]);
}

/** Everything: a table for each case. */
export function fullReport(results: readonly Result[]): string {
  const parts = results.map(
    (result) => `## ${result.case}: ${result.title}\n\n${renderRows(result.rows)}\n\n${facts(result)}\n`,
  );
  return `# Proxy benchmark\n\n${NOTE}\nWritten by \`npm run bench:proxy\`.\n\n${parts.join('\n')}`;
}

/** The text with what stands between the markers replaced; undefined when it has no markers. */
export function withBlock(text: string, block: string): string | undefined {
  const start = text.indexOf(START);
  const end = text.indexOf(END, start);
  if (start < 0 || end < 0) return undefined;
  return `${text.slice(0, start + START.length)}\n${block}\n${text.slice(end)}`;
}

/** Writes both; returns a sentence for the one who runs it. */
export function writeTables(root: string): string {
  const dir = join(root, 'bench/results');
  const results = existsSync(dir) ? readResults(dir) : [];
  const latest = results[0];
  if (!latest) return 'no results to make a table of';
  writeFileSync(join(dir, 'README.md'), fullReport(results));
  const readme = join(root, 'README.md');
  const block = `${shortTable(results)}\n\n${NOTE}\n${facts(latest)}`;
  const text = existsSync(readme) ? withBlock(readFileSync(readme, 'utf8'), block) : undefined;
  if (text === undefined) return `wrote bench/results/README.md; README.md has no ${START} … ${END}`;
  writeFileSync(readme, text);
  return 'wrote bench/results/README.md and the table in README.md';
}

if (resolve(process.argv[1] ?? '') === import.meta.filename) {
  process.stdout.write(`${writeTables(join(import.meta.dirname, '../..'))}\n`);
}
