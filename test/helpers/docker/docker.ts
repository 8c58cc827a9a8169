/**
 * A real Docker engine for tests: whether there is one, pools and names that nothing else has, images, and a way
 * to cut the engine off. Must not hold: tests.
 * Whatever a test makes carries the label `ringlb.pool=ringlb-test-…` or `ringlb.test`, by which all of it is found.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { inspect, promisify } from 'node:util';
import type { ReplicaSpec } from '../../../lib/core/replica-spec.ts';
import { DockerApi } from '../../../lib/drivers/docker/api.ts';
import { createDockerDriver, type DockerDriverOptions } from '../../../lib/drivers/docker/docker.ts';
import { DockerEngine } from '../../../lib/drivers/docker/engine.ts';
import { systemClock } from '../../../lib/platform/clock.ts';
import { messageOf } from '../../../lib/platform/errors.ts';
import { eventually } from '../eventually.ts';
import { type SpecDriver, specWith, withSpec } from '../replica-spec.ts';
import { silentLogger } from '../silent-logger.ts';
import { skipUnless } from '../skip.ts';

export const BASE_IMAGE = process.env.NODE_IMAGE ?? 'node:26-bookworm-slim';
export const REPLICA_IMAGE = 'ringlb-replica:test';
export const REPOSITORY = resolve(import.meta.dirname, '../../..');
export const SOCKET = process.env.DOCKER_HOST?.replace(/^unix:\/\//, '') ?? '/var/run/docker.sock';

/** An engine that has been told to remove a container may take this long to take it off its network. */
const RELEASE_MS = 20_000;

const run = promisify(execFile);

/** Why Docker tests are skipped here; undefined where they run, or must. */
export const skipDocker: string | undefined = await reasonToSkip();

async function reasonToSkip(): Promise<string | undefined> {
  try {
    await new DockerEngine(new DockerApi({ clock: systemClock })).ping();
    return undefined;
  } catch (error) {
    return skipUnless(false, `no Docker engine: ${messageOf(error)}`);
  }
}

/** The output of one docker command, trimmed; rejects with what it wrote to stderr. */
export async function docker(...args: string[]): Promise<string> {
  return (await run('docker', args, { maxBuffer: 16 * 1024 * 1024 })).stdout.trim();
}

/** Freezes all processes of a container. On a busy machine the engine may give up on that, and is asked again. */
export async function pause(container: string): Promise<void> {
  await eventually(`${container} is paused`, () => docker('pause', container).then(() => true));
}

/** All that the container has written. */
export async function dockerLog(id: string): Promise<string> {
  const { stdout, stderr } = await run('docker', ['logs', id], { maxBuffer: 16 * 1024 * 1024 });
  return stdout + stderr;
}

/** A pool name that nothing has; its network is to be named the same. */
export function freshPool(): string {
  return `ringlb-test-${randomBytes(5).toString('hex')}`;
}

let names = 0;
const namePrefix = `t${randomBytes(4).toString('hex')}`;

/** A replica name that no container on the engine has. */
export function freshName(): string {
  return `${namePrefix}-S${++names}`;
}

/** Options of the driver that a test sets; of the spec some fields. */
export type TestOptions = Partial<Omit<DockerDriverOptions, 'spec'>> & {
  readonly spec?: Partial<ReplicaSpec>;
};

/** A driver over a pool of its own that runs the sample replica; not opened yet. */
export function makeDriver({ spec: fields, ...options }: TestOptions = {}): SpecDriver {
  const spec = specWith({ image: REPLICA_IMAGE, memoryBytes: 512 * 1024 ** 2, ...fields });
  const pool = options.pool ?? freshPool();
  const standard = {
    spec,
    network: pool,
    pool,
    containerPrefix: '',
    adminHost: '127.0.0.1',
    adminPort: 0,
    drainTimeoutMs: 30_000,
    stopTimeoutMs: 10_000,
    log: silentLogger,
  };
  pools.add(pool);
  return withSpec(createDockerDriver({ ...standard, ...options }), spec);
}

const pools = new Set<string>();

/** Removes every container, network and claim of the pools that `makeDriver` was given, and what is labelled `ringlb.test`. */
export async function cleanUp(): Promise<void> {
  const containers = await ours('ps', '--all');
  if (containers.length > 0) await docker('rm', '--force', '--volumes', ...containers);
  for (const network of await ours('network', 'ls')) await removeNetwork(network);
  for (const pool of pools) await removeClaims(pool);
}

/** Of the engine's word for a network with something on it. */
const IN_USE = 'has active endpoints';

/**
 * Removes a network whose containers are gone. The engine may keep one that nothing is on: its count of endpoints can
 * be wrong until it next starts (it then logs "Fixing inconsistent endpoint_cnt"), and no request puts that right.
 */
export async function removeNetwork(network: string): Promise<void> {
  try {
    await eventually(`${network} is removed`, () => docker('network', 'rm', network), RELEASE_MS);
  } catch (error) {
    const attached = await docker('network', 'inspect', '--format', '{{len .Containers}}', network);
    if (attached !== '0' || !inspect(error).includes(IN_USE)) throw error;
  }
}

/** The volumes by which balancers have claimed the pool. */
export async function claimsOn(pool: string): Promise<readonly string[]> {
  const listed = await docker('volume', 'ls', '--quiet', '--filter', `label=ringlb.pool=${pool}`);
  return listed.split('\n').filter((volume) => volume !== '');
}

export async function removeClaims(pool: string): Promise<void> {
  const claims = await claimsOn(pool);
  if (claims.length > 0) await docker('volume', 'rm', ...claims);
}

