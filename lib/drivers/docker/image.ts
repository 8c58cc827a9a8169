/**
 * Which image the replicas of a pool run. What they were started from counts until the balancer ends, whatever its tag
 * points to by then: an image is pinned by its id, and a container says in its labels what it was started from.
 * Pure. Must not hold: calls.
 */
import {
  type ContainerSummary,
  type ImageJson,
  originOf,
  type ReplicaSpec,
  shortened,
  toInstance,
  userFor,
} from './mapper.ts';

type Origin = ReturnType<typeof originOf>;

/** An image, and how replicas run it. */
export interface PinnedImage {
  /** The engine's id of it, which is never another image's. */
  readonly imageId: string;
  /** `ringlb-replica@sha256:…`, the digest in full. */
  readonly title: string;
  readonly user: string;
}

/** What `reference` points to now. */
export function pinned(reference: string, image: ImageJson): PinnedImage {
  const [name = ''] = reference.split('@');
  const isId = image.Id.replace('sha256:', '').startsWith(name.replace('sha256:', ''));
  return {
    imageId: image.Id,
    title: isId ? image.Id : `${name}@${digestOf(name, image)}`,
    user: userFor(image),
  };
}

/** What the registry knows it by, under this name if there is one; its id where it came from no registry. */
function digestOf(name: string, { Id: id, RepoDigests: digests }: ImageJson): string {
  const repository = name.replace(/:[^:/]*$/, '');
  const known = digests?.find((one) => one.startsWith(`${repository}@`)) ?? digests?.[0];
  return known?.split('@')[1] ?? id;
}

/** The images of a fleet: one for all, unless an earlier balancer left replicas that run another. */
export class PoolImages {
  /** What the options name. */
  readonly wanted: PinnedImage;
  /** What a new replica runs. */
  #standard: PinnedImage;
  /** By the names of adopted replicas. */
  readonly #own = new Map<string, Origin>();

  constructor(wanted: PinnedImage) {
    this.wanted = wanted;
    this.#standard = wanted;
  }

  /** What the replica of this name is started from. */
  of(name: string): PinnedImage {
    return this.#own.get(name) ?? this.#standard;
  }

  /** The replica has left: another of its name is a new one. */
  forget(name: string): void {
    this.#own.delete(name);
  }

  /**
   * Keeps to what an earlier balancer started: each of its replicas goes on with its image, and a new one gets the one
   * that most have. Says where they differ from `spec`, a sentence; undefined where they do not, or there are none.
   */
  adopt(containers: readonly ContainerSummary[], spec: ReplicaSpec): string | undefined {
    for (const container of containers) {
      const { name, role } = toInstance(container, spec) ?? {};
      if (name === undefined || role === 'removed') continue;
      if (role === 'current' || !this.#own.has(name)) this.#own.set(name, originOf(container, spec));
    }
    const differences = new Map<string, string[]>();
    for (const [name, origin] of this.#own) {
      for (const difference of differencesOf(origin, spec))
        differences.set(difference, [...(differences.get(difference) ?? []), name]);
    }
    this.#standard = mostCommon([...this.#own.values()], this.wanted);
    if (differences.size === 0) return undefined;
    const said = [...differences].map(([difference, names]) => `${difference} (${names.sort().join(', ')})`);
    return `adopted replicas differ from the options: ${said.join('; ')}. Each goes on with its own image; a new one gets ${shortened(this.#standard.title)}, and whatever is started port ${spec.port} and network ${spec.network}`;
  }
}

/** Where a container differs from what would be started now: `port 4000 instead of 5000`. */
function differencesOf(origin: Origin, spec: ReplicaSpec): readonly string[] {
  const image = origin.imageId === spec.imageId ? spec.title : origin.title;
  return [
    ['image', shortened(image), shortened(spec.title)],
    ['port', String(origin.port), String(spec.port)],
    ['network', origin.network, spec.network],
    ['user', origin.user, spec.user],
  ].flatMap(([what, is, wanted]) => (is === wanted ? [] : [`${what} ${is} instead of ${wanted}`]));
}

function mostCommon(images: readonly PinnedImage[], wanted: PinnedImage): PinnedImage {
  const counts = new Map<string, number>();
  for (const { imageId } of images) counts.set(imageId, (counts.get(imageId) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  const common = images.filter(({ imageId }) => counts.get(imageId) === most);
  return common.find(({ imageId }) => imageId === wanted.imageId) ?? common[0] ?? wanted;
}
