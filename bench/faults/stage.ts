/**
 * What the cases of the campaign have in common: a directory, balancers over replicas that can be told to misbehave,
 * static servers, and the end of all that was started, in whatever way a case ends.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Balancer, type Start } from './balancer.ts';
import { ask } from './traffic.ts';

export const REPLICAS = 3;
const REPLICA = join(import.meta.dirname, 'replica.ts');

export class Stage {
  /** A case takes this part of the time that it would; its figures hold all the same. */
  readonly scale: number;
  readonly dir = mkdtempSync(join(tmpdir(), 'ringlb-faults-'));
  readonly #closers: (() => unknown)[] = [];
  /** Where logs are kept; undefined: nowhere. */
  readonly #logs: string | undefined;

  /** `scale` is 1, or less for a short run. */
  constructor(scale: number, logs?: string) {
    this.scale = scale;
    this.#logs = logs;
  }

  /** Runs `close` when the case is over; what was added last first. */
  after(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** Ends the balancer with the case, and keeps its log where logs are kept. */
  adopt(balancer: Balancer): Balancer {
    this.after(async () => {
      await balancer.kill();
      this.keep(`${balancer.child.pid}.log`, balancer.log);
    });
    return balancer;
  }

  /** Writes a file where logs are kept. */
  keep(name: string, text: string): void {
    if (this.#logs === undefined) return;
    mkdirSync(this.#logs, { recursive: true });
    writeFileSync(join(this.#logs, `${basename(this.dir)}-${name}`), text);
  }

  /** A balancer of three replicas of the campaign's own kind. */
  async balancer(
    options: readonly string[] = [],
    { env, logFile, descriptors }: Partial<Start> = {},
    ports: readonly [number, number] = [0, 0],
  ): Promise<Balancer> {
    const command = `exec ${process.execPath} ${REPLICA}`;
    const start: Start = {
      options: [
        ...['--port', String(ports[0]), '--admin-port', String(ports[1]), '--workers', '2'],
        ...['--command', command, '--probe-interval', '500ms', '--probe-timeout', '1s', ...options],
      ],
      env: { FAULT_DIR: this.dir, ...env },
      ...(logFile !== undefined && { logFile }),
      ...(descriptors !== undefined && { descriptors }),
    };
    const balancer = this.adopt(await Balancer.start(start, ports[0] === 0 ? undefined : ports));
    if (env?.FAULT_CRASHES === undefined) await balancer.untilWhole(REPLICAS);
    return balancer;
  }

  /** Tells one replica how to misbehave. */
  async misbehave(balancer: Balancer, name: string, mode: string): Promise<void> {
    const { endpoint } = await balancer.replica(name);
    const port = Number(endpoint?.split(':').at(-1));
    await ask(port, 'POST', `/fault?mode=${mode}`);
  }

  /** A server that a static list can name. */
  async server(): Promise<{ readonly server: Server; readonly port: number }> {
    const server = createServer((request, response) => {
      request.resume();
      response.end('ok\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return { server, port: (server.address() as AddressInfo).port };
  }

  /** Ids of POSTs that were carried out more than once. */
  carriedOutTwice(): readonly string[] {
    const seen = new Set<string>();
    const twice: string[] = [];
    for (const id of readLines(join(this.dir, 'done'))) {
      if (seen.has(id)) twice.push(id);
      seen.add(id);
    }
    return twice;
  }

  /** Lets traffic run for so long. */
  run(ms: number): Promise<void> {
    return delay(ms * this.scale);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function readLines(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
