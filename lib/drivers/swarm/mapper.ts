/**
 * What a service of ours looks like to a Swarm, and what its JSON means to us; pure, and the only place that knows
 * field names.
 * Invariants: labels of the service say pool, name, id and role; tasks keep the labels of their creation, so theirs
 * are not read.
 * Source: Docker Engine API 1.41, ServiceCreate, ServiceList, TaskList, NodeList.
 */
import { type Ending, endingOf } from '../../core/ending.ts';
import type { Endpoint } from '../../core/replica.ts';
import type { Instance, RetiredRole } from '../driver.ts';
import { endingFrom } from '../ending.ts';

type Labels = Readonly<Record<string, string>>;

export interface ServiceSpec {
  readonly Name: string;
  readonly Labels: Labels;
  readonly TaskTemplate: {
    readonly ContainerSpec: { readonly Image: string; readonly [more: string]: unknown };
    readonly RestartPolicy?: { readonly Condition: string; readonly Delay: number };
    readonly Placement?: { readonly Constraints?: readonly string[] };
    readonly ForceUpdate?: number;
    readonly [more: string]: unknown;
  };
  readonly Mode: { readonly Replicated?: { readonly Replicas: number } };
  readonly [more: string]: unknown;
}

export interface ServiceJson {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly CreatedAt: string;
  readonly Spec: ServiceSpec;
}

export interface TaskJson {
  readonly ID: string;
  readonly CreatedAt: string;
  readonly ServiceID: string;
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Status: {
    readonly State: string;
    readonly Err?: string;
    readonly ContainerStatus?: { readonly ContainerID?: string; readonly ExitCode?: number };
    readonly PortStatus?: { readonly Ports?: readonly { readonly PublishedPort: number }[] };
  };
  readonly NetworksAttachments?: readonly {
    readonly Network: { readonly Spec: { readonly Name: string } };
    readonly Addresses?: readonly string[];
  }[];
}

export interface NodeJson {
  readonly ID: string;
  readonly Status: { readonly State: string; readonly Addr: string };
  readonly ManagerStatus?: { readonly Addr: string };
}

export interface ConfigJson {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly Name: string; readonly Labels: Labels; readonly Data?: string };
}

export interface OverlayJson {
  readonly Driver: string;
  readonly Scope: string;
  readonly Attachable: boolean;
  readonly Labels: Labels | null;
}

export const LABEL = {
  pool: 'ringlb.pool',
  name: 'ringlb.name',
  id: 'ringlb.id',
  role: 'ringlb.role',
  instead: 'ringlb.instead',
  weight: 'ringlb.weight',
  by: 'ringlb.by',
  port: 'ringlb.port',
  spec: 'ringlb.spec',
  /** Who created the service, or removes it: a call without a response may have been carried out all the same. */
  creator: 'ringlb.creator',
  remover: 'ringlb.remover',
  /** The id of the service whose place it takes, where that ended. */
  heals: 'ringlb.heals',
  /** The task whose place a forced update gave to another. */
  forced: 'ringlb.forced',
} as const;

export const NS_PER_MS = 1_000_000;

/** A name that Swarm takes for a service, which is also a DNS name: no dots. */
export function isServiceName(name: string): boolean {
  return /^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$/.test(name) && name.length <= 63;
}

/**
 * The spec with its role. A service cannot be renamed, so the role is a label; the labels alone change, so no task is
 * restarted.
 */
export function withRole(spec: ServiceSpec, role: RetiredRole | 'current'): ServiceSpec {
  return { ...spec, Labels: { ...spec.Labels, [LABEL.role]: role } };
}

/** The spec of a service that `remover` removes; undefined where it, or somebody else, does so already. */
export function removedBy(spec: ServiceSpec, remover: string): ServiceSpec | undefined {
  if (isRemoved(spec)) return undefined;
  const { Labels: labels } = withRole(spec, 'removed');
  return { ...spec, Labels: { ...labels, [LABEL.remover]: remover } };
}

/** True once a balancer has claimed the removal of the replica. */
export function isRemoved({ Labels: labels }: ServiceSpec): boolean {
  return labels[LABEL.role] === 'removed';
}

/** The spec of a service that `remover` removes no longer, in its role of before; undefined where it does not. */
export function notRemovedBy(
  spec: ServiceSpec,
  remover: string,
  role: 'current' | 'replaced',
): ServiceSpec | undefined {
  const { [LABEL.remover]: found, ...labels } = spec.Labels;
  return found === remover ? withRole({ ...spec, Labels: labels }, role) : undefined;
}

/**
 * The spec by which another task takes the place of `taskId`, not on the node `avoidNode`; the delay of a crash loop
 * and nodes avoided before are left behind. Undefined where that was done already, or the replica was removed.
 */
export function forced(
  spec: ServiceSpec,
  taskId: string,
  {
    constraints,
    avoidNode,
  }: { readonly constraints: readonly string[]; readonly avoidNode: string | undefined },
): ServiceSpec | undefined {
  if (isRemoved(spec)) return undefined;
  const { TaskTemplate: template } = spec;
  const avoided = avoidNode === undefined ? [] : [`node.id!=${avoidNode}`];
  const present = template.Placement?.Constraints ?? [];
  // another balancer may have forced it before it knew that nothing on the node responds
  const isAvoided = avoided.every((constraint) => present.includes(constraint));
  if (spec.Labels[LABEL.forced] === taskId && isAvoided) return undefined;
  return {
    ...spec,
    Labels: { ...spec.Labels, [LABEL.forced]: taskId },
    TaskTemplate: {
      ...template,
      RestartPolicy: { Condition: 'any', Delay: 0 },
      Placement: { ...template.Placement, Constraints: [...constraints, ...avoided] },
      ForceUpdate: (template.ForceUpdate ?? 0) + 1,
    },
  };
}

