/**
 * `npm run bench:heal`: how long a killed replica is missing, beside how long the same thing takes to start by itself. In
 * each round one instance is started until its first response, as the balancer does it and as one does it by hand, and one
 * replica is killed until another is healthy in its place. Invariant: nothing that was started outlives the benchmark.
 */
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import type { ReplicaView } from '../lib/api/types.ts';
import { DockerApi } from '../lib/drivers/docker/api.ts';
import type { ContainerBody } from '../lib/drivers/docker/container-body.ts';
import { DockerEngine } from '../lib/drivers/docker/engine.ts';
import { systemClock } from '../lib/platform/clock.ts';
import { Balancer, ROOT } from './faults/balancer.ts';
import { freePort } from './proxy/processes.ts';
import { median } from './proxy/stats.ts';
import { markdown } from './proxy/table.ts';

const HELP = `npm run bench:heal -- [--drivers process,docker] [--rounds 5] [--image ringlb-replica]
  Docker needs an engine with the image (make build). A round takes 12 s, since an instance that ended within 10 s of
  its first response may be part of a crash loop, and is replaced with more care.
`;
const STEADY_MS = 10_500;
const REST_MS = 2000;
const LOOK_MS = 5;
const WITHIN_MS = 60_000;
const POOL = `ringlb-bench-${process.pid}`;
const REPLICA = join(ROOT, 'replica/server.ts');

const execute = promisify(execFile);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Starts an instance; resolves at its first response, with what removes it. */
type StartOne = () => Promise<() => Promise<void>>;

/** What a driver's instances are, without a balancer. */
interface Kind {
  readonly options: readonly string[];
  /** By the calls that the balancer makes. */
  readonly start: StartOne;
  /** By `docker run`. */
  readonly run?: StartOne;
  kill(replica: ReplicaView): Promise<void>;
}

async function untilResponse(host: string, port: number): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  while (performance.now() < deadline) {
    const reply = await fetch(`http://${host}:${port}/heartbeat`).catch(() => undefined);
    if (reply?.ok) return;
    await delay(LOOK_MS);
  }
  throw new Error(`${host}:${port} did not respond`);
}

const processes: Kind = {
  options: ['--driver', 'process', '--command', `exec "${process.execPath}" "${REPLICA}"`],
  async start() {
    const port = await freePort(new Set());
    const env = { ...process.env, PORT: String(port), SERVER_ID: 'alone' };
    const child = spawn(process.execPath, [REPLICA], { env, stdio: 'ignore' });
    await untilResponse('127.0.0.1', port);
    return async () => void child.kill('SIGKILL');
  },
  async kill({ instance }) {
    process.kill(Number.parseInt(instance ?? '', 10), 'SIGKILL');
  },
};

function containers(image: string): Kind {
  const api = new DockerApi({ clock: systemClock });
  const engine = new DockerEngine(api);
  const place = ['--pool', POOL, '--network', POOL, '--container-prefix', `${POOL}-`];
  return {
    options: ['--driver', 'docker', '--image', image, ...place],
    async start() {
      const body = { Image: image, Env: ['SERVER_ID=alone'], HostConfig: { NetworkMode: POOL } };
      const id = await engine.create(`${POOL}-alone`, body as unknown as ContainerBody);
      await engine.start(id);
      const found = await engine.container(id);
      await untilResponse(found?.NetworkSettings.Networks[POOL]?.IPAddress ?? '', 5000);
      return () => engine.remove(id);
    },
    async run() {
      const where = ['--name', `${POOL}-run`, '--network', POOL, '--env', 'SERVER_ID=run'];
      const id = (await execute('docker', ['run', '--detach', ...where, image])).stdout.trim();
      await untilResponse(
        (await engine.container(id))?.NetworkSettings.Networks[POOL]?.IPAddress ?? '',
        5000,
      );
      return () => engine.remove(id);
    },
    async kill({ instance }) {
      const path = `/containers/${instance}/kill`;
      await api.call({ method: 'POST', path, query: { signal: 'KILL' }, timeoutMs: WITHIN_MS, what: 'kill' });
    },
  };
}

