/**
 * One child process and its whole process group, from spawn to the end of its last member.
 * Invariants: nothing of a child outlives its leader for long, nor the balancer at all, whatever the command and
 * however the balancer ends; only the watcher (`SHIM`) may signal a group whose leader is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Ending } from '../../core/ending.ts';
import type { Clock } from '../../platform/clock.ts';
import { BalancerError, messageOf } from '../../platform/errors.ts';
import type { OutputStream } from '../driver.ts';
import { endingFrom } from '../ending.ts';
import { OutputTail } from './output-tail.ts';

/**
 * The child leads a process group of its own. In it, beside the command, a watcher shell reads a pipe whose only
 * writer is the balancer: when the pipe closes (we closed it, or we are gone, even by kill -9), the watcher kills the
 * group. While it waits, the group's number cannot be reused.
 * Descriptor 3 is the pipe. The watcher is forked twice, so that it is no child of the command; it ignores the
 * signals that stop the group. The first argument is the cgroup that the command enters, '' for none. `exec` makes
 * process id and exit status the command's own.
 * Where memory runs out the whole group goes before the balancer (proc_pid_oom_score_adj(5); Linux alone). The watcher
 * does too, and dies slowly (sched(7), SCHED_IDLE): in a container Linux no longer sees a process that it has killed
 * while the memory of that is still being freed, and would kill the balancer next; it kills nobody while one that it
 * has killed can be seen.
 */
const WATCHER = `read -r _ <&3; kill -s KILL -- "-$0"`;
const SHIM = `
{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null
( ( trap '' HUP INT QUIT TERM
    exec </dev/null >/dev/null 2>&1
    idle=
    chrt -i 0 true && idle='chrt -i 0'
    exec $idle /bin/sh -c '${WATCHER}' "$$" ) & )
exec 3<&-
[ -z "$1" ] || echo "$$" > "$1/cgroup.procs" || exit 126
shift
exec "$@"
`;
/** How long to wait for the last output in the pipes after an exit. */
const OUTPUT_MS = 250;

export interface ChildOptions {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** '' is that of the balancer. */
  readonly workdir: string;
  /** The signal that asks the group to end. */
  readonly stopSignal: NodeJS.Signals;
  /** The directory of the cgroup to run in; undefined is that of the balancer. */
  readonly cgroup: string | undefined;
  readonly clock: Clock;
  /** Called once, as soon as the leader exits; its last output may not have been read by then. */
  readonly onExit: (ending: Ending) => void;
  /** Called at most once, after a SIGKILL: whether it was the OOM killer. */
  readonly wasOutOfMemory: () => boolean;
  readonly onOutput: (stream: OutputStream, bytes: Buffer) => void;
  /** Called once, when the whole group has ended as far as we can see, and its output has been read. */
  readonly onOutputEnd: () => void;
}

/** A started command, with the guarantees given at the top of this file. */
export class Child {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #clock: Clock;
  readonly #stopSignal: NodeJS.Signals;
  readonly #exited: Promise<void>;
  /** Resolves when the leader has exited and its output is closed: as far as we can see, the whole group has ended. */
  readonly #allEnded: Promise<unknown>;
  #hasExited = false;
  #isEnding = false;
  #wasOutOfMemory = false;
  readonly #stdout: OutputTail;
  readonly #stderr: OutputTail;

  private constructor(child: ChildProcess, pid: number, options: ChildOptions) {
    this.#process = child;
    this.#clock = options.clock;
    this.#stopSignal = options.stopSignal;
    this.pid = pid;
    // it carries no data, so an error means no more than its end
    lifeline(child)
      .on('error', () => {})
      .once('close', () => this.#onWatcherGone())
      .resume();
    const tailOf = (stream: OutputStream): OutputTail =>
      new OutputTail(child[stream] as Readable, (bytes) => options.onOutput(stream, bytes));
    this.#stdout = tailOf('stdout');
    this.#stderr = tailOf('stderr');
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => {
        this.#hasExited = true;
        this.#wasOutOfMemory = this.#describe().signal === 'SIGKILL' && options.wasOutOfMemory();
        // after a stop request the rest of the group keeps its grace period
        if (!this.#isEnding) this.#release();
        options.onExit(this.#describe());
        resolve();
      });
    });
    this.#allEnded = Promise.all([this.#exited, this.#stdout.closed, this.#stderr.closed]);
    void this.#allEnded.then(options.onOutputEnd);
  }

  /** Starts the command; rejects with `start-failed` when the system cannot start a process. */
  static async spawn(options: ChildOptions): Promise<Child> {
    try {
      const child = spawn('/bin/sh', ['-c', SHIM, 'ringlb', options.cgroup ?? '', ...options.command], {
        env: options.env,
        ...(options.workdir !== '' && { cwd: options.workdir }),
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      });
      // a failed spawn emits an error event, or throws
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

  /** How it ended, as far as known; undefined while it is running. */
  get ending(): Ending | undefined {
    return this.#hasExited ? this.#describe() : undefined;
  }

  /** How it ended, once its last output has been read. */
  async finalEnding(): Promise<Ending | undefined> {
    if (this.#hasExited) await Promise.race([this.#allEnded, this.#delay(OUTPUT_MS)]);
    return this.ending;
  }

  /** Sends the stop signal to the group and kills what is left after `graceMs`; resolves when the leader is gone. */
  async end(graceMs: number): Promise<void> {
    if (graceMs > 0 && !this.#hasExited) {
      this.#isEnding = true;
      this.#signalGroup(this.#stopSignal);
      await Promise.race([this.#allEnded, this.#delay(graceMs)]);
    }
    if (!this.#hasExited) this.#signalGroup('SIGKILL');
    this.#release();
    await this.#exited;
  }

  /** Where the watcher was killed, nothing would end the group with the balancer: it ends now. */
  #onWatcherGone(): void {
    if (!this.#hasExited) this.#signalGroup('SIGKILL');
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
      // it has just ended; its exit event is pending
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

/** Our end of the pipe on descriptor 3. */
function lifeline(child: ChildProcess): Socket {
  return child.stdio[3] as Socket;
}
