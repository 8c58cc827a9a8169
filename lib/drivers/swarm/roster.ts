/**
 * Which task stands in each replica's place, and what has become of it.
 * Swarm starts another task when one ends, but to the fleet the one that ended is dead until something is put in its
 * place, so a new task is not shown before it was asked for.
 * Invariants: a task is in the place of one service; identity is the task's id, never its address, which Swarm gives to
 * others again, and at which a task of a node that was cut off still responds for seconds after the node has come back.
 */
import type { Ending } from '../../core/ending.ts';
import type { Hint, Instance } from '../driver.ts';
import {
  endingOfTask,
  endpointOf,
  isOver,
  isUp,
  newestFirst,
  type Place,
  placeOf,
  runningInstance,
  type ServiceJson,
  type TaskJson,
} from './mapper.ts';

/** What a Swarm shows of a pool at one time. */
export interface Observed {
  readonly services: readonly ServiceJson[];
  readonly tasks: readonly TaskJson[];
  /** Addresses of nodes by id. */
  readonly nodes: ReadonlyMap<string, string>;
  /** Version of the roster before the services were asked for. */
  readonly version?: number;
}

export class Roster {
  /** The overlay that replicas are reached on; undefined where they publish ports on their nodes. */
  readonly #network: () => string | undefined;
  /** The task in the place of each service. */
  readonly #inPlace = new Map<string, string>();
  /** The version that each service was first given a task in. */
  readonly #knownAt = new Map<string, number>();
  #version = 0;
  /** Services of tasks that were in a place and never ran while they were, or that a removal was claimed with. */
  readonly #formerly = new Map<string, string>();
  /** Names whose start has not resolved: what runs in a new service of theirs is not an instance yet. */
  readonly #starting = new Set<string>();
  /** Tasks of whose end `hints` has told. */
  readonly #told = new Set<string>();
  /** Every instance in a place, as it was while it ran. */
  readonly #running = new Map<string, Instance>();
  readonly #endings = new Map<string, Ending>();
  /** Services whose dead task was retired as replaced. */
  readonly #toFollow = new Set<string>();
  /** Dead instances that another has replaced, until they are removed. */
  readonly #replaced = new Map<string, Instance>();
  /** What `changed` was last told of: services and their roles. */
  #shape = '';

  constructor(network: () => string | undefined) {
    this.#network = network;
  }

  /** Rises with each service that becomes known: a look of an older version may not show it. */
  get version(): number {
    return this.#version;
  }

