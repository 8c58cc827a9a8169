/**
 * Starts processes on given cores and stops every one of them, whatever happens to the benchmark.
 * Invariants: each child leads a process group of its own, so that its children go with it and a Ctrl-C reaches only
 * the benchmark; `closeNow` is synchronous, so that an exit handler can call it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A child with what it has printed so far, the last 64 KiB of it. */
export interface Started {
  readonly pid: number;
  readonly child: ChildProcess;
  output(): string;
  /** Resolves with the exit code, or null after a signal. */
  readonly ended: Promise<number | null>;
}

const OUTPUT_CHARS = 65_536;
const STOP_MS = 3000;
/** Below the range that the kernel takes outgoing ports from, or a load of new connections could take them. */
const FIRST_PORT = 20_000;
const PORTS = 12_000;

export class Processes {
  readonly #live = new Set<Started>();

  /** Starts a command bound to the cores; rejects when it cannot be started at all. */
  async start(command: Command, cores: readonly number[]): Promise<Started> {
    const child = spawn('taskset', ['-c', cores.join(','), command.file, ...command.args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...command.env },
    });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('latin1')).slice(-OUTPUT_CHARS);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    await once(child, 'spawn');
    const started: Started = { pid: child.pid!, child, output: () => output, ended };
    this.#live.add(started);
    void ended.then(() => this.#live.delete(started));
    return started;
  }

  /** Asks a child to end, and ends its whole group when it has not after three seconds. */
  async stop(started: Started): Promise<void> {
    if (!this.#live.has(started)) return;
    signalGroup(started.pid, 'SIGTERM');
    const timer = setTimeout(() => signalGroup(started.pid, 'SIGKILL'), STOP_MS);
    await started.ended;
    clearTimeout(timer);
  }

  /** As `stop`, of all that still run. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#live].map((started) => this.stop(started)));
  }

  /** Kills whatever still runs; idempotent. */
  closeNow(): void {
    for (const started of this.#live) signalGroup(started.pid, 'SIGKILL');
    this.#live.clear();
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // the group has ended already
  }
}

/** Resolves after `delayMs`. */
export function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1' }, () => resolve(true));
  });
  const free = await listening;
  if (free) await new Promise((resolve) => server.close(resolve));
  return free;
}

/** A port of the loopback that nobody listens on now, other than those in `taken`, to which it is added. */
export async function freePort(taken: Set<number>): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    return port;
  }
}
