/**
 * The balancer under study: one of our own on free ports, started as its user starts it, or one that runs already.
 * Invariant: nothing of our own balancer outlives the study, however that ends. The balancer leads a process group, in
 * which a shell waits on a pipe whose only writer is the study; at the pipe's end it asks the group to end, and the
 * balancer then takes its replicas with it. A Ctrl-C on the terminal reaches only the study.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Control } from './client.ts';
import type { StudyDriver, StudyOptions } from './options.ts';

export const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'dist/lib/main.js');

/** The watcher lets TERM pass over itself; while it waits, the group's number cannot become another's. */
const SHIM = `
( ( trap '' HUP INT QUIT TERM
    read -r _ <&3
    kill -s TERM -- "-$$" ) >/dev/null 2>&1 & )
exec 3<&-
exec "$@"
`;
const READY_MS = 60_000;
const LOOK_MS = 20;
const OUTPUT_CHARS = 16_384;

/** A balancer that answers. */
export interface Balancer {
  readonly url: URL;
  readonly control: Control;
  /** True where the study started it. */
  readonly isOurs: boolean;
  /** Ends it where it is ours; idempotent. */
  close(): Promise<void>;
}

/**
 * Starts a balancer of three replicas from its entry file, or finds the one that `options.url` names; throws what is
 * wrong. `more` are further arguments of the one that it starts.
 */
export async function openBalancer(
  options: StudyOptions,
  main = MAIN,
  more: readonly string[] = [],
): Promise<Balancer> {
  if (options.url === undefined) return startBalancer([...argumentsOf(options.driver), ...more], main);
  const control = new Control(options.url, options.adminUrl!, options.adminToken);
  try {
    await control.names();
    await control.ring();
  } catch (error) {
    control.close();
    const { url, adminUrl } = options;
    const reason = (error as Error).message || String((error as NodeJS.ErrnoException).code);
    throw new Error(
      `no balancer responds on ${url.origin} with its admin port on ${adminUrl!.origin}: ${reason}`,
    );
  }
  return { url: options.url, control, isOurs: false, close: async () => control.close() };
}

function argumentsOf(driver: StudyDriver): readonly string[] {
  const ports = ['--port', '0', '--admin-port', '0', '--driver', driver];
  if (driver === 'process') return ports;
  // a pool of its own, so that a balancer that someone uses is left alone
  const pool = `ringlb-study-${randomBytes(4).toString('hex')}`;
  return [...ports, '--pool', pool, '--network', pool];
}

async function startBalancer(args: readonly string[], main: string): Promise<Balancer> {
  if (!existsSync(main)) throw new Error(`${main} is missing: run \`npm run build\` first`);
  const started = new Started([main, ...args]);
  let control: Control | undefined;
  try {
    const [publicPort, adminPort] = await started.ports();
    const url = new URL(`http://127.0.0.1:${publicPort}`);
    control = new Control(url, new URL(`http://127.0.0.1:${adminPort}`), '');
    await untilHealthy(control, started);
    return {
      url,
      control,
      isOurs: true,
      close: async () => {
        control!.close();
        await started.stop();
      },
    };
  } catch (error) {
    control?.close();
    await started.stop();
    throw error;
  }
}

/** Waits until every replica is healthy; rejects with what the balancer said where it does not come to that. */
async function untilHealthy(control: Control, started: Started): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (performance.now() < deadline) {
    const replicas = await control.replicas();
    if (replicas.length > 0 && replicas.every(({ state }) => state === 'healthy')) return;
    await delay(LOOK_MS);
  }
  throw new Error(`the replicas did not become healthy in ${READY_MS} ms:\n${started.output}`);
}

/** The balancer's process. */
class Started {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #hasEnded = false;
  output = '';

  constructor(args: readonly string[]) {
    // the options of the study are not those of the balancer, and neither are variables of the user's
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LB_')));
    this.#child = spawn('/bin/sh', ['-c', SHIM, 'ringlb', process.execPath, ...args], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env,
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.output = (this.output + text).slice(-OUTPUT_CHARS);
    });
    this.#child.stdio[3]!.on('error', () => {});
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#hasEnded = true;
        resolve();
      };
      this.#child.once('exit', end).once('error', end);
    });
  }

  /** The public and the admin port, once it says them. */
  async ports(): Promise<readonly [number, number]> {
    const deadline = performance.now() + READY_MS;
    while (performance.now() < deadline && !this.#hasEnded) {
      const found = /serving on http:\/\/\S*?:(\d+), admin on http:\/\/\S*?:(\d+)/.exec(this.output);
      if (found) return [Number(found[1]), Number(found[2])];
      await delay(LOOK_MS);
    }
    throw new Error(`the balancer did not start:\n${this.output.trim()}`);
  }

  /** Lets the watcher ask it to end, and waits until it has. */
  async stop(): Promise<void> {
    (this.#child.stdio[3] as { destroy?: () => void } | null)?.destroy?.();
    await this.#ended;
  }
}
