/**
 * Explains a routing decision: the successors of the request's slot in order, what each holds, and which one takes it.
 * The decision itself is made by `Picker`, over a copy of the table that does not change; this file only reads the same
 * copy beside it, so the two cannot disagree. Pure but for that copy.
 */

import { NO_KEY } from '../hashing/hash-key.ts';
import { NO_OWNER } from '../hashing/slot-table.ts';
import { Picker, type PickPolicy } from './pick.ts';
import { ALL_FULL, NONE_ELIGIBLE } from './pick-codes.ts';
import { isEligible, type RouteTable } from './route-table.ts';

/**
 * Why a replica does or does not get the request. `takes`: it gets it. `next`: it could, but one before it does.
 * `not-eligible`: not healthy, or drained. `over-bound`: it has as many in flight as the load bound allows. `full`: it
 * has `--max-in-flight`.
 */
export type Verdict = 'takes' | 'next' | 'not-eligible' | 'over-bound' | 'full';

export interface Successor {
  readonly ordinal: number;
  readonly inFlight: number;
  /** The most that it may have in flight now, while another is under its own bound. */
  readonly bound: number;
  readonly verdict: Verdict;
}

/**
 * `owner`: the owner takes it. `owner-not-eligible`, `owner-over-bound`, `owner-full`: another replica does, for that
 * reason. `all-over-bound`: all are over the bound, so the first with room takes it. `all-full`, `none-eligible`,
 * `no-replicas`: the request would have to wait. `p2c`, `least`: it has no key and is given by load. `sticky`: its cookie
 * names the replica.
 */
export type Reason =
  | 'owner'
  | 'owner-not-eligible'
  | 'owner-over-bound'
  | 'owner-full'
  | 'all-over-bound'
  | 'all-full'
  | 'none-eligible'
  | 'no-replicas'
  | 'p2c'
  | 'least'
  | 'sticky';

export interface Explanation {
  /** Undefined for a request without a key. */
  readonly slot: number | undefined;
  /** The owner's ordinal, or undefined while there is no replica, or for a request without a key. */
  readonly owner: number | undefined;
  /** The ordinal that gets it now, or undefined where it has to wait. */
  readonly taker: number | undefined;
  readonly reason: Reason;
  /** The owner first; for a request without a key the candidates, the taker first. */
  readonly successors: readonly Successor[];
}

/**
 * Explains where a request of this hash, or of NO_KEY, goes. `table` is a copy, and the request is counted in flight there.
 */
export function explainPick(table: RouteTable, policy: PickPolicy, hash: number): Explanation {
  const picker = new Picker(table, policy);
  if (hash === NO_KEY) return explainByLoad(table, picker, policy);
  const slot = policy.placement.slotOf(hash);
  const owner = picker.ownerOf(hash);
  const loads = successorsOf(table, slot).map((ordinal) => loadOf(table, picker, ordinal));
  const picked = picker.lease(hash);
  const verdictOf = ({ ordinal, inFlight, bound }: Omit<Successor, 'verdict'>): Verdict => {
    if (ordinal === picked) return 'takes';
    if (!isEligible(table.stateWord(ordinal))) return 'not-eligible';
    if (inFlight >= policy.maxInFlight) return 'full';
    return inFlight >= bound ? 'over-bound' : 'next';
  };
  const successors = loads.map((load) => ({ ...load, verdict: verdictOf(load) }));
  return {
    slot,
    owner: owner === NO_OWNER ? undefined : owner,
    taker: picked < 0 ? undefined : picked,
    reason: reasonOf(successors, picked),
    successors,
  };
}

/** Explains where a request goes whose sticky cookie names this replica; undefined where that cannot take it. */
export function explainSticky(
  table: RouteTable,
  policy: PickPolicy,
  ordinal: number,
): Explanation | undefined {
  const picker = new Picker(table, policy);
  const inFlight = table.inFlight(ordinal);
  if (!picker.leaseForSession(ordinal)) return undefined;
  const stop = { ordinal, inFlight, bound: policy.maxInFlight, verdict: 'takes' } as const;
  return { slot: undefined, owner: undefined, taker: ordinal, reason: 'sticky', successors: [stop] };
}

function loadOf(table: RouteTable, picker: Picker, ordinal: number): Omit<Successor, 'verdict'> {
  return { ordinal, inFlight: table.inFlight(ordinal), bound: picker.boundOf(ordinal) };
}

/** One draw of many: the next request of this kind is given to others. */
function explainByLoad(table: RouteTable, picker: Picker, policy: PickPolicy): Explanation {
  const picked = picker.pick(NO_KEY);
  const others = picker.drawn.filter((ordinal) => ordinal !== picked);
  const candidates = picked < 0 ? [] : [picked, ...others];
  const verdictOf = (ordinal: number): Verdict => {
    if (ordinal === picked) return 'takes';
    return table.inFlight(ordinal) < policy.maxInFlight ? 'next' : 'full';
  };
  const reasons = { [NONE_ELIGIBLE]: 'none-eligible', [ALL_FULL]: 'all-full' } as const;
  const byLoad = policy.balance === 'least' ? 'least' : 'p2c';
  return {
    slot: undefined,
    owner: undefined,
    taker: picked < 0 ? undefined : picked,
    reason: reasons[picked as keyof typeof reasons] ?? byLoad,
    // the load bound is not for requests without a key
    successors: candidates.map((ordinal) => ({
      ordinal,
      inFlight: table.inFlight(ordinal),
      bound: policy.maxInFlight,
      verdict: verdictOf(ordinal),
    })),
  };
}

/** Owners of slots, each once, in the order in which a walk from `start` meets them. */
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

function reasonOf(successors: readonly Successor[], picked: number): Reason {
  const [owner] = successors;
  if (owner === undefined) return 'no-replicas';
  if (picked < 0) return picked === NONE_ELIGIBLE ? 'none-eligible' : 'all-full';
  const taker = successors.find(({ verdict }) => verdict === 'takes');
  if (taker !== undefined && taker.inFlight >= taker.bound) return 'all-over-bound';
  if (owner.verdict === 'not-eligible') return 'owner-not-eligible';
  if (owner.verdict === 'full') return 'owner-full';
  return owner.verdict === 'over-bound' ? 'owner-over-bound' : 'owner';
}
