/**
 * Rows as a Markdown table that also reads well in a terminal. Pure. A column is there when some row has its value.
 */
import type { Metric, Row } from './stats.ts';

interface Column {
  readonly title: string;
  readonly digits: number;
}

/** In the order in which they are shown. */
const COLUMNS: Readonly<Record<Metric, Column>> = {
  cpuUs: { title: 'CPU µs/request', digits: 1 },
  toNginx: { title: '× nginx', digits: 2 },
  toHaproxy: { title: '× HAProxy', digits: 2 },
  toHttpProxy: { title: '× http-proxy', digits: 2 },
  toOneWorker: { title: '× 1 worker', digits: 2 },
  perSecond: { title: 'requests/s', digits: 0 },
  p50Ms: { title: 'p50 ms', digits: 2 },
  p99Ms: { title: 'p99 ms', digits: 2 },
  addedP50Ms: { title: 'added p50 ms', digits: 2 },
  addedP99Ms: { title: 'added p99 ms', digits: 2 },
  readyMs: { title: 'ready after ms', digits: 0 },
  idleMiB: { title: 'idle MiB', digits: 0 },
  halfwayMiB: { title: 'MiB at half', digits: 0 },
  residentMiB: { title: 'resident MiB', digits: 0 },
  connectionKiB: { title: 'KiB/connection', digits: 0 },
  requests: { title: 'requests', digits: 0 },
  errors: { title: 'errors', digits: 0 },
  busy: { title: 'core busy', digits: 0 },
};

/** A value as it is shown; a dash where there is none. */
export function formatMetric(metric: Metric, value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  if (metric === 'busy') return `${(value * 100).toFixed(0)} %`;
  const text = value.toFixed(COLUMNS[metric].digits);
  return text.replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ',');
}

/** The columns that the rows need. */
export function columnsOf(rows: readonly Row[]): Metric[] {
  return (Object.keys(COLUMNS) as Metric[]).filter((metric) =>
    rows.some((row) => row.values[metric] !== undefined),
  );
}

/** Cells as an aligned Markdown table: the first row is the head, the first column is text. */
export function markdown(cells: readonly (readonly string[])[]): string {
  const widths = (cells[0] ?? []).map((_, index) => Math.max(...cells.map((row) => row[index]!.length), 3));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const [head = [], ...body] = cells;
  return [line(head), rule, ...body.map(line)].join('\n');
}

/** The table of one case. */
export function renderRows(rows: readonly Row[]): string {
  const columns = columnsOf(rows);
  return markdown([
    ['', ...columns.map((metric) => COLUMNS[metric].title)],
    ...rows.map((row) => [row.peer, ...columns.map((metric) => formatMetric(metric, row.values[metric]))]),
  ]);
}
