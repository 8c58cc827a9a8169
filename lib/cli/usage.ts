/**
 * What the process ends with, and what an option of a command looks like.
 * Must not hold: any one command or option. Exit statuses are the same for all commands.
 */

/** What the process ends with. */
export const EXIT = {
  done: 0,
  /** The balancer refused, or is not ready. */
  refused: 1,
  /** The command line is wrong. */
  usage: 2,
  /** No balancer answers. */
  unreachable: 3,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command with one sentence for the person who gave it. */
export class CommandError extends Error {
  readonly exitStatus: ExitStatus;

  constructor(exitStatus: ExitStatus, message: string) {
    super(message);
    this.name = 'CommandError';
    this.exitStatus = exitStatus;
  }
}

export function wrongUsage(message: string): never {
  throw new CommandError(EXIT.usage, message);
}

export interface CommandOption {
  readonly type: 'boolean' | 'string';
  readonly short?: string;
  /** What stands for the value in the help. */
  readonly unit?: string;
  readonly help: string;
}
