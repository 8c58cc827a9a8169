/**
 * The swarm driver: a replica is a service with one task, which Swarm puts on some node; an instance is a task.
 * Invariants: only services with the pool's label are listed or touched; the labels of services are all that is known,
 * so any number of balancers may act on one pool: a name is created by one of them, and an update out of sequence is
 * decided anew.
 */
import type { Ending } from '../../core/ending.ts';
import type { ReplicaSpec } from '../../core/replica-spec.ts';
import { type Clock, sleep, systemClock } from '../../platform/clock.ts';
import { BalancerError, isBalancerError, messageOf } from '../../platform/errors.ts';
import type { Driver, Hint, Instance, RetiredRole, Start } from '../driver.ts';
import { CrashLoops } from './crash-loops.ts';
import { CALL_LIMIT_MS, Managers } from './managers.ts';
import {
  addressesOf,
  forced,
  isRemoved,
  isServiceName,
  LABEL,
  placeOf,
  type ServiceJson,
  slowedDown,
} from './mapper.ts';
import { SwarmNetwork } from './network.ts';
import { NewServices } from './new-services.ts';
import type { SwarmDriverOptions } from './options.ts';
import { Poller } from './poller.ts';
import { type Observed, Roster } from './roster.ts';
import { removedElsewhere, ServiceRoles } from './service-roles.ts';
import { startFailure } from './start-failure.ts';
import { SwarmEngine } from './swarm-engine.ts';

/** Between two looks for a task that is to come. */
const LOOK_MS = 250;
/** Until a new service has a task that runs; pulling its image is part of that. */
const START_MS = 60_000;
/** How long Swarm may take for the task after one that ended by itself, before it is made to start one. */
const OWN_HEAL_MS = 5000;
/** Until a forced task runs. */
const FORCED_MS = 30_000;

export function createSwarmDriver(options: SwarmDriverOptions): Driver {
  return new SwarmDriver(options);
}

class SwarmDriver implements Driver {
  readonly kind = 'swarm';
  readonly ownsInstances = true;
  readonly heals = true;
  readonly isShared = true;
  readonly outlivesBalancer = true;
  readonly #options: SwarmDriverOptions;
  readonly #clock: Clock;
  readonly #engine: SwarmEngine;
  readonly #roster = new Roster(() => this.#network.name);
  readonly #crashLoops = new CrashLoops();
  readonly #network: SwarmNetwork;
  readonly #newServices: NewServices;
  readonly #roles: ServiceRoles;
  #nodes: ReadonlyMap<string, string> = new Map();
  #poller: Poller | undefined;

