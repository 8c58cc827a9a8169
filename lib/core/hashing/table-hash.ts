/**
 * A number that says which name owns each slot: balancers over the same replicas have the same one, whatever ordinals
 * they gave them and in whatever order.
 */
import { type Member, NO_ORDINAL } from '../replica.ts';
import { hashText, mix32 } from './hash.ts';

/** Unsigned 32 bits of the owners' names; about a millisecond for 65,537 slots. */
export function tableHash(
  slots: ArrayLike<number>,
  members: readonly Pick<Member, 'name' | 'ordinal'>[],
): number {
  const names = new Map(members.map(({ name, ordinal }) => [ordinal, hashText(name)]));
  let hash = 0;
  let [lastOwner, lastHash] = [NO_ORDINAL, 0];
  for (let slot = 0; slot < slots.length; slot++) {
    const owner = slots[slot]!;
    if (owner !== lastOwner) [lastOwner, lastHash] = [owner, names.get(owner) ?? 0];
    hash = mix32(Math.imul(hash, 31) + lastHash);
  }
  return hash;
}
