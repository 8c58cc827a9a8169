/**
 * One pool on a real engine, and the balancers and loads that a test lets loose on it; when the test is over none of
 * them is left, in whatever way it ended. Must not hold: what should become of them.
 */
import assert from 'node:assert/strict';
import type { ReplicaView, RingView } from '../../../lib/api/types.ts';
import { type Answer, Balancer } from '../balancer.ts';
import { eventually } from '../eventually.ts';
import { claimsOn, docker, freshPool, REPLICA_IMAGE, removeClaims, removeNetwork } from './docker.ts';
import { Load, type LoadOptions } from './load.ts';

/** The engine that the tests use, for a balancer that gets nothing else of their environment. */
const ENGINE = process.env.DOCKER_HOST === undefined ? {} : { DOCKER_HOST: process.env.DOCKER_HOST };

/** An engine with other tests to run may take this long over anything. */
const DEADLINE_MS = 60_000;

/** Of the log of a balancer, where it is not as it should be. */
const LOG_LINES = 20;

/** A container of the pool. */
export interface Container {
  readonly name: string;
  readonly id: string;
  /** The engine's word: `running`, `exited`, `paused`. */
  readonly state: string;
}

/** What of a balancer's options is not the same in every test. */
export interface StageOptions {
  readonly args?: string;
  readonly image?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class Stage {
  readonly pool = freshPool();
  /** Before the names of its containers on the engine. */
  readonly #prefix: string;
  readonly #ends: (() => unknown)[] = [];

  /** With `ownNames` its containers have names that no other stage's can have. */
  constructor(t: { after(run: () => Promise<void>): void }, { ownNames = false } = {}) {
    this.#prefix = ownNames ? `${this.pool}-` : '';
    t.after(() => this.#clear());
  }

  /** Starts a balancer on the pool; resolves once it serves, which is before its replicas do. */
  async start(options: StageOptions = {}): Promise<Balancer> {
    const balancer = this.spawn(options);
    await until('the balancer says where it serves', () => {
      if (balancer.child.exitCode !== null) throw new Error(`it ended: ${balancer.stderr}`);
      const ports = /serving on http:\/\/[^:]*:(\d+), admin on http:\/\/[^:]*:(\d+)/.exec(balancer.stderr);
      balancer.publicPort = Number(ports?.[1]);
      balancer.adminPort = Number(ports?.[2]);
      return ports !== null;
    });
    return balancer;
  }

  /** Starts a balancer on the pool; resolves once its three replicas are healthy. */
  async serve(options: StageOptions = {}): Promise<Balancer> {
    const balancer = await this.start(options);
    await healthy(balancer, 3);
    return balancer;
  }

  /** Starts a balancer on the pool, and waits for nothing. */
  spawn({ image = REPLICA_IMAGE, args = '', env = {} }: StageOptions): Balancer {
    const names = this.#prefix === '' ? '' : `--container-prefix ${this.#prefix}`;
    const where = `--port 0 --admin-port 0 --pool ${this.pool} --network ${this.pool} ${names}`;
    const balancer = Balancer.spawn(`${where} --driver docker --image ${image} ${args}`, {
      env: { ...ENGINE, ...env },
    });
    // in order, since the engine goes on with what a killed one has asked it for
    this.#ends.push(() => balancer.stop());
    return balancer;
  }

  load(balancer: Balancer, options?: LoadOptions): Load {
    const load = new Load(balancer.publicPort, '/home', options);
    this.#ends.push(() => load.stop());
    return load;
  }

  async #clear(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
    // the engine may still start what a balancer that was killed had asked it for
    await until('nothing left of the pool', async () => {
      const left = (await this.containers()).map(({ id }) => id);
      if (left.length > 0) await docker('rm', '--force', '--volumes', ...left);
      if ((await this.network()) !== '') await removeNetwork(this.pool);
      return true;
    });
    await removeClaims(this.pool);
  }

  /** The volumes by which balancers have claimed the pool. */
  claims(): Promise<readonly string[]> {
    return claimsOn(this.pool);
  }

  /** Every container of the pool, without the prefix of its name, in the order of their names. */
  async containers(): Promise<readonly Container[]> {
    const format = '{{.Names}} {{.ID}} {{.State}}';
    const ofPool = `label=ringlb.pool=${this.pool}`;
    const listed = await docker('ps', '--all', '--no-trunc', '--filter', ofPool, '--format', format);
    const lines = listed.split('\n').filter((line) => line !== '');
    return lines
      .map((line) => {
        const [name = '', id = '', state = ''] = line.split(' ');
        return { name: name.replace(this.#prefix, ''), id, state };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The pool's network, '' when there is none. */
  network(): Promise<string> {
    return docker('network', 'ls', '--quiet', '--filter', `name=^${this.pool}$`);
  }

  /** Waits until the engine runs just what the balancer says, each container under its replica's own name. */
  async settled(balancer: Balancer): Promise<void> {
    await until('a container for each replica, and no other', async () => {
      const wanted = (await balancer.replicas()).map(({ name, instance }) => `${name} ${instance} running`);
      const found = (await this.containers()).map(({ name, id, state }) => `${name} ${id} ${state}`);
      assert.deepEqual(found, wanted.sort());
      return true;
    });
  }
}

/** `eventually`, as long as it may take on a real engine. */
export function until<T>(what: string, probe: () => T | Promise<T>): Promise<Exclude<T, undefined | false>> {
  return eventually(what, probe, DEADLINE_MS);
}

/** Waits until there are `count` replicas, all healthy; gives them. */
export function healthy(balancer: Balancer, count: number): Promise<readonly ReplicaView[]> {
  return until(`${count} healthy replicas`, async () => {
    const replicas = await balancer.replicas();
    if (replicas.length === count && replicas.every(({ state }) => state === 'healthy')) return replicas;
    const states = replicas.map(({ name, state, cause }) => `${name} ${state} (${cause})`);
    const log = balancer.stderr.split('\n').slice(-LOG_LINES).join('\n');
    throw new Error(`${states.join(', ')}\n${log}`);
  });
}

/** Ends the balancer as a power cut would. */
export async function kill(balancer: Balancer): Promise<void> {
  balancer.signal('SIGKILL');
  await balancer.exited;
}

/** Waits until this replica has another instance and all `count` are healthy; gives it as it is then. */
export function replaced(balancer: Balancer, old: ReplicaView, count = 3): Promise<ReplicaView> {
  return until(`another instance of ${old.name}`, async () => {
    const replica = (await healthy(balancer, count)).find(({ name }) => name === old.name);
    return replica?.instance !== old.instance && replica;
  });
}

/** The names that `/rep` lists. */
export async function names(balancer: Balancer): Promise<readonly string[]> {
  const { body } = await balancer.ask('GET', '/rep');
  return (JSON.parse(body) as { message: { replicas: readonly string[] } }).message.replicas;
}

/** Asks for one more replica, of that name where one is given. */
export function add(balancer: Balancer, ...hostnames: readonly string[]): Promise<Answer> {
  return balancer.ask('POST', '/add', { body: { n: 1, hostnames } });
}

/** Who has which slots: what a death or a restart must not change. */
export async function placement(balancer: Balancer): Promise<RingView['members']> {
  const { body } = await balancer.askAdmin('GET', '/ring');
  const { members } = (JSON.parse(body) as { message: RingView }).message;
  return [...members].sort((a, b) => a.id - b.id);
}

/** The instance of each replica, by name. */
export async function instances(balancer: Balancer): Promise<Readonly<Record<string, string | null>>> {
  return Object.fromEntries((await balancer.replicas()).map(({ name, instance }) => [name, instance]));
}

/** Ends the load, which must have been answered and have lost nothing. */
export async function noneLost(load: Load): Promise<void> {
  const { answered, failures } = await load.stop();
  assert.deepEqual([...failures], []);
  assert.ok(answered > 0, 'the load was answered');
}
