/**
 * Translates between our types and the engine's JSON; pure, and the only file that knows its field names.
 * Invariants: labels give pool, name and id and never change; the role is in the container's name, which can change
 * (`roleOf`).
 * Source: Docker Engine API 1.41, ContainerCreate, ContainerList, ContainerInspect, SystemEvents.
 */
import { type Ending, endingOf } from '../../core/ending.ts';
import { type Endpoint, isReplicaName, MAX_WEIGHT } from '../../core/replica.ts';
import type { Hint, Instance, RetiredRole } from '../driver.ts';
import { endingFrom } from '../ending.ts';

interface NetworkSettings {
  readonly Networks: Readonly<
    Record<string, { readonly IPAddress?: string; readonly GlobalIPv6Address?: string } | undefined>
  >;
}

/** One element of the container list. */
export interface ContainerSummary {
  readonly Id: string;
  readonly Names: readonly string[];
  /** The image it was created from, by name while the name still points to it. */
  readonly Image: string;
  readonly ImageID: string;
  readonly State: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly NetworkSettings: NetworkSettings | null;
}

/** An inspected container. */
export interface ContainerJson {
  readonly Id: string;
  readonly Name: string;
  /** The id of its image. */
  readonly Image?: string;
  readonly State: {
    readonly Running: boolean;
    /** It has exited, and its restart policy will start it again. */
    readonly Restarting?: boolean;
    readonly StartedAt: string;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly Error: string;
  };
  readonly Config: {
    readonly Image: string;
    readonly Labels: Readonly<Record<string, string>> | null;
    /** As `NAME=value`, those of the image among them. */
    readonly Env?: readonly string[] | null;
    /** Seconds from the stop signal to the kill; the engine's default where absent. */
    readonly StopTimeout?: number | null;
  };
  readonly NetworkSettings: NetworkSettings;
}

export interface ImageJson {
  readonly Id: string;
  /** `name@sha256:…`, its digests in registries. */
  readonly RepoDigests?: readonly string[] | null;
  readonly Config?: { readonly User?: string } | null;
}

export interface VolumeJson {
  readonly Name: string;
  readonly Labels: Readonly<Record<string, string>> | null;
}

export interface NetworkJson {
  readonly Labels: Readonly<Record<string, string>> | null;
  /** Attached containers, by id. */
  readonly Containers?: Readonly<Record<string, { readonly Name: string }>> | null;
}

/** What a container is created with beside the spec of its replica. */
export interface ContainerSettings {
  readonly pool: string;
  /** The id of its image, and that for people: `ringlb-replica@sha256:…`. */
  readonly imageId: string;
  readonly title: string;
  readonly port: number;
  readonly network: string;
  readonly user: string;
}

export const LABEL = {
  pool: 'ringlb.pool',
  name: 'ringlb.name',
  id: 'ringlb.id',
  instead: 'ringlb.instead',
  image: 'ringlb.image',
  port: 'ringlb.port',
  user: 'ringlb.user',
  weight: 'ringlb.weight',
  by: 'ringlb.by',
  spec: 'ringlb.spec',
  generation: 'ringlb.generation',
  /** What it was started with (`written-spec.ts`). */
  written: 'ringlb.started-with',
} as const;
const ROLES: readonly RetiredRole[] = ['replaced', 'removed'];

/** The label, `key=value`, that everything of a pool carries. */
export function poolLabel(pool: string): string {
  return `${LABEL.pool}=${pool}`;
}

/** The labels of networks and volumes that belong to the pool. */
export function poolLabels(pool: string): Readonly<Record<string, string>> {
  return { [LABEL.pool]: pool };
}

export function isOfPool(labels: Readonly<Record<string, string>> | null | undefined, pool: string): boolean {
  return labels?.[LABEL.pool] === pool;
}

/** The name, without the prefix, of a container that no longer holds its replica's place. */
export function retiredName(name: string, role: RetiredRole, containerId: string): string {
  return `${name}.${role}.${containerId.slice(0, 12)}`;
}

/** The name, without the prefix, of a container that runs beside the current one. */
export function nextName(name: string): string {
  return `${name}.next`;
}

/** The replica's name from a container's labels; undefined when it is not a replica. */
export function replicaNameOf(labels: Readonly<Record<string, string>> | null): string | undefined {
  const name = labels?.[LABEL.name];
  return isReplicaName(name) ? name : undefined;
}

/** The containers as instances, without those whose labels name no place. */
export function toInstances(
  summaries: readonly ContainerSummary[],
  settings: Pick<ContainerSettings, 'network' | 'port'>,
): readonly Instance[] {
  return summaries
    .map((summary) => toInstance(summary, settings))
    .filter((instance) => instance !== undefined);
}

/** The container as an instance, without the ending of one that ran; undefined when its labels name no place. */
export function toInstance(
  summary: ContainerSummary,
  settings: Pick<ContainerSettings, 'network' | 'port'>,
): Instance | undefined {
  const name = replicaNameOf(summary.Labels);
  const id = Number(summary.Labels[LABEL.id]);
  const instead = summary.Labels[LABEL.instead];
  const generation = Number(summary.Labels[LABEL.generation]);
  const weight = weightIn(summary.Labels);
  if (name === undefined || !Number.isSafeInteger(id) || id < 1) return undefined;
  // a paused container keeps its memory, address and connections: it hangs, but is not dead
  const isRunning = summary.State === 'running' || summary.State === 'paused';
  const isStarting = summary.State === 'created';
  return {
    name,
    id,
    instanceId: summary.Id,
    status: isRunning ? 'running' : 'dead',
    ...(isStarting && { isStarting }),
    endpoint: isRunning ? endpointOf(summary, settings) : undefined,
    role: roleOf(summary, name),
    ending: isStarting ? endingOf('removed', 'it was never started') : undefined,
    image: shortDigest(titleOf(summary)),
    spec: summary.Labels[LABEL.spec],
    ...(instead !== undefined && { instead }),
    ...(generation > 0 && { generation }),
    ...(weight !== undefined && { weight }),
    ...(summary.Labels[LABEL.by] === 'scale' && { by: 'scale' as const }),
  };
}

