/**
 * one replica of five is ten times slower than the others, and requests come at random moments whatever becomes of
 * them. Each policy of ringlb, nginx and HAProxy meets the same moments.
 * The slow replica can serve less than a fifth of the requests, so a policy that gives it as many as the others makes a
 * queue there that only grows.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { untilReady } from '../proxy/backends.ts';
import { freePort, Processes } from '../proxy/processes.ts';
import { CONTENDERS, type Contender } from './a8-contenders.ts';
import { type LoadReport, openLoad, QueueingServer } from './a8-stage.ts';
import { type Lab, part } from './lab.ts';
import { seeded } from './random.ts';
import { quantilesOf } from './statistics.ts';

export interface Race {
  readonly fastMs: number;
  readonly slowMs: number;
  readonly replicas: number;
  readonly perSecond: number;
  readonly warmUp: number;
  /** In each round. */
  readonly requests: number;
  /** Of which the median counts: whatever else the machine does disturbs one of them. */
  readonly rounds: number;
}

/** The slow replica serves 20 a second, a fifth of 160 is 32; the four others could serve 800. */
const FULL: Race = {
  fastMs: 5,
  slowMs: 50,
  replicas: 5,
  perSecond: 160,
  warmUp: 100,
  requests: 800,
  rounds: 3,
};

export interface Outcome {
  readonly program: Contender['program'];
  readonly policy: string;
  readonly version: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
  /** The part of the requests that each replica got; the first is the slow one. */
  readonly shares: readonly number[];
}

export interface A8 extends Race {
  readonly outcomes: readonly Outcome[];
  /** Programs that are not installed. */
  readonly missing: readonly string[];
}

export async function runA8(lab: Lab, race: Race = FULL): Promise<A8> {
  const processes = new Processes();
  const dir = mkdtempSync(join(tmpdir(), 'ringlb-a8-'));
  const closeNow = (): void => {
    processes.closeNow();
    rmSync(dir, { recursive: true, force: true });
  };
  // a signal ends the study by an exit
  process.once('exit', closeNow);
  try {
    const present = CONTENDERS.filter((contender) => contender.version() !== undefined);
    const results: Result[][] = present.map(() => []);
    for (let turn = 0; turn < race.rounds * present.length; turn++) {
      const contender = present[turn % present.length]!;
      const [from, to] = [turn, turn + 1].map((done) => done / (race.rounds * present.length));
      const onSent = part(lab, from!, to!, `${contender.program} ${contender.policy}`);
      const place = join(dir, String(turn));
      mkdirSync(place);
      const seed = lab.options.seed + Math.floor(turn / present.length);
      results[turn % present.length]!.push(
        await runTurn(contender, { race, processes, dir: place, seed, onSent }),
      );
    }
    const missing = CONTENDERS.filter((contender) => !present.includes(contender));
    return {
      ...race,
      outcomes: present.map((contender, index) => outcomeOf(contender, results[index]!)),
      missing: [...new Set(missing.map(({ program }) => program))],
    };
  } finally {
    await processes.stopAll();
    process.off('exit', closeNow);
    closeNow();
  }
}

/** Of one round. */
interface Result extends LoadReport {
  /** Requests that each replica got. */
  readonly counts: readonly number[];
}

function outcomeOf({ program, policy, version }: Contender, results: readonly Result[]): Outcome {
  const median = (value: (result: Result) => number): number => quantilesOf(results.map(value)).median;
  const counts = results[0]!.counts.map((_, replica) =>
    sumOf(results.map((result) => result.counts[replica]!)),
  );
  const total = sumOf(counts);
  return {
    program,
    policy,
    version: version() ?? '',
    p50Ms: median(({ p50Ms }) => p50Ms),
    p99Ms: median(({ p99Ms }) => p99Ms),
    errors: sumOf(results.map(({ errors }) => errors)),
    shares: counts.map((count) => count / total),
  };
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

interface Run {
  readonly race: Race;
  readonly processes: Processes;
  readonly dir: string;
  readonly seed: number;
  readonly onSent: (share: number) => void;
}

async function runTurn(contender: Contender, { race, processes, dir, seed, onSent }: Run): Promise<Result> {
  const { fastMs, slowMs, replicas, perSecond, warmUp, requests } = race;
  const servers = await Promise.all(
    Array.from({ length: replicas }, (_, index) => new QueueingServer(index === 0 ? slowMs : fastMs).open()),
  );
  const taken = new Set<number>();
  const [port, adminPort] = [await freePort(taken), await freePort(taken)];
  const command = contender.command({ dir, port, adminPort, servers: servers.map((each) => each.port) });
  const cores = Array.from({ length: availableParallelism() }, (_, core) => core);
  const started = await processes.start(command, cores);
  try {
    await untilReady(started, port, '/');
    let before: readonly number[] = [];
    const onMeasure = (): void => {
      before = servers.map((server) => server.requests);
    };
    const load = { port, perSecond, warmUp, requests, random: seeded(seed, 0xa8), onMeasure, onSent };
    const report = await openLoad(load);
    return { ...report, counts: servers.map((server, index) => server.requests - before[index]!) };
  } finally {
    await processes.stop(started);
    for (const server of servers) server.close();
  }
}
