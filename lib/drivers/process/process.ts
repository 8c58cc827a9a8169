/**
 * The process driver: an instance is a child process that listens on a port of 127.0.0.1.
 * Invariants: no two children get the same port; a child stays listed, running or dead, until it is removed; all of them
 * end with the balancer, so `open` never finds any.
 */
import { existsSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Ending } from '../../core/ending.ts';
import type { Place } from '../../core/replica.ts';
import { hasTemplate, type ReplicaSpec, specForPlace } from '../../core/replica-spec.ts';
import { type Clock, systemClock } from '../../platform/clock.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Driver, Hint, Instance, OpenOutput, OutputSink, RetiredRole, Start } from '../driver.ts';
import { OomKills } from '../oom-kills.ts';
import { specHash } from '../spec-hash.ts';
import { Child } from './child.ts';
import { ChildCgroups } from './child-cgroups.ts';
import { findFreePort } from './free-port.ts';

const HOST = '127.0.0.1';

export interface ProcessDriverOptions {
  /** What replicas are started with until a start says otherwise; checked by `open`. */
  readonly spec: ReplicaSpec;
  readonly clock?: Clock;
  readonly cgroups?: ChildCgroups;
  /** Takes what children print. */
  readonly openOutput: OpenOutput;
}

interface Entry extends Place {
  readonly instanceId: string;
  readonly port: number;
  readonly child: Child;
  readonly spec: string;
  readonly cgroup: string | undefined;
  readonly generation: number | undefined;
  role: Instance['role'];
}

/** A driver that runs each instance as a child process. */
export function createProcessDriver(options: ProcessDriverOptions): Driver {
  return new ProcessDriver(options);
}

class ProcessDriver implements Driver {
  readonly kind = 'process';
  readonly ownsInstances = true;
  readonly #spec: ReplicaSpec;
  readonly #cgroups: ChildCgroups;
  readonly #clock: Clock;
  readonly #openOutput: OpenOutput;
  readonly #entries = new Map<string, Entry>();
  readonly #ports = new Set<number>();
  readonly #oomKills = new OomKills();
  #started = 0;
  #isClosed = false;
  #onHint: (hint: Hint) => void = () => {};

  constructor(options: ProcessDriverOptions) {
    this.#spec = options.spec;
    this.#cgroups = options.cgroups ?? new ChildCgroups();
    this.#clock = options.clock ?? systemClock;
    this.#openOutput = options.openOutput;
  }

  async open(): Promise<void> {
    if (!existsSync('/bin/sh'))
      throw new BalancerError('start-failed', 'The process driver needs a POSIX shell at /bin/sh');
    checkWorkdir(this.#spec.workdir);
    const cgroup = this.#cgroups.create(this.#spec);
    if (cgroup !== undefined) this.#cgroups.remove(cgroup);
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

  async start(place: Start, spec: ReplicaSpec): Promise<Instance> {
    const port = await this.#takePort();
    try {
      return await this.#spawn(place, spec, port);
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

  async promote(instanceId: string): Promise<void> {
    const entry = this.#entries.get(instanceId);
    if (entry) entry.role = 'current';
  }

  async remove(instanceId: string, graceMs: number): Promise<void> {
    const entry = this.#entries.get(instanceId);
    if (!entry) return;
    await entry.child.end(graceMs);
    if (!this.#entries.delete(instanceId)) return;
    this.#ports.delete(entry.port);
    if (entry.cgroup !== undefined) this.#cgroups.remove(entry.cgroup);
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

  async #spawn(place: Start, given: ReplicaSpec, port: number): Promise<Instance> {
    const spec = specForPlace(given, place, port);
    const number = ++this.#started;
    const cgroup = this.#cgroups.create(spec);
    const oomKills = cgroup === undefined ? this.#oomKills : new OomKills([`${cgroup}/memory.events`]);
    let child: Child;
    let output: OutputSink | undefined;
    try {
      checkWorkdir(spec.workdir);
      child = await Child.spawn({
        command: spec.command === '' ? sampleReplica() : ['/bin/sh', '-c', spec.command],
        env: environmentOf(spec, place, port),
        workdir: spec.workdir,
        stopSignal: (spec.stopSignal || 'SIGTERM') as NodeJS.Signals,
        cgroup,
        clock: this.#clock,
        wasOutOfMemory: () => oomKills.take(),
        onExit: (ending) => this.#onHint({ kind: 'died', instanceId, ending }),
        onOutput: (stream, bytes) => output?.write(stream, bytes),
        onOutputEnd: () => output?.end(),
      });
    } catch (error) {
      if (cgroup !== undefined) this.#cgroups.remove(cgroup);
      throw error;
    }
    // a process id may be reused, the pair never is
    const instanceId = `${child.pid}-${number}`;
    output = this.#openOutput(place.name, instanceId);
    const { name, id, generation, isNext = false } = place;
    const role = isNext ? 'next' : 'current';
    const runs = { child, cgroup, spec: specHash(given), generation };
    const entry: Entry = { name, id, instanceId, port, role, ...runs };
    this.#entries.set(instanceId, entry);
    if (!this.#isClosed) return toInstance(entry);
    await this.remove(instanceId, 0);
    throw new BalancerError('start-failed', 'The process driver was closed');
  }
}

/** Our environment without our own options, a token among them, then the spec's, then what every replica is told. */
function environmentOf({ env }: ReplicaSpec, { name }: Place, port: number): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([variable]) => !variable.startsWith('LB_'));
  return {
    ...Object.fromEntries(inherited),
    HOST,
    ...Object.fromEntries(env),
    SERVER_ID: name,
    PORT: String(port),
  };
}

function checkWorkdir(workdir: string): void {
  if (workdir === '' || hasTemplate(workdir) || isDirectory(workdir)) return;
  const reason = `--workdir must be a directory, and there is none at ${workdir}`;
  throw new BalancerError('start-failed', reason);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function toInstance(entry: Entry): Instance {
  const { name, id, instanceId, role, child, spec, generation } = entry;
  const endpoint = child.hasExited ? undefined : { host: HOST, port: entry.port };
  return {
    name,
    id,
    instanceId,
    status: child.hasExited ? 'dead' : 'running',
    endpoint,
    role,
    ending: child.ending,
    spec,
    ...(generation !== undefined && { generation }),
  };
}

/** The sample replica relative to this file: TypeScript in a checkout, JavaScript in a build. */
function sampleReplica(): readonly string[] {
  const file = `../../../replica/server${extname(import.meta.url)}`;
  return [process.execPath, fileURLToPath(new URL(file, import.meta.url))];
}
