/**
 * Prints what instances print into the balancer's own log: behind the name of the replica on a terminal, else as lines of
 * JSON.
 * Invariant: what a replica prints never controls the terminal.
 */
import { stripVTControlCharacters, styleText } from 'node:util';
import type { LogLine } from '../../api/types.ts';
import type { RootLogger } from '../../platform/log.ts';
import type { ReplicaLogs } from './replica-logs.ts';

/** One for each replica, in the order in which they first print something. */
const COLOURS = ['cyan', 'yellow', 'green', 'magenta', 'blue'] as const;
/** Control characters, and marks that hide text or turn it around. */
const UNSEEN = /[\p{Cc}\p{Cf}]/gu;
const ALL = { replicas: [], instance: undefined };

export interface LogPrinterOptions {
  readonly logs: Pick<ReplicaLogs, 'follow'>;
  readonly log: Pick<RootLogger, 'component' | 'print' | 'isTerminal'>;
}

export class LogPrinter {
  readonly #options: LogPrinterOptions;
  readonly #colours = new Map<string, (typeof COLOURS)[number]>();
  #width = 0;
  #stop: (() => void) | undefined;

  constructor(options: LogPrinterOptions) {
    this.#options = options;
  }

  /** Prints what comes from now on, or no more. */
  setOn(isOn: boolean): void {
    if (isOn === (this.#stop !== undefined)) return;
    this.#stop?.();
    this.#stop = isOn ? this.#start() : undefined;
  }

  #start(): () => void {
    const { logs, log } = this.#options;
    const own = log.component('replica');
    return logs.follow(ALL, { count: 0 }, (lines) => {
      for (const line of lines) {
        const { replica, instance, stream, text, missed } = line;
        if (log.isTerminal) log.print(this.#textOf(line));
        else own.info({ replica, instance, stream, ...(missed > 0 && { missed }) }, text);
      }
    });
  }

  #textOf({ replica, text, missed }: LogLine): string {
    const colour = this.#colours.get(replica) ?? COLOURS[this.#colours.size % COLOURS.length]!;
    this.#colours.set(replica, colour);
    this.#width = Math.max(this.#width, replica.length);
    const prefix = styleText(colour, `${replica.padEnd(this.#width)} | `, { stream: process.stderr });
    const plain = stripVTControlCharacters(text).replaceAll('\t', '    ').replace(UNSEEN, '\ufffd');
    const note = missed > 0 ? `${prefix}--- ${missed} lines came too fast to be shown\n` : '';
    return `${note}${prefix}${plain}`;
  }
}
