/** Exit statuses, usage errors, and the shape of a command's option. */

/** Exit statuses, the same for all commands. */
export const EXIT = {
  done: 0,
  /** The balancer refused, or is not ready. */
  refused: 1,
  /** The command line is invalid. */
  usage: 2,
  /** The balancer cannot be reached. */
  unreachable: 3,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command with one sentence for the user. */
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
  /** Placeholder of the value in the help. */
  readonly unit?: string;
  readonly help: string;
}
