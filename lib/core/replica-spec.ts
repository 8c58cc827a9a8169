/**
 * What an instance runs and what it is given: image or command, environment, mounts, limits. Pure data, built from the
 * options once; a deploy starts instances of another spec. Values may contain the templates `{name}`, `{index}` and
 * `{port}`, which are filled in for each instance.
 */
import type { Place } from './replica.ts';

/** A pair such as an environment variable or a label. */
export type Pair = readonly [name: string, value: string];

/** A volume or a directory of the engine's host. */
export interface VolumeMount {
  /** The name of a volume, or an absolute path. */
  readonly source: string;
  readonly target: string;
  readonly isReadOnly: boolean;
}

/** An empty file system in memory. */
export interface TmpfsMount {
  readonly target: string;
  readonly bytes: number;
  /** Further mount options, such as `exec` and `mode=1777`. */
  readonly options: readonly string[];
}

/** A file that is mounted read-only at `/run/secrets/NAME`. */
export interface Secret {
  readonly name: string;
  readonly file: string;
}

export interface ReplicaSpec {
  /** docker: the image, as it was written. */
  readonly image: string;
  /** docker: arguments of the image in place of its own; empty leaves those. */
  readonly args: readonly string[];
  /** docker: the port to listen on in the container. A child process is assigned one at its start. */
  readonly port: number;
  /** process: the shell command; '' is the sample replica. */
  readonly command: string;
  /** Later ones win. */
  readonly env: readonly Pair[];
  /** '' is that of the image, or of the balancer. */
  readonly workdir: string;
  /** '' is that of the image, else SIGTERM. */
  readonly stopSignal: string;
  /** 0 is unlimited. */
  readonly memoryBytes: number;
  /** A number of cores, such as 1.5; 0 is unlimited. */
  readonly cpus: number;
  /** docker: processes and threads; 0 is unlimited. */
  readonly pids: number;
  /** docker: '' is that of the image, and one without rights where that is root. */
  readonly user: string;
  readonly isReadOnly: boolean;
  readonly volumes: readonly VolumeMount[];
  readonly tmpfs: readonly TmpfsMount[];
  readonly secrets: readonly Secret[];
  readonly labels: readonly Pair[];
  /** docker: the log is rotated at this size; 0 leaves logging to the engine. */
  readonly logMaxBytes: number;
  readonly logMaxFiles: number;
}

/** What deploys have set of a spec; the rest follows the options. */
export type SpecOverrides = Partial<Pick<ReplicaSpec, 'image' | 'args' | 'command' | 'env'>>;

const TEMPLATE = /\{(\{?)(name|index|port)\}(\}?)/g;

/** True if the text has a template, so that it is not known before the start of an instance. */
export function hasTemplate(text: string): boolean {
  return fillTemplates(text, { name: '', id: 0 }, 0) !== text;
}

/** Replaces `{name}`, `{index}` and `{port}`; `{{name}}` gives `{name}`, and any other brace stays as it is. */
export function fillTemplates(text: string, { name, id }: Place, port: number): string {
  const values: Readonly<Record<string, string>> = { name, index: String(id), port: String(port) };
  return text.replace(TEMPLATE, (whole, before: string, key: string, after: string) => {
    if (before !== '' && after !== '') return `{${key}}`;
    return whole.replace(`{${key}}`, values[key]!);
  });
}

/** The spec of one instance: templates are filled in wherever an option may have them. */
export function specForPlace(spec: ReplicaSpec, place: Place, port: number): ReplicaSpec {
  const fill = (text: string): string => fillTemplates(text, place, port);
  const fillPairs = (pairs: readonly Pair[]): readonly Pair[] =>
    pairs.map(([name, value]) => [name, fill(value)]);
  return {
    ...spec,
    args: spec.args.map(fill),
    command: fill(spec.command),
    env: fillPairs(spec.env),
    workdir: fill(spec.workdir),
    volumes: spec.volumes.map((volume) => ({
      ...volume,
      source: fill(volume.source),
      target: fill(volume.target),
    })),
    tmpfs: spec.tmpfs.map((mount) => ({ ...mount, target: fill(mount.target) })),
    secrets: spec.secrets.map((secret) => ({ ...secret, file: fill(secret.file) })),
    labels: fillPairs(spec.labels),
  };
}
