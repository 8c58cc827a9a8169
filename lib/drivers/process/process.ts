/**
 * The process driver: an instance is a child process that listens on a port of 127.0.0.1.
 * Invariants: no two children get the same port; a child stays listed, running or dead, until it is removed; all of them
 * end with the balancer, so `open` never finds any.
 */
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Ending } from '../../core/ending.ts';
import type { Place } from '../../core/replica.ts';
import { type Clock, systemClock } from '../../platform/clock.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Driver, Hint, Instance, RetiredRole } from '../driver.ts';
import { OomKills } from '../oom-kills.ts';
import { Child } from './child.ts';
import { findFreePort } from './free-port.ts';

const HOST = '127.0.0.1';

export interface ProcessDriverOptions {
  /** A shell command that serves HTTP on `$PORT` as `$SERVER_ID`; '' is the sample replica. */
  readonly command: string;
  readonly clock?: Clock;
}

interface Entry extends Place {
  readonly instanceId: string;
  readonly port: number;
  readonly child: Child;
  role: Instance['role'];
}

/** A driver that runs `options.command` once for each instance. */
export function createProcessDriver(options: ProcessDriverOptions): Driver {
  return new ProcessDriver(options);
}

class ProcessDriver implements Driver {
  readonly kind = 'process';
  readonly ownsInstances = true;
  readonly #command: readonly string[];
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #ports = new Set<number>();
  readonly #oomKills = new OomKills();
  #started = 0;
  #isClosed = false;
  #onHint: (hint: Hint) => void = () => {};

  constructor(options: ProcessDriverOptions) {
    this.#command = options.command === '' ? sampleReplica() : ['/bin/sh', '-c', options.command];
    this.#clock = options.clock ?? systemClock;
  }

  async open(): Promise<void> {
    if (existsSync('/bin/sh')) return;
    throw new BalancerError('start-failed', 'The process driver needs a POSIX shell at /bin/sh');
  }

  watch(onHint: (hint: Hint) => void): void {
    this.#onHint = onHint;
  }

  async list(): Promise<readonly Instance[]> {
    // deaths by the kills so far have been reported
    this.#oomKills.forget();
    return [...this.#entries.values()].map(toInstance);
  }

  /** Processes have no names that could be taken. */
  async heldNames(): Promise<readonly string[]> {
    return [];
  }

  async start(place: Place): Promise<Instance> {
    const port = await this.#takePort();
    try {
      return await this.#spawn(place, port);
    } catch (error) {
      this.#ports.delete(port);
      throw error;
    }
  }

  async endingOf(instanceId: string): Promise<Ending | undefined> {
    return this.#entries.get(instanceId)?.child.finalEnding();
  }

  async retire(instanceId: string, role: RetiredRole): Promise<void> {
    const entry = this.#entries.get(instanceId);
    if (entry) entry.role = role;
  }

  async remove(instanceId: string, graceMs: number): Promise<void> {
    const entry = this.#entries.get(instanceId);
    if (!entry) return;
    await entry.child.end(graceMs);
    if (this.#entries.delete(instanceId)) this.#ports.delete(entry.port);
  }

  /** Ends every child, with `keep` as well: none can outlive the balancer. */
  async close(_keep: boolean): Promise<void> {
    this.#isClosed = true;
    this.#onHint = () => {};
    await Promise.all([...this.#entries.keys()].map((instanceId) => this.remove(instanceId, 0)));
  }

  async #takePort(): Promise<number> {
    const port = await findFreePort(this.#ports);
    if (port === undefined) throw new BalancerError('start-failed', 'No free port was found for a replica');
    // a concurrent start may have drawn the same port meanwhile
    if (this.#ports.has(port)) return this.#takePort();
    this.#ports.add(port);
    return port;
  }

  async #spawn(place: Place, port: number): Promise<Instance> {
    const number = ++this.#started;
    const child = await Child.spawn({
      command: this.#command,
      env: { ...inherited(), SERVER_ID: place.name, PORT: String(port), HOST },
      clock: this.#clock,
      wasOutOfMemory: () => this.#oomKills.take(),
      onExit: (ending) => this.#onHint({ kind: 'died', instanceId, ending }),
    });
    // a process id may be reused, the pair never is
    const instanceId = `${child.pid}-${number}`;
    const entry: Entry = { name: place.name, id: place.id, instanceId, port, child, role: 'current' };
    this.#entries.set(instanceId, entry);
    if (!this.#isClosed) return toInstance(entry);
    await this.remove(instanceId, 0);
    throw new BalancerError('start-failed', 'The process driver was closed');
  }
}

/** Our environment without our own options: a token among them is nobody else's. */
function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LB_')));
}

function toInstance(entry: Entry): Instance {
  const { name, id, instanceId, role, child } = entry;
  const endpoint = child.hasExited ? undefined : { host: HOST, port: entry.port };
  return {
    name,
    id,
    instanceId,
    status: child.hasExited ? 'dead' : 'running',
    endpoint,
    role,
    ending: child.ending,
  };
}

/** The sample replica relative to this file: TypeScript in a checkout, JavaScript in a build. */
function sampleReplica(): readonly string[] {
  const file = `../../../replica/server${extname(import.meta.url)}`;
  return [process.execPath, fileURLToPath(new URL(file, import.meta.url))];
}