/**
 * Follows the balancer's events from now on; resolves to what waits until one tells that the replica was replaced. Asking
 * again and again for its state would keep a core from the engine that starts the next instance.
 */
async function followEvents(balancer: Balancer, { name }: ReplicaView): Promise<() => Promise<void>> {
  const response = await fetch(`http://127.0.0.1:${balancer.adminPort}/events?limit=0`, {
    headers: { accept: 'text/event-stream' },
    signal: AbortSignal.timeout(WITHIN_MS),
  });
  return async () => {
    let told = '';
    for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      told += Buffer.from(part).toString();
      const whole = told.split('\n\n').slice(0, -1);
      if (whole.some((event) => /^event: replaced$/m.test(event) && event.includes(`"replica":"${name}"`)))
        return;
    }
    throw new Error(`${name} was not replaced`);
  };
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await run();
  return performance.now() - begunMs;
}

/** Milliseconds of one round. */
interface Round {
  readonly startMs: number;
  readonly runMs: number | undefined;
  readonly healMs: number;
}

async function timedStart(start: StartOne): Promise<number> {
  let remove = async (): Promise<void> => {};
  const ms = await timed(async () => {
    remove = await start();
  });
  await remove();
  // the engine cleans up behind what was removed for a moment more
  await delay(REST_MS);
  return ms;
}

async function measure(kind: Kind, rounds: number): Promise<readonly Round[]> {
  const ports = ['--port', '0', '--admin-port', '0', '--replicas', '3', '--rehearsal', 'off'];
  const balancer = await Balancer.start({ options: [...ports, ...kind.options] });
  try {
    await balancer.untilWhole(3, WITHIN_MS);
    const found: Round[] = [];
    while (found.length < rounds) {
      await delay(STEADY_MS);
      const startMs = await timedStart(kind.start);
      const runMs = kind.run && (await timedStart(kind.run));
      const replica = await balancer.replica('S2');
      const untilReplaced = await followEvents(balancer, replica);
      // the engine may respond only once it has cleaned up
      let killed: Promise<void> | undefined;
      const healMs = await timed(() => {
        killed = kind.kill(replica);
        return untilReplaced();
      });
      await killed;
      const { state, instance } = await balancer.replica(replica.name);
      if (state !== 'healthy' || instance === replica.instance)
        throw new Error(`${replica.name} was said to be replaced, and is ${state} (${instance})`);
      found.push({ startMs, runMs, healMs });
    }
    return found;
  } finally {
    await balancer.stop();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      drivers: { type: 'string', default: 'process,docker' },
      rounds: { type: 'string', default: '5' },
      image: { type: 'string', default: 'ringlb-replica' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return say(HELP);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds must be a whole number from 1');
  const head = ['start to first response, ms', 'docker run to first response, ms', 'killed until healed, ms'];
  const rows = [['', ...head, '× start', '× docker run']];
  for (const name of values.drivers.split(',')) {
    if (name !== 'process' && name !== 'docker')
      throw new Error(`the drivers are process and docker, not ${name}`);
    const found = await measure(name === 'docker' ? containers(values.image) : processes, rounds);
    const medianOf = (read: (round: Round) => number, digits = 0): string => {
      const value = median(found.map(read));
      return Number.isNaN(value) ? '–' : value.toFixed(digits);
    };
    const none = Number.NaN;
    rows.push([
      name,
      medianOf(({ startMs }) => startMs),
      medianOf(({ runMs = none }) => runMs),
      medianOf(({ healMs }) => healMs),
      medianOf(({ startMs, healMs }) => healMs / startMs, 2),
      medianOf(({ runMs = none, healMs }) => healMs / runMs, 2),
    ]);
  }
  say(markdown(rows));
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
