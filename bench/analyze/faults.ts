/**
 * How an instance is made to die or to hang: a process of this machine by signal, a container by its engine.
 * Invariant: a process that is not known to be the replica is never signalled.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { ReplicaView } from '../../lib/api/types.ts';
import type { Balancer } from './balancer.ts';

const run = promisify(execFile);

export type Fault = 'kill' | 'hang';
const SIGNALS: Readonly<Record<Fault, NodeJS.Signals>> = { kill: 'SIGKILL', hang: 'SIGSTOP' };
/** A signal would stop only the first process of a container, and that may be an init whose child serves on. */
const COMMANDS: Readonly<Record<Fault, string>> = { kill: 'kill', hang: 'pause' };

/** An instance of the process driver: a process id and a number. */
const PROCESS = /^(\d+)-\d+$/;
const CONTAINER = /^[0-9a-f]{12,64}$/;

/** Why no fault can be made in this replica; undefined where one can. */
export function faultProblem(balancer: Balancer, replica: ReplicaView): string | undefined {
  const { name, instance } = replica;
  if (instance === null) return `${name} has no instance that the balancer started`;
  if (CONTAINER.test(instance)) return undefined;
  const pid = PROCESS.exec(instance)?.[1];
  if (pid === undefined) return `${name} is "${instance}", neither a process nor a container`;
  if (balancer.isOurs || isReplicaProcess(Number(pid), name)) return undefined;
  return `process ${pid} is not known to be ${name} on this machine`;
}

/** True where the process was started as that replica; another machine's process id names none, or a stranger. */
function isReplicaProcess(pid: number, name: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`SERVER_ID=${name}`);
  } catch {
    return false;
  }
}

/** Makes the fault; rejects where it cannot be made. */
export async function makeFault(balancer: Balancer, replica: ReplicaView, fault: Fault): Promise<void> {
  const problem = faultProblem(balancer, replica);
  if (problem !== undefined) throw new Error(problem);
  const instance = replica.instance!;
  const pid = PROCESS.exec(instance)?.[1];
  if (pid !== undefined) process.kill(Number(pid), SIGNALS[fault]);
  else await run('docker', [COMMANDS[fault], instance]);
}
