/** A short name for a whole spec, to tell whether two instances were given the same. */
import { createHash } from 'node:crypto';
import type { ReplicaSpec } from '../core/replica-spec.ts';

/** Enough to tell the specs of one fleet apart. */
const DIGITS = 12;

/** Twelve hexadecimal digits of SHA-256; the order of the fields does not matter, that of lists does. */
export function specHash(spec: ReplicaSpec): string {
  const fields = Object.entries(spec).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex').slice(0, DIGITS);
}
