/**
 * Which images the replicas of a pool run, and how replicas that were adopted differ from the options. An image is pinned
 * by its id until the balancer ends, wherever its tag points later.
 */
import type { ReplicaSpec } from '../../core/replica-spec.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { StartedWith } from '../driver.ts';
import { specDifferences } from '../spec-differences.ts';
import { specHash } from '../spec-hash.ts';
import { readSpec } from '../written-spec.ts';
import { isRoot } from './container-body.ts';
import type { DockerEngine } from './engine.ts';
import {
  type ContainerJson,
  type ContainerSettings,
  type ContainerSummary,
  type ImageJson,
  LABEL,
  originOf,
  portOf,
  shortDigest,
  toInstance,
} from './mapper.ts';

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

/** The images that were looked up; each is pinned from then on. */
export class Images {
  readonly #engine: Pick<DockerEngine, 'image'>;
  /** By how they were written, and by id. */
  readonly #pinned = new Map<string, PinnedImage>();
  /** What images of adopted replicas are called, by id. */
  readonly #titles = new Map<string, string>();

  constructor(engine: Pick<DockerEngine, 'image'>) {
    this.#engine = engine;
  }

  /** The image that the reference pointed to when it was first asked for. Throws `image-missing`, `engine-unreachable`. */
  async of(reference: string): Promise<PinnedImage> {
    const known = this.#pinned.get(reference) ?? (await this.#find(reference));
    this.#pinned.set(reference, known);
    return known;
  }

  /** The image that the reference points to now; from then on it is known by its id. Throws as `of`. */
  async pin(reference: string): Promise<PinnedImage> {
    const found = await this.#find(reference);
    this.#pinned.set(found.imageId, found);
    return found;
  }

  /** An adopted replica runs the image, which is called so. */
  name(imageId: string, title: string): void {
    this.#titles.set(imageId, title);
  }

  async #find(reference: string): Promise<PinnedImage> {
    const image = await this.#engine.image(reference);
    const title = this.#titles.get(reference);
    if (image) return { ...pinImage(reference, image), ...(title !== undefined && { title }) };
    const reason = `The engine has no image ${reference}: run "make build" or "docker pull ${reference}"`;
    const missing = new BalancerError('image-missing', reason);
    throw reference.startsWith('sha256:') ? imageGone({ title: title ?? reference }, missing) : missing;
  }
}

/** What an inspected container was started with; what neither labels nor engine tell is taken from `defaults`. */
export function startedWith(
  { Image: imageId = '', Config: { Env: env, Labels: labels } }: ContainerJson,
  defaults: ReplicaSpec,
): Omit<StartedWith, 'title'> {
  const read = (name: string): string | undefined =>
    env?.findLast((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
  const written = readSpec(labels?.[LABEL.written] ?? '', read, defaults);
  const { spec, overrides } = written ?? { spec: defaults, overrides: {} };
  return { spec: { ...spec, image: imageId, port: portOf(labels) ?? spec.port }, overrides };
}

/**
 * A sentence on how the replicas that an earlier balancer left differ from what would be started now; undefined where
 * they do not, or there are none. `specOf` gives the spec of a container whose hash is another.
 */
export async function describeDifferences(
  containers: readonly ContainerSummary[],
  settings: ContainerSettings,
  { spec, specOf }: { readonly spec: ReplicaSpec; readonly specOf: SpecOf },
): Promise<string | undefined> {
  const names = new Map<string, string[]>();
  for (const container of containers) {
    const { name = '', role } = toInstance(container, settings) ?? {};
    if (role !== 'current') continue;
    const origin = originOf(container, settings);
    const differences = [
      ...placeDifferences(origin, settings),
      ...(origin.spec === specHash(spec) ? [] : specDifferences((await specOf(container.Id)) ?? spec, spec)),
    ];
    for (const one of differences) names.set(one, [...(names.get(one) ?? []), name]);
  }
  if (names.size === 0) return undefined;
  const said = [...names].map(([difference, those]) => `${difference} (${those.sort().join(', ')})`);
  return `adopted replicas differ from the options: ${said.join('; ')}. Each keeps what it was started with, also when it is started again; "ringlb deploy --restart" brings the options, and "ringlb deploy IMAGE" another image than the one that was deployed`;
}

type SpecOf = (containerId: string) => Promise<ReplicaSpec | undefined>;

/** Where a container differs from what would be started now: `port 4000 instead of 5000`. */
function placeDifferences(
  { imageId, title, port, network, user }: ReturnType<typeof originOf>,
  settings: ContainerSettings,
): readonly string[] {
  const image = imageId === settings.imageId ? settings.title : title;
  return [
    ['image', shortDigest(image), shortDigest(settings.title)],
    ['port', String(port), String(settings.port)],
    ['network', network, settings.network],
    ['user', user, settings.user],
  ].flatMap(([what, is, wanted]) => (is === wanted ? [] : [`${what} ${is} instead of ${wanted}`]));
}

/** The error where a pinned image has been removed from the engine. */
export function imageGone({ title }: Pick<PinnedImage, 'title'>, cause: BalancerError): BalancerError {
  const reason = `The engine no longer has the image ${shortDigest(title)} that the replica is to run: bring it back with "docker pull" or "docker load", or stop the balancer and start it anew with one that is there`;
  return new BalancerError('image-missing', reason, { cause });
}
