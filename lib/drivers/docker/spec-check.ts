/**
 * Whether the engine has what a spec names, asked before anything is started. Paths are those of the engine's host,
 * which may be another machine, so only the engine can tell whether they are there: it is given a container to create
 * that is never started.
 */
import { hasTemplate, type ReplicaSpec } from '../../core/replica-spec.ts';
import { BalancerError } from '../../platform/errors.ts';
import { containerBody } from './container-body.ts';
import type { DockerEngine } from './engine.ts';
import { type ContainerJson, type ContainerSettings, isOfPool } from './mapper.ts';

/** Throws `start-failed` if a volume or a path is missing, or the engine refuses a limit. */
export async function checkSpec(
  engine: DockerEngine,
  given: ReplicaSpec,
  settings: ContainerSettings,
): Promise<void> {
  const spec: ReplicaSpec = {
    ...given,
    // what these are is known at the start of a replica
    volumes: given.volumes.filter(({ source, target }) => !hasTemplate(source + target)),
    secrets: given.secrets.filter(({ file }) => !hasTemplate(file)),
  };
  await checkVolumes(engine, spec);
  if (spec.volumes.length + spec.secrets.length + spec.tmpfs.length === 0 && spec.cpus === 0) return;
  const { Labels: labels, ...body } = containerBody({ name: 'check', id: 1 }, spec, settings);
  // labels of the pool, by which whatever is left of it is found, but not those of a replica
  const Labels = Object.fromEntries(Object.entries(labels).filter(([name]) => name === 'ringlb.pool'));
  await engine.remove(await engine.create('', { ...body, Labels }));
}

/** Throws `start-failed` if a named volume is missing: the engine would create an empty one. */
export async function checkVolumes(engine: DockerEngine, { volumes }: ReplicaSpec): Promise<void> {
  for (const { source } of volumes) {
    if (source.startsWith('/') || (await engine.hasVolume(source))) continue;
    const reason = `The engine has no volume ${source}: create it with "docker volume create ${source}", or give a path that begins with / or ./`;
    throw new BalancerError('start-failed', reason);
  }
}

/** The refusal of a start whose container name another container has. */
export function nameHeldBy(
  holder: ContainerJson,
  name: string,
  { pool, cause }: { readonly pool: string; readonly cause: BalancerError },
): BalancerError {
  const { Image: image, Labels: labels } = holder.Config;
  const [whose, more] = isOfPool(labels, pool)
    ? ['a container of this pool', '']
    : ['a container that is not ours', ', or set --container-prefix'];
  const who = `${holder.Id.slice(0, 12)}, image ${image}`;
  const reason = `The name ${name} is held by ${whose} (${who}): choose another name, or remove it${more}`;
  return new BalancerError('name-held', reason, { cause });
}
