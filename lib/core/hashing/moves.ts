/**
 * Compares two tables: which part of the slots, and so of the keys, moves from which owner to which. Pure; one pass over
 * the slots.
 */

/** A part of the slots, 0 to 1, that changes its owner; ordinals, or NO_OWNER. */
export interface SlotMove {
  readonly from: number;
  readonly to: number;
  readonly share: number;
}

/** Above every ordinal and NO_OWNER. */
const RADIX = 0x10000;

/** Every pair of owners between which slots move, the largest part first. The tables are of one length. */
export function slotMoves(before: Uint16Array, after: Uint16Array): readonly SlotMove[] {
  const counts = new Map<number, number>();
  for (let slot = 0; slot < before.length; slot++) {
    if (before[slot] === after[slot]) continue;
    const pair = before[slot]! * RADIX + after[slot]!;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .map(([pair, count]) => ({
      from: Math.floor(pair / RADIX),
      to: pair % RADIX,
      share: count / before.length,
    }));
}