/** What the container was started with; taken from `settings` where its labels do not say. */
export function originOf(summary: ContainerSummary, settings: ContainerSettings) {
  const { ImageID: imageId, Labels: labels, NetworkSettings: attached } = summary;
  const networks = Object.keys(attached?.Networks ?? {});
  return {
    imageId,
    title: titleOf(summary),
    user: labels[LABEL.user] ?? settings.user,
    port: portOf(labels) ?? settings.port,
    spec: labels[LABEL.spec],
    network: networks.includes(settings.network) ? settings.network : networks.join(', '),
  };
}

/** Where the container listens; undefined while it has no address on the network. */
export function endpointOf(
  container: ContainerSummary | ContainerJson,
  settings: Pick<ContainerSettings, 'network' | 'port'>,
): Endpoint | undefined {
  const address = container.NetworkSettings?.Networks[settings.network];
  const host = address?.IPAddress || address?.GlobalIPv6Address;
  const labels = 'Labels' in container ? container.Labels : container.Config.Labels;
  return host ? { host, port: portOf(labels) ?? settings.port } : undefined;
}

/** The last output of a container. */
export interface Output {
  readonly stderr: string;
  readonly stdout: string;
}

export const NO_OUTPUT: Output = { stderr: '', stdout: '' };

/** How a container that is not running ended. */
export function endingOfContainer({ State: state }: ContainerJson, output: Output): Ending {
  const { ExitCode: code, OOMKilled: outOfMemory, Error: words } = state;
  const ending = endingFrom({ code, signal: null, outOfMemory, ...output });
  // a container that never ran has no exit status of its own
  return words === '' ? ending : { ...ending, text: words };
}

/** Which events of the containers with the label are asked for: those after which a list may read differently. */
export function eventFilters(label: string): Readonly<Record<string, readonly string[]>> {
  const event = ['die', 'destroy', 'start', 'rename', 'pause', 'unpause'];
  return { type: ['container'], label: [label], event };
}

/** The hint in one event line; undefined when it is not an event of a container. */
export function hintOf(line: string): Hint | undefined {
  const event = parse(line) as {
    Action?: unknown;
    Actor?: { ID?: unknown; Attributes?: Record<string, string> };
  };
  const { Action: action, Actor: actor } = event;
  if (typeof action !== 'string' || typeof actor?.ID !== 'string') return undefined;
  const { exitCode, name } = actor.Attributes ?? {};
  if (action !== 'die') return { kind: 'changed', cause: `${action} ${name ?? actor.ID}` };
  const code = Number(exitCode ?? 0);
  const ending = endingFrom({ code, signal: null, outOfMemory: false, ...NO_OUTPUT });
  return { kind: 'died', instanceId: actor.ID, ending };
}

/** Splits a log response into its frames: stream number, three zero bytes, a length of four bytes, payload. */
export function outputOfFrames(reply: Buffer): Output {
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  for (let at = 0; at + 8 <= reply.length; ) {
    const end = at + 8 + reply.readUInt32BE(at + 4);
    (reply[at] === 2 ? stderr : stdout).push(reply.subarray(at + 8, end));
    at = end;
  }
  const text = (parts: readonly Buffer[]) => Buffer.concat(parts).toString('utf8');
  return { stdout: text(stdout), stderr: text(stderr) };
}

/** `ringlb-replica@sha256:12ab34cd56ef`, the form for people. */
export function shortDigest(title: string): string {
  return title.replace(/(sha256:[0-9a-f]{12})[0-9a-f]+/, '$1');
}

/** The image that the container was started from, the digest in full. */
function titleOf({ Image: reference, ImageID: imageId, Labels: labels }: ContainerSummary): string {
  return labels[LABEL.image] ?? (imageId.includes(reference) ? imageId : `${reference}@${imageId}`);
}

/** As `titleOf`, of an inspected container. */
export function titleIn({
  Image: imageId = '',
  Config: { Image: reference, Labels },
}: ContainerJson): string {
  return Labels?.[LABEL.image] ?? (imageId.includes(reference) ? imageId : `${reference}@${imageId}`);
}

/** The weight that its replica had when it was started; undefined where no label says, or nonsense. */
function weightIn(labels: Readonly<Record<string, string>>): number | undefined {
  const text = labels[LABEL.weight] ?? '';
  return /^\d{1,3}$/.test(text) && Number(text) <= MAX_WEIGHT ? Number(text) : undefined;
}

/** The port it was started with; undefined where no label says. */
export function portOf(labels: Readonly<Record<string, string>> | null): number | undefined {
  const port = Number(labels?.[LABEL.port]);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/**
 * `<prefix><name>` is `current`, `<prefix><name>.<role>.<short id>` is retired, whatever the prefix was at the time.
 * The container's own short id in it proves that we chose the name; any other name was given by hand and means
 * nothing.
 */
function roleOf(summary: ContainerSummary, name: string): Instance['role'] {
  const { Id: containerId, Names: given } = summary;
  const isGiven = (ending: string): boolean => given.some((path) => path.endsWith(ending));
  if (isGiven(nextName(name))) return 'next';
  return ROLES.find((role) => isGiven(retiredName(name, role, containerId))) ?? 'current';
}

function parse(line: string): object {
  try {
    return Object(JSON.parse(line));
  } catch {
    return {};
  }
}
