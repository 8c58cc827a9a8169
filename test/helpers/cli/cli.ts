/** A command of the command line, run in this process: what it wrote, and what it ended with. Must not hold: assertions. */

import { runCommand as runCommandOf } from '../../../lib/cli/command.ts';
import { parseInvocation } from '../../../lib/cli/invocation.ts';
import type { Output } from '../../../lib/cli/output.ts';
import { CommandError } from '../../../lib/cli/usage.ts';
import type { Environment } from '../../../lib/config/config.ts';

export interface Written {
  readonly lines: string[];
  readonly notes: string[];
}

export interface Kept extends Output, Written {
  /** The terminal gets another size. */
  resize(columns: number, rows: number): void;
}

export interface Ran extends Written {
  readonly exitStatus: number;
}

/** Output that is kept; colours stand as `<green>…</>`, or are none in a terminal of so many columns. */
export function keptOutput(
  isJson = false,
  columns = Number.POSITIVE_INFINITY,
  rows = Number.POSITIVE_INFINITY,
): Kept {
  const lines: string[] = [];
  const notes: string[] = [];
  const onResize: (() => void)[] = [];
  const size = { columns, rows };
  return {
    isJson,
    get columns() {
      return size.columns;
    },
    get rows() {
      return size.rows;
    },
    replace: (shown) => {
      lines.splice(0, lines.length, ...shown);
    },
    onResize: (callback) => onResize.push(callback),
    resize(toColumns, toRows) {
      Object.assign(size, { columns: toColumns, rows: toRows });
      for (const callback of onResize) callback();
    },
    lines,
    notes,
    line: (text) => lines.push(text),
    note: (text) => notes.push(text),
    json: (value, form) =>
      lines.push(form === 'line' ? JSON.stringify(value) : JSON.stringify(value, undefined, 2)),
    paint: (colour, text) => (Number.isFinite(columns) ? text : `<${colour}>${text}</>`),
  };
}

/** Runs a command for the balancer on this admin port; `written` is seen while it runs. */
export async function runCommand(
  port: number,
  args: readonly string[],
  {
    environment = {},
    written,
  }: { readonly environment?: Environment; readonly written?: Output & Written } = {},
): Promise<Ran> {
  const output = written ?? keptOutput(args.includes('--json'));
  const { lines, notes } = output;
  try {
    const invocation = parseInvocation(args, { LB_ADMIN_PORT: String(port), ...environment });
    if (invocation.kind !== 'command') throw new Error(`${args[0]} is no command but ${invocation.kind}`);
    return {
      lines,
      notes,
      exitStatus: await runCommandOf(invocation.command, { ...invocation.call, output }),
    };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    notes.push(error.message);
    return { lines, notes, exitStatus: error.exitStatus };
  }
}
