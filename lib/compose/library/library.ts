/**
 * ringlb as a library: a balancer inside another program.
 * Invariants: nothing here handles signals or ends the process; after `close` no thread, timer, socket or listener is
 * left, so the program can end by itself; balancers of one process know nothing of each other.
 */
import { EventEmitter } from 'node:events';
import { parseAddition, parseRemoval, parseSize } from '../../admin/change-request.ts';
import type { Addition, Balancer, Removal } from '../../api/balancer.ts';
import type { BalancerOptions } from '../../api/balancer-options.ts';
import { formatEndpoint } from '../../core/replica.ts';
import { reachableHost } from '../../platform/ip-addresses.ts';
import { createLogger, type RootLogger } from '../../platform/log.ts';
import { type App, startApp } from '../app.ts';
import { readLibraryOptions } from './options.ts';

export type { Addition, Balancer, BalancerFailure, Removal } from '../../api/balancer.ts';
export type { BalancerOptions } from '../../api/balancer-options.ts';
export type { FleetEvent } from '../../api/types.ts';

/**
 * Starts a balancer; resolves once it serves. Options are the flags of the command line in camel case, with the same
 * defaults. Rejects with a `BalancerFailure`, and nothing is left running then.
 */
export async function startBalancer(options: BalancerOptions = {}): Promise<Balancer> {
  const reload = () => readLibraryOptions(options, process.env);
  const settings = reload();
  const log = createLogger(settings.config.logLevel);
  try {
    const app = await startApp({ settings, reload }, log);
    return new LibraryBalancer(app, log, settings.config.host);
  } catch (error) {
    log.close();
    throw error;
  }
}

class LibraryBalancer implements Balancer {
  readonly port: number;
  readonly url: string;
  readonly adminUrl: string;
  readonly #app: App;
  readonly #log: RootLogger;
  readonly #events = new EventEmitter();
  #closed: Promise<void> | undefined;

  constructor(app: App, log: RootLogger, host: string) {
    this.#app = app;
    this.#log = log;
    this.port = app.publicPort;
    this.url = urlOf(host, app.publicPort);
    this.adminUrl = urlOf(app.admin.host, app.admin.port);
    // a listener that throws is the program's trouble, and must not break off what the fleet was doing
    app.journal.subscribe((event) => queueMicrotask(() => this.#events.emit('event', event)));
    void app.evicted?.then((failure) => this.#close(failure));
    void app.handedOver.then(() => this.#close());
  }

  get replicas(): readonly string[] {
    return this.#app.fleet.names();
  }

  async add(change: number | Addition): Promise<readonly string[]> {
    const { count, names, weights, isForced } = parseAddition(bodyOf(change));
    return this.#app.fleet.add(count, names, weights, isForced);
  }

  async remove(change: number | Removal): Promise<readonly string[]> {
    const { count, names, isForced } = parseRemoval(bodyOf(change));
    return this.#app.fleet.remove(count, names, isForced);
  }

  async scale(count: number): Promise<readonly string[]> {
    return this.#app.fleet.scale(parseSize(bodyOf(count)).count);
  }

  on(name: 'event' | 'close', listener: (argument: never) => void): this {
    this.#events.on(name, listener as (argument: unknown) => void);
    return this;
  }

  off(name: 'event' | 'close', listener: (argument: never) => void): this {
    this.#events.off(name, listener as (argument: unknown) => void);
    return this;
  }

  close(): Promise<void> {
    return this.#close();
  }

  #close(failure?: Error): Promise<void> {
    this.#closed ??= this.#app.shutDown().finally(() => {
      this.#log.close();
      queueMicrotask(() => this.#events.emit('close', failure));
    });
    return this.#closed;
  }
}

function urlOf(host: string, port: number): string {
  return `http://${formatEndpoint({ host: reachableHost(host) || '127.0.0.1', port })}`;
}

function bodyOf(change: number | Addition | Removal): string {
  return JSON.stringify(typeof change === 'number' ? { n: change } : change);
}
