/**
 * What commands print: text for people, coloured on a terminal, or JSON for programs.
 * Invariants: no colour and no control character reaches anything but a terminal; nothing that a balancer sends can
 * control the terminal.
 */
import { stripVTControlCharacters, styleText } from 'node:util';

export type Colour = 'green' | 'red' | 'yellow' | 'magenta' | 'cyan' | 'blue' | 'dim' | 'bold';

export interface Output {
  /** True with --json. */
  readonly isJson: boolean;
  /** The width of the terminal; infinite for a file or a pipe. */
  readonly columns: number;
  /** A line on stdout. */
  line(text: string): void;
  /** A line on stderr. */
  note(text: string): void;
  /** The value as JSON: over several lines, or on one. */
  json(value: unknown, form?: 'lines' | 'line'): void;
  /** Empties the terminal, for text that replaces what it shows; nothing in a file or a pipe. */
  clear(): void;
  /** The text in a colour, if colours are enabled. */
  paint(colour: Colour, text: string): string;
}

/** The output of this process; coloured if stdout is a terminal, unless NO_COLOR or FORCE_COLOR decide. */
export function createOutput(isJson: boolean): Output {
  return {
    isJson,
    // a terminal can be resized while a command runs
    get columns() {
      return process.stdout.columns ?? Number.POSITIVE_INFINITY;
    },
    clear() {
      if (process.stdout.isTTY) process.stdout.write('\u001b[H\u001b[2J\u001b[3J');
    },
    line: (text) => process.stdout.write(`${text}\n`),
    note: (text) => process.stderr.write(`ringlb: ${text}\n`),
    json: (value, form = 'lines') =>
      process.stdout.write(`${JSON.stringify(value, undefined, form === 'lines' ? 2 : 0)}\n`),
    paint: (colour, text) => styleText(colour, text, { stream: process.stdout }),
  };
}

/** Control characters, and marks that hide text or turn it around. */
const UNSEEN = /[\p{Cc}\p{Cf}]/gu;

/** Untrusted text on one line, without characters that would steer the terminal or its reader. */
export function printable(text: string): string {
  return text.replace(UNSEEN, '\ufffd');
}

export interface Column<Row> {
  readonly title: string;
  readonly align?: 'right';
  readonly cell: (row: Row) => string;
  /** Where the terminal is too narrow the column with the highest of these is left out first; without one it stays. */
  readonly drop?: number;
  /** Its text may be cut. */
  readonly isFlexible?: boolean;
}

/** What a flexible column has at least while others are left out for it. */
const LEAST_FLEXIBLE = 12;
const GAP = 2;

interface Filled {
  readonly title: string;
  readonly align: 'right' | undefined;
  readonly drop: number | undefined;
  readonly isFlexible: boolean;
  readonly cells: readonly string[];
  readonly width: number;
}

/** Rows under titles in lines of at most `columns`, two blanks between columns; an empty column is omitted. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
): readonly string[] {
  const filled = columns
    .map(({ title, align, cell, drop, isFlexible = false }): Omit<Filled, 'width'> => {
      return { title, align, drop, isFlexible, cells: rows.map(cell) };
    })
    .filter(({ cells }) => cells.some((cell) => cell !== ''))
    .map((column) => ({ ...column, width: Math.max(...[column.title, ...column.cells].map(widthOf)) }));
  const fitted = fittedTo(filled, width);
  const lineOf = (index: number): string =>
    cut(
      fitted
        .map(({ title, align, cells, width: most }) => {
          const text = cut(index < 0 ? title : cells[index]!, most);
          return align === 'right' ? ' '.repeat(most - widthOf(text)) + text : padded(text, most);
        })
        .join(' '.repeat(GAP))
        .trimEnd(),
      width,
    );
  return [-1, ...rows.keys()].map(lineOf);
}

/** Leaves columns out until the rest fits, and gives flexible ones what is left. */
function fittedTo(columns: readonly Filled[], width: number): readonly Filled[] {
  const widthAt = (of: (column: Filled) => number): number =>
    columns.reduce((sum, column) => sum + of(column), GAP * (columns.length - 1));
  const least = (column: Filled) =>
    column.isFlexible ? Math.min(column.width, LEAST_FLEXIBLE) : column.width;
  if (widthAt(least) > width) {
    const dropped = columns
      .filter(({ drop }) => drop !== undefined)
      .toSorted((one, other) => other.drop! - one.drop!)[0];
    if (dropped !== undefined)
      return fittedTo(
        columns.filter((column) => column !== dropped),
        width,
      );
  }
  const over = widthAt((column) => column.width) - width;
  return over <= 0
    ? columns
    : columns.map((column) =>
        column.isFlexible ? { ...column, width: Math.max(least(column), column.width - over) } : column,
      );
}

/** Wraps prose at blanks, so that a terminal does not break it within words. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && widthOf(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

export function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is how colours begin
const COLOUR_OR_CHARACTER = /\u001b\[[\d;]*m|./gsu;

/** The text, or as much of it as fits, with `…` at the end; its colours are ended all the same. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let left = width - 1;
  const kept = text.match(COLOUR_OR_CHARACTER)!.filter((part) => {
    if (part.length > 2) return true;
    left -= part.length;
    return left >= 0;
  });
  return `${kept.join('')}…`;
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
