/**
 * The network of a pool's replicas, and the balancer's own connection to it.
 * Invariants: a balancer in a container always shares a network with its replicas; a network that we did not create is
 * never removed, and one that we created only once nothing is attached to it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { BalancerError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { DockerEngine } from './engine.ts';
import { type ContainerJson, isOfPool, type NetworkJson, poolLabels } from './mapper.ts';

/** Networks without DNS names for containers, and so not for replicas. */
const BUILT_IN: readonly string[] = ['bridge', 'host', 'none'];

export interface PoolNetworkOptions {
  readonly engine: DockerEngine;
  readonly network: string;
  readonly pool: string;
  readonly log: Logger;
}

/** Finds or creates the network; `name` is the one that replicas attach to. */
export class PoolNetwork {
  readonly #engine: DockerEngine;
  readonly #pool: string;
  readonly #log: Logger;
  #name: string;
  /** Our own container, if we connected it to the network. */
  #connected: string | undefined;

  constructor(options: PoolNetworkOptions) {
    this.#engine = options.engine;
    this.#pool = options.pool;
    this.#log = options.log;
    this.#name = options.network;
  }

  get name(): string {
    return this.#name;
  }

  /** Prepares a network for replicas; leaves nothing behind when it fails. */
  async open(): Promise<void> {
    const self = await ownContainer(this.#engine);
    const attached = Object.keys(self?.NetworkSettings.Networks ?? {});
    const shared = sharedNetwork(attached, this.#name);
    if (shared !== undefined) {
      this.#name = shared;
      this.#log.debug({ network: shared }, 'replicas join the network of the balancer');
      return;
    }
    if (BUILT_IN.includes(this.#name)) {
      const reason = `Replicas cannot be on the engine's built-in network ${this.#name}: give --network another name`;
      throw new BalancerError('bad-request', reason);
    }
    await this.#ensure();
    // a container on the host's network reaches every bridge, as the host does
    if (!self || attached.includes('host')) return;
    try {
      await this.#engine.connect(this.#name, self.Id);
      this.#connected = self.Id;
      this.#log.info({ network: this.#name }, 'connected the balancer to the network of its replicas');
    } catch (error) {
      await this.close().catch(() => {});
      throw error;
    }
  }

  /** Recreates the network if it was removed; true if it was. */
  async restore(): Promise<boolean> {
    if (await this.#engine.network(this.#name)) return false;
    await this.open();
    return true;
  }

  /** Undoes what `open` did, unless somebody else uses the network. */
  async close(): Promise<void> {
    const container = this.#connected;
    this.#connected = undefined;
    if (container !== undefined) await this.#engine.disconnect(this.#name, container);
    const network = await this.#engine.network(this.#name);
    if (!network || !isOfPool(network.Labels, this.#pool)) return;
    const left = await this.#engine.removeNetwork(this.#name);
    if (left) this.#warnOfLeft(left);
  }

  #warnOfLeft(left: NetworkJson): void {
    const names = Object.values(left.Containers ?? {}).map(({ Name: name }) => name);
    const who = names.length > 0 ? names.join(', ') : 'an endpoint that the engine names no container for';
    const network = this.#name;
    this.#log.warn(
      { network, containers: who },
      `the network ${network} is in use and was not removed: once nothing is attached to it, "docker network rm ${network}" removes it`,
    );
  }

  async #ensure(): Promise<void> {
    if (await this.#engine.network(this.#name)) return;
    await this.#engine.createNetwork(this.#name, poolLabels(this.#pool));
    this.#log.info({ network: this.#name }, 'created the network of the replicas');
  }
}

/** Our own container as this engine knows it; undefined on a host, or in a container of another engine. */
export async function ownContainer(
  engine: Pick<DockerEngine, 'container'>,
): Promise<ContainerJson | undefined> {
  const id = ownContainerId();
  return id === undefined ? undefined : engine.container(id);
}

/** The network that a balancer in a container shares with its replicas: the wanted one, else its first other one. */
export function sharedNetwork(attached: readonly string[], wanted: string): string | undefined {
  const usable = attached.filter((name) => !BUILT_IN.includes(name)).sort();
  return usable.includes(wanted) ? wanted : usable[0];
}

/**
 * The id of the container that a process with this mount table runs in. The engine mounts three files of the
 * container's own directory into it; a host sees such directories only as the place of a mount, not as its source.
 */
export function containerIdIn(mountInfo: string): string | undefined {
  const own = /^\d+ \d+ \S+ \S*\/([0-9a-f]{64})\/\S+ \/etc\/(?:hostname|hosts|resolv\.conf) /m;
  return own.exec(mountInfo)?.[1];
}

function ownContainerId(): string | undefined {
  const mountInfo = '/proc/self/mountinfo';
  const id = existsSync(mountInfo) ? containerIdIn(readFileSync(mountInfo, 'utf8')) : undefined;
  if (id !== undefined) return id;
  // without such mounts the host name is the short id, unless one was chosen
  return existsSync('/.dockerenv') ? hostname() : undefined;
}
