/**
 * Changes the weights of replicas: what `POST /weight` and the weights of `/add` do. A weight belongs to a name, and
 * outlives the instances of a replica.
 * Invariant: a change that is refused changes nothing.
 */
import type { Algorithm } from '../../core/hashing/slot-table.ts';
import type { Member } from '../../core/replica.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Plans } from '../lifecycle/plans.ts';
import type { Registry } from '../registry.ts';

/** By name, whole numbers from 0 to MAX_WEIGHT. */
export type WeightChange = ReadonlyMap<string, number>;

export interface WeightParts {
  readonly registry: Registry;
  readonly plans: Plans;
  readonly placement: { readonly algorithm: Algorithm };
}

/** The members with the weights that the change would give them. Throws `bad-request`. */
export function planWeights(parts: WeightParts, change: WeightChange): readonly Member[] {
  const { registry, plans } = parts;
  mustHaveWeights(parts);
  plans.findMembers([...change.keys()]);
  const isStopped = [...change.values()].includes(0);
  const staysEligible = registry.members.some(
    ({ name, weight, state, isDraining }) =>
      (change.get(name) ?? weight) > 0 && state === 'healthy' && !isDraining,
  );
  if (isStopped && !staysEligible)
    throw new BalancerError('bad-request', 'no replica would be eligible any more, so no weight is changed');
  return registry.members.map((member) => ({
    name: member.name,
    id: member.id,
    ordinal: member.ordinal,
    weight: change.get(member.name) ?? member.weight,
  }));
}

/** Carries the change out. Throws `bad-request`. */
export function setWeights(parts: WeightParts, change: WeightChange): void {
  planWeights(parts, change);
  parts.registry.ring.setWeights(change, 'set by an operator');
}

/** Throws `bad-request` where the algorithm has no weights. */
export function mustHaveWeights({ placement }: Pick<WeightParts, 'placement'>): void {
  if (placement.algorithm === 'classic')
    throw new BalancerError('bad-request', 'the classic ring has no weights; choose another --algorithm');
}
