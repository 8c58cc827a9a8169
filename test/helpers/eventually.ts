/** Waiting for a condition instead of for a time. Must not hold: conditions. */
import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 10;

/**
 * Asks `probe` until it gives anything but undefined or false, and returns that; fails after `deadlineMs`, naming
 * `what` and the last error that `probe` threw.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  deadlineMs = 60_000,
): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await delay(PAUSE_MS);
  }
  throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause: last });
}
