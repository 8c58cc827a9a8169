/**
 * Which image the replicas of a pool run. An image is pinned by its id until the balancer ends, wherever its tag points
 * later, and the labels of a container say what it was started from. Pure.
 */
import {
  type ContainerSummary,
  type ImageJson,
  originOf,
  type ReplicaSpec,
  shortDigest,
  toInstance,
  userFor,
} from './mapper.ts';

type Origin = ReturnType<typeof originOf>;

/** An image, and how replicas run it. */
export interface PinnedImage {
  /** The engine's id of the image, which never changes its meaning. */
  readonly imageId: string;
  /** `ringlb-replica@sha256:…`, the digest in full. */
  readonly title: string;
  readonly user: string;
}

/** Pins the image that `reference` points to now. */
export function pinImage(reference: string, image: ImageJson): PinnedImage {
  const [name = ''] = reference.split('@');
  const isId = image.Id.replace('sha256:', '').startsWith(name.replace('sha256:', ''));
  return {
    imageId: image.Id,
    title: isId ? image.Id : `${name}@${digestOf(name, image)}`,
    user: userFor(image),
  };
}

/** Its registry digest, preferably under this name; its id where it came from no registry. */
function digestOf(name: string, { Id: id, RepoDigests: digests }: ImageJson): string {
  const repository = name.replace(/:[^:/]*$/, '');
  const known = digests?.find((one) => one.startsWith(`${repository}@`)) ?? digests?.[0];
  return known?.split('@')[1] ?? id;
}

/** The images of a fleet: one for all, unless adopted replicas run another. */
export class PoolImages {
  /** The image of the options. */
  readonly wanted: PinnedImage;
  /** The image of new replicas. */
  #standard: PinnedImage;
  /** By the names of adopted replicas. */
  readonly #own = new Map<string, Origin>();

  constructor(wanted: PinnedImage) {
    this.wanted = wanted;
    this.#standard = wanted;
  }

  /** The image of the replica with this name. */
  of(name: string): PinnedImage {
    return this.#own.get(name) ?? this.#standard;
  }

  /** Forgets a removed replica: a later one of its name is a new one. */
  forget(name: string): void {
    this.#own.delete(name);
  }

  /**
   * Adopts what an earlier balancer started: each of its replicas keeps its image, and new ones get the most common
   * one. Returns a sentence on how they differ from `spec`; undefined where they do not, or there are none.
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
    return `adopted replicas differ from the options: ${said.join('; ')}. Each goes on with its own image; a new one gets ${shortDigest(this.#standard.title)}, and whatever is started port ${spec.port} and network ${spec.network}`;
  }
}

/** Where a container differs from what would be started now: `port 4000 instead of 5000`. */
function differencesOf(origin: Origin, spec: ReplicaSpec): readonly string[] {
  const image = origin.imageId === spec.imageId ? spec.title : origin.title;
  return [
    ['image', shortDigest(image), shortDigest(spec.title)],
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
