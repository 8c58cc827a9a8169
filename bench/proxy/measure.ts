/**
 * One measurement of one running peer. Processor time and answered requests are both taken over a window in the middle
 * of the load, so that neither the opening of connections nor the requests still out at its end blur their quotient.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Backend } from './backends.ts';
import {
  BESIDE_STALLED_PER_SECOND,
  type BenchCase,
  DEPLOY_PER_SECOND,
  OPEN_LOOP_PER_SECOND,
  STALLED_PATH,
} from './cases.ts';
import { parseH2loadLog } from './h2load.ts';
import type { HandshakeReport } from './handshake-load.ts';
import type { OpenLoopReport } from './open-loop.ts';
import { cpuBetweenNs, readTree, residentBytes, sampleCpu } from './proc.ts';
import { type Command, type Processes, type Started, sleep } from './processes.ts';
import type { StalledReport } from './stalled-load.ts';
import type { Values } from './stats.ts';
import { parseWrk, type WrkReport } from './wrk.ts';

export interface Target {
  readonly port: number;
  /** Root of the peer's process tree; absent when the backend is asked directly. */
  readonly pid?: number;
  /** From its start to its first response; absent where it was running before. */
  readonly readyMs?: number;
  /** Has it change to other upstreams. */
  deploy?(): Promise<void>;
  /** It runs its upstreams itself, so the backend counts none of its requests. */
  readonly ownsUpstreams?: boolean;
}

export interface Bench {
  readonly processes: Processes;
  readonly loadCores: readonly number[];
  readonly node: string;
  readonly backend: Backend;
  /** Path of the case's Lua script for wrk, where it has one. */
  readonly script?: string;
  readonly seconds: number;
  /** For a load that logs its requests. */
  readonly logFile: string;
}

const MIB = 2 ** 20;
/** wrk is stopped by a signal, long before this. */
const WRK_SECONDS = '600';
/** h2load is stopped by a signal, long before these. */
const MOST_REQUESTS = '1000000000';
const POLL_MS = 100;
/** How long an idle peer, or one after its load, is left alone before its memory is read. */
const REST_MS = 1000;
const OPEN_LOOP_WARM_SECONDS = 0.5;
/** Beyond a measurement's length, for three replicas to be exchanged one after the other. */
const DEPLOY_SECONDS = 3;
/** Beyond a measurement's length, for the downloads to begin and to fill all buffers. */
const STALLED_SECONDS = 2;

/** Runs something while a load generator runs, which is gone afterwards whatever happened. */
async function during<T>(bench: Bench, load: Command, run: (load: Started) => Promise<T>): Promise<T> {
  const started = await bench.processes.start(load, bench.loadCores);
  try {
    return await run(started);
  } finally {
    await bench.processes.stop(started);
  }
}

function loadCommand(bench: Bench, target: Target, benchCase: BenchCase): Command {
  const { path, connections, wrkArgs } = benchCase;
  const url = `https://127.0.0.1:${target.port}${path}`;
  switch (benchCase.load) {
    case 'h2load': {
      return h2loadCommand(bench, [`-c${connections}`, ...wrkArgs, '-n', MOST_REQUESTS, url]);
    }
    case 'full':
    case 'resume': {
      const file = join(import.meta.dirname, 'handshake-load.ts');
      return {
        file: bench.node,
        args: [file, String(target.port), path, String(connections), benchCase.load],
      };
    }
    default:
      return wrkCommand(bench, target, benchCase);
  }
}

function h2loadCommand({ logFile }: Bench, args: readonly string[]): Command {
  // it appends to what an earlier run has logged
  rmSync(logFile, { force: true });
  return { file: 'h2load', args: ['-t1', '--log-file', logFile, ...args] };
}

function wrkCommand(bench: Bench, target: Target, benchCase: BenchCase): Command {
  const args = ['-t1', `-c${benchCase.connections}`, '-d', WRK_SECONDS, '--latency'];
  if (bench.script !== undefined) args.push('-s', bench.script);
  args.push(
    ...benchCase.wrkArgs,
    `${benchCase.tls ? 'https' : 'http'}://127.0.0.1:${target.port}${benchCase.path}`,
  );
  return { file: 'wrk', args };
}

