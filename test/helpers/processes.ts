/** Looks at processes of this machine by their ids. Must not hold: how to start or end them. */
import { execFileSync } from 'node:child_process';
import type { Instance } from '../../lib/drivers/driver.ts';

/** The process id of an instance of the process driver. */
export function leaderOf(instance: Instance): number {
  return Number.parseInt(instance.instanceId, 10);
}

interface Member {
  readonly pid: number;
  readonly command: string;
}

/** All living processes in the group of process `leader`, its watcher included. */
export function membersOf(leader: number): readonly Member[] {
  return execFileSync('ps', ['-e', '-o', 'pgid=,pid=,stat=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line))
    .filter((parts) => parts !== null && Number(parts[1]) === leader && !parts[3]!.startsWith('Z'))
    .map((parts) => ({ pid: Number(parts![2]), command: parts![4]! }));
}

/** Their command lines. */
export function groupOf(leader: number): readonly string[] {
  return membersOf(leader).map(({ command }) => command);
}
