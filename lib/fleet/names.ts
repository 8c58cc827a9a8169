/**
 * Names for replicas for which none was given.
 */
import { randomInt } from 'node:crypto';

/** `S1`, or the next `S<i>` that is free. */
export function nextName(taken: ReadonlySet<string>): string {
  let number = 1;
  while (taken.has(`S${number}`)) number++;
  return `S${number}`;
}

/** `S` and six random digits, as in the textbook system. */
export function randomName(taken: ReadonlySet<string>): string {
  for (;;) {
    const name = `S${randomInt(100_000, 1_000_000)}`;
    if (!taken.has(name)) return name;
  }
}
