/** The spec of a replica from the options: the one place where it is built. */
import { resolve } from 'node:path';
import type { Pair, ReplicaSpec } from '../core/replica-spec.ts';
import type { Config } from './options.ts';

/** Enough for a small service, and not for the whole of a machine. A child process has no limit unless one is given. */
const CONTAINER_MEMORY_BYTES = 512 * 1024 ** 2;

/** What every replica is started with; relative paths are resolved in the working directory of the balancer. */
export function replicaSpecOf(config: Config): ReplicaSpec {
  const isContainer = config.driver === 'docker' || config.driver === 'swarm';
  const isPath = (source: string): boolean => /^[./]/.test(source);
  return {
    image: config.image,
    args: config.replicaCommand,
    port: config.replicaPort,
    command: config.command,
    env: config.env.flatMap(({ name, value }): Pair[] => (value === undefined ? [] : [[name, value]])),
    workdir: config.workdir,
    stopSignal: config.stopSignal,
    memoryBytes: config.memoryBytes ?? (isContainer ? CONTAINER_MEMORY_BYTES : 0),
    cpus: config.cpus,
    pids: config.pids,
    user: config.replicaUser,
    isReadOnly: config.readOnly,
    volumes: config.volume.map((volume) => ({
      ...volume,
      source: isPath(volume.source) ? resolve(volume.source) : volume.source,
    })),
    tmpfs: config.tmpfs,
    secrets: config.secret.map(({ name, file }) => ({ name, file: resolve(file) })),
    labels: config.replicaLabel,
    logMaxBytes: config.logMaxBytes,
    logMaxFiles: config.logMaxFiles,
  };
}