function isLive({ child }: Started): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Stops the load, which then reports. */
async function finishLoad(bench: Bench, load: Started, kind: BenchCase['load']): Promise<WrkReport> {
  load.child.kill('SIGINT');
  await load.ended;
  if (kind === 'h2load') return parseH2loadLog(readFileSync(bench.logFile, 'utf8'));
  if (kind === undefined) return parseWrk(load.output());
  const report = JSON.parse(load.output()) as HandshakeReport;
  // all but the first of each connection, or none
  if (kind === 'full' ? report.resumed > 0 : report.resumed < report.requests / 2)
    throw new Error(`it resumed ${report.resumed} of ${report.requests} sessions`);
  return report;
}

/** Watches a peer that is under load for the length of a measurement. */
async function watch(bench: Bench, load: Started, pid: number): Promise<Values> {
  const read = async () => {
    const requests = await bench.backend.count();
    const pids = readTree(pid);
    return { requests, pids, cpu: sampleCpu(pids), atMs: performance.now() };
  };
  const before = await read();
  await sleep(bench.seconds * 1000);
  const after = await read();
  const cpuNs = cpuBetweenNs(before.cpu, after.cpu);
  const requests = after.requests - before.requests;
  const elapsedMs = after.atMs - before.atMs;
  const resident = residentBytes(after.pids);
  if (resident === 0) throw new Error('it ended');
  if (!isLive(load)) {
    throw new Error(`the load ended before the measurement did: ${load.output().trim()}`);
  }
  if (requests <= 0) throw new Error('it answered nothing');
  return {
    cpuUs: cpuNs / 1000 / requests,
    perSecond: (requests * 1000) / elapsedMs,
    residentMiB: resident / MIB,
    busy: cpuNs / 1e6 / elapsedMs,
  };
}

/** As much load as the peer takes. */
export async function measureLoad(bench: Bench, target: Target, benchCase: BenchCase): Promise<Values> {
  return during(bench, loadCommand(bench, target, benchCase), async (load) => {
    await sleep(benchCase.settleSeconds * 1000);
    const values = await watch(bench, load, target.pid!);
    const { p50Ms, p99Ms, errors } = await finishLoad(bench, load, benchCase.load);
    return { ...values, p50Ms, p99Ms, errors };
  });
}

/** A fixed rate, with latency from the moment each request was due. */
export async function measureOpenLoop(bench: Bench, target: Target, benchCase: BenchCase): Promise<Values> {
  // The report must not end before the window does, whose two readings take their time on a busy core.
  const seconds = bench.seconds + benchCase.settleSeconds;
  const command = openLoopCommand(bench, target, benchCase, { perSecond: OPEN_LOOP_PER_SECOND, seconds });
  return during(bench, command, async (load) => {
    await sleep(OPEN_LOOP_WARM_SECONDS * 1000);
    // How busy the core was says nothing at a fixed rate.
    const { busy: _, ...values } =
      target.pid === undefined ? ({} as Values) : await watch(bench, load, target.pid);
    return { ...values, ...(await openLoopReport(load)) };
  });
}

/** One request of each client, all at once, of a peer that nobody has warmed up. */
export async function measureCold(bench: Bench, target: Target, benchCase: BenchCase): Promise<Values> {
  const count = String(benchCase.connections);
  const url = `http://127.0.0.1:${target.port}${benchCase.path}`;
  const before = sampleCpu(readTree(target.pid!));
  return during(bench, h2loadCommand(bench, ['--h1', '-c', count, '-n', count, url]), async (load) => {
    await load.ended;
    const cpuUs = cpuBetweenNs(before, sampleCpu(readTree(target.pid!))) / 1000 / benchCase.connections;
    const { requests, p50Ms, p99Ms, errors } = parseH2loadLog(readFileSync(bench.logFile, 'utf8'));
    const residentMiB = residentBytes(readTree(target.pid!)) / MIB;
    const missing = benchCase.connections - requests;
    const readyMs = target.readyMs ?? Number.NaN;
    return { cpuUs, p50Ms, p99Ms, readyMs, residentMiB, errors: errors + missing };
  });
}

