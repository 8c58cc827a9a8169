/**
 * What commands print: text for people, coloured on a terminal, or JSON for programs.
 * Invariants: no colour and no control character reaches anything but a terminal; nothing that a balancer sends can
 * control the terminal.
 */
import { stripVTControlCharacters, styleText } from 'node:util';

export type Colour = 'green' | 'red' | 'yellow' | 'magenta' | 'dim' | 'bold';

export interface Output {
  /** True with --json. */
  readonly isJson: boolean;
  /** A line on stdout. */
  line(text: string): void;
  /** A line on stderr. */
  note(text: string): void;
  /** The value as JSON: over several lines, or on one. */
  json(value: unknown, form?: 'lines' | 'line'): void;
  /** The text in a colour, if colours are enabled. */
  paint(colour: Colour, text: string): string;
}

/** The output of this process; coloured if stdout is a terminal, unless NO_COLOR or FORCE_COLOR decide. */
export function createOutput(isJson: boolean): Output {
  return {
    isJson,
    line: (text) => process.stdout.write(`${text}\n`),
    note: (text) => process.stderr.write(`ringlb: ${text}\n`),
    json: (value, form = 'lines') =>
      process.stdout.write(`${JSON.stringify(value, undefined, form === 'lines' ? 2 : 0)}\n`),
    paint: (colour, text) => styleText(colour, text, { stream: process.stdout }),
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the point
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Untrusted text on one line, without control characters. */
export function printable(text: string): string {
  return text.replace(CONTROL, '\ufffd');
}

export interface Column<Row> {
  readonly title: string;
  readonly align?: 'right';
  readonly cell: (row: Row) => string;
}

/** Rows under titles, two blanks between columns; an empty column is omitted. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): readonly string[] {
  const filled = columns
    .map(({ title, align, cell }) => ({ title, align, cells: rows.map(cell) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''))
    .map((column) => ({ ...column, width: Math.max(...[column.title, ...column.cells].map(widthOf)) }));
  const lineOf = (index: number): string =>
    filled
      .map(({ title, align, cells, width }) => {
        const text = index < 0 ? title : cells[index]!;
        const gap = ' '.repeat(width - widthOf(text));
        return align === 'right' ? gap + text : text + gap;
      })
      .join('  ')
      .trimEnd();
  return [-1, ...rows.keys()].map(lineOf);
}

function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** `850ms`, `12s`, `3m 4s`, `2h 5m`, `3d 4h`. */
export function duration(ms: number): string {
  const largest = UNITS.findIndex(([, unitMs]) => ms >= unitMs);
  if (largest < 0) return `${Math.round(ms)}ms`;
  const [unit, unitMs] = UNITS[largest]!;
  const [next, nextMs] = UNITS[largest + 1] ?? ['', Number.POSITIVE_INFINITY];
  const rest = Math.floor((ms % unitMs) / nextMs);
  return `${Math.floor(ms / unitMs)}${unit}${rest > 0 ? ` ${rest}${next}` : ''}`;
}

/** `33.3 %` for 0.333, `<0.1 %` for what would be rounded to zero. */
export function percent(share: number): string {
  if (share > 0 && share < 0.0005) return '<0.1 %';
  return `${(share * 100).toFixed(1)} %`;
}

/** `1 request`, `2 requests`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
