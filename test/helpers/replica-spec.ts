/** Specs of replicas for tests, as the options without any flag give them. */
import type { ReplicaSpec } from '../../lib/core/replica-spec.ts';
import type { Driver, Instance, Start } from '../../lib/drivers/driver.ts';

/** A spec with these fields, and none of the options beside. */
export function specWith(fields: Partial<ReplicaSpec> = {}): ReplicaSpec {
  return {
    image: 'ringlb-replica',
    args: [],
    port: 5000,
    command: '',
    env: [],
    workdir: '',
    stopSignal: '',
    memoryBytes: 0,
    cpus: 0,
    pids: 256,
    user: '',
    isReadOnly: true,
    volumes: [],
    tmpfs: [],
    secrets: [],
    labels: [],
    logMaxBytes: 10 * 1024 ** 2,
    logMaxFiles: 3,
    ...fields,
  };
}

/** A driver whose `start` takes the spec that it was created with where a test gives none. */
export type SpecDriver = Driver & { start(place: Start, spec?: ReplicaSpec): Promise<Instance> };

export function withSpec(driver: Driver, spec: ReplicaSpec): SpecDriver {
  const start = driver.start.bind(driver);
  return Object.assign(driver, { start: (place: Start, given = spec) => start(place, given) });
}
