/**
 * Which replica owns a request id, reckoned from what `/ring` and `/replicas` say and `core/` does, so that an answer
 * can be compared with it.
 */
import type { RingView } from '../../lib/api/types.ts';
import { hashKeyOf } from '../../lib/core/hashing/hash-key.ts';
import { createPlacement } from '../../lib/core/hashing/placement.ts';
import type { Place } from '../../lib/core/replica.ts';

/** For each id the name of its owner in a table of these settings and members. */
export function ownersOf(
  ring: Pick<RingView, 'algorithm' | 'slots' | 'vnodes'> & { readonly members: readonly Place[] },
  ids: readonly string[],
): readonly string[] {
  const placement = createPlacement(ring);
  const table = new Uint16Array(placement.slots);
  placement.build(
    ring.members.map(({ name, id }, ordinal) => ({ name, id, ordinal })),
    table,
  );
  return ids.map((id) => ring.members[table[placement.slotOf(hashKeyOf(id, ring.algorithm))]!]!.name);
}
