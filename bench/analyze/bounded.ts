/**
 * Bounded load in two forms. `placeInTurn` is what the balancer does: requests come one after another and stay where
 * `core/routing/pick.ts` put them. `placeAll` is the algorithm of the paper: every ball lies where the whole set of balls and
 * bins says, whatever the order in which they came, and moves when the set changes.
 * Source: Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", arXiv 1608.01350.
 */

import { pointsOf } from '../../lib/core/hashing/ring.ts';
import type { Placement } from '../../lib/core/hashing/slot-table.ts';
import type { Member } from '../../lib/core/replica.ts';
import { boundOf } from '../../lib/core/routing/bounded-load.ts';
import { Picker } from '../../lib/core/routing/pick.ts';
import { RouteTable, RouteTableWriter } from '../../lib/core/routing/route-table.ts';

/** The ordinal that each request gets when all of them stay in flight. */
export function placeInTurn(
  placement: Placement,
  members: readonly Member[],
  hashes: ArrayLike<number>,
  loadFactor: number,
): Uint16Array {
  const shape = { slots: placement.slots, ordinals: members.length, workers: 1 };
  const writer = new RouteTableWriter(shape);
  writer.publish((table) => placement.build(members, table));
  for (const { ordinal } of members) writer.setState(ordinal, 'healthy');
  const table = new RouteTable(writer.buffer, shape, 0);
  const picker = new Picker(table, { placement, loadFactor, loadFloor: 0, maxInFlight: hashes.length + 1 });
  return Uint16Array.from({ length: hashes.length }, (_, at) => picker.lease(hashes[at]!));
}

/** A bin on the circle. */
export interface Bin {
  readonly name: string;
  readonly point: number;
}

/** One point of core's ring for each name, in the order of the circle. */
export function binsOf(names: readonly string[]): readonly Bin[] {
  return names
    .map((name) => ({ name, point: pointsOf(name, 1)[0]! }))
    .sort((a, b) => a.point - b.point || (a.name < b.name ? -1 : 1));
}

/** The most balls that a bin may hold with one more than `balls` in `bins` of them. */
export function evenBound(loadFactor: number, balls: number, bins: number): number {
  return boundOf(loadFactor, 0, { totalInFlight: balls, weight: 1, totalWeight: bins });
}

/**
 * How many balls each bin may hold: ⌈c·m⌉ in all, shared out to within one, so that one ball more makes room in as
 * few bins as can be. The most is `evenBound`, ⌈c·m/n⌉.
 */
export function capacities(balls: number, bins: number, loadFactor: number): Uint32Array {
  if (balls === 0) return new Uint32Array(bins);
  const all = evenBound(loadFactor, balls - 1, 1);
  return Uint32Array.from({ length: bins }, (_, bin) => Math.floor(all / bins) + (bin < all % bins ? 1 : 0));
}

/**
 * The bin of every ball, by its place in `bins`: the first from its hash on, clockwise, that has room once the balls
 * before it in the list are in theirs.
 */
export function placeAll(bins: readonly Bin[], hashes: Uint32Array, loadFactor: number): Uint16Array {
  const room = capacities(hashes.length, bins.length, loadFactor);
  const points = Uint32Array.from(bins, ({ point }) => point);
  return Uint16Array.from(hashes, (hash) => {
    let bin = firstAtOrAfter(points, hash);
    while (room[bin] === 0) bin = bin + 1 === points.length ? 0 : bin + 1;
    room[bin] = room[bin]! - 1;
    return bin;
  });
}

/** The first of the ascending points at or after `hash`, or the first of all. */
function firstAtOrAfter(points: Uint32Array, hash: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle]! < hash) low = middle + 1;
    else high = middle;
  }
  return low === points.length ? 0 : low;
}
