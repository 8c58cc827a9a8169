/**
 * Servers in containers of a Docker engine that carry a label and run. What a container's own health check says is not
 * asked: probes decide that. Replicas that some balancer started are never among them.
 */
import type { DockerSpec } from '../../core/discovery/source-spec.ts';
import type { Endpoint } from '../../core/replica.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import { DockerApi } from '../docker/api.ts';
import { DockerEngine } from '../docker/engine.ts';
import { EventWatch } from '../docker/events.ts';
import type { ContainerSummary } from '../docker/mapper.ts';
import { ownContainer } from '../docker/network.ts';
import type { Look, Server, Source } from './source.ts';

export interface DockerSourceOptions {
  /** On which network containers are reached, where the balancer is on none of theirs. */
  readonly network: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The engine, where it is not the usual one. */
  readonly api?: DockerApi;
}

/** Ports that the container's image or its owner declared. */
type Container = ContainerSummary & {
  readonly Ports?: readonly { readonly PrivatePort: number; readonly Type: string }[];
};

const PORT_LABEL = 'ringlb.port';
const NAME_LABEL = 'ringlb.name';
/** On what a balancer started. */
const POOL_LABEL = 'ringlb.pool';

export function createDockerSource({ text, label }: DockerSpec, options: DockerSourceOptions): Source {
  return new DockerSource(text, label, options);
}

class DockerSource implements Source {
  readonly text: string;
  readonly #label: string;
  readonly #options: DockerSourceOptions;
  readonly #engine: DockerEngine;
  #events: EventWatch | undefined;
  /** Networks of the balancer's own container, none on a host; undefined before the first look. */
  #ownNetworks: readonly string[] | undefined;
  /** Containers of which it was said that they cannot be reached. */
  #warned: ReadonlySet<string> = new Set();

  constructor(text: string, label: string, options: DockerSourceOptions) {
    this.text = text;
    this.#label = label;
    this.#options = options;
    this.#engine = new DockerEngine(options.api ?? new DockerApi({ clock: options.clock }));
  }

  async look(): Promise<Look> {
    this.#ownNetworks ??= Object.keys((await ownContainer(this.#engine))?.NetworkSettings.Networks ?? {});
    const containers = await this.#engine.containers(this.#label);
    const running = containers.filter(
      ({ State: state, Labels: labels }) =>
        (state === 'running' || state === 'paused') && labels[POOL_LABEL] === undefined,
    );
    running.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    const servers: Server[] = [];
    const unreachable = new Set<string>();
    for (const container of running) {
      const endpoint = endpointOf(container, [...this.#ownNetworks, this.#options.network]);
      if (typeof endpoint === 'string') {
        unreachable.add(container.Id);
        this.#warn(container, endpoint);
      } else servers.push({ name: nameOf(container), endpoint, instance: container.Id.slice(0, 12) });
    }
    this.#warned = unreachable;
    return { servers };
  }

  watch(onChange: () => void): void {
    const { clock } = this.#options;
    this.#events = new EventWatch({ engine: this.#engine, label: this.#label, clock, onHint: onChange });
  }

  close(): void {
    this.#events?.close();
  }

  #warn(container: ContainerSummary, why: string): void {
    if (this.#warned.has(container.Id)) return;
    this.#options.log.warn({ source: this.text, container: nameOf(container) }, `left out: ${why}`);
  }
}

function nameOf({ Labels: labels, Names: names, Id: id }: ContainerSummary): string {
  return labels[NAME_LABEL] ?? names[0]?.replace(/^\//, '') ?? id.slice(0, 12);
}

/** Where the container listens, or why that is not known; `networks` are the ones to be preferred, in this order. */
function endpointOf(container: Container, networks: readonly string[]): Endpoint | string {
  const { Labels: labels, Ports: ports = [], NetworkSettings: settings } = container;
  const attached = settings?.Networks ?? {};
  const others = Object.keys(attached).sort();
  const hosts = [...networks, ...others].map((network) => {
    const address = attached[network];
    return address?.IPAddress || address?.GlobalIPv6Address;
  });
  const host = hosts.find(Boolean);
  if (!host) return 'it has no address of its own (a container on the host network has none)';
  const given = labels[PORT_LABEL];
  const exposed = new Set(ports.filter(({ Type: type }) => type === 'tcp').map((port) => port.PrivatePort));
  const port = given === undefined ? [...exposed][0] : Number(given);
  if (given === undefined && exposed.size !== 1)
    return `it exposes ${exposed.size} ports: say which with the label ${PORT_LABEL}`;
  if (port === undefined || !Number.isInteger(port) || port < 1 || port > 65_535)
    return `its label ${PORT_LABEL} must be a port, not ${JSON.stringify(given)}`;
  return { host, port };
}
