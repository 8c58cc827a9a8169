/**
 * The body of a create call for a replica. Pure. Nothing is granted that the spec does not ask for: no capabilities, no
 * new privileges, a read-only root, limits on memory and processes.
 * Source: Docker Engine API 1.41, ContainerCreate.
 */
import { type ReplicaSpec, specForPlace } from '../../core/replica-spec.ts';
import type { Start } from '../driver.ts';
import { specHash } from '../spec-hash.ts';
import { templateVariables, writeSpec } from '../written-spec.ts';
import { type ContainerSettings, LABEL } from './mapper.ts';

/** How the engine is told that there is no limit. */
const UNLIMITED_PIDS = -1;
const TMP_BYTES = 64 * 1024 ** 2;

/**
 * What a stock image that starts as root needs to hand its files and itself over to another user: a part of Docker's
 * default set. Without these, root in a container can do less than any other user.
 */
export const ROOT_CAPABILITIES: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'KILL',
  'NET_BIND_SERVICE',
  'SETGID',
  'SETUID',
];

/** True for a user of the form `root`, `0` or `0:0`. */
export function isRoot(user: string): boolean {
  return /^(root|0+)(:|$)/.test(user);
}

export type ContainerBody = Omit<ReturnType<typeof containerBody>, 'Labels'> & {
  readonly Labels: Readonly<Record<string, string>>;
};

/** The body of a create call; `given` may have templates. */
export function containerBody(place: Start, given: ReplicaSpec, settings: ContainerSettings) {
  const spec = specForPlace(given, place, settings.port);
  const { name } = place;
  return {
    Image: settings.imageId,
    Hostname: name,
    User: settings.user,
    Env: [
      ...[...spec.env, ...templateVariables(given.env)].map(([variable, value]) => `${variable}=${value}`),
      `SERVER_ID=${name}`,
      `PORT=${settings.port}`,
    ],
    ...(spec.args.length > 0 && { Cmd: spec.args }),
    ...(spec.workdir !== '' && { WorkingDir: spec.workdir }),
    ...(spec.stopSignal !== '' && { StopSignal: spec.stopSignal }),
    Labels: { ...Object.fromEntries(spec.labels), ...labelsOf(place, given, settings) },
    HostConfig: hostConfig(spec, settings),
    NetworkingConfig: { EndpointsConfig: { [settings.network]: { Aliases: [name] } } },
  };
}

function labelsOf(
  { name, id, generation, overrides = {}, instead, weight, by }: Start,
  spec: ReplicaSpec,
  settings: ContainerSettings,
) {
  return {
    [LABEL.pool]: settings.pool,
    [LABEL.name]: name,
    [LABEL.id]: String(id),
    [LABEL.image]: settings.title,
    [LABEL.port]: String(settings.port),
    [LABEL.user]: settings.user,
    [LABEL.spec]: specHash(spec),
    [LABEL.written]: writeSpec(spec, overrides),
    ...(generation !== undefined && { [LABEL.generation]: String(generation) }),
    ...(instead !== undefined && { [LABEL.instead]: instead }),
    ...(weight !== undefined && { [LABEL.weight]: String(weight) }),
    ...(by !== undefined && { [LABEL.by]: by }),
  };
}

function hostConfig(spec: ReplicaSpec, { network, user }: ContainerSettings) {
  const { memoryBytes, cpus, pids, logMaxBytes, logMaxFiles } = spec;
  const mounts = mountsOf(spec);
  return {
    NetworkMode: network,
    CapDrop: ['ALL'],
    ...(isRoot(user) && { CapAdd: ROOT_CAPABILITIES }),
    SecurityOpt: ['no-new-privileges'],
    ReadonlyRootfs: spec.isReadOnly,
    Tmpfs: tmpfsOf(spec),
    ...(mounts.length > 0 && { Mounts: mounts }),
    Memory: memoryBytes,
    // the same as Memory: no swap on top
    MemorySwap: memoryBytes,
    NanoCpus: Math.round(cpus * 1e9),
    PidsLimit: pids === 0 ? UNLIMITED_PIDS : pids,
    Init: true,
    // the balancer replaces what dies; the engine must not restart it behind its back
    RestartPolicy: { Name: 'no' },
    ...(logMaxBytes > 0 && {
      LogConfig: {
        Type: 'json-file',
        Config: { 'max-size': String(logMaxBytes), 'max-file': String(logMaxFiles) },
      },
    }),
  };
}

/** A read-only root comes with a writable /tmp. */
function tmpfsOf({ isReadOnly, tmpfs }: ReplicaSpec): Readonly<Record<string, string>> {
  const mounts = isReadOnly ? [{ target: '/tmp', bytes: TMP_BYTES, options: [] }, ...tmpfs] : tmpfs;
  return Object.fromEntries(
    mounts.map(({ target, bytes, options }) => {
      const standard = ['rw', 'nosuid', 'nodev', ...(options.includes('exec') ? [] : ['noexec'])];
      return [target, [...standard, `size=${bytes}`, ...options.filter((one) => one !== 'noexec')].join(',')];
    }),
  );
}

/** Of volumes and secrets. The engine refuses a bind mount whose source is missing, where it would create a `Bind`. */
function mountsOf({ volumes, secrets }: ReplicaSpec) {
  return [
    ...volumes.map(({ source, target, isReadOnly }) => ({
      Type: source.startsWith('/') ? 'bind' : 'volume',
      Source: source,
      Target: target,
      ReadOnly: isReadOnly,
    })),
    ...secrets.map(({ name, file }) => ({
      Type: 'bind',
      Source: file,
      Target: `/run/secrets/${name}`,
      ReadOnly: true,
    })),
  ];
}
