/**
 * What a pick costs when a share of the replicas is at its load bound, in a fleet of any size. A pick is everything from
 * the hash of a request to its replica, without counting it in flight.
 */
import { mix32 } from '../../lib/core/hashing/hash.ts';
import { NO_KEY } from '../../lib/core/hashing/hash-key.ts';
import { createPlacement } from '../../lib/core/hashing/placement.ts';
import type { Balance } from '../../lib/core/routing/load-picker.ts';
import { Picker } from '../../lib/core/routing/pick.ts';
import { RouteTable, RouteTableWriter } from '../../lib/core/routing/route-table.ts';

/** Shares of the requests whose owner is at its bound. */
export const OVERFLOWS: readonly number[] = [0, 0.1, 0.5];
const LOAD_FACTOR = 1.25;
/** In flight on a replica on average; the bound is 21 then. */
const MEAN_LOAD = 16;
const PICKS = 10_000;
const ROUNDS = 40;

/** Loads in flight by ordinal, in the mean MEAN_LOAD, of which a share is at the bound or above. */
function loadsOf(replicas: number, overflow: number): readonly number[] {
  const full = Math.round(replicas * overflow);
  const fullLoad = overflow === 0 ? 0 : Math.max(21, MEAN_LOAD + 5);
  const rest = replicas - full;
  const restTotal = MEAN_LOAD * replicas - full * fullLoad;
  // the full ones are spread over the ordinals, and what is left over goes to the others in turn
  return Array.from({ length: replicas }, (_, ordinal) => {
    const isFull = Math.floor(((ordinal + 1) * full) / replicas) > Math.floor((ordinal * full) / replicas);
    return isFull ? fullLoad : Math.floor(restTotal / rest);
  });
}

/** Pick times in ns of one fleet: by key with each share of overflow, and by load. */
export interface PickTimes {
  readonly byOverflow: readonly number[];
  readonly p2cNs: number;
  /** With half of the replicas far above the mean, so that a quarter of the requests are drawn for again. */
  readonly unevenP2cNs: number;
  readonly leastNs: number;
}

/** `replicas` is at least 10. */
export function pickTimesOf(replicas: number): PickTimes {
  return {
    byOverflow: OVERFLOWS.map((overflow) => pickNs(replicas, overflow, 'hash')),
    p2cNs: pickNs(replicas, 0, 'p2c'),
    unevenP2cNs: pickNs(replicas, 0.5, 'p2c'),
    leastNs: pickNs(replicas, 0, 'least'),
  };
}

/** What a pick takes in the shortest of the rounds: what else the machine does only adds to it. */
function pickNs(replicas: number, overflow: number, balance: Balance): number {
  const placement = createPlacement({ algorithm: 'maglev', slots: 0, vnodes: 0 });
  const shape = { slots: placement.slots, ordinals: replicas, workers: 1 };
  const writer = new RouteTableWriter(shape);
  const table = new RouteTable(writer.buffer, shape, 0);
  const members = Array.from({ length: replicas }, (_, ordinal) => ({
    name: `S${ordinal + 1}`,
    id: ordinal + 1,
    ordinal,
  }));
  writer.publish((slots) => placement.build(members, slots));
  for (const [ordinal, load] of loadsOf(replicas, overflow).entries()) {
    writer.setState(ordinal, 'healthy');
    for (let count = 0; count < load; count++) table.acquire(ordinal, Number.POSITIVE_INFINITY);
  }
  const policy = { placement, loadFactor: LOAD_FACTOR, loadFloor: 0, maxInFlight: 256, balance };
  const picker = new Picker(table, policy);
  const isByKey = balance === 'hash';
  const roundsMs = Array.from({ length: ROUNDS }, (_, round) => {
    const startMs = performance.now();
    let sum = 0;
    for (let pick = 0; pick < PICKS; pick++) {
      const hash = mix32(pick + round * PICKS);
      sum += picker.pick(isByKey ? hash : NO_KEY);
    }
    if (sum < 0) throw new Error('a pick found no replica');
    return performance.now() - startMs;
  });
  return (Math.min(...roundsMs) * 1e6) / PICKS;
}
