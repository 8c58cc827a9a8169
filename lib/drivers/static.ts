/**
 * The static driver: servers that someone else runs. It lists them and does nothing else.
 * Must not hold: probing (the fleet's) or any idea of whether a server is up.
 */
import { type Endpoint, formatEndpoint } from '../core/replica.ts';
import { BalancerError } from '../platform/errors.ts';
import type { Driver, Instance } from './driver.ts';

/** A driver over a fixed list; each server is named `host:port` and has its place in the list, from 1, as id. */
export function createStaticDriver(options: { readonly upstreams: readonly Endpoint[] }): Driver {
  const instances = options.upstreams.map((endpoint, index): Instance => {
    const name = formatEndpoint(endpoint);
    return {
      name,
      id: index + 1,
      instanceId: name,
      status: 'running',
      endpoint,
      role: 'current',
      ending: undefined,
    };
  });
  const refuse = async (): Promise<never> => {
    throw new BalancerError(
      'bad-request',
      'the static driver has a fixed list of servers: none can be added or removed',
    );
  };
  return {
    kind: 'static',
    ownsInstances: false,
    open: async () => {},
    watch: () => {},
    list: async () => instances,
    heldNames: async () => [],
    start: refuse,
    endingOf: async () => undefined,
    retire: refuse,
    remove: refuse,
    close: async () => {},
  };
}
