/**
 * The calls that the docker driver makes, one method each. Must not hold: what a container of ours looks like, or
 * decisions. A call whose aim is already met (stop what is stopped, remove what is gone) succeeds.
 * Source: Docker Engine API 1.41 and later; the engine picks its own version.
 */
import type { Readable } from 'node:stream';
import { BalancerError, messageOf } from '../../platform/errors.ts';
import type { Call, DockerApi } from './api.ts';
import {
  type ContainerBody,
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
/** Creating and starting wait for the disk and the kernel, which a loaded machine may keep busy. */
const START_MS = 60_000;
const REMOVE_MS = 30_000;
/** As much of a log as a crash report of some length, and how long that may take: it is only for a person. */
const LOG_LINES = 100;
const LOG_MS = 1000;
/** The engine's words for a removal it gave up with the container still there. */
const GIVEN_UP = /unable to remove filesystem/i;

const startFailed = () => 'start-failed' as const;

/** What waiting for a removal ends with; an error is that of the removal, and the container is still there. */
interface RemovalJson {
  readonly Error?: { readonly Message?: string } | null;
}

export class DockerEngine {
  readonly #api: DockerApi;

  constructor(api: DockerApi) {
    this.#api = api;
  }

  async ping(): Promise<void> {
    await this.#get('/_ping', 'answer a ping');
  }

  /** Undefined when the engine has no such image. */
  image(reference: string): Promise<ImageJson | undefined> {
    return this.#find(`/images/${reference}/json`, 'inspect the image');
  }

  /** Every container with the label, whatever its state. */
  async containersWith(label: string): Promise<readonly ContainerSummary[]> {
    const query = { all: true, filters: JSON.stringify({ label: [label] }) };
    return (await this.#get('/containers/json', 'list its containers', {
      query,
    })) as readonly ContainerSummary[];
  }

  /** Every container there is, ours or not. */
  async containers(): Promise<readonly ContainerSummary[]> {
    return (await this.#get('/containers/json', 'list its containers', {
      query: { all: true },
    })) as readonly ContainerSummary[];
  }

  /** By id or name; undefined when there is none. */
  container(idOrName: string): Promise<ContainerJson | undefined> {
    return this.#find(`/containers/${idOrName}/json`, 'inspect the container');
  }

  /** The id of the new container. Throws `name-held`, `image-missing`, `start-failed`. */
  async create(name: string, body: ContainerBody): Promise<string> {
    const reply = await this.#post('/containers/create', `create the container ${name}`, {
      query: { name },
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

  /** Gives it the name, and so frees the one it had; gone already, or so named already, is fine. */
  async rename(id: string, name: string): Promise<void> {
    const more = { query: { name }, accept: [404] };
    await this.#post(`/containers/${id}/rename`, `rename the container to ${name}`, more).catch(
      async (error) => {
        const found = await this.container(id);
        if (found && found.Name !== `/${name}`) throw error;
      },
    );
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
   * Kills and removes it with its anonymous volumes, and resolves once it is gone. What the engine gave up half-way is
   * asked for again: it can trip over its own last notes on how the container ended (moby issue 52161).
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
    // gone already, or on its way: a removal that another asked for is under way
    const wait = { query: { condition: 'removed' }, accept: [404] };
    const end = await this.#api.call({ ...more, ...wait, method: 'POST', path: `${path}/wait` });
    const words = (end as RemovalJson | undefined)?.Error?.Message;
    if (words) {
      throw new BalancerError('engine-unreachable', `The Docker engine did not ${more.what}: ${words}`);
    }
  }

  /** The end of what it wrote, nothing where that was not kept. */
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

  /** Makes a bridge network; a network of that name that came first is fine. */
  async createNetwork(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const body = { Name: name, Driver: 'bridge', CheckDuplicate: true, Labels: labels };
    const more = { body, accept: [409], refused: startFailed };
    await this.#post('/networks/create', `create the network ${name}`, more);
  }

  /** Makes a volume; one of that name that came first stays as it is, with its own labels. */
  async createVolume(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const body = { Name: name, Driver: 'local', Labels: labels };
    await this.#post('/volumes/create', `create the volume ${name}`, { body, accept: [409] });
  }

  /** Every volume with the label. Other drivers than the engine's own, which may hang, are not asked. */
  async volumesWith(label: string): Promise<readonly VolumeJson[]> {
    const query = { filters: JSON.stringify({ driver: ['local'], label: [label] }) };
    const reply = await this.#get('/volumes', 'list its volumes', { query });
    return (reply as { readonly Volumes: readonly VolumeJson[] | null }).Volumes ?? [];
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

  /** Removes the network unless something is attached to it; gives the network that was left, undefined where it is gone. */
  async removeNetwork(name: string): Promise<NetworkJson | undefined> {
    const more = { accept: [403, 404], timeoutMs: SHORT_MS, what: `remove the network ${name}` };
    const done = await this.#api.call({ ...more, method: 'DELETE', path: `/networks/${name}` });
    return done === undefined ? this.network(name) : undefined;
  }

  /** The engine's events from now on, one JSON text a line; destroy it to end it. */
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
