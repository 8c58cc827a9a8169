/**
 * Which releases the instances of an earlier balancer are of, and whether it ended in the middle of a deploy: read from
 * what is written on them, so that a replica is healed with what it ran, whatever the options are now.
 */
import type { Found } from '../../core/policy/reconcile.ts';
import type { Driver, Instance } from '../../drivers/driver.ts';
import type { Release, Releases } from './releases.ts';

/** A deploy that an earlier balancer began and did not end. */
export interface Interrupted {
  /** What most replicas ran before it. */
  readonly from: Release;
  readonly to: Release;
}

/** What an earlier balancer left, as `findFleet` finds it. */
export interface LeftFleet {
  readonly places: readonly Found<Instance>[];
  readonly rest: readonly Instance[];
}

/** An instance that was left, with its release. */
export interface Left {
  readonly instance: Pick<Instance, 'name' | 'role'>;
  readonly release: Release;
  /** It tells what its replica runs. */
  readonly isWitness: boolean;
}

export interface AdoptionParts {
  readonly driver: Pick<Driver, 'startedWith'>;
  readonly releases: Releases;
}

/** Gives every replica the release that it ran; returns the deploy that was interrupted, if any. Throws `engine-unreachable`. */
export async function adoptReleases(
  { driver, releases }: AdoptionParts,
  { places, rest }: LeftFleet,
): Promise<Interrupted | undefined> {
  const witnesses = places.map(({ witness }) => witness);
  const instances = new Set([...witnesses, ...rest.filter(({ role }) => role !== 'removed')]);
  const found = [...instances].map(async (instance): Promise<Left | undefined> => {
    const { generation = 1 } = instance;
    releases.use({ generation });
    const started = await driver.startedWith?.(instance.instanceId);
    if (started === undefined) return undefined;
    const release = releases.adopt(generation, started);
    return { instance, release, isWitness: witnesses.includes(instance) };
  });
  const left = (await Promise.all(found)).filter((one) => one !== undefined);
  for (const { instance, release, isWitness } of left) if (isWitness) releases.set(instance.name, release);
  const { current, before, interrupted } = judge(left);
  if (current !== undefined) releases.restore(current, before);
  return interrupted;
}

interface Judgement {
  /** What new replicas are to be started with. */
  readonly current?: Release | undefined;
  readonly before?: Release | undefined;
  readonly interrupted?: Interrupted | undefined;
}

/**
 * Reads from the releases that were left whether a deploy was under way: instances of two generations say so, whether in
 * places of replicas or beside them, since the old ones are removed at the end. New replicas get the new release where a
 * replica has passed its gate, which is one without an older instance beside it.
 */
export function judge(left: readonly Left[]): Judgement {
  const generations = [...new Set(left.map(({ release }) => release.generation))].sort((a, b) => b - a);
  const [to, from] = generations.map((generation) => commonest(left, generation));
  if (to === undefined) return {};
  if (from === undefined) return { current: to };
  const hasPassed = left.some(
    ({ instance, release, isWitness }) =>
      isWitness &&
      release.generation === to.generation &&
      !left.some(
        (other) => other.instance.name === instance.name && other.release.generation < to.generation,
      ),
  );
  const interrupted = { from, to };
  return hasPassed ? { current: to, before: from, interrupted } : { current: from, interrupted };
}

/** The release that most instances of the generation are of; a reload gives releases of one generation other options. */
function commonest(left: readonly Left[], generation: number): Release {
  const counts = new Map<Release, number>();
  for (const { release, isWitness } of left)
    if (release.generation === generation)
      counts.set(release, (counts.get(release) ?? 0) + (isWitness ? 2 : 1));
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]![0];
}
