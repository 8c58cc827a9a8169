/**
 * Prints the option table: `--help` for a terminal of at most 100 columns, Markdown for `docs/configuration.md`.
 * Invariant: both list every option, in the order of the table; `npm run docs` writes the page, and a test compares it.
 */
import { environmentName, HEADINGS, KEYS, type Key, OPTIONS } from './options.ts';

const WIDTH = 100;
const LEFT = 33;
/** Where less than this is left beside flags and variables, the text is below them. */
const LEAST = 30;
const BELOW = 6;

/** Wraps at spaces to lines of at most `width` characters. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function unitAndDefault(key: Key): string {
  const { unit, default: standard } = OPTIONS[key];
  return standard === '' ? `(${unit})` : `(${unit}; default ${standard})`;
}

function helpOf(key: Key, width: number): readonly string[] {
  const { flag, help } = OPTIONS[key];
  const left = [`  --${flag}`, `  ${environmentName(flag)}`];
  const closing = unitAndDefault(key);
  if (width - LEFT < LEAST)
    return [...left, ...wrap(`${help} ${closing}`, width - BELOW).map((line) => ' '.repeat(BELOW) + line)];
  const lines = [...wrap(help, width - LEFT)];
  // the variable takes the second line anyway, so after a short help the unit goes there
  const hasRoom = lines.length > 1 && lines.at(-1)!.length + 1 + closing.length <= width - LEFT;
  if (hasRoom) lines.push(`${lines.pop()} ${closing}`);
  else lines.push(...wrap(closing, width - LEFT));
  return lines.map((line, index) => `${(left[index] ?? '').padEnd(LEFT)}${line}`);
}

/** Every option of serve with flag, variable, unit, default and meaning, in lines of at most 100 characters, or as many as there are. */
export function helpText(columns = WIDTH): string {
  const lines: string[] = [];
  for (const key of KEYS) {
    const heading = HEADINGS[key];
    if (heading !== undefined) lines.push(key === KEYS[0] ? `${heading}:` : `\n${heading}:`);
    lines.push(...helpOf(key, Math.min(columns, WIDTH)));
  }
  return `${lines.join('\n')}\n`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => (text === '' ? '–' : `\`${text}\``);

/** The same as Markdown, one table under each heading. */
export function optionTable(): string {
  const lines: string[] = [];
  for (const key of KEYS) {
    const heading = HEADINGS[key];
    if (heading !== undefined) {
      if (lines.length > 0) lines.push('');
      lines.push(
        `**${heading}**`,
        '',
        '| Flag | Variable | Value | Default | Taken by | Meaning |',
        '|---|---|---|---|---|---|',
      );
    }
    const { flag, unit, default: standard, help, takes } = OPTIONS[key];
    const takenBy = takes === 'live' ? 'reload' : 'start';
    const cells = [code(`--${flag}`), code(environmentName(flag)), unit, code(standard), takenBy, help];
    lines.push(`| ${cells.map(cell).join(' | ')} |`);
  }
  return lines.join('\n');
}
