/** The `--help` texts of the program and of each command, in lines of at most 100 characters. */
import { helpText } from '../config/help.ts';
import type { Command } from './command.ts';
import type { CommandOption } from './usage.ts';

const LEFT = 28;
const NAME = 12;

const VARIABLES = `Without flags, LB_ADMIN_HOST, LB_ADMIN_PORT, LB_ADMIN_TOKEN and LB_ADMIN_TOKEN_FILE apply.
`;
const EXIT_STATUSES = `Exit status: 0 done, 1 the balancer refused or is not ready, 2 the command line is wrong,
3 no balancer responds.`;

/** The help of the program: its commands, and every option of serve. */
export function serveHelp(commands: readonly Command[]): string {
  const list = [
    `  ${'serve'.padEnd(NAME)}runs the balancer until SIGINT or SIGTERM; the default command`,
    ...commands.map(({ name, summary }) => `  ${name.padEnd(NAME)}${summary}`),
    `  ${'help'.padEnd(NAME)}shows this help, or that of a command: ringlb help add`,
    `  ${'version'.padEnd(NAME)}prints the version`,
    `  ${'completion'.padEnd(NAME)}prints a completion script: source <(ringlb completion bash)`,
  ];
  return `ringlb: an HTTP load balancer that starts, probes, replaces and drains its own replicas

Usage: ringlb [serve] [OPTION]...
       ringlb COMMAND [OPTION]...      talks to a running balancer; see ringlb help COMMAND

Commands:
${list.join('\n')}

An option of serve is a flag (--port 8080 or --port=8080) or, on the line below it, an environment
variable (LB_PORT=8080), or a line of the file that --config names (port: 8080). A flag beats the
environment, and the environment the file. Durations read 500ms, 2s or 1m30s; sizes read 65536, 64k
or 1MB, in steps of 1024. A flag that may be given several times is one line each in its variable.

${helpText()}`;
}

/** The help of one command: its operands, its options and the common ones. */
export function commandHelp(
  { name, operands, summary, help, options, isLocal }: Command,
  common: Readonly<Record<string, CommandOption>>,
): string {
  const lines = Object.entries({ ...options, ...common }).map(([flag, { short, unit, help: meaning }]) => {
    const names = `${short === undefined ? '    ' : `-${short}, `}--${flag}${unit === undefined ? '' : ` ${unit}`}`;
    return names.length + 4 > LEFT
      ? `  ${names}\n${' '.repeat(LEFT)}${meaning}`
      : `  ${names.padEnd(LEFT - 2)}${meaning}`;
  });
  const more = help.length === 0 ? '' : `${help.join('\n')}\n\n`;
  return `ringlb ${name}: ${summary}

Usage: ringlb ${name} [OPTION]...${operands === '' ? '' : ` ${operands}`}

${more}${lines.join('\n')}

${isLocal ? '' : VARIABLES}${EXIT_STATUSES}
`;
}
