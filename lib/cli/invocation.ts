/**
 * Parses the command line: serve, or a command for a running balancer.
 * Invariant: every problem with it is a ConfigError or a CommandError with exit status 2 that names the culprit.
 */
import { parseArgs } from 'node:util';
import { type Environment, loadSettings, type Settings } from '../config/config.ts';
import { HELP, KEY_OF_FLAG, needsValue, splitCommandLine, VERSION } from '../config/flags.ts';
import { didYouMean, orList, quote, quoteIfOdd } from '../config/suggest.ts';
import { messageOf } from '../platform/errors.ts';
import { AdminClient } from './admin-client.ts';
import type { Call, Command } from './command.ts';
import { completionScript } from './completion.ts';
import { CHECK } from './config/check.ts';
import { RELOAD } from './config/reload.ts';
import { DEPLOY, ROLLBACK } from './deploy.ts';
import { EVENTS } from './events/events.ts';
import { EXPLAIN } from './explain.ts';
import { ADD, DRAIN, RM, UNDRAIN, WEIGHT } from './fleet/change.ts';
import { SCALE } from './fleet/scale.ts';
import { commandHelp, serveHelp, wordHelp } from './help.ts';
import { LOGS } from './logs.ts';
import { createOutput } from './output.ts';
import { HEALTH, STATUS } from './status.ts';
import { TARGET_OPTIONS, targetOf } from './target.ts';
import { type CommandOption, wrongUsage } from './usage.ts';

export const COMMANDS: readonly Command[] = [
  STATUS,
  ADD,
  RM,
  SCALE,
  WEIGHT,
  DRAIN,
  UNDRAIN,
  DEPLOY,
  ROLLBACK,
  EXPLAIN,
  EVENTS,
  LOGS,
  HEALTH,
  CHECK,
  RELOAD,
];
const NAMES: readonly string[] = [
  'serve',
  ...COMMANDS.map(({ name }) => name),
  'help',
  'version',
  'completion',
];

/** Options that every command for a running balancer has. */
const COMMON_OPTIONS: Readonly<Record<string, CommandOption>> = {
  json: { type: 'boolean', help: 'prints JSON' },
  ...TARGET_OPTIONS,
  help: { type: 'boolean', short: 'h', help: 'shows this help' },
};

/** Those of a command that talks to none. */
const LOCAL_OPTIONS: Readonly<Record<string, CommandOption>> = {
  json: COMMON_OPTIONS.json!,
  help: COMMON_OPTIONS.help!,
};

const commonOptionsOf = ({ isLocal }: Command): Readonly<Record<string, CommandOption>> =>
  isLocal ? LOCAL_OPTIONS : COMMON_OPTIONS;

/** Boolean flags of all commands: the word after one may be the command. */
const BOOLEAN_FLAGS: ReadonlySet<string> = new Set(
  [COMMON_OPTIONS, ...COMMANDS.map(({ options }) => options)]
    .flatMap((options) => Object.entries(options))
    .filter(([, { type }]) => type === 'boolean')
    .flatMap(([name, { short }]) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]),
);

export type Invocation =
  | {
      readonly kind: 'serve';
      readonly settings: Settings;
      /** Reads the same command line, the environment and the file anew. Throws ConfigError. */
      readonly reload: () => Settings;
    }
  | { readonly kind: 'command'; readonly command: Command; readonly call: Call }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' };

/**
 * Reads a command line, `serve` where it names no command; help is for a terminal of so many columns. Throws ConfigError
 * or CommandError.
 */
