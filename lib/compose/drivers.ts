/**
 * From the options to the driver, and the only file that knows concrete drivers. Each is loaded only when it is asked
 * for: the Docker client alone is 40 MB of memory.
 */
import { replicaSpecOf } from '../config/replica-spec.ts';
import type { Driver, OpenOutput } from '../drivers/driver.ts';
import type { Clock } from '../platform/clock.ts';
import { assertNever } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { LiveOptions } from './live-options.ts';

/** What a driver is given beside the options. */
export interface DriverParts {
  readonly log: Logger;
  readonly clock: Clock;
  readonly openOutput: OpenOutput;
}

export async function createDriver(options: LiveOptions, given: DriverParts): Promise<Driver> {
  const { config } = options;
  const { driver } = config;
  const log = given.log.component('driver');
  const parts = options.share({ ...config, ...given, spec: replicaSpecOf(config), log });
  switch (driver) {
    case 'process':
      return (await import('../drivers/process/process.ts')).createProcessDriver(parts);
    case 'docker': {
      const { createOwnedDockerDriver, createSharedDockerDriver } = await import(
        '../drivers/members/shared-docker.ts'
      );
      return config.poolMembers === 'many' ? createSharedDockerDriver(parts) : createOwnedDockerDriver(parts);
    }
    case 'swarm':
      return (await import('../drivers/members/shared-swarm.ts')).createSharedSwarmDriver(parts);
    case 'static':
      return (await import('../drivers/static.ts')).createStaticDriver(config);
    case 'discover':
      return (await import('../drivers/discover/discover.ts')).createDiscoverDriver(parts);
    default:
      return assertNever(driver);
  }
}
