/**
 * The discover driver: servers that others run, as one or several sources list them.
 * Invariants: `list` gives each endpoint and each name once, whatever the sources say; of two that list the same
 * endpoint the one named first counts. Nothing is started or stopped.
 */
import type { SourceSpec } from '../../core/discovery/source-spec.ts';
import { formatEndpoint } from '../../core/replica.ts';
import type { Clock } from '../../platform/clock.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Driver, Hint, Instance } from '../driver.ts';
import type { Server, Source } from './source.ts';
import { SourceWatch } from './source-watch.ts';

export interface DiscoverDriverOptions {
  readonly source: readonly SourceSpec[];
  readonly discoverIntervalMs: number;
  readonly discoverGraceMs: number;
  /** Name servers, `address` or `address:port`; empty are those of the system. */
  readonly resolver: readonly string[];
  /** docker: on which network containers are reached, where they are on several. */
  readonly network: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A driver over the servers of `options.source`. Throws `engine-unreachable` for a bad DOCKER_HOST. */
export async function createDiscoverDriver(options: DiscoverDriverOptions): Promise<Driver> {
  return new DiscoverDriver(
    options,
    await Promise.all(options.source.map((spec) => openSource(spec, options))),
  );
}

/** Loads no source but those asked for: the Docker client alone is 40 MB of memory. */
async function openSource(spec: SourceSpec, options: DiscoverDriverOptions): Promise<Source> {
  switch (spec.kind) {
    case 'docker':
      return (await import('./docker-source.ts')).createDockerSource(spec, options);
    case 'dns':
      return (await import('./dns-source.ts')).createDnsSource(spec, options.resolver);
    case 'srv':
      return (await import('./dns-source.ts')).createSrvSource(spec, options.resolver);
    case 'file':
      return (await import('./file-source.ts')).createFileSource(spec, options.clock);
  }
}

export class DiscoverDriver implements Driver {
  readonly kind = 'discover';
  readonly ownsInstances = false;
  readonly #watches: readonly SourceWatch[];
  /** Undefined before `watch`; hints wait until then. */
  #onHint: ((hint: Hint) => void) | undefined;
  #early: Hint[] = [];

  constructor(
    options: Pick<DiscoverDriverOptions, 'clock' | 'discoverIntervalMs' | 'discoverGraceMs'>,
    sources: readonly Source[],
  ) {
    this.#watches = sources.map(
      (source) =>
        new SourceWatch({
          source,
          clock: options.clock,
          intervalMs: options.discoverIntervalMs,
          graceMs: options.discoverGraceMs,
          onChange: () => this.#hint({ kind: 'changed', cause: source.text }),
          onLost: (cause) => this.#hint({ kind: 'source-lost', source: source.text, cause }),
          onBack: (lostMs) => this.#hint({ kind: 'source-back', source: source.text, lostMs }),
        }),
    );
  }

  /** Resolves once every source has been looked at; one that does not respond is no reason not to start. */
  async open(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.open()));
  }

  watch(onHint: (hint: Hint) => void): void {
    this.#onHint = onHint;
    for (const hint of this.#early.splice(0)) onHint(hint);
  }

  async list(): Promise<readonly Instance[]> {
    return merged(this.#watches.flatMap(({ servers }) => servers)).map(toInstance);
  }

  async heldNames(): Promise<readonly string[]> {
    return [];
  }

  async start(): Promise<never> {
    throw new BalancerError(
      'bad-request',
      'the discover driver starts no servers: change them at their source',
    );
  }

  async endingOf(): Promise<undefined> {}

  /** A server that left its list is another's to stop. */
  async retire(): Promise<void> {}

  async remove(): Promise<void> {}

  async close(_keep: boolean): Promise<void> {
    this.#onHint = () => {};
    for (const watch of this.#watches) watch.close();
  }

  #hint(hint: Hint): void {
    if (this.#onHint === undefined) this.#early.push(hint);
    else this.#onHint(hint);
  }
}

/** Each endpoint once; a name that another endpoint has already gives way to the endpoint's own. */
function merged(servers: readonly Server[]): readonly Server[] {
  const endpoints = new Set<string>();
  const names = new Set<string>();
  const found: Server[] = [];
  for (const server of servers) {
    const endpoint = formatEndpoint(server.endpoint);
    if (endpoints.has(endpoint)) continue;
    const name = names.has(server.name) ? endpoint : server.name;
    if (names.has(name)) continue;
    endpoints.add(endpoint);
    names.add(name);
    found.push({ ...server, name });
  }
  return found;
}

function toInstance({ name, endpoint, instance }: Server, index: number): Instance {
  const address = formatEndpoint(endpoint);
  // connections are of one kind, so a server that is reached in another way is another instance
  const at = endpoint.tls === true ? `https://${address}` : address;
  const who = instance ?? name;
  return {
    name,
    id: index + 1,
    instanceId: who === address ? at : `${who}@${at}`,
    status: 'running',
    endpoint,
    role: 'current',
    ending: undefined,
  };
}
