/**
 * What commands print: text for people, coloured on a terminal, or JSON for programs.
 * Invariants: no colour and no control character reaches anything but a terminal; nothing that a balancer sends can
 * control the terminal.
 */
import { stripVTControlCharacters, styleText } from 'node:util';
import { Screen } from './terminal/screen.ts';
import { columnsOf } from './terminal/width.ts';

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
  /** How many lines `replace` has room for; infinite for a file or a pipe. */
  readonly rows: number;
  /** Lines in place of those of the last call; in a file or a pipe they follow them. */
  replace(lines: readonly string[]): void;
  /** Calls back whenever the terminal has another size. */
  onResize(callback: () => void): void;
  /** The text in a colour, if colours are enabled. */
  paint(colour: Colour, text: string): string;
}

/** The output of this process; coloured if stdout is a terminal, unless NO_COLOR or FORCE_COLOR decide. */
export function createOutput(isJson: boolean): Output {
  const screen = new Screen(process.stdout, process.env.TERM);
  return {
    isJson,
    // a terminal can be resized while a command runs
    get columns() {
      return process.stdout.columns ?? Number.POSITIVE_INFINITY;
    },
    get rows() {
      return screen.rows;
    },
    replace: (lines) => screen.show(lines),
    onResize: (callback) => process.stdout.on('resize', callback),
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
  /** Names, which may be cut to this width before a column is left out. */
  readonly least?: number;
  /** Prose, which may be cut as well, but has a part of the width before others have any. */
  readonly isFlexible?: boolean;
}

/** The usual `least` of a column of names. */
export const LEAST_NAME = 12;
/** What prose has at least while others are left out for it, in columns and as a part of the width. */
const LEAST_FLEXIBLE = 12;
const FLEXIBLE_PART = 1 / 4;
const GAP = 2;

interface Filled {
  readonly title: string;
  readonly align: 'right' | undefined;
  readonly drop: number | undefined;
  /** The width to which it may be cut. */
  readonly least: number;
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
    .map(({ title, align, cell, drop, ...column }): Omit<Filled, 'width'> => {
      return { title, align, drop, least: leastOf(column, width), cells: rows.map(cell) };
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

function leastOf(
  { isFlexible, least = Number.POSITIVE_INFINITY }: Pick<Column<never>, 'isFlexible' | 'least'>,
  width: number,
): number {
  return isFlexible ? Math.max(LEAST_FLEXIBLE, Math.floor(width * FLEXIBLE_PART)) : least;
}

/** Leaves columns out until the rest fits, and cuts the widest of those that may be cut to what is left. */
function fittedTo(columns: readonly Filled[], width: number): readonly Filled[] {
  const cutTo = (limit: number): readonly Filled[] =>
    columns.map((column) => ({
      ...column,
      width: Math.min(column.width, Math.max(column.least, limit)),
    }));
  const widthOfAll = (all: readonly Filled[]): number =>
    all.reduce((sum, column) => sum + column.width, GAP * (all.length - 1));
  if (widthOfAll(cutTo(0)) > width) {
    const dropped = columns
      .filter(({ drop }) => drop !== undefined)
      .toSorted((one, other) => other.drop! - one.drop!)[0];
    if (dropped !== undefined)
      return fittedTo(
        columns.filter((column) => column !== dropped),
        width,
      );
  }
  if (widthOfAll(columns) <= width) return columns;
  let limit = Math.max(...columns.map((column) => column.width));
  while (limit > 0 && widthOfAll(cutTo(limit)) > width) limit--;
  const cutColumns = cutTo(limit);
  // what does not divide is given to the last, which has the prose
  const last = columns.findLastIndex((column, at) => column.width > cutColumns[at]!.width);
  const left = Math.max(0, width - widthOfAll(cutColumns));
  return cutColumns.map((column, at) =>
    at === last ? { ...column, width: Math.min(columns[at]!.width, column.width + left) } : column,
  );
}

/** Wraps prose at blanks, so that a terminal does not break it within words, unless one is longer than a line. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && widthOf(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(...broken(word, width));
  }
  return lines;
}

/** A sentence, in lines that the terminal has room for. */
export function say(output: Output, text: string): void {
  for (const line of wrapped(text, output.columns)) output.line(line);
}

/** A word in pieces that fit. */
function broken(word: string, width: number): readonly string[] {
  if (widthOf(word) <= width) return [word];
  const pieces = [''];
  for (const part of word.match(COLOUR_OR_CHARACTER)!) {
    const longer = pieces.at(-1) + part;
    if (widthOf(longer) <= width) pieces[pieces.length - 1] = longer;
    else pieces.push(part);
  }
  return pieces;
}

export function widthOf(text: string): number {
  return columnsOf(stripVTControlCharacters(text));
}

export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is how colours begin
const COLOUR_OR_CHARACTER = /\u001b\[[\d;]*m|./gsu;

/** The text, or as much of it as fits, with `…` at the end; its colours are ended all the same. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width < 1) return '';
  let left = width - 1;
  const kept = text.match(COLOUR_OR_CHARACTER)!.filter((part) => {
    if (part.length > 2) return true;
    left -= columnsOf(part);
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
