/**
 * Take-overs in a row under load, as a program of its own in a network namespace: `node run.ts <JSON of RunOptions>`.
 * Prints what came of it as JSON.
 * Invariant: nothing that was started outlives it.
 */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Balancer, ROOT } from '../faults/balancer.ts';
import type { LoadResult } from './load.ts';

export interface RunOptions {
  /** How often a balancer takes over. */
  readonly count: number;
  /** New connections a second. */
  readonly rate: number;
  /** Clients that keep their connection. */
  readonly kept: number;
  /** net.ipv4.tcp_migrate_req. */
  readonly migrate: boolean;
}

export interface RunResult extends LoadResult {
  readonly seconds: number;
  /** Former balancers that did not end with status 0. */
  readonly badEnds: number;
}

const [PORT, ADMIN_PORT] = [5000, 5001];
const UPSTREAMS = [6001, 6002];
const MIGRATE_FILE = '/proc/sys/net/ipv4/tcp_migrate_req';
/** Between two take-overs. */
const PAUSE_MS = 300;
const LOOK_MS = 10;

const options = [
  ...['--driver', 'static', '--upstreams', UPSTREAMS.map((port) => `http://127.0.0.1:${port}`).join(',')],
  ...[
    '--port',
    `${PORT}`,
    '--admin-port',
    `${ADMIN_PORT}`,
    '--probe-interval',
    '200ms',
    '--log-level',
    'info',
  ],
];

/** The balancer has taken over from the one before it, which has ended. */
async function takeOver(former: Balancer): Promise<{ readonly next: Balancer; readonly isGood: boolean }> {
  const next = await Balancer.start({ options: [...options, '--take-over'] });
  while (!next.log.includes('took over')) await delay(LOOK_MS);
  const { code } = await former.ended;
  return { next, isGood: code === 0 };
}

async function run({ count, rate, kept, migrate }: RunOptions): Promise<RunResult> {
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  writeFileSync(MIGRATE_FILE, migrate ? '1' : '0');
  const servers = UPSTREAMS.map((port) =>
    fork(join(ROOT, 'replica/server.ts'), {
      env: { ...process.env, PORT: `${port}`, SERVER_ID: `S${port}` },
    }),
  );
  process.once('exit', () => {
    for (const server of servers) server.kill('SIGKILL');
  });
  let running = await Balancer.start({ options });
  await running.untilWhole(UPSTREAMS.length);
  const load = fork(join(import.meta.dirname, 'load.ts'), [PORT, rate, kept].map(String));
  const sinceMs = performance.now();
  let badEnds = 0;
  for (let turn = 0; turn < count; turn++) {
    await delay(PAUSE_MS);
    const { next, isGood } = await takeOver(running);
    running = next;
    if (!isGood) badEnds++;
  }
  await delay(PAUSE_MS);
  load.send('end');
  const [result] = (await once(load, 'message')) as [LoadResult];
  const seconds = (performance.now() - sinceMs) / 1000;
  load.kill();
  await running.stop();
  return { ...result, seconds, badEnds };
}

process.stdout.write(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}') as RunOptions)));
process.exit(0);
