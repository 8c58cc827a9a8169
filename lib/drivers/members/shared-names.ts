/**
 * The names of containers in a pool that several balancers share, which say what each container is for. A container is
 * taken out of its place by a rename of the name rather than of the id: the engine lets one of several do that, so a
 * removal is never undone by a balancer that replaces the instance at the same time.
 */
import { type Clock, sleep } from '../../platform/clock.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { DockerEngine } from '../docker/engine.ts';
import { type ContainerSettings, retiredName, toInstances } from '../docker/mapper.ts';
import type { Instance, RetiredRole } from '../driver.ts';
import { shortId } from './record.ts';

export interface SharedNamesParts {
  readonly engine: Pick<DockerEngine, 'containers' | 'container' | 'rename'>;
  /** Of the containers of the pool. */
  readonly label: string;
  /** Before the names of containers. */
  readonly prefix: string;
  readonly where: Pick<ContainerSettings, 'network' | 'port'>;
  readonly clock: Clock;
  /** Another balancer has removed what is gone. Throws `engine-unreachable`. */
  readonly wasRemovedElsewhere: (instanceId: string) => Promise<boolean>;
}

/** Between two attempts to claim a replica whose instance another balancer is exchanging. */
const LOOK_MS = 100;
const CLAIM_TRIES = 20;

export class SharedNames {
  readonly #parts: SharedNamesParts;

  constructor(parts: SharedNamesParts) {
    this.#parts = parts;
  }

  /** As `Driver.retire`. Throws `not-found` where another balancer has removed the replica. */
  async retire(instanceId: string, role: RetiredRole): Promise<void> {
    const found = (await this.#list()).find((one) => one.instanceId === instanceId);
    if (found?.role === role) return;
    if (found === undefined) {
      if (role === 'removed' || !(await this.#parts.wasRemovedElsewhere(instanceId))) return;
      throw removedElsewhere(`instance ${shortId(instanceId)}`);
    }
    const { name } = found;
    if (found.role === 'removed') throw removedElsewhere(name);
    if (found.role !== 'current') return this.#rename(instanceId, retiredName(name, role, instanceId));
    const taken = await this.#takeOut(name, instanceId, role);
    if (taken === instanceId) return;
    // another instance has come into the place meanwhile, and keeps it
    if (taken !== undefined) return this.#rename(taken, name);
    const now = (await this.#list()).find((one) => one.instanceId === instanceId);
    if (now?.role === 'removed' && role !== 'removed') throw removedElsewhere(name);
  }

  /** As `Driver.claimRemoval`. */
  async claimRemoval(name: string): Promise<string | undefined> {
    for (let tries = 0; tries < CLAIM_TRIES; tries++) {
      const ours = (await this.#list()).filter((one) => one.name === name);
      const current = ours.find(({ role }) => role === 'current');
      if (current !== undefined) {
        const taken = await this.#takeOut(name, current.instanceId, 'removed');
        if (taken !== undefined) return taken;
      } else if (ours.some(({ role }) => role === 'removed')) return undefined;
      // without a successor that waits for the name nobody is exchanging it
      else if (!ours.some(({ role }) => role === 'next')) break;
      await sleep(this.#parts.clock, LOOK_MS);
    }
    // without a container in the place there is nothing that tells the others, who would start it again
    throw new BalancerError('engine-unreachable', `${name} has no container at the moment: try again`);
  }

  /** Takes out whatever has the name, which was `expected` a moment ago; gives its id, undefined where nothing has it. */
  async #takeOut(name: string, expected: string, role: RetiredRole): Promise<string | undefined> {
    const { engine, prefix } = this.#parts;
    const retired = retiredName(name, role, expected);
    try {
      if (!(await engine.rename(`${prefix}${name}`, `${prefix}${retired}`))) return undefined;
    } catch (error) {
      // another balancer has given the expected one that name, and what is in the place now is another
      if ((await this.#currentOf(name)) === expected) throw error;
      return undefined;
    }
    const id = (await engine.container(`${prefix}${retired}`))?.Id;
    if (id !== undefined && id !== expected) await this.#rename(id, retiredName(name, role, id));
    return id;
  }

  async #rename(instanceId: string, name: string): Promise<void> {
    const { engine, prefix } = this.#parts;
    await engine.rename(instanceId, `${prefix}${name}`);
  }

  async #currentOf(name: string): Promise<string | undefined> {
    return (await this.#list()).find((one) => one.name === name && one.role === 'current')?.instanceId;
  }

  async #list(): Promise<readonly Instance[]> {
    const { engine, label, where } = this.#parts;
    return toInstances(await engine.containers(label), where);
  }
}

function removedElsewhere(what: string): BalancerError {
  return new BalancerError('not-found', `${what} was removed by another balancer`);
}
