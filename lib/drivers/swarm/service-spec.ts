/**
 * The service of a replica as Swarm is asked to create it. Pure.
 * Source: Docker Engine API 1.41, ServiceCreate.
 */
import { type ReplicaSpec, specForPlace } from '../../core/replica-spec.ts';
import { isRoot, ROOT_CAPABILITIES } from '../docker/container-body.ts';
import type { Start } from '../driver.ts';
import { specHash } from '../spec-hash.ts';
import { LABEL, NS_PER_MS, type ServiceSpec } from './mapper.ts';

/** What a service is created with beside the spec of its replica. */
export interface ServiceSettings {
  readonly pool: string;
  /** Unlike that of any other call that creates a service. */
  readonly creator: string;
  /** The service of the replica that it takes the place of; undefined where the replica is new. */
  readonly heals?: string | undefined;
  readonly user: string;
  /** The overlay that replicas are reached on; undefined where each publishes its port on its node. */
  readonly network: string | undefined;
  readonly constraints: readonly string[];
  /** From the stop signal to the kill. */
  readonly stopGraceMs: number;
}

const TMP_BYTES = 64 * 1024 ** 2;
/** How long Swarm watches an updated task before the update counts as done. */
const MONITOR_MS = 5000;

/** The service `serviceName` of the replica; `given` may have templates. */
export function serviceSpec(
  place: Start,
  serviceName: string,
  given: ReplicaSpec,
  settings: ServiceSettings,
): ServiceSpec {
  const { network, constraints } = settings;
  const { port, memoryBytes, cpus, pids, logMaxBytes, logMaxFiles } = given;
  const limits = { MemoryBytes: memoryBytes, NanoCPUs: Math.round(cpus * 1e9), Pids: pids };
  return {
    Name: serviceName,
    Labels: labelsOf(place, given, settings),
    TaskTemplate: {
      ContainerSpec: containerSpec(place, given, settings),
      Resources: { Limits: limits },
      RestartPolicy: { Condition: 'any', Delay: 0 },
      Placement: { Constraints: constraints },
      ...(logMaxBytes > 0 && {
        LogDriver: {
          Name: 'json-file',
          Options: { 'max-size': String(logMaxBytes), 'max-file': String(logMaxFiles) },
        },
      }),
      ...(network !== undefined && { Networks: [{ Target: network, Aliases: [place.name] }] }),
      ForceUpdate: 0,
    },
    Mode: { Replicated: { Replicas: 1 } },
    UpdateConfig: {
      Parallelism: 1,
      Order: 'start-first',
      FailureAction: 'continue',
      Monitor: MONITOR_MS * NS_PER_MS,
    },
    EndpointSpec: {
      Mode: 'dnsrr',
      ...(network === undefined && {
        Ports: [{ Protocol: 'tcp', TargetPort: port, PublishMode: 'host' }],
      }),
    },
  };
}

function labelsOf(
  { name, id, instead, weight, by }: Start,
  given: ReplicaSpec,
  { pool, creator, heals }: ServiceSettings,
) {
  return {
    [LABEL.pool]: pool,
    [LABEL.name]: name,
    [LABEL.id]: String(id),
    [LABEL.role]: 'current',
    [LABEL.creator]: creator,
    ...(heals !== undefined && { [LABEL.heals]: heals }),
    [LABEL.port]: String(given.port),
    [LABEL.spec]: specHash(given),
    ...(instead !== undefined && { [LABEL.instead]: instead }),
    ...(weight !== undefined && { [LABEL.weight]: String(weight) }),
    ...(by !== undefined && { [LABEL.by]: by }),
  };
}

function containerSpec(place: Start, given: ReplicaSpec, { user, stopGraceMs }: ServiceSettings) {
  const spec = specForPlace(given, place, given.port);
  return {
    Image: spec.image,
    Hostname: place.name,
    User: user,
    Env: [
      ...spec.env.map(([name, value]) => `${name}=${value}`),
      `SERVER_ID=${place.name}`,
      `PORT=${spec.port}`,
    ],
    ...(spec.args.length > 0 && { Args: spec.args }),
    ...(spec.workdir !== '' && { Dir: spec.workdir }),
    ...(spec.stopSignal !== '' && { StopSignal: spec.stopSignal }),
    Labels: Object.fromEntries(spec.labels),
    Init: true,
    ReadOnly: spec.isReadOnly,
    CapabilityDrop: ['ALL'],
    ...(isRoot(user) && { CapabilityAdd: ROOT_CAPABILITIES.map((name) => `CAP_${name}`) }),
    Mounts: mountsOf(spec),
    StopGracePeriod: stopGraceMs * NS_PER_MS,
  };
}

/** Paths and volumes are those of the node that a task runs on. Swarm has no options for a tmpfs beside its size. */
function mountsOf({ isReadOnly, tmpfs, volumes, secrets }: ReplicaSpec) {
  const own = tmpfs.some(({ target }) => target === '/tmp');
  const inMemory = isReadOnly && !own ? [{ target: '/tmp', bytes: TMP_BYTES }, ...tmpfs] : tmpfs;
  return [
    ...inMemory.map(({ target, bytes }) => ({
      Type: 'tmpfs',
      Target: target,
      TmpfsOptions: { SizeBytes: bytes },
    })),
    ...volumes.map(({ source, target, isReadOnly: ReadOnly }) => ({
      Type: source.startsWith('/') ? 'bind' : 'volume',
      Source: source,
      Target: target,
      ReadOnly,
    })),
    ...secrets.map(({ name, file }) => ({
      Type: 'bind',
      Source: file,
      Target: `/run/secrets/${name}`,
      ReadOnly: true,
    })),
  ];
}
