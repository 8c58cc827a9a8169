/**
 * What a command of the command line is: its words, its options, and what it does with a balancer that runs.
 * Must not hold: any one command.
 */
import type { AdminClient } from './admin-client.ts';
import type { Output } from './output.ts';
import type { CommandOption, ExitStatus } from './usage.ts';

/** A command as it was given. */
export interface Call {
  /** What stands behind the command's name. */
  readonly words: readonly string[];
  /** True where the option was given and is one without a value. */
  has(option: string): boolean;
  /** The value of an option, the last where it was given more than once; undefined where it was not. */
  value(option: string): string | undefined;
  values(option: string): readonly string[];
  readonly admin: AdminClient;
  readonly output: Output;
}

export interface Command {
  readonly name: string;
  /** The words behind the name, as the help shows them; '' for none. */
  readonly operands: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What more there is to say, in lines of at most 100 characters. */
  readonly help: readonly string[];
  /** Beside those that every command has. */
  readonly options: Readonly<Record<string, CommandOption>>;
  run(call: Call): Promise<ExitStatus>;
}
