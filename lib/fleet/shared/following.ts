/**
 * Waits until this balancer knows of every replica that others have added to the pool, and of every one that they have
 * removed, as far as that was done before the call.
 */
import type { Driver, Instance } from '../../drivers/driver.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import type { Registry } from '../registry.ts';
import { removalsIn } from './removals.ts';

const LOOK_MS = 100;
/** Where an instance never comes to run, or more come all the time, it is decided on what is known then. */
const MOST_WAIT_MS = 5000;

export interface FollowedParts {
  readonly driver: Pick<Driver, 'heals' | 'list'>;
  readonly registry: Pick<Registry, 'replicas' | 'find'>;
  readonly clock: Clock;
  /** Has this balancer look at the pool. */
  readonly nudge: () => void;
}

/** Throws `engine-unreachable`. */
export async function untilFollowed({ driver, registry, clock, nudge }: FollowedParts): Promise<void> {
  const untilMs = clock.nowMs() + MOST_WAIT_MS;
  for (;;) {
    const listed = await driver.list();
    if (isFollowed(listed, driver.heals === true, registry) || clock.nowMs() >= untilMs) return;
    nudge();
    await sleep(clock, LOOK_MS);
  }
}

function isFollowed(
  listed: readonly Instance[],
  heals: boolean,
  registry: FollowedParts['registry'],
): boolean {
  const isMissing = listed.some(
    ({ role, endpoint, name }) =>
      role === 'current' && endpoint !== undefined && registry.find(name) === undefined,
  );
  return !isMissing && !registry.replicas.some(removalsIn(listed, heals));
}
