/** The facts of the machine that a result holds for, and which cores serve what. */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { allowedCores } from './proc.ts';

/** What any measurement holds for. */
export interface Host {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
}

export interface Machine extends Host {
  readonly wrk: string;
}

export interface Cores {
  /** The one core of the peer. */
  readonly peer: readonly number[];
  /** Load, backends and the benchmark itself. */
  readonly load: readonly number[];
  readonly all: readonly number[];
}

/** The last core for the peer, the others for the load; throws when there is only one. */
export function splitCores(all: readonly number[]): Cores {
  if (all.length < 2) throw new Error('two cores are needed: one for the peer and one for the load');
  return { peer: all.slice(-1), load: all.slice(0, -1), all };
}

/** As `splitCores`, of the cores this process may use, and moves the process itself to those of the load. */
export function takeCores(): Cores {
  const cores = splitCores(allowedCores());
  const { status, error } = spawnSync('taskset', [
    '-a',
    '-p',
    '-c',
    cores.load.join(','),
    String(process.pid),
  ]);
  if (status !== 0) throw new Error(`taskset is needed: ${error?.message ?? 'it failed'}`);
  return cores;
}

/** The Node that the project pins, or the one that runs this. */
export function findNode(root: string): string {
  const pinned = join(root, 'node_modules/.bin/node');
  return existsSync(pinned) ? realpathSync(pinned) : process.execPath;
}

function firstLine(file: string, flag: string): string | undefined {
  const { stdout, error } = spawnSync(file, [flag], { encoding: 'utf8' });
  return error ? undefined : stdout.split('\n')[0]!.trim();
}

/** The facts that need no other program. */
export function readHost(node: string, cores: number): Host {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node,
  };
}

/** Reads the facts; throws when wrk is not installed. */
export function readMachine(node: string, cores: Cores): Machine {
  const wrk = firstLine('wrk', '-v');
  if (wrk === undefined) throw new Error('wrk is needed as the load generator (apt-get install wrk)');
  return {
    ...readHost(firstLine(node, '-v') ?? 'unknown', cores.all.length),
    wrk: /\d+\.\d+\.\d+/.exec(wrk)?.[0] ?? wrk,
  };
}
