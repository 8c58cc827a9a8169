/**
 * How replicas are reached: at their addresses on an overlay that the balancer is on too, or on ports that their nodes
 * publish.
 * Invariant: a network that we did not make is never removed.
 */
import type { Clock } from '../../platform/clock.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import { DockerApi } from '../docker/api.ts';
import { DockerEngine } from '../docker/engine.ts';
import { ownContainer } from '../docker/network.ts';
import { LABEL, type OverlayJson } from './mapper.ts';
import type { SwarmEngine } from './swarm-engine.ts';

export interface SwarmNetworkOptions {
  readonly engine: SwarmEngine;
  readonly network: string;
  readonly pool: string;
  /** `auto` is the overlay where the balancer is in a container that is on one. */
  readonly swarmPublish: 'auto' | 'overlay' | 'host';
  readonly clock: Clock;
  readonly log: Logger;
}

/** What every node has for Swarm's own traffic; replicas cannot be on these. */
const OF_SWARM: readonly string[] = ['ingress', 'docker_gwbridge', 'bridge', 'host', 'none'];

export class SwarmNetwork {
  readonly #options: SwarmNetworkOptions;
  #name: string | undefined;

  constructor(options: SwarmNetworkOptions) {
    this.#options = options;
  }

  /** The overlay; undefined where replicas are reached on their nodes, and before `open`. */
  get name(): string | undefined {
    return this.#name;
  }

  /** Throws `bad-request`, `start-failed`, `engine-unreachable`; nothing is left behind then. */
  async open(): Promise<void> {
    const { swarmPublish, network, log } = this.#options;
    if (swarmPublish === 'host') return;
    const attached = await this.#ownNetworks();
    const usable = attached?.filter((name) => !OF_SWARM.includes(name)).sort() ?? [];
    const shared = usable.includes(network) ? network : usable[0];
    if (shared !== undefined && (await this.#isOverlay(shared))) {
      this.#name = shared;
      return;
    }
    if (swarmPublish === 'auto') {
      log.info({}, 'the balancer is on no overlay: replicas publish their port on their nodes');
      return;
    }
    await this.#joinOverlay(attached);
  }

  /** Removes the overlay if it is this pool's and nothing uses it. */
  async close(): Promise<void> {
    const { engine, pool } = this.#options;
    if (this.#name === undefined) return;
    const found = await engine.network(this.#name);
    if (found?.Labels?.[LABEL.pool] === pool) await engine.removeNetwork(this.#name);
  }

  /** Names of the networks of the balancer's own container; undefined where it is in none. */
  async #ownNetworks(): Promise<readonly string[] | undefined> {
    const own = await ownContainer(this.#localEngine()).catch(() => undefined);
    return own && Object.keys(own.NetworkSettings.Networks);
  }

  /** The engine of this machine, which need not be a manager. */
  #localEngine(): DockerEngine {
    return new DockerEngine(new DockerApi({ clock: this.#options.clock }));
  }

  async #isOverlay(name: string): Promise<boolean> {
    const found = await this.#options.engine.network(name);
    return found?.Driver === 'overlay' && found.Scope === 'swarm';
  }

  /** Makes the overlay if there is none, and connects the balancer's container to it. */
  async #joinOverlay(attached: readonly string[] | undefined): Promise<void> {
    const { engine, network, pool } = this.#options;
    const found = await engine.network(network);
    if (found !== undefined) mustBeUsable(network, found);
    if (attached === undefined) {
      const reason = `The balancer is in no container, so it cannot be on the overlay ${network}: use --swarm-publish host`;
      throw new BalancerError('bad-request', reason);
    }
    if (found === undefined) await engine.createOverlay(network, { [LABEL.pool]: pool });
    const local = this.#localEngine();
    const own = await ownContainer(local);
    if (own !== undefined) await local.connect(network, own.Id);
    this.#name = network;
  }
}

/** Throws `bad-request` where a container cannot be connected to the network, or replicas on other nodes not be reached. */
function mustBeUsable(
  name: string,
  { Driver: driver, Scope: scope, Attachable: isAttachable }: OverlayJson,
): void {
  if (driver !== 'overlay' || scope !== 'swarm')
    throw new BalancerError(
      'bad-request',
      `The network ${name} is a ${driver}, and no overlay of the Swarm: give --network another name`,
    );
  if (!isAttachable)
    throw new BalancerError(
      'bad-request',
      `The overlay ${name} is not attachable: run the balancer as a service on it, make the overlay with --attachable, or use --swarm-publish host`,
    );
}
