/** The shape of a command: its operands, its options, and what it does with a running balancer. */
import type { Environment } from '../config/config.ts';
import { messageOf } from '../platform/errors.ts';
import { programVersion } from '../platform/version.ts';
import type { AdminClient } from './admin-client.ts';
import type { Output } from './output.ts';
import { CommandError, type CommandOption, EXIT, type ExitStatus } from './usage.ts';

/** One invocation of a command. */
export interface Call {
  /** The operands after the command's name. */
  readonly words: readonly string[];
  /** True if a boolean option was given. */
  has(option: string): boolean;
  /** The value of an option, the last if it was given several times; undefined if it was not given. */
  value(option: string): string | undefined;
  values(option: string): readonly string[];
  /** The environment of the process. */
  readonly environment: Environment;
  readonly admin: AdminClient;
  readonly output: Output;
}

export interface Command {
  readonly name: string;
  /** The operands as the help shows them; '' for none. */
  readonly operands: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Further help: prose, in pieces. */
  readonly help: readonly string[];
  /** Options beside those that every command has. */
  readonly options: Readonly<Record<string, CommandOption>>;
  /** True where it talks to no balancer, so that it has no options that locate one. */
  readonly isLocal?: boolean;
  run(call: Call): Promise<ExitStatus>;
}

/** Runs it. Throws CommandError, also for a response that lacks what one of this version has. */
export async function runCommand(command: Command, call: Call): Promise<ExitStatus> {
  try {
    return await command.run(call);
  } catch (error) {
    if (command.isLocal === true || !(error instanceof TypeError)) throw error;
    await call.admin.judgePort();
    throw new CommandError(
      EXIT.unreachable,
      `the response of ${call.admin.url} is not in the form of ringlb ${programVersion()}: ${messageOf(error)}`,
    );
  }
}