/** The spec by which Swarm waits before it starts the next task; undefined where it waits that long already. */
export function slowedDown(spec: ServiceSpec, delayMs: number): ServiceSpec | undefined {
  const { TaskTemplate: template } = spec;
  const policy = { Condition: 'any', Delay: delayMs * NS_PER_MS };
  if ((template.RestartPolicy?.Delay ?? 0) >= policy.Delay) return undefined;
  return { ...spec, TaskTemplate: { ...template, RestartPolicy: policy } };
}

/** Who a service is; undefined where its labels name no place. */
export function placeOf({ Spec: { Labels: labels } }: ServiceJson) {
  const name = labels[LABEL.name];
  const id = Number(labels[LABEL.id]);
  const role = labels[LABEL.role] ?? 'current';
  const { [LABEL.instead]: instead, [LABEL.spec]: spec } = labels;
  if (name === undefined || !Number.isSafeInteger(id) || id < 1) return undefined;
  if (role !== 'current' && role !== 'replaced' && role !== 'removed') return undefined;
  const weight = /^\d+(\.\d+)?$/.test(labels[LABEL.weight] ?? '') ? Number(labels[LABEL.weight]) : undefined;
  return {
    name,
    id,
    role,
    ...(spec !== undefined && { spec }),
    ...(instead !== undefined && { instead }),
    ...(weight !== undefined && { weight }),
    ...(labels[LABEL.by] === 'scale' && { by: 'scale' as const }),
  } as const;
}

/** The newest first. */
export function newestFirst(tasks: readonly TaskJson[]): readonly TaskJson[] {
  return tasks.toSorted((a, b) => (a.CreatedAt < b.CreatedAt ? 1 : -1));
}

/** True while the task runs, and Swarm wants it to: one on a node that is cut off goes on as `running` for ever. */
export function isUp({ DesiredState: desired, Status: { State: state } }: TaskJson): boolean {
  return desired === 'running' && state === 'running';
}

const OVER: ReadonlySet<string> = new Set([
  'complete',
  'failed',
  'shutdown',
  'rejected',
  'orphaned',
  'remove',
]);

/** True for a task that runs no more, or is not to. */
export function isOver({ DesiredState: desired, Status: { State: state } }: TaskJson): boolean {
  return OVER.has(state) || OVER.has(desired);
}

/** Where a task listens: its address on the network, or what its node has published; undefined while there is none. */
export function endpointOf(
  task: TaskJson,
  service: ServiceJson,
  where: { readonly network: string | undefined; readonly nodes: ReadonlyMap<string, string> },
): Endpoint | undefined {
  if (where.network === undefined) {
    const host = where.nodes.get(task.NodeID ?? '');
    const port = task.Status.PortStatus?.Ports?.[0]?.PublishedPort;
    return host !== undefined && port ? { host, port } : undefined;
  }
  const attachment = task.NetworksAttachments?.find(({ Network: net }) => net.Spec.Name === where.network);
  const host = attachment?.Addresses?.[0]?.split('/')[0];
  const port = Number(service.Spec.Labels[LABEL.port]);
  return host && Number.isInteger(port) && port > 0 ? { host, port } : undefined;
}

/** Addresses of nodes by id. A manager may call its own 0.0.0.0. */
export function addressesOf(nodes: readonly NodeJson[]): ReadonlyMap<string, string> {
  return new Map(
    nodes.map(({ ID: id, Status: { Addr: address }, ManagerStatus: manager }) => {
      const advertised = manager?.Addr.replace(/:\d+$/, '');
      return [id, address === '0.0.0.0' || address === '' ? (advertised ?? address) : address];
    }),
  );
}

/** How a task that is over ended. */
export function endingOfTask(task: TaskJson | undefined): Ending {
  if (task === undefined) return endingOf('removed', 'Swarm has no such task any more');
  const { State: state, Err: words = '', ContainerStatus: container } = task.Status;
  if (state === 'failed' || state === 'complete') {
    const code = container?.ExitCode ?? 0;
    const ending = endingFrom({ code, signal: null, outOfMemory: false, stderr: '', stdout: '' });
    return code === 0 && words !== '' ? { ...ending, text: words } : ending;
  }
  if (words !== '') return endingOf('removed', words);
  return endingOf('removed', 'Swarm stopped it: its node was drained, or its service updated');
}

export function runningInstance(
  task: TaskJson,
  { endpoint, place, image }: { readonly endpoint: Endpoint; readonly place: Place; readonly image: string },
): Instance {
  return {
    ...place,
    instanceId: task.ID,
    status: 'running',
    endpoint,
    ending: undefined,
    image,
    ...(task.NodeID !== undefined && { node: task.NodeID }),
  };
}

/** What `placeOf` gives. */
export type Place = NonNullable<ReturnType<typeof placeOf>>;
