/**
 * A command line cut into flags with their values, and the words that belong to none.
 * Must not hold: what any flag or word means.
 */
import { parseArgs } from 'node:util';
import { KEYS, type Key, OPTIONS } from './options.ts';

/** One flag of a command line; `text` is undefined where no value came with it. */
export interface Flag {
  readonly flag: string;
  /** The argument it stood in, as it was written. */
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

/** Cuts a command line; `alone` are flags beside those of the table that stand without a value. */
export function cut(args: readonly string[], alone: ReadonlySet<string> = new Set()): CommandLine {
  // parseArgs is given no table: with one it would take `--host` for the value in `--port --host x`
  const { tokens } = parseArgs({ args: [...args], strict: false, tokens: true });
  const flags: Flag[] = [];
  const words: string[] = [];
  let valueIndex = -1;
  for (const [position, token] of tokens.entries()) {
    if (token.kind === 'positional' && token.index !== valueIndex) words.push(token.value);
    if (token.kind !== 'option') continue;
    const { rawName: flag, index, value } = token;
    const next = tokens[position + 1];
    const isFollowed = value === undefined && next?.kind === 'positional' && next.index === index + 1;
    const takesIt = isFollowed && !alone.has(flag) && takesValue(flag, next.value);
    if (takesIt) valueIndex = index + 1;
    flags.push({ flag, argument: args[index] ?? flag, text: takesIt ? next.value : value });
  }
  return { flags, words };
}

/** True where the word behind a flag is its value: always, but for a flag that may stand alone. */
function takesValue(flag: string, word: string): boolean {
  if (HELP.has(flag) || VERSION.has(flag)) return false;
  const key = KEY_OF_FLAG.get(flag);
  if (key === undefined) return true;
  const { bare, read } = OPTIONS[key];
  return bare === undefined || 'value' in read(word);
}
