/**
 * The engine calls that the docker driver makes, one method each. A call whose aim is already met (stopping what is
 * stopped, removing what is gone) succeeds.
 * Source: Docker Engine API 1.41 and later; the engine picks its own version.
 */
import type { Readable } from 'node:stream';
import { BalancerError, messageOf } from '../../platform/errors.ts';
import type { Call, DockerApi } from './api.ts';
import type { ContainerBody } from './container-body.ts';
import {
  type ContainerJson,
  type ContainerSummary,
  type ImageJson,
  type NetworkJson,
  NO_OUTPUT,
  type Output,
  outputOfFrames,
  type VolumeJson,
} from './mapper.ts';

const SHORT_MS = 10_000;
/** Creating and starting wait for disk and kernel, which can be slow on a loaded machine. */
const START_MS = 60_000;
const REMOVE_MS = 30_000;
/** Enough log for a long crash report, with a short timeout: it only informs people. */
const LOG_LINES = 100;
const LOG_MS = 1000;
/** The engine's error for a removal that it abandoned with the container still there. */
const GIVEN_UP = /unable to remove filesystem/i;

const startFailed = () => 'start-failed' as const;

/** The result of waiting for a removal; an error means that the container is still there. */
interface RemovalJson {
  readonly Error?: { readonly Message?: string } | null;
}

interface TwinJson {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
}

export class DockerEngine {
  readonly #api: DockerApi;

  constructor(api: DockerApi) {
    this.#api = api;
  }

  async ping(): Promise<void> {
    await this.#get('/_ping', 'respond to a ping');
  }

  /** Undefined when the engine has no such image. */
  image(reference: string): Promise<ImageJson | undefined> {
    return this.#find(`/images/${reference}/json`, 'inspect the image');
  }

  /** Every container, whatever its state; with a label only those that carry it. */
  async containers(label?: string): Promise<readonly ContainerSummary[]> {
    const filters = label === undefined ? {} : { filters: JSON.stringify({ label: [label] }) };
    const query = { all: true, ...filters };
    const reply = await this.#get('/containers/json', 'list its containers', { query });
    return reply as readonly ContainerSummary[];
  }

  /** By id or name; undefined when there is none. */
  container(idOrName: string): Promise<ContainerJson | undefined> {
    return this.#find(`/containers/${idOrName}/json`, 'inspect the container');
  }

