/**
 * A balancer under faults: a process on free ports, asked over HTTP, signalled by its process id.
 * Invariant: nothing of it outlives the campaign, whose end by whatever means ends it too.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReplicaView } from '../../lib/api/types.ts';
import { type Asking, ask } from './traffic.ts';

export const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'lib/main.ts');
const READY_MS = 60_000;
const LOOK_MS = 20;

export interface Start {
  readonly options: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where its log goes; kept here unless said. */
  readonly logFile?: string;
  /** Most open files. */
  readonly descriptors?: number;
  /** The node of a Swarm that it runs on; this machine unless said. */
  readonly node?: BalancerNode;
}

/** A network namespace, and an address there on which the admin port listens too. */
export interface BalancerNode {
  readonly namespace: string;
  readonly host: string;
}

/** Of the admin port where that is not on loopback. */
export const TOKEN = 'fault-campaign';

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Balancer {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  log = '';
  port = 0;
  adminPort = 0;
  readonly host: string;
  readonly #asking: Asking;

  private constructor({ options, env, logFile, descriptors, node }: Start) {
    this.host = node?.host ?? '127.0.0.1';
    this.#asking = node === undefined ? {} : { host: node.host, token: TOKEN };
    const surroundings = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('LB_')),
    );
    const placed =
      node === undefined ? options : [...options, '--admin-host', node.host, '--admin-token', TOKEN];
    const command = [process.execPath, MAIN, ...placed];
    const limited = [
      ...(node === undefined ? [] : ['ip', 'netns', 'exec', node.namespace]),
      ...(descriptors === undefined ? [] : ['prlimit', `--nofile=${descriptors}`]),
      ...command,
    ];
    this.child = spawn(limited[0]!, limited.slice(1), {
      env: { ...surroundings, ...env },
      stdio: ['ignore', 'ignore', logFile === undefined ? 'pipe' : openSync(logFile, 'a')],
    });
    running.add(this.child);
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
    this.ended = new Promise((resolve) =>
      this.child.once('exit', (code, signal) => {
        running.delete(this.child);
        resolve({ code, signal });
      }),
    );
  }

  /** Starts one and waits until `ports`, or what it logs, answer. */
  static async start(start: Start, ports?: readonly [number, number]): Promise<Balancer> {
    const balancer = new Balancer(start);
    try {
      await balancer.#untilServing(ports);
      return balancer;
    } catch (error) {
      await balancer.kill();
      throw error;
    }
  }

  async #untilServing(ports: readonly [number, number] | undefined): Promise<void> {
    const deadline = performance.now() + READY_MS;
    while (performance.now() < deadline && this.child.exitCode === null && this.child.signalCode === null) {
      const said = /serving on http:\/\/\S*?:(\d+), admin on http:\/\/\S*?:(\d+)/.exec(this.log);
      [this.port, this.adminPort] = said ? [Number(said[1]), Number(said[2])] : (ports ?? [0, 0]);
      if (this.adminPort > 0 && (await this.isReady())) return;
      await delay(LOOK_MS);
    }
    throw new Error(`the balancer did not start:\n${this.log.slice(-2000)}`);
  }

  isReady(): Promise<boolean> {
    return this.askAdmin('GET', '/readyz').then(
      () => true,
      () => false,
    );
  }

  /** The body of the public port's response to a call of the API; rejects where it is one of 500 and above. */
  askPublic(method: string, path: string, body?: string): Promise<string> {
    return ask(this.port, method, path, { ...this.#asking, ...(body && { body }) });
  }

  /** The body of the admin port's response; rejects where it is one of 500 and above. */
  askAdmin(method: string, path: string, body?: string): Promise<string> {
    return ask(this.adminPort, method, path, { ...this.#asking, ...(body && { body }) });
  }

  async replicas(): Promise<readonly ReplicaView[]> {
    const body = await this.askAdmin('GET', '/replicas');
    return (JSON.parse(body) as { message: { replicas: readonly ReplicaView[] } }).message.replicas;
  }

  async replica(name: string): Promise<ReplicaView> {
    const found = (await this.replicas()).find((replica) => replica.name === name);
    if (found === undefined) throw new Error(`there is no replica ${name}`);
    return found;
  }

  /** Waits until `count` replicas are there and healthy; how long that took. */
  async untilWhole(count: number, withinMs = 30_000): Promise<number> {
    const sinceMs = performance.now();
    while (performance.now() - sinceMs < withinMs) {
      const states = await this.replicas().then(
        (replicas) => replicas.map(({ state }) => state),
        () => [],
      );
      if (states.length === count && states.every((state) => state === 'healthy'))
        return Math.round(performance.now() - sinceMs);
      await delay(LOOK_MS);
    }
    throw new Error(`${count} replicas were not healthy within ${withinMs / 1000} s`);
  }

  /** Waits until an event of this kind has been noted. */
  async untilEvent(kind: string, withinMs = 20_000): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (performance.now() < deadline) {
      const body = await this.askAdmin('GET', '/events?limit=500');
      if (body.includes(`"kind":"${kind}"`)) return;
      await delay(LOOK_MS);
    }
    throw new Error(`no event ${kind} within ${withinMs / 1000} s`);
  }

  /** Process ids of the replicas' instances, by name. */
  async pids(): Promise<ReadonlyMap<string, number>> {
    const replicas = await this.replicas();
    return new Map(replicas.map(({ name, instance }) => [name, Number.parseInt(instance ?? '0', 10)]));
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** Asks it to end. */
  async stop(withinMs = 40_000): Promise<{ readonly code: number | null; readonly signal: string | null }> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), withinMs);
    const end = await this.ended;
    clearTimeout(timer);
    return end;
  }
}
