/**
 * The calls that the swarm driver makes, one method each. A call whose aim is met already succeeds.
 * Source: Docker Engine API 1.41, services, tasks, nodes and networks.
 */
import { type Clock, sleep } from '../../platform/clock.ts';
import { BalancerError, isBalancerError } from '../../platform/errors.ts';
import type { ImageJson } from '../docker/mapper.ts';
import { isElection, type Managers } from './managers.ts';
import type { ConfigJson, NodeJson, OverlayJson, ServiceJson, ServiceSpec, TaskJson } from './mapper.ts';

/** A version moves by itself while an update runs, so one that was read may be old when it is used. */
const UPDATE_TRIES = 5;
/** Longer than an election takes. */
const ELECTION_MS = 30_000;
/** Between two attempts while there is one. */
const LOOK_MS = 250;
const OUT_OF_SEQUENCE = /update out of sequence/;

const startFailed = () => 'start-failed' as const;

export class SwarmEngine {
  readonly #managers: Pick<Managers, 'call'>;

  constructor(managers: Pick<Managers, 'call'>) {
    this.#managers = managers;
  }

  /** Throws `engine-unreachable` where the engine is no manager of a Swarm. */
  async checkManager(): Promise<void> {
    try {
      await this.#get('/swarm', 'inspect its Swarm');
    } catch (error) {
      if (!isBalancerError(error) || !/not a swarm manager/.test(error.message)) throw error;
      const reason =
        'The engine is no manager of a Swarm: give --engines the socket or address of a manager, or run "docker swarm init"';
      throw new BalancerError('engine-unreachable', reason, { cause: error });
    }
  }

  /**
   * Does it once a manager responds. Managers that elect a leader are silent for some ten seconds, or say that they have
   * none, which is no reason not to start. Throws what the last attempt did.
   */
  async onceLed<T>(clock: Clock, operation: () => Promise<T>): Promise<T> {
    const sinceMs = clock.nowMs();
    // the clock's timers are unreferenced, and no server keeps the process alive yet
    const awake = setInterval(() => {}, ELECTION_MS);
    try {
      for (;;) {
        try {
          return await operation();
        } catch (error) {
          if (!isElection(error) || clock.nowMs() - sinceMs > ELECTION_MS) throw error;
        }
        await sleep(clock, LOOK_MS);
      }
    } finally {
      clearInterval(awake);
    }
  }

  /** Undefined where the manager has no such image; another node may. */
  image(reference: string): Promise<ImageJson | undefined> {
    return this.#get(`/images/${reference}/json`, 'inspect the image', [404]) as Promise<
      ImageJson | undefined
    >;
  }

  async servicesWith(label: string): Promise<readonly ServiceJson[]> {
    const reply = await this.#get('/services', 'list its services', [], { label: [label] });
    return reply as readonly ServiceJson[];
  }

