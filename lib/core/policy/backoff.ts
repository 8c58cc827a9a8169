/** How long to wait before the next start. Pure: the caller counts the failures and runs the timer. */
import { type Ending, isFromOutside } from '../ending.ts';

/** `firstMs` doubling with every further failure, at most `maxMs`; no wait before the first failure. */
export function backoffMs(failures: number, firstMs: number, maxMs: number): number {
  if (failures <= 0) return 0;
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 40));
}

/** What the delay of the next start depends on. */
export interface InstanceLife {
  /** It passed its probes once. */
  readonly wasHealthy: boolean;
  /** From then to its end. */
  readonly healthyMs: number;
  /** Undefined where it never ran. */
  readonly ending: Ending | undefined;
}

/** An instance that ran this long after its first passed probe is not part of a crash loop. */
const STEADY_MS = 10_000;

/** True where it is no part of a crash loop, however it ended. */
export function wasSteady({ wasHealthy, healthyMs }: Omit<InstanceLife, 'ending'>): boolean {
  return wasHealthy && healthyMs >= STEADY_MS;
}

/** The number of crashes in a row once this instance has ended, given the number before it. */
export function crashesAfter(crashes: number, life: InstanceLife): number {
  const { wasHealthy, ending } = life;
  const wasEndedFromOutside = wasHealthy && ending !== undefined && isFromOutside(ending);
  return wasSteady(life) || wasEndedFromOutside ? 0 : crashes + 1;
}

/** Wait before an instance is started in a place whose last `crashes` instances crashed: 1 s doubling to 60 s. */
export function restartDelayMs(crashes: number): number {
  return backoffMs(crashes, 1000, 60_000);
}
