/** A whole balancer with one worker over fixed servers, as a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { eventually } from '../eventually.ts';
import { get, type Message } from './message.ts';
import { Peer } from './peer.ts';
import type { FakeReplica } from './replica.ts';

const MAIN = new URL('../../../lib/main.ts', import.meta.url).pathname;
const FLAGS = [
  '--port',
  '0',
  '--host',
  '127.0.0.1',
  '--admin-port',
  '0',
  '--workers',
  '1',
  '--driver',
  'static',
];

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly from?: string;
  readonly to?: string;
  readonly cause?: string;
}

export interface Balancer {
  readonly port: number;
  readonly pid: number;
  /** What it has logged until now. */
  lines(): readonly LogLine[];
}

export interface BalancerSettings {
  readonly replicas: readonly FakeReplica[];
  readonly flags?: readonly string[];
  /** What the shell does before it becomes the balancer. */
  readonly before?: string;
}

/** Starts one that serves; killed when the test `t` is over. */
export async function startBalancer(
  t: { after(run: () => unknown): void },
  { replicas, flags = [], before = ':' }: BalancerSettings,
): Promise<Balancer> {
  const upstreams = replicas.map(({ port }) => `http://127.0.0.1:${port}`).join(',');
  const args = [MAIN, 'serve', ...FLAGS, '--upstreams', upstreams, ...flags];
  const child = spawn('sh', ['-c', `${before} && exec "$@"`, 'sh', process.execPath, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const lines = (): LogLine[] =>
    text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  const port = await eventually('a balancer that serves', () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${text}`);
    return /serving on http:\/\/[^",]*:(\d+)/.exec(text)?.[1];
  });
  await eventually(
    'every replica healthy',
    () => lines().filter(({ to }) => to === 'healthy').length >= replicas.length,
  );
  return { port: Number(port), pid: child.pid!, lines };
}

/** One GET on a connection of its own, which stays open; undefined where no response comes. */
export async function askOnce(
  port: number,
): Promise<{ readonly client: Peer; readonly answer: Message | undefined }> {
  const client = await Peer.connect(port);
  client.send(get('/'));
  const answer = await client.response().catch(() => undefined);
  return { client, answer };
}
