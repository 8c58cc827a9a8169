/**
 * Consistent hashing with bounded loads: the most that one replica may hold, so that a hot key or a skewed table
 * overflows to the successor instead of drowning the owner. Mirrokni, Thorup and Zadimoghaddam, arXiv 1608.01350,
 * section 1: with load factor c = 1 + ε, m requests and n replicas, at most ⌈c·m/n⌉ each.
 * Must not hold: who gets the request (`pick.ts`).
 * A fleet with little to do has bounds of one or two, which a client that sends six requests at once is over, though
 * none of the replicas has any trouble with it. Where requests of one key belong together there is a floor below which
 * no bound is: that is what the bound is for, an owner that drowns, and not one with five requests.
 * Invariant: with a load factor from 1, the bounds of all replicas together are above what is in flight, so at
 * least one replica is under its bound and a walk over them ends.
 */

/** Load factors are whole millionths (options allow no more), so the bound can be reckoned without rounding. */
const MILLION = 1_000_000;

/**
 * The most requests a replica may hold, the new one included, with `totalInFlight` requests in flight before it
 * on `eligible` replicas; at least `floor`. Infinity for load factor 0 (off) and for no eligible replica.
 */
export function boundOf(loadFactor: number, totalInFlight: number, eligible: number, floor = 0): number {
  if (loadFactor === 0) return Number.POSITIVE_INFINITY;
  // Whole numbers up to the division: 1.1 · 10 is above 11 in floating point, and its ceiling would be 12.
  const bound = Math.ceil((Math.round(loadFactor * MILLION) * (totalInFlight + 1)) / (MILLION * eligible));
  return bound > floor ? bound : floor;
}
