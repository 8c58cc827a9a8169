/**
 * The swarm driver and the balancers that share its pool, who keep their records as configs of the Swarm.
 */
import { formatEndpoint } from '../../core/replica.ts';
import { systemClock } from '../../platform/clock.ts';
import { isGone, thisOwner } from '../docker/owner.ts';
import type { Driver } from '../driver.ts';
import { CALL_LIMIT_MS, Managers } from '../swarm/managers.ts';
import type { SwarmDriverOptions } from '../swarm/options.ts';
import { createSwarmDriver } from '../swarm/swarm.ts';
import { SwarmEngine } from '../swarm/swarm-engine.ts';
import { configStore } from './config-store.ts';
import { Membership } from './membership.ts';
import { sharedDriver } from './shared-driver.ts';

export interface SharedSwarmOptions extends SwarmDriverOptions {
  /** Recorded for the operators of other balancers; port 0 is not known yet. */
  readonly adminHost: string;
  readonly adminPort: number;
}

/** Each renewal is written down by every manager. */
const RENEW_MS = 2000;

export function createSharedSwarmDriver(options: SharedSwarmOptions): Driver {
  const { engines, pool, log, clock = systemClock, callLimitMs = CALL_LIMIT_MS } = options;
  const managers = new Managers({ engines, clock, callLimitMs });
  // not a copy: a reload changes what is in it
  const inner = createSwarmDriver(Object.assign(options, { managers, clock }));
  let members: Membership | undefined;
  const { adminHost: host, adminPort: port } = options;
  const driver = sharedDriver({ inner, options, membership: () => members });
  return Object.assign(driver, {
    async open(): Promise<void> {
      await inner.open();
      const admin = port === 0 ? '' : formatEndpoint({ host, port });
      const engine = new SwarmEngine(managers);
      const membership = new Membership({
        store: configStore(engine, pool),
        // a container is known to the engine of its own node alone
        owner: thisOwner(admin, clock.wallMs(), undefined),
        isGone: async (owner) => isGone(owner, undefined),
        renewMs: RENEW_MS,
        clock,
        log,
      });
      await engine.onceLed(clock, () => membership.join());
      members = membership;
    },
    async close(keep: boolean): Promise<void> {
      await members?.close();
      members = undefined;
      await inner.close(keep);
    },
  });
}