/** The ids that a docker command lists and whose labels are of this run. */
async function ours(...command: string[]): Promise<string[]> {
  const format = '{{.ID}} {{.Label "ringlb.pool"}} {{.Label "ringlb.test"}}';
  const lines = (await docker(...command, '--format', format)).split('\n').map((line) => line.split(' '));
  const isOurs = (pool = '', test = '') => pools.has(pool) || test === namePrefix;
  return lines.filter(([, pool, test]) => isOurs(pool, test)).map(([id]) => id!);
}

/** Runs a container that is not of any pool; gives its id. */
export function runStranger(name: string, ...more: string[]): Promise<string> {
  const label = `ringlb.test=${namePrefix}`;
  return docker('run', '-d', '--label', label, '--name', name, ...more, BASE_IMAGE, 'sleep', '1000');
}

/** Runs the balancer as the first process of a container that is not of any pool; gives its id. */
export function runBalancer(docked: readonly string[], options: readonly string[]): Promise<string> {
  const label = `ringlb.test=${namePrefix}`;
  const sources = `${REPOSITORY}:${REPOSITORY}:ro`;
  const program = ['node', `${REPOSITORY}/lib/main.ts`, ...options];
  return docker('run', '-d', '--label', label, '--volume', sources, ...docked, BASE_IMAGE, ...program);
}

/** Makes a network that is not of any pool. */
export async function makeStrangeNetwork(name: string): Promise<void> {
  await docker('network', 'create', '--label', `ringlb.test=${namePrefix}`, name);
}

/** Builds the sample replica's image as the Dockerfile does, unless the same sources were built before. */
export async function ensureReplicaImage(): Promise<void> {
  const sources = ['Dockerfile', 'replica/server.ts', 'package-lock.json'].map((file) =>
    join(REPOSITORY, file),
  );
  const hash = createHash('sha256');
  for (const source of sources) hash.update(await readFile(source));
  const sourceHash = hash.digest('hex');
  const label = '{{index .Config.Labels "ringlb.source"}}';
  const built = await docker('image', 'inspect', '--format', label, REPLICA_IMAGE).catch(() => '');
  if (built === sourceHash) return;
  const names = ['--tag', REPLICA_IMAGE, '--label', `ringlb.source=${sourceHash}`];
  await docker(
    'build',
    '--target',
    'replica',
    '--build-arg',
    `NODE_IMAGE=${BASE_IMAGE}`,
    ...names,
    REPOSITORY,
  );
}

/** Builds an image from the lines after `FROM` the base image. */
export async function buildImage(tag: string, lines: readonly string[]): Promise<void> {
  // an image of its own under every name: what removes one must not leave it there under another
  const text = [`FROM ${BASE_IMAGE}`, `LABEL ringlb.test.image=${tag}`, ...lines, ''].join('\n');
  const build = async (): Promise<void> => {
    const building = run('docker', ['build', '--force-rm', '--tag', tag, '-']);
    building.child.stdin?.end(text);
    await building;
  };
  await build().catch((error: unknown) => {
    // the builder took a layer from its cache that another test was removing
    if (!String(error).includes('unable to find image')) throw error;
    return build();
  });
}

/** A second way to the engine that can be taken away, as when the engine is restarted or hangs. */
export class EngineDoor {
  readonly #server: Server;
  readonly #directory: string;
  readonly #sockets = new Set<Socket>();
  #mode: 'open' | 'refusing' | 'hung' = 'open';
  #refused = 0;
  /** The calls that are held, and what lets them go on. */
  #held = /$^/;
  #released = Promise.resolve();

  private constructor(directory: string) {
    this.#directory = directory;
    this.#server = createServer((client) => this.#pass(client));
  }

  static async open(): Promise<EngineDoor> {
    const door = new EngineDoor(await mkdtemp(join(tmpdir(), 'ringlb-door-')));
    await new Promise<void>((resolve) => door.#server.listen(door.socketPath, resolve));
    return door;
  }

  get socketPath(): string {
    return join(this.#directory, 'docker.sock');
  }

  /** Connections broken since the last `refuse`, those it broke itself left out. */
  get refused(): number {
    return this.#refused;
  }

  /** Breaks every connection, and each new one at once. */
  refuse(): void {
    this.#refused = 0;
    this.#shut('refusing');
  }

  /** Breaks every connection; takes new ones and answers nothing on them. */
  hang(): void {
    this.#shut('hung');
  }

  restore(): void {
    this.#mode = 'open';
  }

  /** Has every call of the kind wait, as with an engine that is slow; the returned function lets them go on. */
  hold(call: 'starts' | 'lists of all containers'): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = call === 'starts' ? /^POST \S+\/start[ ?]/ : /^GET \S*\/containers\/json\?all=\w+ /;
    this.#released = promise;
    return resolve;
  }

  async close(): Promise<void> {
    this.#shut('refusing');
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#directory, { recursive: true });
  }

  #shut(mode: 'refusing' | 'hung'): void {
    this.#mode = mode;
    for (const socket of this.#sockets) socket.destroy();
  }

  #pass(client: Socket): void {
    this.#keep(client);
    if (this.#mode === 'refusing') {
      this.#refused++;
      client.destroy();
    }
    if (this.#mode !== 'open') return;
    const engine = connect(SOCKET);
    this.#keep(engine);
    const pass = async (chunk: Buffer): Promise<Buffer> => {
      if (this.#held.test(chunk.toString('latin1'))) await this.#released;
      return chunk;
    };
    const held = new Transform({
      transform: (chunk: Buffer, _encoding, done) => void pass(chunk).then((passed) => done(null, passed)),
    });
    client.pipe(held).pipe(engine).pipe(client);
    client.once('close', () => engine.destroy());
    engine.once('close', () => client.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
  }
}