  constructor(options: SwarmDriverOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { engines, callLimitMs = CALL_LIMIT_MS } = options;
    const managers = options.managers ?? new Managers({ engines, clock: this.#clock, callLimitMs });
    this.#engine = new SwarmEngine(managers);
    this.#roles = new ServiceRoles({
      engine: this.#engine,
      roster: this.#roster,
      pool: options.pool,
      clock: this.#clock,
      log: options.log,
    });
    this.#network = new SwarmNetwork({ ...options, engine: this.#engine, clock: this.#clock });
    this.#newServices = new NewServices({
      options,
      engine: this.#engine,
      network: () => this.#network.name,
    });
  }

  async open(): Promise<void> {
    await this.#engine.onceLed(this.#clock, () => this.#engine.checkManager());
    await this.#network.open();
  }

  watch(onHint: (hint: Hint) => void): void {
    this.#poller?.close();
    this.#poller = new Poller({ clock: this.#clock, onHint, look: () => this.#poll() });
  }

  async list(): Promise<readonly Instance[]> {
    return this.#roster.instances(await this.#observe());
  }

  async heldNames(): Promise<readonly string[]> {
    const services = await this.#engine.services();
    const isStrange = ({ Spec: { Labels: labels } }: ServiceJson) =>
      labels[LABEL.pool] !== this.#options.pool;
    return services.filter(isStrange).map(({ Spec: { Name: name } }) => name);
  }

  async start(place: Start, spec: ReplicaSpec): Promise<Instance> {
    if (!isServiceName(place.name)) {
      const reason = `Swarm takes no service name such as ${place.name}: use letters, digits, - and _, and no dots`;
      throw new BalancerError('bad-request', reason);
    }
    if (!this.#roster.begin(place.name))
      throw new BalancerError('name-held', `The replica ${place.name} is being started already`);
    try {
      return (await this.#takeOver(place)) ?? (await this.#create(place, spec));
    } catch (error) {
      // another balancer may have been first
      const adopted = isBalancerError(error, 'name-held') && place.mayAdopt && (await this.#takeOver(place));
      if (adopted) return adopted;
      throw error;
    } finally {
      this.#roster.end(place.name);
      this.#roles.endHealing(place.name);
    }
  }

  /** A running task of the service that has the replica's name; undefined where there is no such service. */
  async #takeOver(place: Start): Promise<Instance | undefined> {
    const service = await this.#roles.current(place.name);
    if (service === undefined) return undefined;
    const taskId = this.#roster.taskIn(service.ID);
    // what another balancer has just added may be listed already, and is not ours to take
    if (!place.mayAdopt && !this.#roster.isToFollow(service.ID)) {
      const reason = `Another balancer has started ${place.name}: choose another name`;
      throw new BalancerError('name-held', reason);
    }
    try {
      return await this.#heal(service, { taskId, avoidNode: undefined, keepsOld: true });
    } catch (error) {
      // it went with the task before, which had drained sooner than its end was noticed: another service is put in the place
      if (isBalancerError(error, 'not-found') && this.#roles.hasRemoved(service.ID)) return undefined;
      throw error;
    }
  }

  async replace(
    instance: Instance,
    { avoidNode }: { readonly avoidNode: string | undefined },
  ): Promise<Instance> {
    const { instanceId: taskId, name } = instance;
    const serviceId = this.#roster.serviceOf(taskId);
    const service = serviceId === undefined ? undefined : await this.#engine.service(serviceId);
    if (service === undefined || isRemoved(service.Spec)) throw removedElsewhere(name);
    if (!this.#roster.begin(name))
      throw new BalancerError('name-held', `The replica ${name} is being started already`);
    try {
      return await this.#heal(service, { taskId, avoidNode, keepsOld: false });
    } finally {
      this.#roster.end(name);
    }
  }

  async endingOf(instanceId: string): Promise<Ending | undefined> {
    return this.#roster.endingOf(instanceId);
  }

  claimRemoval(name: string): Promise<string | undefined> {
    return this.#roles.claim(name);
  }

  undoRemoval(instanceId: string): Promise<void> {
    return this.#roles.undoClaim(instanceId);
  }

  async retire(instanceId: string, role: RetiredRole): Promise<void> {
    const serviceId = this.#roster.serviceOf(instanceId);
    if (serviceId === undefined) return;
    if (role === 'replaced') {
      const name = this.#roster.nameOf(instanceId);
      if (name !== undefined) this.#roles.beginHealing(name, serviceId);
      // probes may notice that a task has ended before the poller does
      if (!this.#roster.isDead(instanceId)) await this.list();
      // what takes the place of a dead task is the next task of its service
      if (this.#roster.isDead(instanceId)) return this.#roster.markReplaced(serviceId);
    }
    await this.#roles.retire(instanceId, role);
  }

  async remove(instanceId: string, graceMs: number): Promise<void> {
    if (this.#roster.forgetReplaced(instanceId)) return;
    await this.#roles.remove(instanceId, graceMs);
  }

  async close(keep: boolean): Promise<void> {
    this.#poller?.close();
    this.#poller = undefined;
    this.#roles.close();
    if (!keep) await this.#network.close();
  }

  async #poll(): Promise<{ readonly hints: readonly Hint[]; readonly isInTransition: boolean }> {
    const observed = await this.#observe();
    const hints = this.#roster.hints(observed);
    for (const [service, delayMs] of this.#crashLoops.note(observed.tasks, this.#clock.nowMs()))
      void this.#slowDown(service, delayMs);
    return { hints, isInTransition: this.#roster.isStarting || this.#roster.isInTransition(observed) };
  }

  async #observe(): Promise<Observed> {
    const label = `${LABEL.pool}=${this.#options.pool}`;
    const { version } = this.#roster;
    // services first: a task whose service is not known yet is passed over, and one whose tasks are not looks dead
    const services = await this.#engine.servicesWith(label);
    const tasks = await this.#engine.tasksWith(label);
    const isNew = tasks.some(
      ({ NodeID: node }) => node !== undefined && node !== '' && !this.#nodes.has(node),
    );
    if (isNew && this.#network.name === undefined) this.#nodes = addressesOf(await this.#engine.nodes());
    return { services, tasks, nodes: this.#nodes, version };
  }

  async #create(place: Start, spec: ReplicaSpec): Promise<Instance> {
    const { name, mayAdopt = false } = place;
    if (mayAdopt) await this.#roles.mustStand(name);
    const serviceId = await this.#newServices.create(place, spec, this.#roles.healedServiceOf(name));
    try {
      if (mayAdopt) await this.#roles.mustStand(name);
      const instance = await this.#untilRunning(serviceId, { limitMs: START_MS, isNew: true });
      this.#roster.place(serviceId, instance, false);
      return instance;
    } catch (error) {
      // the next attempt takes it over
      const isToStay = mayAdopt && isBalancerError(error, 'engine-unreachable');
      if (!isToStay) await this.#roles.discard(serviceId);
      throw error;
    }
  }

  /** Another task in the place: Swarm's own where the one there ended, else one that is forced. */
  async #heal(
    service: ServiceJson,
    how: {
      readonly taskId: string | undefined;
      readonly avoidNode: string | undefined;
      readonly keepsOld: boolean;
    },
  ): Promise<Instance> {
    const { taskId, avoidNode, keepsOld } = how;
    const { ID: id } = service;
    const isHung = taskId !== undefined && this.#roster.isRunning(taskId);
    let instance: Instance | undefined;
    if (!isHung)
      instance = await this.#untilRunning(id, { limitMs: OWN_HEAL_MS }).catch((error: unknown) => {
        if (isBalancerError(error, 'engine-unreachable', 'not-found')) throw error;
        return undefined;
      });
    if (instance === undefined) {
      const { constraints } = this.#options;
      await this.#engine.update(id, (spec) => forced(spec, taskId ?? id, { constraints, avoidNode }));
      instance = await this.#untilRunning(id, { limitMs: FORCED_MS, hung: taskId });
    }
    this.#roster.place(id, instance, keepsOld);
    return instance;
  }

  /**
   * Looks until a task of the service runs that is not `hung`. Throws StartError when the limit has passed, or where
   * the service is new and its first task ended; `image-missing` and `start-failed` where no node can start it;
   * `not-found` where the replica was removed.
   */
  async #untilRunning(
    serviceId: string,
    {
      limitMs,
      hung,
      isNew = false,
    }: { readonly limitMs: number; readonly hung?: string | undefined; readonly isNew?: boolean },
  ): Promise<Instance> {
    const sinceMs = this.#clock.nowMs();
    for (;;) {
      const observed = await this.#observe();
      const service = observed.services.find(({ ID: id }) => id === serviceId);
      if (service === undefined)
        throw new BalancerError(isNew ? 'start-failed' : 'not-found', 'its service was removed');
      if (isRemoved(service.Spec)) throw removedElsewhere(placeOf(service)?.name ?? service.Spec.Name);
      const instance = this.#roster.findRunning(service, observed, hung);
      if (instance !== undefined) return instance;
      const waitedMs = this.#clock.nowMs() - sinceMs;
      const failure = startFailure(service, observed, { waitedMs, limitMs, isNew });
      if (failure !== undefined) throw failure;
      await sleep(this.#clock, LOOK_MS);
    }
  }

  async #slowDown(serviceId: string, delayMs: number): Promise<void> {
    const { log } = this.#options;
    log.warn(
      { service: serviceId, ms: delayMs },
      'its tasks end again and again; Swarm is to wait between them',
    );
    await this.#engine
      .update(serviceId, (spec) => slowedDown(spec, delayMs))
      .catch((error: unknown) =>
        log.warn(
          { service: serviceId, cause: messageOf(error) },
          'failed to set the delay between restarts of the service',
        ),
      );
  }
}