  /**
   * The id of the new container; the engine chooses the name where it is ''. Throws `name-held`, `image-missing`,
   * `start-failed`.
   */
  async create(name: string, body: ContainerBody): Promise<string> {
    const reply = await this.#post('/containers/create', `create the container ${name}`.trimEnd(), {
      query: name === '' ? {} : { name },
      body,
      timeoutMs: START_MS,
      refused: (status, words) => {
        if (status === 409) return 'name-held';
        return status === 404 && /no such image/i.test(words) ? 'image-missing' : 'start-failed';
      },
    });
    return (reply as { Id: string }).Id;
  }

  async start(id: string): Promise<void> {
    const more = { accept: [304], timeoutMs: START_MS, refused: startFailed };
    await this.#post(`/containers/${id}/start`, 'start the container', more);
  }

  /** Renames the container, which frees its old name; false where it is gone, or was so named already. */
  async rename(id: string, name: string): Promise<boolean> {
    const more = { query: { name }, accept: [404] };
    try {
      return (
        (await this.#post(`/containers/${id}/rename`, `rename the container to ${name}`, more)) !== undefined
      );
    } catch (error) {
      const found = await this.container(id);
      if (found && found.Name !== `/${name}`) throw error;
      return false;
    }
  }

  /** Sends the image's stop signal, and kills after `graceMs`, rounded up to seconds. */
  async stop(id: string, graceMs: number): Promise<void> {
    const more = {
      query: { t: Math.ceil(graceMs / 1000) },
      accept: [304, 404],
      timeoutMs: graceMs + REMOVE_MS,
    };
    await this.#post(`/containers/${id}/stop`, 'stop the container', more);
  }

  /**
   * Kills and removes it with its anonymous volumes, and resolves once it is gone. A removal that the engine abandons
   * halfway is retried: it can race with the engine's own last write of the container's state (moby issue 52161).
   */
  async remove(id: string): Promise<void> {
    try {
      await this.#removeOnce(id);
    } catch (error) {
      if (!GIVEN_UP.test(messageOf(error))) throw error;
      await this.#removeOnce(id);
    }
  }

  async #removeOnce(id: string): Promise<void> {
    const more = { timeoutMs: REMOVE_MS, what: 'remove the container' };
    const query = { force: true, v: true };
    const path = `/containers/${id}`;
    const done = await this.#api.call({ ...more, method: 'DELETE', path, query, accept: [404, 409] });
    if (done !== undefined) return;
    // already gone, or a removal requested by someone else is in progress
    const wait = { query: { condition: 'removed' }, accept: [404] };
    const end = await this.#api.call({ ...more, ...wait, method: 'POST', path: `${path}/wait` });
    const words = (end as RemovalJson | undefined)?.Error?.Message;
    if (words) {
      throw new BalancerError('engine-unreachable', `The Docker engine did not ${more.what}: ${words}`);
    }
  }

  /** The last lines of its log; empty where the logging driver keeps none. */
  async lastOutput(id: string): Promise<Output> {
    const query = { stderr: true, stdout: true, tail: LOG_LINES };
    return this.#get(`/containers/${id}/logs`, 'read logs', { query, timeoutMs: LOG_MS }).then(
      (reply) => (Buffer.isBuffer(reply) ? outputOfFrames(reply) : NO_OUTPUT),
      () => NO_OUTPUT,
    );
  }

  /** Undefined when the engine has no such network. */
  network(name: string): Promise<NetworkJson | undefined> {
    return this.#find(`/networks/${name}`, 'inspect the network');
  }

  /** Creates a bridge network; one of that name that exists already is fine. */
  async createNetwork(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const body = { Name: name, Driver: 'bridge', CheckDuplicate: true, Labels: labels };
    const more = { body, accept: [409], refused: startFailed };
    await this.#post('/networks/create', `create the network ${name}`, more);
    await this.#removeTwins(name);
  }

  /** The engine makes two networks of one name where two ask at once, and finds neither by name then: the older stays. */
  async #removeTwins(name: string): Promise<void> {
    const query = { filters: JSON.stringify({ name: [name] }) };
    const found = (await this.#get('/networks', 'list its networks', { query })) as readonly TwinJson[];
    const twins = found.filter((one) => one.Name === name);
    const ageOf = ({ Created: created, Id: id }: TwinJson): string => `${created} ${id}`;
    const [, ...younger] = twins.sort((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
    const more = { accept: [403, 404], what: `remove a second network ${name}`, timeoutMs: SHORT_MS };
    for (const { Id: id } of younger)
      await this.#api.call({ ...more, method: 'DELETE', path: `/networks/${id}` });
  }

  /** Creates a volume; one of that name that exists already stays as it is, with its own labels. */
  async createVolume(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const body = { Name: name, Driver: 'local', Labels: labels };
    await this.#post('/volumes/create', `create the volume ${name}`, { body, accept: [409] });
  }

  /** Every volume with the label. Only the engine's own volume driver is asked, since plugins may hang. */
  async volumesWith(label: string): Promise<readonly VolumeJson[]> {
    const query = { filters: JSON.stringify({ driver: ['local'], label: [label] }) };
    const reply = await this.#get('/volumes', 'list its volumes', { query });
    return (reply as { readonly Volumes: readonly VolumeJson[] | null }).Volumes ?? [];
  }

  async hasVolume(name: string): Promise<boolean> {
    return (await this.#find(`/volumes/${name}`, 'inspect the volume')) !== undefined;
  }

  async removeVolume(name: string): Promise<void> {
    const more = { accept: [404], timeoutMs: SHORT_MS, what: `remove the volume ${name}` };
    await this.#api.call({ ...more, method: 'DELETE', path: `/volumes/${name}` });
  }

  async connect(network: string, container: string): Promise<void> {
    const more = { body: { Container: container }, refused: startFailed };
    await this.#post(`/networks/${network}/connect`, `connect the balancer to the network ${network}`, more);
  }

  /** Not being connected is fine. */
  async disconnect(network: string, container: string): Promise<void> {
    const more = { body: { Container: container }, accept: [403, 404, 500] };
    await this.#post(`/networks/${network}/disconnect`, `leave the network ${network}`, more);
  }

  /** Removes the network unless something is attached to it; returns the network if it is still there. */
  async removeNetwork(name: string): Promise<NetworkJson | undefined> {
    const more = { accept: [403, 404], timeoutMs: SHORT_MS, what: `remove the network ${name}` };
    const done = await this.#api.call({ ...more, method: 'DELETE', path: `/networks/${name}` });
    return done === undefined ? this.network(name) : undefined;
  }

  /** The engine's events from now on, one JSON object per line; destroy the stream to unsubscribe. */
  async events(filters: Readonly<Record<string, readonly string[]>>): Promise<Readable> {
    const query = { filters: JSON.stringify(filters) };
    return (await this.#get('/events', 'tell its events', { query, isStream: true })) as Readable;
  }

  #find<T>(path: string, what: string): Promise<T | undefined> {
    return this.#get(path, what, { accept: [404] }) as Promise<T | undefined>;
  }

  #get(path: string, what: string, more: Partial<Call> = {}): Promise<unknown> {
    return this.#api.call({ timeoutMs: SHORT_MS, ...more, method: 'GET', path, what });
  }

  #post(path: string, what: string, more: Partial<Call>): Promise<unknown> {
    return this.#api.call({ timeoutMs: SHORT_MS, ...more, method: 'POST', path, what });
  }
}
