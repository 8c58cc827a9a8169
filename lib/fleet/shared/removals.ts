/** Which replicas other balancers of a pool have removed, as far as a list of its instances shows that. */
import { wasRemoved } from '../../core/policy/reconcile.ts';
import type { Instance } from '../../drivers/driver.ts';
import type { Replica } from '../replica.ts';

/** `heals`: the engine replaces what ends, so that what has vanished was removed. */
export function removalsIn(
  listed: readonly Instance[],
  heals: boolean,
): (replica: Pick<Replica, 'name' | 'instance'>) => boolean {
  const byName = Map.groupBy(listed, ({ name }) => name);
  const roles = new Map(listed.map(({ instanceId, role }) => [instanceId, role]));
  return ({ name, instance }) => {
    const ofName = byName.get(name) ?? [];
    if (instance === undefined) return wasRemoved(ofName);
    const role = roles.get(instance.instanceId);
    // one that was replaced drains, and its successor may have been removed before this balancer knew of it
    if (role === 'replaced') return wasRemoved(ofName);
    const isVanished = heals && ofName.every((one) => one.role === 'removed');
    return role === 'removed' || isVanished;
  };
}
