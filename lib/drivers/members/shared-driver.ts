/**
 * A driver over a pool that several balancers share: what it lists is told to the others as in use, and an instance that
 * was drained here is removed once nobody uses it.
 */
import type { Driver, Instance } from '../driver.ts';
import type { Membership } from './membership.ts';

export interface SharedParts {
  readonly inner: Driver;
  /** Undefined before `open` and after `close`. */
  readonly membership: () => Membership | undefined;
  /** How long another balancer may go on using an instance that was removed; a reload changes it. */
  readonly options: { readonly drainTimeoutMs: number };
}

const idOf = ({ instanceId }: Instance): string => instanceId;

export function sharedDriver({ inner, membership, options }: SharedParts): Driver {
  return {
    kind: inner.kind,
    ownsInstances: inner.ownsInstances,
    heals: inner.heals === true,
    isShared: true,
    outlivesBalancer: inner.outlivesBalancer === true,
    ...(inner.evicted && { evicted: inner.evicted }),
    get members() {
      return membership();
    },
    open: () => inner.open(),
    watch: (onHint) => inner.watch(onHint),
    async list() {
      const found = await inner.list();
      const usable = found.filter(({ role, status }) => role === 'current' && status === 'running');
      membership()?.use(usable.map(idOf), found.map(idOf));
      return found;
    },
    ...(inner.pin && { pin: (image) => inner.pin!(image) }),
    ...(inner.startedWith && { startedWith: (instanceId) => inner.startedWith!(instanceId) }),
    heldNames: () => inner.heldNames(),
    start: (place, spec) => inner.start(place, spec),
    ...(inner.replace && { replace: (instance, how) => inner.replace!(instance, how) }),
    endingOf: (instanceId) => inner.endingOf(instanceId),
    retire: (instanceId, role) => inner.retire(instanceId, role),
    ...(inner.claimRemoval && { claimRemoval: (name) => inner.claimRemoval!(name) }),
    ...(inner.undoRemoval && { undoRemoval: (instanceId) => inner.undoRemoval!(instanceId) }),
    release: (instanceId) => membership()?.release(instanceId),
    ...(inner.promote && { promote: (instanceId) => inner.promote!(instanceId) }),
    async remove(instanceId, graceMs) {
      // what is killed serves nobody; what has drained here may still serve others
      if (graceMs > 0) await membership()?.untilReleased(instanceId, options.drainTimeoutMs);
      await inner.remove(instanceId, graceMs);
    },
    close: (keep) => inner.close(keep),
  };
}
