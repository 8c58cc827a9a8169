/** Looks at processes of this machine by their ids. Must not hold: how to start or end them. */
import { execFileSync } from 'node:child_process';
import type { Instance } from '../../lib/drivers/driver.ts';

/** The process id of an instance of the process driver. */
export function leaderOf(instance: Instance): number {
  return Number.parseInt(instance.instanceId, 10);
}

/** The command lines of all living processes in the group of process `leader`, its watcher included. */
export function groupOf(leader: number): readonly string[] {
  return execFileSync('ps', ['-e', '-o', 'pgid=,stat=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line))
    .filter((parts) => parts !== null && Number(parts[1]) === leader && !parts[2]!.startsWith('Z'))
    .map((parts) => parts![3]!);
}
