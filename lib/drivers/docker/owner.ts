/**
 * The owner of a pool's claim: its serialized form in a label, its description for people, and whether it is known to
 * have ended. Source: proc(5), /proc/PID/stat fields 3 (state) and 22 (starttime).
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from '../../platform/errors.ts';
import type { ContainerJson } from './mapper.ts';

/** One run of a container. */
interface OwnContainer {
  readonly id: string;
  readonly name: string;
  /** As the engine reports it; changes when the container is restarted. */
  readonly startedAt: string;
}

export interface Owner {
  /** Unique to this run of the balancer. */
  readonly token: string;
  readonly host: string;
  readonly pid: number;
  /** Boot id of the host, PID namespace, and start time of the process; '' where unknown. */
  readonly boot: string;
  readonly pidNamespace: string;
  readonly started: string;
  /** Undefined on a host, or in a container of another engine. */
  readonly container?: OwnContainer | undefined;
  /** Where its admin port listens; '' where the system picks the port. */
  readonly admin: string;
  /** When it claimed the pool, ISO 8601 by its own clock. */
  readonly since: string;
}

/** This process as an owner; `container` is the one it runs in, as the engine reports it. */
export function thisOwner(admin: string, sinceMs: number, container: ContainerJson | undefined): Owner {
  return {
    token: randomUUID(),
    host: hostname(),
    pid: process.pid,
    ...thisMachine(),
    started: processStart(process.pid) ?? '',
    container: container && runOf(container),
    admin,
    since: new Date(sinceMs).toISOString(),
  };
}

/** Parses an owner serialized with `JSON.stringify`; undefined for anything else. */
export function parseOwner(text: string | undefined): Owner | undefined {
  const owner = parse(text ?? '');
  const isOwner = areStrings(owner, ['token', 'host', 'boot', 'pidNamespace', 'started', 'admin', 'since']);
  if (!isOwner || !Number.isSafeInteger(owner.pid) || Number(owner.pid) < 1) return undefined;
  const isWithContainer = areStrings(Object(owner.container), ['id', 'name', 'startedAt']);
  return isWithContainer || owner.container === undefined ? (owner as unknown as Owner) : undefined;
}

/** `process 4242 on box, admin port 127.0.0.1:5001, since 2026-11-26T13:28:34.000Z`. */
export function describeOwner({ host, pid, container, admin, since }: Owner): string {
  const where = container
    ? `container ${container.name}, ${container.id.slice(0, 12)}`
    : `process ${pid} on ${host}`;
  return `${where}${admin === '' ? '' : `, admin port ${admin}`}, since ${since}`;
}

/**
 * True if the owner is known to have ended; false if it may be alive. `found` is its container as the engine reports
 * it now.
 */
export function isGone(owner: Owner, found: ContainerJson | undefined): boolean {
  const { container, boot, pidNamespace, pid, started } = owner;
  if (container !== undefined) {
    const { Running: runs = false, Restarting: waits, StartedAt: startedAt } = found?.State ?? {};
    if (!runs || waits || startedAt !== container.startedAt) return true;
  }
  const here = thisMachine();
  // a process id identifies the process only within one PID namespace of one kernel
  const isNear =
    boot !== '' && boot === here.boot && pidNamespace !== '' && pidNamespace === here.pidNamespace;
  return isNear && !isRunning(pid, started);
}

function runOf({ Id: id, Name: name, State: state }: ContainerJson): OwnContainer {
  return { id, name: name.replace(/^\//, ''), startedAt: state.StartedAt };
}

function thisMachine(): Pick<Owner, 'boot' | 'pidNamespace'> {
  return {
    boot: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? '',
    pidNamespace: attempt(() => readlinkSync('/proc/self/ns/pid')) ?? '',
  };
}

function isRunning(pid: number, started: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // /proc may hide processes of other users
    if (errnoOf(error) === 'ESRCH') return false;
  }
  const startedNow = processStart(pid);
  return startedNow === undefined || started === '' || startedNow === started;
}

/** When the process started, in clock ticks since boot; '' once it has ended; undefined where unknown. */
function processStart(pid: number): string | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // the process name before it, in parentheses, may contain anything
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  if (state === undefined) return undefined;
  return state === 'Z' || state === 'X' ? '' : fields[18];
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

function areStrings(value: Readonly<Record<string, unknown>>, keys: readonly string[]): boolean {
  return keys.every((key) => typeof value[key] === 'string');
}

function attempt(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