  /** All services there are, ours or not. */
  async services(): Promise<readonly ServiceJson[]> {
    return (await this.#get('/services', 'list its services')) as readonly ServiceJson[];
  }

  /** By id or name; undefined when there is none. */
  service(idOrName: string): Promise<ServiceJson | undefined> {
    return this.#get(`/services/${idOrName}`, 'inspect the service', [404]) as Promise<
      ServiceJson | undefined
    >;
  }

  /** Tasks of the services with the label, past ones among them. */
  async tasksWith(label: string): Promise<readonly TaskJson[]> {
    return (await this.#get('/tasks', 'list its tasks', [], { label: [label] })) as readonly TaskJson[];
  }

  async tasksOf(service: string): Promise<readonly TaskJson[]> {
    return (await this.#get('/tasks', 'list its tasks', [], { service: [service] })) as readonly TaskJson[];
  }

  /** Those of these tasks that there are; one of a removed service stays until its container has ended. */
  async tasksNamed(ids: readonly string[]): Promise<readonly TaskJson[]> {
    return (await this.#get('/tasks', 'list its tasks', [], { id: ids })) as readonly TaskJson[];
  }

  async nodes(): Promise<readonly NodeJson[]> {
    return (await this.#get('/nodes', 'list its nodes')) as readonly NodeJson[];
  }

  /** The id of the new service. Throws `name-held`, `start-failed`. */
  async create(spec: ServiceSpec): Promise<string> {
    const reply = await this.#managers.call({
      method: 'POST',
      path: '/services/create',
      what: `create the service ${spec.Name}`,
      body: spec,
      refused: (status) => (status === 409 ? 'name-held' : 'start-failed'),
    });
    return (reply as { ID: string }).ID;
  }

  /**
   * Changes the service as `change` says, which is asked again about the newest spec where another update came first,
   * and gives undefined for no change. False where there is no such service. Throws `start-failed`.
   */
  async update(id: string, change: (spec: ServiceSpec) => ServiceSpec | undefined): Promise<boolean> {
    for (let tried = 1; ; tried++) {
      const service = await this.service(id);
      if (service === undefined) return false;
      const body = change(service.Spec);
      if (body === undefined) return true;
      try {
        const reply = await this.#managers.call({
          method: 'POST',
          path: `/services/${id}/update`,
          what: `update the service ${service.Spec.Name}`,
          query: { version: service.Version.Index },
          body,
          accept: [404],
          refused: startFailed,
        });
        return reply !== undefined;
      } catch (error) {
        const isLate = isBalancerError(error, 'start-failed') && OUT_OF_SEQUENCE.test(error.message);
        if (!isLate || tried === UPDATE_TRIES) throw error;
      }
    }
  }

  async remove(id: string): Promise<void> {
    const what = 'remove the service';
    await this.#managers.call({ method: 'DELETE', path: `/services/${id}`, what, accept: [404] });
  }

  async configsWith(label: string): Promise<readonly ConfigJson[]> {
    return (await this.#get('/configs', 'list its configs', [], { label: [label] })) as readonly ConfigJson[];
  }

  /** Makes a config without content; one of that name that is there already is fine. */
  async createConfig(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const body = { Name: name, Labels: labels, Data: Buffer.from('ringlb').toString('base64') };
    const what = `create the config ${name}`;
    await this.#managers.call({ method: 'POST', path: '/configs/create', what, body, accept: [409] });
  }

  /** Gives the config these labels; false where there is none of that name. */
  async updateConfig(name: string, labels: Readonly<Record<string, string>>): Promise<boolean> {
    const found = (await this.#get(`/configs/${name}`, 'inspect the config', [404])) as
      | ConfigJson
      | undefined;
    if (found === undefined) return false;
    await this.#managers.call({
      method: 'POST',
      path: `/configs/${found.ID}/update`,
      what: `update the config ${name}`,
      query: { version: found.Version.Index },
      body: { ...found.Spec, Labels: labels },
    });
    return true;
  }

  async removeConfig(id: string): Promise<void> {
    const what = 'remove the config';
    await this.#managers.call({ method: 'DELETE', path: `/configs/${id}`, what, accept: [404] });
  }

  /** Undefined when there is no such network. */
  network(name: string): Promise<OverlayJson | undefined> {
    return this.#get(`/networks/${name}`, 'inspect the network', [404]) as Promise<OverlayJson | undefined>;
  }

  /** Makes an overlay that containers may join; one of that name that came first is fine. */
  async createOverlay(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const body = { Name: name, Driver: 'overlay', Attachable: true, CheckDuplicate: true, Labels: labels };
    await this.#managers.call({
      method: 'POST',
      path: '/networks/create',
      what: `create the network ${name}`,
      body,
      accept: [409],
      refused: startFailed,
    });
  }

  /** A network in use stays. */
  async removeNetwork(name: string): Promise<void> {
    const what = `remove the network ${name}`;
    await this.#managers.call({
      method: 'DELETE',
      path: `/networks/${name}`,
      what,
      accept: [400, 403, 404, 409],
    });
  }

  #get(
    path: string,
    what: string,
    accept: readonly number[] = [],
    filters?: Readonly<Record<string, readonly string[]>>,
  ): Promise<unknown> {
    const query = filters === undefined ? {} : { filters: JSON.stringify(filters) };
    return this.#managers.call({ method: 'GET', path, what, accept, query });
  }
}
