/**
 * Consistent hashing with bounded loads: the most requests that one replica may hold, so that a hot key or a skewed
 * table overflows to the successor instead of overloading the owner.
 * Invariant: with a load factor from 1, the bounds of all replicas together exceed what is in flight, so at least one
 * replica is under its bound and a walk over them ends.
 * Source: Mirrokni, Thorup and Zadimoghaddam, arXiv 1608.01350, section 1.
 */

/** Load factors are whole millionths (options allow no more), so the bound can be computed without rounding. */
export const MILLION = 1_000_000;

/** What the bound of one of several replicas depends on. Weights are whole numbers. */
export interface WeightedLoad {
  /** Before the new request, on all eligible replicas. */
  readonly totalInFlight: number;
  readonly weight: number;
  /** Of all eligible replicas. */
  readonly totalWeight: number;
}

/**
 * The most requests that a replica may hold, the new one included; at least `floor`. Infinity for load factor 0 (off)
 * and for no eligible replica.
 * With load factor c = 1 + ε, m requests in flight and a weight w of W in all it is ⌈c · (m + 1) · w ÷ W⌉, so that the
 * bounds together exceed m. An almost idle fleet has bounds of one or two, which one client with six parallel requests
 * exceeds although no replica is in any trouble; so where requests of one key belong together, no bound is below
 * `--load-floor`.
 */
export function boundOf(
  loadFactor: number,
  floor: number,
  { totalInFlight, weight, totalWeight }: WeightedLoad,
): number {
  if (loadFactor === 0) return Number.POSITIVE_INFINITY;
  // Whole numbers up to the division: 1.1 · 10 is above 11 in floating point, and its ceiling would be 12.
  const allowance = Math.round(loadFactor * MILLION) * (totalInFlight + 1) * weight;
  const bound = Math.ceil(allowance / (MILLION * totalWeight));
  return bound > floor ? bound : floor;
}
