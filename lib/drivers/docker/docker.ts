/**
 * The docker driver: an instance is a container on one engine and one network, reached by its address there.
 * Invariants: only containers with the pool's label are listed or touched, and only while the pool is ours; the name of a
 * current container is the prefix plus the name of its replica; nothing is pulled or published.
 */
import type { Ending } from '../../core/ending.ts';
import { formatEndpoint } from '../../core/replica.ts';
import { type ReplicaSpec, specForPlace } from '../../core/replica-spec.ts';
import { type Clock, systemClock } from '../../platform/clock.ts';
import { BalancerError, isBalancerError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type {
  Driver,
  Hint,
  Instance,
  OpenOutput,
  PinnedReference,
  RetiredRole,
  Start,
  StartedWith,
} from '../driver.ts';
import { specHash } from '../spec-hash.ts';
import { DockerApi } from './api.ts';
import { PoolClaim, type PoolHold } from './claim.ts';
import { containerBody } from './container-body.ts';
import { ContainerEndings } from './container-endings.ts';
import { ContainerLogs } from './container-logs.ts';
import { DockerEngine } from './engine.ts';
import { EventWatch } from './events.ts';
import { type Stopping, stopTimeoutWarning } from './grace.ts';
import { describeDifferences, Images, imageGone, type PinnedImage, startedWith } from './image.ts';
import {
  type ContainerSettings,
  endpointOf,
  isOfPool,
  nextName,
  poolLabel,
  replicaNameOf,
  retiredName,
  shortDigest,
  titleIn,
  toInstances,
} from './mapper.ts';
import { ownContainer, PoolNetwork } from './network.ts';
import { checkSpec, checkVolumes, nameHeldBy } from './spec-check.ts';

export interface DockerDriverOptions extends Stopping {
  /** What replicas are started with until a start says otherwise; checked by `open`. */
  readonly spec: ReplicaSpec;
  readonly network: string;
  readonly pool: string;
  /** Prefix of container names; '' for none. */
  readonly containerPrefix: string;
  /** Recorded in the claim on the pool, for the operators of other balancers; port 0 is not known yet. */
  readonly adminHost: string;
  readonly adminPort: number;
  readonly log: Logger;
  readonly clock?: Clock;
  /** Takes what containers print; their logs are not read without it. */
  readonly openOutput?: OpenOutput;
  /** The engine, where it is not the default one. */
  readonly api?: DockerApi;
  /** What makes the pool ours, where that is not a claim of one owner. */
  readonly hold?: PoolHold;
}

/** A driver that runs each instance in a container. Throws `engine-unreachable` for a bad DOCKER_HOST. */
export function createDockerDriver(options: DockerDriverOptions): Driver {
  return new DockerDriver(options);
}

class DockerDriver implements Driver {
  readonly kind = 'docker';
  readonly ownsInstances = true;
  readonly outlivesBalancer = true;
  readonly freesNamesLate = true;
  readonly #options: DockerDriverOptions;
  readonly #clock: Clock;
  readonly #engine: DockerEngine;
  readonly #network: PoolNetwork;
  readonly #claim: PoolHold;
  readonly #logs: ContainerLogs | undefined;
  /** Names whose start is pending: a container listed under one is not an instance yet. */
  readonly #starting = new Set<string>();
  /** Replica names of known containers, by id; saves a call when one is retired. */
  readonly #names = new Map<string, string>();
  readonly #endings: ContainerEndings;
  readonly #images: Images;
  /** Starts that have settled. */
  #starts = 0;
  #events: EventWatch | undefined;

  constructor(options: DockerDriverOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const api = options.api ?? new DockerApi({ clock: this.#clock });
    this.#engine = new DockerEngine(api);
    this.#endings = new ContainerEndings(this.#engine, this.#clock);
    this.#images = new Images(this.#engine);
    const { openOutput } = options;
    if (openOutput)
      this.#logs = new ContainerLogs({ api, engine: this.#engine, openOutput, clock: this.#clock });
    const { adminHost: host, adminPort: port } = options;
    const common = { ...options, engine: this.#engine, clock: this.#clock };
    this.#network = new PoolNetwork(common);
    this.#claim =
      options.hold ?? new PoolClaim({ ...common, admin: port === 0 ? '' : formatEndpoint({ host, port }) });
  }

  get evicted(): Promise<BalancerError> {
    return this.#claim.lost;
  }

  get isShared(): boolean {
    return this.#claim.isOthers;
  }

  async open({ isBeside } = { isBeside: false }): Promise<void> {
    await this.#engine.ping();
    const { spec, pool, log } = this.#options;
    const image = await this.#images.of(spec.image);
    if (isBeside) this.#claim.leaveToOther();
    else await this.#claim.take();
    try {
      await this.#network.open();
      const settings = this.#settingsFor(spec, image);
      await checkSpec(this.#engine, spec, settings);
      const left = await this.#engine.containers(poolLabel(pool));
      const specOf = async (id: string) => (await this.startedWith(id))?.spec;
      const differences = await describeDifferences(left, settings, { spec, specOf });
      if (differences !== undefined) log.warn({}, differences);
    } catch (error) {
      await this.close(false).catch(() => {});
      throw error;
    }
    await this.#warnOfShortGrace();
  }

  takePool(): Promise<void> {
    return this.#claim.take();
  }

  watch(onHint: (hint: Hint) => void): void {
    this.#events?.close();
    this.#events = new EventWatch({
      engine: this.#engine,
      label: poolLabel(this.#options.pool),
      clock: this.#clock,
      onHint,
    });
  }

  async list(): Promise<readonly Instance[]> {
    const starts = this.#starts;
    const summaries = await this.#engine.containers(poolLabel(this.#options.pool));
    // the list may be older than an instance that `start` has returned meanwhile
    if (starts !== this.#starts) return this.list();
    const found = toInstances(summaries, this.#where).filter(
      ({ name, role }) =>
        !this.#starting.has(role === 'next' ? nextName(name) : role === 'current' ? name : ''),
    );
    this.#remember(found);
    this.#logs?.followAll(found);
    const instances = await Promise.all(found.map((instance) => this.#endings.addTo(instance)));
    return instances.filter((instance) => instance !== undefined);
  }

  async pin(image: string): Promise<PinnedReference> {
    const pinned = await this.#images.pin(image);
    return { reference: pinned.imageId, title: shortDigest(pinned.title) };
  }

  async startedWith(instanceId: string): Promise<StartedWith | undefined> {
    const container = await this.#engine.container(instanceId);
    if (!container) return undefined;
    const options = this.#options.spec;
    const { spec, overrides } = startedWith(container, options);
    const { imageId } = await this.#images.of(options.image);
    const title = titleIn(container);
    this.#images.name(spec.image, title);
    const isThat = spec.image === imageId && overrides.image === undefined;
    return { spec: isThat ? { ...spec, image: options.image } : spec, overrides, title: shortDigest(title) };
  }

  async heldNames(): Promise<readonly string[]> {
    const strangers = (await this.#engine.containers()).filter(
      ({ Labels: labels }) => !isOfPool(labels, this.#options.pool),
    );
    const taken = `/${this.#options.containerPrefix}`;
    return strangers
      .flatMap(({ Names: names }) => names.filter((name) => name.startsWith(taken)))
      .map((name) => name.slice(taken.length));
  }

  async start(place: Start, spec: ReplicaSpec): Promise<Instance> {
    const held = place.isNext ? nextName(place.name) : place.name;
    if (this.#containerName(place.name).length < 2) {
      const reason = `Docker takes no container name of one character, such as ${place.name}: choose a longer one, or set --container-prefix`;
      throw new BalancerError('bad-request', reason);
    }
    if (this.#starting.has(held)) {
      throw new BalancerError('name-held', `The replica ${place.name} is being started already`);
    }
    this.#starting.add(held);
    try {
      await this.#claim.ensureHeld();
      const found =
        place.mayAdopt && this.#claim.wasTakenOver ? await this.#currentOf(place.name) : undefined;
      return found ?? (await this.#startOnce(place, spec));
    } catch (error) {
      // the network may have been removed while no replica was on it
      const again = isBalancerError(error, 'start-failed') && (await this.#network.restore());
      if (!again) throw error;
      return await this.#startOnce(place, spec);
    } finally {
      this.#starting.delete(held);
      this.#starts++;
    }
  }

  endingOf(instanceId: string): Promise<Ending | undefined> {
    return this.#endings.findInTime(instanceId);
  }

  async retire(instanceId: string, role: RetiredRole): Promise<void> {
    const name = this.#names.get(instanceId) ?? (await this.#nameOf(instanceId));
    if (name === undefined) return;
    await this.#claim.ensureHeld();
    await this.#engine.rename(instanceId, this.#containerName(retiredName(name, role, instanceId)));
  }

  async promote(instanceId: string): Promise<void> {
    const name = this.#names.get(instanceId) ?? (await this.#nameOf(instanceId));
    if (name === undefined) return;
    await this.#claim.ensureHeld();
    await this.#engine.rename(instanceId, this.#containerName(name));
  }

  async remove(instanceId: string, graceMs: number): Promise<void> {
    await this.#claim.ensureHeld();
    // the removal that follows kills it, whatever became of the stop
    if (graceMs > 0) await this.#engine.stop(instanceId, graceMs).catch(() => {});
    await this.#engine.remove(instanceId);
    this.#endings.forget(instanceId);
  }

  async close(keep: boolean): Promise<void> {
    this.#events?.close();
    this.#events = undefined;
    this.#logs?.close();
    try {
      if (!keep && this.#claim.isHeld) await this.#network.close();
    } finally {
      await this.#claim.release();
    }
  }

  /** The instance that runs in the place; undefined where there is none. */
  async #currentOf(name: string): Promise<Instance | undefined> {
    const instances = toInstances(await this.#engine.containers(poolLabel(this.#options.pool)), this.#where);
    return instances.find((one) => one.name === name && one.role === 'current' && one.endpoint);
  }

  /** The container's name for a replica of this name. */
  #containerName(name: string): string {
    return `${this.#options.containerPrefix}${name}`;
  }

  async #warnOfShortGrace(): Promise<void> {
    // not worth failing the start for
    const self = await ownContainer(this.#engine).catch(() => undefined);
    const words = self && stopTimeoutWarning(self, this.#options);
    if (words !== undefined) this.#options.log.warn({}, words);
  }

  /** How replicas are reached, unless their labels say otherwise. */
  get #where(): Pick<ContainerSettings, 'network' | 'port'> {
    return { network: this.#network.name, port: this.#options.spec.port };
  }

  #settingsFor(spec: ReplicaSpec, image: PinnedImage): ContainerSettings {
    const { pool } = this.#options;
    return { ...image, user: spec.user || image.user, port: spec.port, network: this.#network.name, pool };
  }

  async #startOnce(place: Start, spec: ReplicaSpec): Promise<Instance> {
    const image = await this.#images.of(spec.image);
    const settings = this.#settingsFor(spec, image);
    const instanceId = await this.#create(place, spec, settings);
    try {
      if (place.predecessor !== undefined) await this.#endings.untilCleanedUp(place.predecessor);
      await this.#engine.start(instanceId);
      this.#logs?.follow(instanceId, place.name);
      const container = await this.#engine.container(instanceId);
      const endpoint = container?.State.Running ? endpointOf(container, settings) : undefined;
      if (!endpoint) throw await this.#endings.endedAtOnce(place, container);
      this.#names.set(instanceId, place.name);
      const { name, id, generation } = place;
      const role = place.isNext ? 'next' : 'current';
      const now = { status: 'running', endpoint, role, ending: undefined } as const;
      const runs = { image: shortDigest(image.title), spec: specHash(spec) };
      const deployed = generation === undefined ? {} : { generation };
      return { name, id, instanceId, ...now, ...runs, ...deployed };
    } catch (error) {
      await this.#engine.remove(instanceId).catch((reason) => {
        this.#options.log.warn(
          { replica: place.name, cause: String(reason) },
          'failed to remove the container of a failed start',
        );
      });
      throw error;
    }
  }

  async #create(place: Start, spec: ReplicaSpec, settings: ContainerSettings): Promise<string> {
    await checkVolumes(this.#engine, specForPlace(spec, place, settings.port));
    const body = containerBody(place, spec, settings);
    const name = this.#containerName(place.isNext ? nextName(place.name) : place.name);
    try {
      return await this.#engine.create(name, body);
    } catch (error) {
      if (isBalancerError(error, 'image-missing')) throw imageGone(settings, error);
      if (!isBalancerError(error, 'name-held')) throw error;
      const holder = await this.#engine.container(name);
      throw holder ? nameHeldBy(holder, name, { pool: this.#options.pool, cause: error }) : error;
    }
  }

  async #nameOf(instanceId: string): Promise<string | undefined> {
    const container = await this.#engine.container(instanceId);
    return container && replicaNameOf(container.Config.Labels);
  }

  /** Caches names of listed containers and endings of dead ones, and drops the rest. */
  #remember(instances: readonly Instance[]): void {
    this.#names.clear();
    for (const { instanceId, name } of instances) this.#names.set(instanceId, name);
    this.#endings.retain(instances);
  }
}
