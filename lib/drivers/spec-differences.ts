/** In which respects two specs differ, in words for people. Values are not named, since they may be secret. Pure. */
import type { ReplicaSpec } from '../core/replica-spec.ts';

/** Image, port and user are left out: what a driver makes of these is for it to compare. */
const WORDS: Readonly<Record<Exclude<keyof ReplicaSpec, 'image' | 'port' | 'user'>, string>> = {
  args: 'arguments',
  command: 'command',
  env: 'environment',
  workdir: 'working directory',
  stopSignal: 'stop signal',
  memoryBytes: 'memory',
  cpus: 'cpus',
  pids: 'pids',
  isReadOnly: 'read-only',
  volumes: 'volumes',
  tmpfs: 'tmpfs',
  secrets: 'secrets',
  labels: 'labels',
  logMaxBytes: 'log size',
  logMaxFiles: 'log files',
};

/** Such as `environment` and `memory`; empty where they are the same. */
export function specDifferences(one: ReplicaSpec, other: ReplicaSpec): readonly string[] {
  return Object.entries(WORDS).flatMap(([field, word]) => {
    const [mine, its] = [one, other].map((spec) => textOf(spec, field as keyof ReplicaSpec));
    return mine === its ? [] : [word];
  });
}

/** Of variables with the same name the last one counts. */
function textOf(spec: ReplicaSpec, field: keyof ReplicaSpec): string {
  return JSON.stringify(field === 'env' ? [...new Map(spec.env)] : spec[field]);
}
