/**
 * Which image the replicas of a pool run. An image is pinned by its id until the balancer ends, wherever its tag points
 * later, and the labels of a container say what it was started from. Pure.
 */
import { BalancerError } from '../../platform/errors.ts';
import { isRoot } from './container-body.ts';
import {
  type ContainerSettings,
  type ContainerSummary,
  type ImageJson,
  originOf,
  shortDigest,
  toInstance,
} from './mapper.ts';

type Origin = ReturnType<typeof originOf>;

/** `nobody` on every Linux: owns no file, and no other program of ours runs as it. */
const UNPRIVILEGED = '65534:65534';

/** An image, and how replicas run it. */
export interface PinnedImage {
  /** The engine's id of the image, which never changes its meaning. */
  readonly imageId: string;
  /** `ringlb-replica@sha256:…`, the digest in full. */
  readonly title: string;
  readonly user: string;
}

/** The user to run the image as: its own where that is not root, else one without any rights. */
export function userFor(image: ImageJson): string {
  const own = image.Config?.User ?? '';
  return own === '' || own.startsWith(':') || isRoot(own) ? UNPRIVILEGED : own;
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
   * one. Returns a sentence on how they differ from what would be started now, with the hash of its spec; undefined
   * where they do not, or there are none.
   */
  adopt(
    containers: readonly ContainerSummary[],
    settings: ContainerSettings,
    specHash: string,
  ): string | undefined {
    for (const container of containers) {
      const { name, role } = toInstance(container, settings) ?? {};
      if (name === undefined || role === 'removed') continue;
      if (role === 'current' || !this.#own.has(name)) this.#own.set(name, originOf(container, settings));
    }
    const differences = new Map<string, string[]>();
    for (const [name, origin] of this.#own) {
      for (const difference of differencesOf(origin, settings, specHash))
        differences.set(difference, [...(differences.get(difference) ?? []), name]);
    }
    this.#standard = mostCommon([...this.#own.values()], this.wanted);
    if (differences.size === 0) return undefined;
    const said = [...differences].map(([difference, names]) => `${difference} (${names.sort().join(', ')})`);
    const { port, network } = settings;
    return `adopted replicas differ from the options: ${said.join('; ')}. Each goes on with its own image; a new one gets ${shortDigest(this.#standard.title)}, and whatever is started port ${port}, network ${network} and all else of the options`;
  }
}

/** Where a container differs from what would be started now: `port 4000 instead of 5000`. */
function differencesOf(origin: Origin, settings: ContainerSettings, specHash: string): readonly string[] {
  const image = origin.imageId === settings.imageId ? settings.title : origin.title;
  const named = [
    ['image', shortDigest(image), shortDigest(settings.title)],
    ['port', String(origin.port), String(settings.port)],
    ['network', origin.network, settings.network],
    ['user', origin.user, settings.user],
  ].flatMap(([what, is, wanted]) => (is === wanted ? [] : [`${what} ${is} instead of ${wanted}`]));
  // the hash covers image, port and user as well, and an earlier version wrote none
  const isSame = named.length > 0 || origin.spec === undefined || origin.spec === specHash;
  return isSame ? named : ['other environment, mounts, limits or command'];
}

function mostCommon(images: readonly PinnedImage[], wanted: PinnedImage): PinnedImage {
  const counts = new Map<string, number>();
  for (const { imageId } of images) counts.set(imageId, (counts.get(imageId) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  const common = images.filter(({ imageId }) => counts.get(imageId) === most);
  return common.find(({ imageId }) => imageId === wanted.imageId) ?? common[0] ?? wanted;
}

/** The error where a pinned image has been removed from the engine. */
export function imageGone({ title }: Pick<PinnedImage, 'title'>, cause: BalancerError): BalancerError {
  const reason = `The engine no longer has the image ${shortDigest(title)} that the replica is to run: bring it back with "docker pull" or "docker load", or stop the balancer and start it anew with one that is there`;
  return new BalancerError('image-missing', reason, { cause });
}
