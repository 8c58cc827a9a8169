/**
 * What the peers forward to: nginx for the reading cases, the upload sink for the writing one, each on three ports so
 * that every peer has three upstreams to balance over. Both count the requests they have answered, which is how a
 * measurement learns how many fell into its window without asking the peer or stopping the load.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { get as getOverTls } from 'node:https';
import { join } from 'node:path';
import { nginxBackend } from './peer-configs.ts';
import { type Command, freePort, type Processes, type Started, sleep } from './processes.ts';

export type BackendKind = 'nginx' | 'sink';

export interface Backend {
  readonly ports: readonly number[];
  /** Requests answered so far, questions like this one left out. */
  count(): Promise<number>;
  close(): Promise<void>;
}

export interface BackendSetup {
  readonly kind: BackendKind;
  /** Ports to listen on; as many as any peer balances over, or three. */
  readonly upstreams?: number | undefined;
  readonly processes: Processes;
  readonly cores: readonly number[];
  /** A directory of its own. */
  readonly dir: string;
  readonly takenPorts: Set<number>;
  readonly node: string;
}

const UPSTREAMS = 3;
const READY_MS = 10_000;
const FILES = { '64k': 65_536, '1m': 1_048_576, '4m': 4_194_304 };

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Gets a path from a port of the loopback. */
export function fetchText(port: number, path: string, agent?: Agent, isTls = false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const common = { host: '127.0.0.1', port, path, timeout: READY_MS, ...(agent ? { agent } : {}) };
    const request = (isTls ? getOverTls : get)(
      isTls ? { ...common, rejectUnauthorized: false } : common,
      (answer) => {
        let body = '';
        answer.setEncoding('latin1');
        answer.on('data', (chunk: string) => {
          body += chunk;
        });
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body }));
        answer.once('error', reject);
      },
    );
    request.once('timeout', () => request.destroy(new Error(`no answer from port ${port}`)));
    request.once('error', reject);
  });
}

/** Waits until a path answers 200; rejects when the process ends first, or after ten seconds. */
export async function untilReady(started: Started, port: number, path: string, isTls = false): Promise<void> {
  const deadline = performance.now() + READY_MS;
  let ended = false;
  void started.ended.then(() => {
    ended = true;
  });
  while (performance.now() < deadline && !ended) {
    const answer = await fetchText(port, path, undefined, isTls).catch(() => undefined);
    if (answer?.status === 200) return;
    await sleep(30);
  }
  throw new Error(`${ended ? 'it ended' : 'it did not answer'}: ${complaint(started.output())}`);
}

/** The one line of a program's output that most likely says what went wrong. */
export function complaint(output: string): string {
  const lines = output.trim().split('\n');
  return (
    lines.find((line) => /error|alert|emerg/i.test(line))?.trim() ?? (lines.at(-1)! || 'it printed nothing')
  );
}

/** A `user` line for nginx, whose workers could not read the directory otherwise when it is started by root. */
export function nginxUser(): string {
  return process.getuid?.() === 0 ? 'user root;' : '';
}

function nginxCommand(dir: string, ports: readonly number[]): Command {
  mkdirSync(join(dir, 'files'), { recursive: true });
  for (const [name, bytes] of Object.entries(FILES)) {
    writeFileSync(join(dir, 'files', name), 'ringlb '.repeat(Math.ceil(bytes / 7)).slice(0, bytes));
  }
  const config = join(dir, 'backend.conf');
  writeFileSync(config, nginxBackend(dir, nginxUser(), ports));
  return { file: 'nginx', args: ['-c', config, '-p', dir, '-e', 'stderr'] };
}

/** Reads a count: the third number of nginx's `stub_status`, or the sink's only one. */
export function parseCount(text: string): number {
  const found = /^\s*\d+ \d+ (\d+)/m.exec(text) ?? /^(\d+)$/.exec(text.trim());
  if (!found) throw new Error(`not a count: ${text}`);
  return Number(found[1]);
}

/** Starts a backend and waits for it. */
export async function startBackend(setup: BackendSetup): Promise<Backend> {
  const ports: number[] = [];
  while (ports.length < (setup.upstreams ?? UPSTREAMS)) ports.push(await freePort(setup.takenPorts));
  const sink = { file: setup.node, args: [join(import.meta.dirname, 'upload-sink.ts'), ports.join(',')] };
  const command = setup.kind === 'nginx' ? nginxCommand(setup.dir, ports) : sink;
  const started = await setup.processes.start(command, setup.cores);
  await untilReady(started, ports[0]!, '/count');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let asked = 0;
  return {
    ports,
    async count() {
      const { body } = await fetchText(ports[0]!, '/count', agent);
      return parseCount(body) - asked++;
    },
    async close() {
      agent.destroy();
      await setup.processes.stop(started);
    },
  };
}
