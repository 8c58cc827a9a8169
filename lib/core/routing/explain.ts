/**
 * Why a request goes where it goes: the successors of its slot in order, what each holds, and who takes it.
 * Must not hold: a choice of its own. `Picker` makes it, over a table that stands still; this file only reads the same
 * table beside it. Pure but for that table, which is a copy of its caller's.
 */

import { NO_OWNER } from '../hashing/slot-table.ts';
import { NONE_ELIGIBLE, Picker, type PickPolicy } from './pick.ts';
import { isEligible, type RouteTable } from './route-table.ts';

/**
 * What keeps the request from a replica. `takes`: nothing, it gets it. `next`: nothing, but one before it has it.
 * `not-eligible`: not healthy, or drained. `over-bound`: as much in flight as the load bound allows. `full`: as much
 * as it may ever have.
 */
export type Verdict = 'takes' | 'next' | 'not-eligible' | 'over-bound' | 'full';

export interface Successor {
  readonly ordinal: number;
  readonly inFlight: number;
  readonly verdict: Verdict;
}

/**
 * `owner`: it takes it. `owner-not-eligible`, `owner-over-bound`, `owner-full`: another does, for that reason.
 * `all-over-bound`: the first with room takes it although over the bound, since all are. `all-full`, `none-eligible`:
 * it would have to wait. `no-replicas`: the same, since there is none.
 */
export type Reason =
  | 'owner'
  | 'owner-not-eligible'
  | 'owner-over-bound'
  | 'owner-full'
  | 'all-over-bound'
  | 'all-full'
  | 'none-eligible'
  | 'no-replicas';

export interface Explanation {
  readonly slot: number;
  /** The owner's ordinal, or undefined while there is no replica. */
  readonly owner: number | undefined;
  /** Who gets it now, or undefined where it has to wait. */
  readonly taker: number | undefined;
  readonly reason: Reason;
  readonly bound: number;
  /** The owner first. */
  readonly successors: readonly Successor[];
}

/** Explains where a request of this hash goes. `table` is a copy, and the request is counted in flight there. */
export function explainPick(table: RouteTable, policy: PickPolicy, hash: number): Explanation {
  const picker = new Picker(table, policy);
  const { bound } = picker;
  const slot = policy.placement.slotOf(hash);
  const owner = picker.ownerOf(hash);
  const loads = successorsOf(table, slot).map((ordinal) => ({ ordinal, inFlight: table.inFlight(ordinal) }));
  const picked = picker.lease(hash);
  const verdictOf = (ordinal: number, inFlight: number): Verdict => {
    if (ordinal === picked) return 'takes';
    if (!isEligible(table.stateWord(ordinal))) return 'not-eligible';
    if (inFlight >= policy.maxInFlight) return 'full';
    return inFlight >= bound ? 'over-bound' : 'next';
  };
  const successors = loads.map((load) => ({ ...load, verdict: verdictOf(load.ordinal, load.inFlight) }));
  return {
    slot,
    owner: owner === NO_OWNER ? undefined : owner,
    taker: picked < 0 ? undefined : picked,
    reason: reasonOf(successors, picked, bound),
    bound,
    successors,
  };
}

/** Who owns slots, each once, in the order in which a walk from `start` meets them. */
function successorsOf(table: RouteTable, start: number): readonly number[] {
  const slots = table.bankOf(table.version);
  const isMet = new Uint8Array(table.shape.ordinals);
  const met: number[] = [];
  for (let step = 0, slot = start; step < slots.length; step++) {
    const ordinal = slots[slot]!;
    if (isMet[ordinal] === 0) {
      isMet[ordinal] = 1;
      met.push(ordinal);
    }
    slot = slot + 1 === slots.length ? 0 : slot + 1;
  }
  return met;
}

function reasonOf(successors: readonly Successor[], picked: number, bound: number): Reason {
  const [owner] = successors;
  if (owner === undefined) return 'no-replicas';
  if (picked < 0) return picked === NONE_ELIGIBLE ? 'none-eligible' : 'all-full';
  const taker = successors.find(({ verdict }) => verdict === 'takes');
  if (taker !== undefined && taker.inFlight >= bound) return 'all-over-bound';
  if (owner.verdict === 'not-eligible') return 'owner-not-eligible';
  if (owner.verdict === 'full') return 'owner-full';
  return owner.verdict === 'over-bound' ? 'owner-over-bound' : 'owner';
}
