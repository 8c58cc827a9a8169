/**
 * Waits until a replica has no requests in flight. The data threads count them in shared memory and tell nobody, so
 * this looks at the count every 20 ms.
 */
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';

export interface IdleParts {
  readonly registry: Registry;
  readonly clock: Clock;
}

const LOOK_MS = 20;

/** Resolves true once nothing is in flight on the replica, or false once `isGivenUp` says so before that. */
export async function whenIdle(
  { registry, clock }: IdleParts,
  replica: Replica,
  isGivenUp: () => boolean,
): Promise<boolean> {
  while (registry.states.inFlightOf(replica) > 0) {
    if (isGivenUp()) return false;
    await sleep(clock, LOOK_MS);
  }
  return true;
}