  /** Every instance; the newest running task of a service that was not known is the one in its place. */
  instances(observed: Observed): readonly Instance[] {
    const found: Instance[] = [];
    for (const service of observed.services) {
      const place = placeOf(service);
      if (place === undefined || this.#isHidden(service)) continue;
      const tasks = tasksOf(service, observed);
      const up = tasks.find((task) => isUp(task) && this.#endpoint(task, service, observed));
      const known = this.#inPlace.get(service.ID);
      const hasRun = known !== undefined && this.#running.has(known);
      // a service that was listed before it had a task, or whose first one ended early
      const taskId = (hasRun ? known : (up?.ID ?? known)) ?? tasks[0]?.ID ?? service.ID;
      if (known !== undefined && known !== taskId) this.#formerly.set(known, service.ID);
      this.#put(service.ID, taskId);
      found.push(this.#instance(service, { taskId, place, observed }));
    }
    this.#forgetOthers(observed);
    return [...found, ...this.#replaced.values()];
  }

  /** What has changed since the last call. */
  hints(observed: Observed): readonly Hint[] {
    const hints: Hint[] = [];
    const services = new Set(observed.services.map(({ ID: id }) => id));
    for (const [serviceId, taskId] of this.#inPlace) {
      // a service that is gone was removed with its replica, which is no death
      if (!services.has(serviceId)) continue;
      const task = observed.tasks.find(({ ID: id }) => id === taskId);
      if (!this.#running.has(taskId) || this.#told.has(taskId) || (task && isUp(task))) continue;
      const ending = this.#endings.get(taskId) ?? endingOfTask(task);
      this.#endings.set(taskId, ending);
      this.#told.add(taskId);
      hints.push({ kind: 'died', instanceId: taskId, ending });
    }
    const up = observed.tasks.filter(isUp);
    const shape = observed.services.map(({ ID: id, Spec: spec }) => {
      const inPlace = this.#inPlace.get(id) ?? '';
      // until one has run, any that runs is put in the place
      const hasRun = this.#running.has(inPlace);
      const isServing = up.some((task) => (hasRun ? task.ID === inPlace : task.ServiceID === id));
      return `${id} ${isServing} ${JSON.stringify(spec.Labels)}`;
    });
    if (shape.sort().join('\n') !== this.#shape) hints.push({ kind: 'changed', cause: 'services' });
    this.#shape = shape.join('\n');
    return hints;
  }

  /** True while something is about to change: a place without a running task, or an update under way. */
  isInTransition({ services, tasks }: Observed): boolean {
    return services.some((service) => {
      const newest = newestFirst(tasks.filter((task) => task.ServiceID === service.ID && !isOver(task)))[0];
      return newest === undefined || !isUp(newest) || newest.ID !== this.#inPlace.get(service.ID);
    });
  }

  /** True where no start of the name was under way. */
  begin(name: string): boolean {
    const isFree = !this.#starting.has(name);
    this.#starting.add(name);
    return isFree;
  }

  end(name: string): void {
    this.#starting.delete(name);
  }

  get isStarting(): boolean {
    return this.#starting.size > 0;
  }

  /** The newest task of the service that runs and can be reached, and is not `hung`; undefined while there is none. */
  findRunning(service: ServiceJson, observed: Observed, hung?: string): Instance | undefined {
    const place = placeOf(service);
    if (place === undefined) return undefined;
    for (const task of tasksOf(service, observed)) {
      const endpoint = isUp(task) && task.ID !== hung ? this.#endpoint(task, service, observed) : undefined;
      if (endpoint === undefined) continue;
      return runningInstance(task, { endpoint, place, image: service.Spec.TaskTemplate.ContainerSpec.Image });
    }
    return undefined;
  }

  /** Puts the instance in the place; the one before is kept as `replaced` where `keepsOld`, until it is removed. */
  place(serviceId: string, instance: Instance, keepsOld: boolean): void {
    const before = this.#inPlace.get(serviceId);
    const old = before === undefined ? undefined : this.#running.get(before);
    if (keepsOld && before !== undefined && old !== undefined && before !== instance.instanceId)
      this.#replaced.set(before, { ...this.#dead(old), role: 'replaced' });
    this.#toFollow.delete(serviceId);
    this.#endings.delete(instance.instanceId);
    this.#put(serviceId, instance.instanceId);
    this.#running.set(instance.instanceId, instance);
  }

  /** The dead task in the place is to be followed by another. */
  markReplaced(serviceId: string): void {
    this.#toFollow.add(serviceId);
  }

  /** True for a service whose dead task was marked so, and has not been followed. */
  isToFollow(serviceId: string): boolean {
    return this.#toFollow.has(serviceId);
  }

  /** The task in the place of the service, which is about to be removed; its own id where no task is known. */
  claim(serviceId: string): string {
    const taskId = this.#inPlace.get(serviceId) ?? serviceId;
    this.#put(serviceId, taskId);
    // another task may be put in the place before the service is removed
    this.#formerly.set(taskId, serviceId);
    return taskId;
  }

  /** The task in the place of the service; undefined for one that is not known. */
  taskIn(serviceId: string): string | undefined {
    return this.#inPlace.get(serviceId);
  }

  /** The service in whose place the task is; undefined for one that is not known, or was replaced. */
  serviceOf(taskId: string): string | undefined {
    for (const [serviceId, inPlace] of this.#inPlace) if (inPlace === taskId) return serviceId;
    return this.#formerly.get(taskId);
  }

  /** The replica of a task that has run in its place; undefined for any other. */
  nameOf(taskId: string): string | undefined {
    return this.#running.get(taskId)?.name;
  }

  /** True for a task that ran when it was seen last. */
  isRunning(taskId: string): boolean {
    return this.#running.has(taskId) && !this.#endings.has(taskId);
  }

  /** True for a task that has ended. */
  isDead(taskId: string): boolean {
    return this.#endings.has(taskId);
  }

  /** How it ended; undefined for one that runs or was removed. */
  endingOf(taskId: string): Ending | undefined {
    return this.#endings.get(taskId);
  }

  /** Nothing is known of it any more; false where it was in a place. */
  forgetReplaced(taskId: string): boolean {
    const isReplaced = this.#replaced.delete(taskId);
    if (isReplaced) this.#endings.delete(taskId);
    return isReplaced;
  }

  forgetService(serviceId: string): void {
    const taskId = this.#inPlace.get(serviceId);
    this.#inPlace.delete(serviceId);
    this.#knownAt.delete(serviceId);
    this.#toFollow.delete(serviceId);
    for (const [former, of] of this.#formerly) if (of === serviceId) this.#formerly.delete(former);
    if (taskId === undefined) return;
    this.#running.delete(taskId);
    this.#endings.delete(taskId);
    this.#told.delete(taskId);
  }

  #isHidden(service: ServiceJson): boolean {
    return !this.#inPlace.has(service.ID) && this.#starting.has(placeOf(service)?.name ?? '');
  }

  #instance(
    service: ServiceJson,
    {
      taskId,
      place,
      observed,
    }: { readonly taskId: string; readonly place: Place; readonly observed: Observed },
  ): Instance {
    const task = observed.tasks.find(({ ID: id }) => id === taskId);
    const endpoint = task && isUp(task) ? this.#endpoint(task, service, observed) : undefined;
    const image = service.Spec.TaskTemplate.ContainerSpec.Image;
    if (task !== undefined && endpoint !== undefined && !this.#endings.has(taskId)) {
      const instance = runningInstance(task, { endpoint, place, image });
      this.#running.set(taskId, instance);
      return instance;
    }
    // one that is still starting is not shown as running, but has not ended either
    if (!this.#endings.has(taskId) && (task === undefined || isOver(task)))
      this.#endings.set(taskId, endingOfTask(task));
    const ran = this.#running.get(taskId);
    const isStarting = ran === undefined && !this.#endings.has(taskId);
    const before = ran ?? { instanceId: taskId, image, ...(isStarting && { isStarting }) };
    const role = this.#toFollow.has(service.ID) ? 'replaced' : place.role;
    return this.#dead({ ...before, ...place, role } as Instance);
  }

  #dead(instance: Instance): Instance {
    const ending = this.#endings.get(instance.instanceId) ?? endingOfTask(undefined);
    return { ...instance, status: 'dead', endpoint: undefined, ending };
  }

  #endpoint(task: TaskJson, service: ServiceJson, { nodes }: Observed) {
    return endpointOf(task, service, { network: this.#network(), nodes });
  }

  #put(serviceId: string, taskId: string): void {
    if (!this.#inPlace.has(serviceId)) this.#knownAt.set(serviceId, ++this.#version);
    this.#inPlace.set(serviceId, taskId);
  }

  /** Forgets services that are gone; a slow look does not show those that were created while it was under way. */
  #forgetOthers({ services, version = this.#version }: Observed): void {
    const ids = new Set(services.map(({ ID: id }) => id));
    for (const serviceId of this.#inPlace.keys()) {
      const isShown = ids.has(serviceId) || this.#knownAt.get(serviceId)! > version;
      if (!isShown) this.forgetService(serviceId);
    }
  }
}

/** Past ones among them, the newest first. */
function tasksOf(service: ServiceJson, { tasks }: Observed): readonly TaskJson[] {
  return newestFirst(tasks.filter((task) => task.ServiceID === service.ID));
}
