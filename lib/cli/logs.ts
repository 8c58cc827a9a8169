/** `ringlb logs`: what replicas printed, and with `-f` what they print from now on. */
import { stripVTControlCharacters } from 'node:util';
import type { LogLine, LogsView } from '../api/types.ts';
import { quote } from '../config/suggest.ts';
import type { Call, Command } from './command.ts';
import { followStream } from './events/follow.ts';
import { type Colour, counted, cut, LEAST_NAME, type Output, padded, printable, widthOf } from './output.ts';
import { EXIT, type ExitStatus, wrongUsage } from './usage.ts';

/** Default of --lines. */
const LINES = '200';
/** One for each replica, in the order in which they first print something. */
const COLOURS: readonly Colour[] = ['cyan', 'yellow', 'green', 'magenta', 'blue'];
const TAB = '    ';

export const LOGS: Command = {
  name: 'logs',
  operands: '[NAME...]',
  summary: 'shows what replicas print, and follows it with -f',
  help: [
    'Without a NAME it shows all replicas. The last 500 lines of each instance are kept, and those of the',
    'last two that ended. With -f it reconnects when the balancer restarts; with --json each line is then',
    'an object of its own.',
  ],
  options: {
    follow: { type: 'boolean', short: 'f', help: 'follows new lines, until Ctrl-C' },
    lines: {
      type: 'string',
      short: 'n',
      unit: 'number',
      help: `maximum of past lines, ${LINES} if not given`,
    },
    instance: { type: 'string', unit: 'id', help: 'this instance alone, as ringlb status --json has it' },
  },
  run: (call) => (call.has('follow') ? follow(call) : list(call)),
};

function pathOf(call: Call): string {
  const lines = call.value('lines') ?? LINES;
  if (!/^\d{1,5}$/.test(lines))
    wrongUsage(`--lines must be a whole number from 0 to 99999, not ${quote(lines)}`);
  const instance = call.value('instance');
  const query = new URLSearchParams([
    ...call.words.map((name) => ['replica', name]),
    ['lines', lines],
    ...(instance === undefined ? [] : [['instance', instance]]),
  ]);
  return `/logs?${query}`;
}

async function list(call: Call): Promise<ExitStatus> {
  const { admin, output } = call;
  const message = (await admin.requestMessage('GET', pathOf(call))) as LogsView;
  if (output.isJson) output.json(message);
  else if (message.lines.length === 0) output.note('no lines');
  else new PrefixedLines(output).show(message.lines);
  return EXIT.done;
}

async function follow(call: Call): Promise<never> {
  const { output } = call;
  const lines = new PrefixedLines(output);
  return followStream(call, pathOf(call), (line) => {
    if (output.isJson) output.json(line, 'line');
    else lines.show([line as LogLine]);
  });
}

/** Lines behind the names of their replicas, each in a colour of its own. */
class PrefixedLines {
  readonly #output: Output;
  readonly #colours = new Map<string, Colour>();
  /** The instance of each replica whose line was the last. */
  readonly #instances = new Map<string, string>();
  #width = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  show(lines: readonly LogLine[]): void {
    // known at once, so that the names of a list are aligned from the first on
    for (const { replica } of lines) this.#width = Math.max(this.#width, widthOf(printable(replica)));
    for (const line of lines) this.#show(line);
  }

  #show({ replica, instance, text, missed }: LogLine): void {
    const prefix = this.#prefixOf(replica);
    const note = (words: string): void => this.#output.line(`${prefix}${this.#output.paint('dim', words)}`);
    const before = this.#instances.get(replica);
    if (before !== undefined && before !== instance) note(`--- instance ${printable(instance).slice(0, 12)}`);
    this.#instances.set(replica, instance);
    if (missed > 0) note(`--- ${counted(missed, 'line')} came too fast to be shown`);
    const plain = stripVTControlCharacters(text).replaceAll('\t', TAB);
    this.#output.line(`${prefix}${printable(plain)}`);
  }

  #prefixOf(replica: string): string {
    const colour = this.#colours.get(replica) ?? COLOURS[this.#colours.size % COLOURS.length]!;
    this.#colours.set(replica, colour);
    // a long name would leave nothing for the text
    const width = Math.min(this.#width, Math.max(LEAST_NAME, Math.floor(this.#output.columns / 3)));
    return this.#output.paint(colour, `${padded(cut(printable(replica), width), width)} | `);
  }
}