/** A fixed rate; the peer begins to change to other upstreams when it is measured. */
export async function measureDeploy(bench: Bench, target: Target, benchCase: BenchCase): Promise<Values> {
  const rate = { perSecond: DEPLOY_PER_SECOND, seconds: bench.seconds + DEPLOY_SECONDS };
  return during(bench, openLoopCommand(bench, target, benchCase, rate), async (load) => {
    await sleep(OPEN_LOOP_WARM_SECONDS * 1000);
    await target.deploy?.();
    return openLoopReport(load);
  });
}

/**
 * A fixed rate, and from the moment at which it is measured downloads that nobody reads. They all begin at once, so
 * that p99 also shows how a peer serves the others while it fills its buffers.
 */
export async function measureStalled(bench: Bench, target: Target, benchCase: BenchCase): Promise<Values> {
  const { connections } = benchCase;
  const resident = () => residentBytes(readTree(target.pid!)) / MIB;
  const seconds = bench.seconds + STALLED_SECONDS;
  await sleep(REST_MS);
  const idleMiB = resident();
  const rate = { perSecond: BESIDE_STALLED_PER_SECOND, seconds };
  return during(bench, openLoopCommand(bench, target, benchCase, rate), async (load) => {
    await sleep(OPEN_LOOP_WARM_SECONDS * 1000);
    const file = join(import.meta.dirname, 'stalled-load.ts');
    const args = [file, String(target.port), STALLED_PATH, String(connections)];
    return during(bench, { file: bench.node, args }, async (stalled) => {
      const { errors, ...latency } = await openLoopReport(load);
      const residentMiB = resident();
      stalled.child.kill('SIGINT');
      await stalled.ended;
      const { open } = JSON.parse(stalled.output()) as StalledReport;
      return {
        idleMiB,
        residentMiB,
        connectionKiB: ((residentMiB - idleMiB) * 1024) / connections,
        ...latency,
        errors: errors + connections - open,
      };
    });
  });
}

function openLoopCommand(
  bench: Bench,
  target: Target,
  { path }: BenchCase,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Command {
  const file = join(import.meta.dirname, 'open-loop.ts');
  const args = [target.port, path, perSecond, OPEN_LOOP_WARM_SECONDS, seconds].map(String);
  return { file: bench.node, args: [file, ...args] };
}

/** Waits for the end of an open-loop load. */
async function openLoopReport(load: Started): Promise<Pick<OpenLoopReport, 'p50Ms' | 'p99Ms' | 'errors'>> {
  await load.ended;
  const line = load.output().trim();
  if (!line.startsWith('{')) throw new Error(`the load generator failed: ${line}`);
  const { p50Ms, p99Ms, errors } = JSON.parse(line) as OpenLoopReport;
  return { p50Ms, p99Ms, errors };
}

/** Resident memory before, halfway through and after many requests. */
export async function measureMemory(
  bench: Bench,
  target: Target,
  benchCase: BenchCase,
  total: number,
): Promise<Values> {
  const resident = () => residentBytes(readTree(target.pid!)) / MIB;
  await sleep(REST_MS);
  const idleMiB = resident();
  const from = await bench.backend.count();
  return during(bench, wrkCommand(bench, target, benchCase), async (wrk) => {
    const until = async (requests: number) => {
      let done = 0;
      while (done < requests && isLive(wrk)) {
        await sleep(POLL_MS);
        done = (await bench.backend.count()) - from;
      }
    };
    await until(total / 2);
    const halfwayMiB = resident();
    await until(total);
    const { requests, errors } = await finishLoad(bench, wrk, undefined);
    await sleep(REST_MS);
    return { idleMiB, halfwayMiB, residentMiB: resident(), requests, errors };
  });
}

/** Sends load until a peer has answered enough requests for its code to be compiled, or long enough. */
export async function warmUp(
  bench: Bench,
  target: Target,
  benchCase: BenchCase,
  limit: { readonly requests: number; readonly seconds: number },
): Promise<void> {
  const deadline = performance.now() + limit.seconds * 1000;
  const from = await bench.backend.count();
  await during(bench, loadCommand(bench, target, benchCase), async (load) => {
    let done = 0;
    // a load that has not even begun has nothing to report
    const hasBegun = (): boolean => target.ownsUpstreams === true || done > 0;
    while (isLive(load) && done < limit.requests && (!hasBegun() || performance.now() < deadline)) {
      await sleep(POLL_MS);
      done = (await bench.backend.count()) - from;
    }
    await finishLoad(bench, load, benchCase.load);
  });
}
