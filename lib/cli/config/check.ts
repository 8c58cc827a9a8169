/** `ringlb check`: judges a file of options as `ringlb serve --config` would, and shows what it means. */
import { ConfigError, type Environment, loadSettings, type Settings } from '../../config/config.ts';
import { describeOptions, type OptionView } from '../../config/describe.ts';
import type { Call, Command } from '../command.ts';
import { type Column, counted, LEAST_NAME, printable, say, table } from '../output.ts';
import { EXIT, type ExitStatus, wrongUsage } from '../usage.ts';

export const CHECK: Command = {
  name: 'check',
  operands: 'FILE',
  summary: 'judges a file of options, and shows what it means',
  help: [
    'The environment counts as it does for serve. With --all options that have their default are shown',
    'too. The exit status is 2 where serve would not start with the file.',
  ],
  options: { all: { type: 'boolean', help: 'shows every option' } },
  isLocal: true,
  async run(call) {
    return check(call);
  },
};

function check({ words, environment, has, output }: Call): ExitStatus {
  const [file = wrongUsage('say which file'), ...more] = words;
  if (more.length > 0) wrongUsage('check takes one file');
  const settings = settingsIn(file, environment);
  const options = describeOptions(settings).filter(({ option }) => option !== 'config');
  const given = options.filter(({ source }) => source !== 'default');
  const shown = has('all') ? options : given;
  if (output.isJson) {
    output.json({ file, N: shown.length, options: shown });
    return EXIT.done;
  }
  const rest = counted(options.length - given.length, 'other');
  say(output, `${printable(file)} is valid: ${counted(given.length, 'option')} given; ${rest} by default`);
  if (shown.length === 0) return EXIT.done;
  output.line('');
  for (const line of table(COLUMNS, shown, output.columns)) output.line(line);
  return EXIT.done;
}

/** Throws ConfigError, in which the file is not that of an option. */
function settingsIn(file: string, environment: Environment): Settings {
  try {
    return loadSettings([{ flag: '--config', argument: '--config', text: file }], environment, []);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.problems.map((problem) => problem.replace(/^--config(?= )/, 'FILE')));
  }
}

const COLUMNS: readonly Column<OptionView>[] = [
  { title: 'OPTION', cell: ({ option }) => option },
  { title: 'VALUE', cell: ({ value }) => printable(value), isFlexible: true },
  { title: 'FROM', cell: ({ from }) => printable(from ?? 'default'), least: LEAST_NAME, drop: 0 },
  { title: 'TAKEN BY', cell: ({ takes }) => (takes === 'live' ? 'reload' : 'start'), drop: 1 },
];
