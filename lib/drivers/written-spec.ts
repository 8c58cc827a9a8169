/**
 * What an instance was started with, as text that is written on it: the spec, and what of it deploys have set. Pure.
 * Invariant: no value of an environment variable is in the text, since labels are copied to places where secrets must not
 * be; the names are, and the values are read from the environment of the instance.
 */
import { hasTemplate, type Pair, type ReplicaSpec, type SpecOverrides } from '../core/replica-spec.ts';

/** The variable of an instance that holds those values of others that have templates, as JSON by name. */
const TEMPLATES_VARIABLE = 'RINGLB_TEMPLATES';

/** Reads the value of an environment variable of an instance. */
export type ReadVariable = (name: string) => string | undefined;

type NamesOnly<T> = Omit<T, 'env'> & { readonly env?: readonly string[] };

interface Written {
  readonly spec: Partial<NamesOnly<ReplicaSpec>>;
  readonly overrides: NamesOnly<SpecOverrides>;
}

/** The spec as text, without the values of variables. */
export function writeSpec(spec: ReplicaSpec, overrides: SpecOverrides): string {
  const written: Written = { spec: namesOnly(spec), overrides: namesOnly(overrides) };
  return JSON.stringify(written);
}

/** The variables to be given to an instance beside those of its spec: the templates of their values, where there are any. */
export function templateVariables(env: readonly Pair[]): readonly Pair[] {
  const templates = env.filter(([, value]) => hasTemplate(value));
  return templates.length === 0 ? [] : [[TEMPLATES_VARIABLE, JSON.stringify(Object.fromEntries(templates))]];
}

/**
 * Reads what `writeSpec` wrote. What is not in the text, as that of an earlier version may be, is taken from `defaults`;
 * undefined where it cannot be read.
 */
export function readSpec(
  text: string,
  read: ReadVariable,
  defaults: ReplicaSpec,
): { readonly spec: ReplicaSpec; readonly overrides: SpecOverrides } | undefined {
  const written = parse(text) as Partial<Written> | undefined;
  if (typeof written?.spec !== 'object' || typeof written.overrides !== 'object') return undefined;
  const templates = (parse(read(TEMPLATES_VARIABLE) ?? '{}') ?? {}) as Readonly<Record<string, string>>;
  const pairsOf = (names: readonly string[]): readonly Pair[] =>
    names.map((name) => [name, templates[name] ?? read(name) ?? '']);
  const { env: names = [], ...spec } = written.spec;
  const { env: set, ...overrides } = written.overrides;
  return {
    spec: { ...defaults, ...spec, env: pairsOf(names) },
    overrides: { ...overrides, ...(set !== undefined && { env: pairsOf(set) }) },
  };
}

function namesOnly<T extends SpecOverrides>(spec: T): NamesOnly<T> {
  const { env, ...rest } = spec;
  return { ...rest, ...(env !== undefined && { env: [...new Map(env).keys()] }) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
