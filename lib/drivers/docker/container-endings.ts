/** How containers ended, found out once for each: the engine's own word, and the last lines of the log. */
import { type Ending, endingOf, isFromOutside } from '../../core/ending.ts';
import type { Place } from '../../core/replica.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import { type BalancerError, StartError } from '../../platform/errors.ts';
import type { Instance } from '../driver.ts';
import type { DockerEngine } from './engine.ts';
import { type ContainerJson, endingOfContainer, NO_OUTPUT } from './mapper.ts';

/** Timeout for finding out how a container ended; its replacement waits for that. */
const ENDING_MS = 1000;
/** An idle engine takes down a network in 50 to 100 ms. On a busy machine it is a second, in which a start gets further. */
const CLEANUP_MS = 200;

export class ContainerEndings {
  readonly #engine: DockerEngine;
  readonly #clock: Clock;
  /** By the id of a container that has ended. */
  readonly #known = new Map<string, Ending>();

  constructor(engine: DockerEngine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Undefined where the container runs, also since it was restarted by hand, or has been removed. */
  async find(instanceId: string): Promise<Ending | undefined> {
    const known = this.#known.get(instanceId);
    if (known !== undefined) return known;
    const container = await this.#engine.container(instanceId);
    if (!container || container.State.Running) return undefined;
    const ending = await this.read(container);
    this.#known.set(instanceId, ending);
    return ending;
  }

  /** Undefined as well where that takes long or fails. */
  findInTime(instanceId: string): Promise<Ending | undefined> {
    return this.#within(ENDING_MS, this.find(instanceId));
  }

  /**
   * Resolves once the engine has taken down the network of a dead container, which it does before it inspects it, or when
   * that takes long. The kernel changes networks one at a time: a container that is started meanwhile is up later than one
   * that is started behind it.
   */
  async untilCleanedUp(instanceId: string): Promise<void> {
    await this.#within(CLEANUP_MS, this.#engine.container(instanceId));
  }

  /** The instance, with its ending if it is dead; undefined if it has been removed meanwhile. */
  async addTo(instance: Instance): Promise<Instance | undefined> {
    // the engine says nothing of a container while it starts it, however long that takes
    if (instance.status === 'running' || instance.isStarting) return instance;
    const ending = await this.find(instance.instanceId);
    return ending && { ...instance, ending };
  }

  /** The ending of an inspected container that is not running. */
  async read(container: ContainerJson): Promise<Ending> {
    const plain = endingOfContainer(container, NO_OUTPUT);
    if (isFromOutside(plain) || plain.kind === 'out-of-memory') return plain;
    return endingOfContainer(container, await this.#engine.lastOutput(container.Id));
  }

  /** The failure of a start whose container did not stay up; without one it has been removed meanwhile. */
  async endedAtOnce(place: Place, container: ContainerJson | undefined): Promise<BalancerError> {
    const ending = container ? await this.read(container) : endingOf('removed', 'it was removed');
    return new StartError(ending, `The replica ${place.name} did not stay up: ${ending.text}`);
  }

  forget(instanceId: string): void {
    this.#known.delete(instanceId);
  }

  /** Drops the endings of containers that are not listed, or run again. */
  retain(listed: readonly Instance[]): void {
    const dead = new Set(
      listed.filter(({ status }) => status === 'dead').map(({ instanceId }) => instanceId),
    );
    for (const instanceId of this.#known.keys()) if (!dead.has(instanceId)) this.#known.delete(instanceId);
  }

  #within<T>(ms: number, result: Promise<T>): Promise<T | undefined> {
    const late = sleep(this.#clock, ms).then(() => undefined);
    return Promise.race([result.catch(() => undefined), late]);
  }
}
