/**
 * How the control plane changes hands: what the balancer that runs does when another takes over, and what the other one
 * does then.
 * Invariant: a request that changes the fleet is carried out by one of them, or refused; the one that is to take over has
 * those wait that come too early.
 */
import type { Driver } from '../../drivers/driver.ts';
import type { Autoscaler } from '../../fleet/autoscale/autoscaler.ts';
import type { Deploys } from '../../fleet/deploy/deploys.ts';
import type { FleetView } from '../../fleet/fleet-view.ts';
import type { Follower } from '../../fleet/lifecycle/follower.ts';
import type { Scaling } from '../../fleet/lifecycle/scaling.ts';
import type { Supervisor } from '../../fleet/lifecycle/supervisor.ts';
import { type Clock, sleep } from '../../platform/clock.ts';

export interface HandOverParts {
  readonly view: Pick<FleetView, 'open' | 'startDraining'>;
  readonly deploys: Pick<Deploys, 'open' | 'refuseAll'>;
  readonly autoscaler: Pick<Autoscaler, 'open' | 'close'>;
  readonly scaling: Pick<Scaling, 'whenAdded'>;
  readonly supervisor: Pick<Supervisor | Follower, 'look' | 'nudge' | 'handOver'>;
  readonly driver: Pick<Driver, 'takePool' | 'outlivesBalancer'>;
  readonly clock: Clock;
}

/** How long additions under way may take when another balancer takes over, which waits ten seconds for a response. */
const ADDITIONS_MS = 5000;

/** Lets changes of the fleet begin. */
export function openChanges({ view, deploys }: Pick<HandOverParts, 'view' | 'deploys'>): void {
  view.open();
  deploys.open();
}

/** The other balancer has handed over: from now on this one changes the pool. Throws `pool-taken`. */
export async function takePool(parts: HandOverParts): Promise<void> {
  const { supervisor, driver, autoscaler } = parts;
  // while the pool counts as shared, so that what the other one did last is known to be its doing
  await supervisor.look();
  await driver.takePool?.();
  supervisor.nudge();
  openChanges(parts);
  autoscaler.open();
}

/** Leaves the pool to another balancer. Throws `deploy-running`; nothing has changed then. */
export async function handOver(parts: HandOverParts): Promise<void> {
  const { view, deploys, autoscaler, scaling, supervisor, driver, clock } = parts;
  deploys.refuseAll();
  view.startDraining();
  autoscaler.close();
  if (!driver.outlivesBalancer) return;
  // those that take longer fail, and nothing is left of them
  await Promise.race([scaling.whenAdded(), sleep(clock, ADDITIONS_MS)]);
  await supervisor.handOver();
}
