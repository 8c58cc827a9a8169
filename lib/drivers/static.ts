/** The static driver: a fixed list of servers that somebody else runs. It lists them and does nothing else. */
import { type Endpoint, formatEndpoint } from '../core/replica.ts';
import { BalancerError } from '../platform/errors.ts';
import type { Driver, Instance } from './driver.ts';

/** A driver over a fixed list; each server is named `host:port`, and its id is its position, from 1. */
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
