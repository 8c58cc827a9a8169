/**
 * What a process tree has used, read from `/proc` (proc(5)). Two sources, because neither is enough alone:
 * `/proc/<pid>/task/<tid>/schedstat` counts nanoseconds but forgets threads that have ended, `/proc/<pid>/stat` keeps
 * those (and reaped children) but counts clock ticks of 10 ms. The nanoseconds are used as long as both agree.
 * Invariant: a sample never throws for a process that ended while it was being read.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** `sysconf(_SC_CLK_TCK)` is 100 on every Linux that Node runs on. */
export const TICK_NS = 10_000_000;
/** How far ticks and nanoseconds of one process may lie apart by rounding alone: user and system, both ends. */
const TICK_SLACK = 2;

export interface ProcessStat {
  readonly pid: number;
  readonly parentPid: number;
  /** User and system time in ticks: all threads, ended ones too. */
  readonly ticks: number;
  /** The same of children that ended and were waited for. */
  readonly childTicks: number;
}

export interface CpuSample {
  readonly ticks: number;
  readonly processes: number;
  /** Nanoseconds on a core by thread id. */
  readonly threadNs: ReadonlyMap<number, number>;
}

/** Reads one line of `/proc/<pid>/stat`; the command may hold spaces and parentheses. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  return {
    pid: Number.parseInt(text, 10),
    parentPid: field(4),
    ticks: field(14) + field(15),
    childTicks: field(16) + field(17),
  };
}

/** Nanoseconds on a core, from a line of `schedstat`. */
export function parseSchedstat(text: string): number {
  return Number.parseInt(text, 10);
}

/** Resident bytes from `/proc/<pid>/status`; 0 for a process that has ended or has no memory of its own. */
export function parseResidentBytes(text: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}

/** The core numbers that a list such as `0-2,5` names. */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}

/** The process and all below it, by parent ids. */
export function treeOf(root: number, processes: readonly ProcessStat[]): number[] {
  const tree = [root];
  for (const pid of tree) {
    for (const each of processes) if (each.parentPid === pid) tree.push(each.pid);
  }
  return tree;
}

/** Nanoseconds of processor time between two samples of the same tree. */
export function cpuBetweenNs(before: CpuSample, after: CpuSample): number {
  let exactNs = 0;
  for (const [thread, ns] of after.threadNs) exactNs += ns - (before.threadNs.get(thread) ?? 0);
  const coarseNs = (after.ticks - before.ticks) * TICK_NS;
  const slackNs = TICK_SLACK * TICK_NS * Math.max(before.processes, after.processes);
  return Math.abs(coarseNs - exactNs) > slackNs ? coarseNs : exactNs;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it ended between the listing and here
  }
}

function listIds(path: string): string[] {
  try {
    return readdirSync(path).filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** The process ids of a running tree, root first. */
export function readTree(root: number): number[] {
  const stats = listIds('/proc').map((pid) => readText(`/proc/${pid}/stat`));
  return treeOf(root, stats.filter((text) => text !== '').map(parseStat));
}

/** What the processes have used of the cores so far. */
export function sampleCpu(pids: readonly number[]): CpuSample {
  const threadNs = new Map<number, number>();
  let ticks = 0;
  for (const pid of pids) {
    for (const thread of listIds(`/proc/${pid}/task`)) {
      const text = readText(`/proc/${pid}/task/${thread}/schedstat`);
      if (text !== '') threadNs.set(Number(thread), parseSchedstat(text));
    }
    const text = readText(`/proc/${pid}/stat`);
    if (text === '') continue;
    const stat = parseStat(text);
    ticks += stat.ticks + stat.childTicks;
  }
  return { ticks, processes: pids.length, threadNs };
}

/** Resident bytes of the processes together; pages that they share count once for each. */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + parseResidentBytes(readText(`/proc/${pid}/status`)), 0);
}

/** The cores this process may run on. */
export function allowedCores(): number[] {
  return parseCpuList(/^Cpus_allowed_list:\s+(\S+)$/m.exec(readText('/proc/self/status'))?.[1] ?? '0');
}
