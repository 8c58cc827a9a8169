/** A pause between two requests of a command that goes on. */
import { sleep, systemClock } from '../platform/clock.ts';

/** Sleeps, and keeps the process alive meanwhile. */
export async function sleepReferenced(ms: number): Promise<void> {
  const alive = setInterval(() => {}, ms);
  await sleep(systemClock, ms);
  clearInterval(alive);
}
