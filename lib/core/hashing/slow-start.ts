/**
 * Slow start on a table of slots: a replica that has just become healthy gets a growing part of the slots that it owns,
 * and the others stay with those who would own them without it. Pure.
 * Invariant: which slots come first is a function of name and slot alone, so that as the share grows each slot moves once
 * and never back; no slot of another replica moves.
 */
import { hashText, mix32 } from './hash.ts';

/** Part of the order in which slots come; it stays as it is. */
const SEED = 0x736c6f77;

/** A replica in its slow start. */
export interface SlowMember {
  readonly name: string;
  readonly ordinal: number;
  /** The part of its slots that it has now, 0 to 1. */
  readonly share: number;
}

/** Gives the slots of `full` that slow members do not have yet to their owners in `base`, a table without these members. */
export function holdBack(full: Uint16Array, base: Uint16Array, slow: readonly SlowMember[]): void {
  const limits = new Map(
    slow.map(({ name, ordinal, share }) => [ordinal, { seed: hashText(name, SEED), limit: share * 2 ** 32 }]),
  );
  for (let slot = 0; slot < full.length; slot++) {
    const member = limits.get(full[slot]!);
    if (member !== undefined && mix32(mix32(slot) ^ member.seed) >= member.limit) full[slot] = base[slot]!;
  }
}
