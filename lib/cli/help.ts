/** The `--help` texts of the program and of each command, in lines of at most 100 characters, or as many as there are. */
import { helpText } from '../config/help.ts';
import type { Command } from './command.ts';
import { wrapped } from './output.ts';
import type { CommandOption } from './usage.ts';

const WIDTH = 100;
const LEFT = 28;
const NAME = 14;
/** Where less than this is left beside a label, the text is below it. */
const LEAST = 20;
const BELOW = 8;

const VARIABLES =
  'Without flags, LB_ADMIN_HOST, LB_ADMIN_PORT, LB_ADMIN_TOKEN and LB_ADMIN_TOKEN_FILE apply.';
const EXIT_STATUSES =
  'Exit status: 0 done, 1 the balancer refused or is not ready, 2 the command line is wrong, 3 no balancer responds.';

/** Words of the command line that ask no balancer. */
const WORDS = {
  help: {
    operands: ' [COMMAND]',
    summary: 'shows this help, or that of a command: ringlb help add',
    more: [],
  },
  version: { operands: '', summary: 'prints the version', more: [] },
  completion: {
    operands: ' bash|zsh',
    summary: 'prints a completion script: source <(ringlb completion bash)',
    more: [
      'For zsh: source <(ringlb completion zsh). In ~/.bashrc or ~/.zshrc the line is for every new shell.',
    ],
  },
} as const;

/** A text in lines of at most so many columns. */
class Page {
  readonly #width: number;

  constructor(columns: number) {
    this.#width = Math.min(columns, WIDTH);
  }

  prose(text: string): string {
    return wrapped(text, this.#width).join('\n');
  }

  /** A label with its text beside it from a column on, or below. */
  entry(label: string, text: string, column: number): string {
    const at = this.#width - column < LEAST ? BELOW : column;
    const [first = '', ...rest] = wrapped(text, this.#width - at);
    const indent = ' '.repeat(at);
    const begin = label.length + 2 > at ? `${label}\n${indent}${first}` : `${label.padEnd(at)}${first}`;
    return [begin, ...rest.map((line) => indent + line)].join('\n');
  }
}

/** The help of the program: its commands, and every option of serve. */
export function serveHelp(commands: readonly Command[], columns: number): string {
  const page = new Page(columns);
  const list = [
    ['serve', 'runs the balancer until SIGINT or SIGTERM; the default command'],
    ...commands.map(({ name, summary }) => [name, summary]),
    ...Object.entries(WORDS).map(([name, { summary }]) => [name, summary]),
  ].map(([name, summary]) => page.entry(`  ${name}`, summary!, NAME));
  return `${page.prose('ringlb: an HTTP load balancer that starts, probes, replaces and drains its own replicas')}

Usage: ringlb [serve] [OPTION]...
${page.entry('       ringlb COMMAND [OPTION]...', 'talks to a running balancer; see ringlb help COMMAND', 39)}

Commands:
${list.join('\n')}

${page.prose(OPTIONS_OF_SERVE)}

${helpText(columns)}`;
}

const OPTIONS_OF_SERVE =
  'An option of serve is a flag (--port 8080 or --port=8080) or, on the line below it, an environment variable (LB_PORT=8080), or a line of the file that --config names (port: 8080). A flag beats the environment, and the environment the file. Durations read 500ms, 2s or 1m30s; sizes read 65536, 64k or 1MB, in steps of 1024. A flag that may be given several times is one line each in its variable.';

/** The help of one command: its operands, its options and the common ones. */
export function commandHelp(
  { name, operands, summary, help, options, isLocal }: Command,
  common: Readonly<Record<string, CommandOption>>,
  columns: number,
): string {
  const page = new Page(columns);
  const lines = Object.entries({ ...options, ...common }).map(([flag, { short, unit, help: meaning }]) => {
    const names = `${short === undefined ? '    ' : `-${short}, `}--${flag}${unit === undefined ? '' : ` ${unit}`}`;
    return page.entry(`  ${names}`, meaning, LEFT);
  });
  return `${[
    page.prose(`ringlb ${name}: ${summary}`),
    page.prose(`Usage: ringlb ${name} [OPTION]...${operands === '' ? '' : ` ${operands}`}`),
    ...(help.length === 0 ? [] : [page.prose(help.join(' '))]),
    lines.join('\n'),
    [...(isLocal ? [] : [VARIABLES]), EXIT_STATUSES].map((text) => page.prose(text)).join('\n'),
  ].join('\n\n')}\n`;
}

/** The help of a word that is no command for a balancer; undefined for any other. */
export function wordHelp(word: string, columns: number): string | undefined {
  const found = Object.entries(WORDS).find(([name]) => name === word)?.[1];
  if (found === undefined) return undefined;
  const page = new Page(columns);
  const usage = `Usage: ringlb ${word}${found.operands}`;
  const paragraphs = [`ringlb ${word}: ${found.summary}`, usage, ...found.more];
  return `${paragraphs.map((text) => page.prose(text)).join('\n\n')}\n`;
}
