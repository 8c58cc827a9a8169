/** Splits a command line into flags with their values and positional words, without judging either. */
import { parseArgs } from 'node:util';
import { KEYS, type Key, OPTIONS } from './options.ts';

/** One flag of a command line; `text` is undefined if it has no value. */
export interface Flag {
  readonly flag: string;
  /** The argument that contained it, verbatim. */
  readonly argument: string;
  readonly text: string | undefined;
}

export interface CommandLine {
  readonly flags: readonly Flag[];
  readonly words: readonly string[];
}

export const HELP: ReadonlySet<string> = new Set(['--help', '-h']);
export const VERSION: ReadonlySet<string> = new Set(['--version', '-v']);

export const KEY_OF_FLAG: ReadonlyMap<string, Key> = new Map(
  KEYS.map((key) => [`--${OPTIONS[key].flag}`, key]),
);

/** Splits a command line; `booleanFlags` are flags outside the table that take no value. */
export function splitCommandLine(
  args: readonly string[],
  booleanFlags: ReadonlySet<string> = new Set(),
): CommandLine {
  // parseArgs gets no option table: with one it would take `--host` as the value in `--port --host x`
  const { tokens } = parseArgs({ args: [...args], strict: false, tokens: true });
  const flags: Flag[] = [];
  const words: string[] = [];
  let valueIndex: number | undefined;
  for (const [position, token] of tokens.entries()) {
    if (token.kind === 'positional' && token.index !== valueIndex) words.push(token.value);
    if (token.kind !== 'option') continue;
    const { rawName: flag, index, value } = token;
    const next = tokens[position + 1];
    const isFollowed = value === undefined && next?.kind === 'positional' && next.index === index + 1;
    const takesIt = isFollowed && !booleanFlags.has(flag) && takesValue(flag, next.value);
    if (takesIt) valueIndex = index + 1;
    flags.push({ flag, argument: args[index] ?? flag, text: takesIt ? next.value : value });
  }
  return { flags, words };
}

/** True if the word after a flag is its value: always, except for a flag whose value is optional. */
function takesValue(flag: string, word: string): boolean {
  if (HELP.has(flag) || VERSION.has(flag)) return false;
  const key = KEY_OF_FLAG.get(flag);
  if (key === undefined) return true;
  const { bare, read } = OPTIONS[key];
  return bare === undefined || 'value' in read(word);
}

/** What is wrong where the value of a flag is missing. */
export function needsValue(flag: string): string {
  return `${flag} needs a value; one that begins with - is written ${flag}=VALUE`;
}
