/**
 * One deploy under a steady load: what was lost, what it added to latency, how long it took, and what runs at the end.
 * Invariant: nothing that was started outlives the case.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DeployStatus, DeployView } from '../../lib/api/deploy.ts';
import { Balancer } from '../faults/balancer.ts';
import { ask } from '../faults/traffic.ts';
import type { Period } from './load.ts';

/** How the new version behaves; all but the first are to be rolled back. */
export const VERSIONS = ['good', 'exits', 'silent', 'errors', 'slow', 'dies'] as const;
export type Version = (typeof VERSIONS)[number];

export interface CaseOptions {
  readonly version: Version;
  readonly replicas: number;
  /** Replicas that are replaced at a time. */
  readonly batch: number;
  /** Requests a second. */
  readonly rate: number;
  /** How long each batch is watched. */
  readonly watchMs: number;
  /** Traffic before the deploy, to compare with, and the least from its beginning to the end of the case. */
  readonly beforeMs: number;
  readonly periodMs: number;
  /** How long a new instance may take until its probes pass. */
  readonly startTimeoutMs: number;
}

export interface CaseResult {
  readonly version: Version;
  readonly replicas: number;
  readonly requests: number;
  readonly lost: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly beforeP99Ms: number;
  readonly p99Ms: number;
  readonly seconds: number;
  readonly state: string;
  readonly reason: string | null;
  /** Every replica runs the version that it should. */
  readonly isAsItShould: boolean;
}

const REPLICA = join(import.meta.dirname, 'replica.ts');
const LOAD = join(import.meta.dirname, 'load.ts');
const DEPLOY_MS = 300_000;
const LOOK_MS = 50;
/** Responses that are read to see which versions there are, for each replica. */
const LOOKS_A_REPLICA = 20;

const commandOf = (version: Version, number: number): string =>
  `exec "${process.execPath}" "${REPLICA}" ${version} ${number}`;

export async function runCase(options: CaseOptions): Promise<CaseResult> {
  const { replicas, version, startTimeoutMs } = options;
  const balancer = await Balancer.start({
    options: [
      ...['--port', '0', '--admin-port', '0', '--replicas', `${replicas}`, '--hash-key', 'request-id'],
      ...[
        '--command',
        commandOf('good', 1),
        '--start-timeout',
        `${startTimeoutMs}ms`,
        '--drain-timeout',
        '5s',
      ],
    ],
  });
  try {
    await balancer.untilWhole(replicas, DEPLOY_MS);
    return await measure(balancer, options, version === 'good' ? '2' : '1');
  } finally {
    await balancer.stop();
  }
}

async function measure(balancer: Balancer, options: CaseOptions, wanted: string): Promise<CaseResult> {
  const { version, replicas, batch, rate, watchMs, beforeMs, periodMs } = options;
  const load = fork(LOAD, [`${balancer.port}`, `${rate}`]);
  const period = async (): Promise<Period> => {
    load.send('end');
    const [found] = (await once(load, 'message')) as [Period];
    return found;
  };
  try {
    // connections, and the code of the balancer, are warm after that
    await delay(beforeMs);
    await period();
    await delay(beforeMs);
    const before = await period();
    const sinceMs = performance.now();
    const order = { command: commandOf(version, 2), batch, watch: `${watchMs}ms` };
    await balancer.askAdmin('POST', '/deploy', JSON.stringify(order));
    const deploy = await untilEnded(balancer);
    await delay(Math.max(0, sinceMs + periodMs - performance.now()));
    const during = await period();
    const versions = await versionsOf(balancer, replicas * LOOKS_A_REPLICA);
    return {
      version,
      replicas,
      requests: during.requests,
      lost: during.lost,
      failures: during.failures,
      beforeP99Ms: before.p99Ms,
      p99Ms: during.p99Ms,
      seconds: deploy.ms / 1000,
      state: deploy.state,
      reason: deploy.reason,
      isAsItShould: versions.size === 1 && versions.has(wanted),
    };
  } finally {
    load.disconnect();
    load.kill();
  }
}

async function untilEnded(balancer: Balancer): Promise<DeployView> {
  const untilMs = performance.now() + DEPLOY_MS;
  while (performance.now() < untilMs) {
    const body = await balancer.askAdmin('GET', '/deploy');
    const { deploy } = (JSON.parse(body) as { message: DeployStatus }).message;
    if (deploy !== null && deploy.state !== 'running' && deploy.state !== 'rolling-back') return deploy;
    await delay(LOOK_MS);
  }
  throw new Error(`the deploy did not end within ${DEPLOY_MS / 1000} s`);
}

/** What responses say. Requests without an id get one each, so that they go to every replica. */
async function versionsOf(balancer: Balancer, requests: number): Promise<ReadonlySet<string>> {
  const versions = new Set<string>();
  for (let count = 0; count < requests; count++) versions.add(await ask(balancer.port, 'GET', '/'));
  return versions;
}
