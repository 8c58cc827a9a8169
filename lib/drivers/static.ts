/** The static driver: a list of servers that somebody else runs. It lists them and does nothing else. */
import { type Endpoint, formatEndpoint, lowestFree } from '../core/replica.ts';
import { BalancerError } from '../platform/errors.ts';
import type { Driver, Hint, Instance } from './driver.ts';

/**
 * A driver over a list that changes only by a reload; each server is named `host:port`. Its id is its position at the
 * start, from 1, and the lowest free one where it joins later.
 */
export function createStaticDriver(options: { readonly upstreams: readonly Endpoint[] }): Driver {
  let instances = listed(options.upstreams, []);
  let onHint: (hint: Hint) => void = () => {};
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
    watch(listener) {
      onHint = listener;
    },
    list: async () => instances,
    heldNames: async () => [],
    start: refuse,
    endingOf: async () => undefined,
    // a server that left the list is another's to stop
    retire: async () => {},
    remove: async () => {},
    close: async () => {
      onHint = () => {};
    },
    setUpstreams(upstreams) {
      instances = listed(upstreams, instances);
      onHint({ kind: 'changed', cause: 'another list of upstreams' });
    },
  };
}

/** The servers as instances; those that were there `before` keep their ids. */
function listed(upstreams: readonly Endpoint[], before: readonly Instance[]): readonly Instance[] {
  const names = new Set(upstreams.map(formatEndpoint));
  const ids = new Map(before.filter(({ name }) => names.has(name)).map(({ name, id }) => [name, id]));
  const taken = new Set(ids.values());
  return upstreams.map((endpoint): Instance => {
    const name = formatEndpoint(endpoint);
    const id = ids.get(name) ?? lowestFree(taken);
    taken.add(id);
    return {
      name,
      id,
      // connections are of one kind, so a server that is reached in another way is another instance
      instanceId: endpoint.tls === true ? `https://${name}` : name,
      status: 'running',
      endpoint,
      role: 'current',
      ending: undefined,
    };
  });
}
