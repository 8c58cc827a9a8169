/**
 * What a change of the fleet would do, without doing it: whose keys move to whom, and which requests it would touch.
 * Invariant: the tables are built by the placement that builds the real ones, from the plan that the change would use.
 */
import type { Preview } from '../api/types.ts';
import { slotMoves } from '../core/hashing/moves.ts';
import type { Placement } from '../core/hashing/slot-table.ts';
import type { Member, Place } from '../core/replica.ts';
import type { Plans } from './lifecycle/plans.ts';
import type { Registry } from './registry.ts';
import type { Replica } from './replica.ts';
import { mustHaveWeights, planWeights, type WeightChange } from './ring/weights.ts';

export interface PreviewParts {
  readonly registry: Registry;
  readonly plans: Plans;
  readonly placement: Placement;
  readonly table: { readonly shape: { readonly ordinals: number } };
  /** Tunnels open to the replica of an ordinal. */
  readonly openTunnels: (ordinal: number) => number;
}

/** What `/add` would do. Throws what it would before anything is started. */
export function previewAdd(
  parts: PreviewParts,
  count: number,
  names: readonly string[],
  weights: WeightChange = new Map(),
): Preview {
  if (weights.size > 0) mustHaveWeights(parts);
  const added = membersOf(parts, parts.plans.planAdd(count, names), weights);
  return previewOf(parts, { added, removed: [] });
}

/** What `/weight` would do. Throws what it would. */
export function previewWeights(parts: PreviewParts, change: WeightChange): Preview {
  return previewOf(parts, { added: [], removed: [], members: planWeights(parts, change) });
}

/** What `/rm` would do. Throws what it would. */
export function previewRemove(parts: PreviewParts, count: number, names: readonly string[]): Preview {
  return previewOf(parts, { added: [], removed: parts.plans.planRemove(count, names) });
}

/** What `/scale` would do. Throws what it would before anything is started. */
export function previewScale(parts: PreviewParts, count: number): Preview {
  const { added, removed } = parts.plans.planScale(count);
  return previewOf(parts, { added: membersOf(parts, added), removed });
}

/** Places as members with ordinals that the table does not have. */
function membersOf(
  { table, registry }: PreviewParts,
  places: readonly Place[],
  weights: WeightChange = new Map(),
): readonly Member[] {
  return places.map((place, index) => ({
    ...place,
    ordinal: table.shape.ordinals + index,
    weight: weights.get(place.name) ?? registry.ring.weightFor(place.name),
  }));
}

interface PlannedChange {
  readonly added: readonly Member[];
  readonly removed: readonly Replica[];
  /** Those there are, with other weights; as they are where this is absent. */
  readonly members?: readonly Member[];
}

function previewOf(
  { registry, placement, openTunnels }: PreviewParts,
  { added, removed, members = registry.members }: PlannedChange,
): Preview {
  const before: readonly Member[] = registry.members;
  const gone = new Set(removed.map(({ name }) => name));
  const after = [...members.filter(({ name }) => !gone.has(name)), ...added];
  const names = new Map([...before, ...added].map(({ ordinal, name }) => [ordinal, name]));
  const moves = slotMoves(tableOf(placement, before), tableOf(placement, after));
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  return {
    dryRun: true,
    N: after.length,
    replicas: after.map(({ name }) => name),
    added: added.map(({ name }) => name),
    removed: removed.map(({ name }) => name),
    moved: rounded(sum(moves.map(({ share }) => share))),
    moves: moves.map(({ from, to, share }) => ({
      from: names.get(from) ?? null,
      to: names.get(to) ?? null,
      share: rounded(share),
    })),
    inFlight: sum(removed.map((replica) => registry.states.inFlightOf(replica))),
    tunnels: sum(removed.map(({ ordinal }) => openTunnels(ordinal))),
  };
}

function tableOf(placement: Placement, members: readonly Member[]): Uint16Array {
  const table = new Uint16Array(placement.slots);
  placement.build(members, table);
  return table;
}

/** Six decimals: more than the number of slots can tell. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