export function parseInvocation(
  args: readonly string[],
  environment: Environment,
  columns = Number.POSITIVE_INFINITY,
): Invocation {
  const { flags, words } = splitCommandLine(args, BOOLEAN_FLAGS);
  const [word = 'serve', ...rest] = words;
  const command = COMMANDS.find(({ name }) => name === word);
  if (flags.some(({ flag }) => HELP.has(flag))) return { kind: 'help', text: helpOf(word, columns) };
  if (flags.some(({ flag }) => VERSION.has(flag))) return { kind: 'version' };
  if (word === 'version') {
    if (rest.length > 0) wrongUsage(`unexpected argument ${quote(rest.join(' '))}: version takes none`);
    return { kind: 'version' };
  }
  if (word === 'help') return { kind: 'help', text: helpOn(rest, columns) };
  if (word === 'completion') return { kind: 'help', text: completionScript(rest, COMMANDS, commonOptionsOf) };
  if (command !== undefined) return { kind: 'command', command, call: callOf(command, args, environment) };
  const problems = rest.map((extra) => `unexpected argument ${quote(extra)}`);
  if (word !== 'serve') {
    // its operands and flags cannot be judged
    problems.splice(0, problems.length, noCommand(word));
  }
  const reload = (): Settings => loadSettings(flags, environment, problems);
  return { kind: 'serve', settings: reload(), reload };
}

function noCommand(word: string): string {
  const meant = didYouMean(word, NAMES) || `; the commands are ${orList(NAMES).replace(' or ', ' and ')}`;
  return `${quoteIfOdd(word)} is not a command${meant}`;
}

function helpOf(word: string, columns: number): string {
  const command = COMMANDS.find(({ name }) => name === word);
  if (command !== undefined) return commandHelp(command, commonOptionsOf(command), columns);
  return wordHelp(word, columns) ?? serveHelp(COMMANDS, columns);
}

/** `help`, or `help add`. */
function helpOn([word = 'serve', ...more]: readonly string[], columns: number): string {
  if (more.length > 0) wrongUsage(`help takes one command, not ${quote([word, ...more].join(' '))}`);
  if (!NAMES.includes(word)) wrongUsage(noCommand(word));
  return helpOf(word, columns);
}

function callOf(command: Command, args: readonly string[], environment: Environment): Call {
  const options = { ...commonOptionsOf(command), ...command.options };
  const { values, positionals } = parsed(command, args, options);
  const words = positionals.slice(1);
  if (command.operands === '' && words.length > 0) {
    wrongUsage(`unexpected argument ${quote(words.join(' '))}: ${command.name} takes none`);
  }
  const texts = (option: string): readonly string[] => {
    const found = values[option];
    return Array.isArray(found) ? found.filter((text) => typeof text === 'string') : [];
  };
  const value = (option: string): string | undefined => texts(option).at(-1);
  return {
    words,
    has: (option) => values[option] === true,
    value,
    values: texts,
    environment,
    admin: new AdminClient(targetOf(value, command.isLocal ? {} : environment)),
    output: createOutput(values.json === true),
  };
}

function parsed(command: Command, args: readonly string[], options: Readonly<Record<string, CommandOption>>) {
  for (const { flag } of splitCommandLine(args, BOOLEAN_FLAGS).flags) {
    const isShort = Object.values(options).some(({ short }) => flag === `-${short}`);
    if (isShort || flag.slice(2) in options) continue;
    const isServe = KEY_OF_FLAG.has(flag)
      ? ' but of serve'
      : didYouMean(
          flag,
          Object.keys(options).map((name) => `--${name}`),
        );
    wrongUsage(`${quoteIfOdd(flag)} is not an option of ${command.name}${isServe}`);
  }
  try {
    return parseArgs({
      args: [...args],
      // without `help` and `unit`, which are ours
      options: Object.fromEntries(
        Object.entries(options).map(([name, { type, short }]) => [
          name,
          { type, multiple: type === 'string', ...(short && { short }) },
        ]),
      ),
      allowPositionals: true,
    });
  } catch (error) {
    return wrongUsage(problemIn(messageOf(error)));
  }
}

/** What `parseArgs` says, such as `Option '-n, --lines <value>' argument missing`, in our words. */
function problemIn(message: string): string {
  const flag = /--[a-z-]+/.exec(message)?.[0] ?? '';
  if (message.includes('does not take an argument')) return `${flag} takes no value`;
  if (/argument (missing|is ambiguous)/.test(message)) return needsValue(flag);
  // its second sentence is about positionals, which does not help here
  return message.split('\n', 1)[0]!.replace(/\. .*/, '');
}
