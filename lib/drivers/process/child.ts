/**
 * One child process with everything it starts, from spawn to the last of its group.
 * Must not hold: names, ports or roles.
 *
 * Invariants: nothing of a child outlives its leader for long, nor the balancer at all, whatever the command and
 * however the balancer ends. The child is a process group of its own; in it, beside the command, waits a watcher
 * shell that reads a pipe whose only writer is the balancer. The pipe's end (we closed it, or we are gone, even by
 * kill -9) makes the watcher kill the group. Only the watcher may signal a group whose leader is gone: while it
 * waits, the group's number cannot be given to another.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Ending } from '../../core/ending.ts';
import type { Clock } from '../../platform/clock.ts';
import { BalancerError, messageOf } from '../../platform/errors.ts';
import { endingFrom } from '../ending.ts';
import { OutputTail } from './output-tail.ts';

/**
 * Descriptor 3 is the pipe. The watcher is forked twice, so that the command does not meet a child it never made;
 * it ignores the signals that ask the group to end. `exec` makes process id and exit status the command's own.
 */
const SHIM = `
( ( trap '' HUP INT QUIT TERM
    exec </dev/null >/dev/null 2>&1
    read -r _ <&3
    kill -s KILL -- "-$$" ) & )
exec 3<&-
exec "$@"
`;
/** What ended may have left the last of its output in the pipe; its group is gone a moment later. */
const OUTPUT_MS = 250;

export interface ChildOptions {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** Called once, at once, when the leader ends; the last of its output may not have been read by then. */
  readonly onExit: (ending: Ending) => void;
  /** Asked once, where it was killed: whether the kernel did it for the memory. */
  readonly wasOutOfMemory: () => boolean;
}

/** A started command; see the file's head for what is promised of it. */
export class Child {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #clock: Clock;
  readonly #exited: Promise<void>;
  /** Resolves when the leader has ended and nothing holds its output: as far as we can see, all of them have. */
  readonly #allEnded: Promise<unknown>;
  #hasExited = false;
  #isEnding = false;
  #wasOutOfMemory = false;
  readonly #stdout: OutputTail;
  readonly #stderr: OutputTail;

  private constructor(child: ChildProcess, pid: number, options: ChildOptions) {
    this.#process = child;
    this.#clock = options.clock;
    this.pid = pid;
    // it carries nothing, so an error on it says no more than its end does
    lifeline(child).on('error', () => {});
    this.#stdout = new OutputTail(child.stdio[1] as Readable);
    this.#stderr = new OutputTail(child.stdio[2] as Readable);
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => {
        this.#hasExited = true;
        this.#wasOutOfMemory = this.#describe().signal === 'SIGKILL' && options.wasOutOfMemory();
        // an end that was asked for leaves its grace to what the leader started
        if (!this.#isEnding) this.#release();
        options.onExit(this.#describe());
        resolve();
      });
    });
    this.#allEnded = Promise.all([this.#exited, this.#stdout.closed, this.#stderr.closed]);
  }

  /** Starts the command; rejects with `start-failed` when the system refuses a process. */
  static async spawn(options: ChildOptions): Promise<Child> {
    try {
      const child = spawn('/bin/sh', ['-c', SHIM, 'ringlb', ...options.command], {
        env: options.env,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      });
      // without a process there is an error event instead; some errors are thrown at once
      if (child.pid === undefined) throw await new Promise((resolve) => child.once('error', resolve));
      return new Child(child, child.pid, options);
    } catch (cause) {
      throw new BalancerError('start-failed', `The system started no process: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** How it ended, as far as that is known yet; undefined while it runs. */
  get ending(): Ending | undefined {
    return this.#hasExited ? this.#describe() : undefined;
  }

  /** How it ended, once the last of its output was read. */
  async endingInFull(): Promise<Ending | undefined> {
    if (this.#hasExited) await Promise.race([this.#allEnded, this.#delay(OUTPUT_MS)]);
    return this.ending;
  }

  /** Asks the group to end and kills what is left of it after `graceMs`; resolves when the leader is gone. */
  async end(graceMs: number): Promise<void> {
    if (graceMs > 0 && !this.#hasExited) {
      this.#isEnding = true;
      this.#signalGroup('SIGTERM');
      await Promise.race([this.#allEnded, this.#delay(graceMs)]);
    }
    if (!this.#hasExited) this.#signalGroup('SIGKILL');
    this.#release();
    await this.#exited;
  }

  #describe(): Ending {
    const { exitCode: code, signalCode: signal } = this.#process;
    const [stderr, stdout] = [this.#stderr.text, this.#stdout.text];
    return endingFrom({ code, signal, outOfMemory: this.#wasOutOfMemory, stderr, stdout });
  }

  #signalGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // it ended this instant; its exit event is on the way
    }
  }

  #release(): void {
    lifeline(this.#process).destroy();
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(ms, resolve);
      void this.#allEnded.then(() => timer.cancel());
    });
  }
}

/** Our end of descriptor 3. */
function lifeline(child: ChildProcess): Socket {
  return child.stdio[3] as Socket;
}
