/**
 * Reads flags, environment variables and the file of options into a `Config`, or reports every problem at once.
 * A flag beats the environment, which beats the file, which beats the default. Of a flag given twice the last counts,
 * except for lists.
 */

import type { Source, Sources } from './check.ts';
import { crossCheck } from './cross-checks.ts';
import { resolve } from './derived-values.ts';
import { readEnvFile } from './env-file.ts';
import { parseConfigFile, readConfigFile } from './file/config-file.ts';
import { type Flag, KEY_OF_FLAG, needsValue } from './flags.ts';
import { type Config, environmentName, KEYS, type Key, OPTIONS, type Option } from './options.ts';
import type { Variable } from './parsers/spec-parsers.ts';
import { readSecretFile } from './secret-file.ts';
import { didYouMean, quote, quoteIfOdd } from './suggest.ts';

export type { Config } from './options.ts';

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Invalid options: `problems` has a line for each; the exit status is 2. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** The options, and where each that was given came from. */
export interface Settings {
  readonly config: Config;
  readonly sources: Sources;
}

const KEY_OF_VARIABLE: ReadonlyMap<string, Key> = new Map(
  KEYS.map((key) => [environmentName(OPTIONS[key].flag), key]),
);

/** The state of reading the options. */
interface Reading {
  readonly sources: Map<Key, Source>;
  /** Options that failed to parse: checks that depend on them are skipped. */
  readonly unread: Set<Key>;
  readonly problems: string[];
}

function readEnvironment(environment: Environment, { sources, problems }: Reading): void {
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('LB_') || text === undefined || text === '') continue;
    const key = KEY_OF_VARIABLE.get(name);
    if (key !== undefined) sources.set(key, { name, origin: 'environment', text });
    else problems.push(`${quoteIfOdd(name)} is not an option${didYouMean(name, KEY_OF_VARIABLE.keys())}`);
  }
}

function readFlags(flags: readonly Flag[], { sources, unread, problems }: Reading): void {
  const unknown = new Set<string>();
  for (const { flag, argument, text } of flags) {
    const key = KEY_OF_FLAG.get(flag);
    if (key === undefined) {
      // a value behind `=` may be a secret, so it is not repeated; `-abc` is three flags, but one mistake
      const name = flag.startsWith('--') ? flag : argument;
      if (!unknown.has(name))
        problems.push(`${quoteIfOdd(name)} is not an option${didYouMean(name, KEY_OF_FLAG.keys())}`);
      unknown.add(name);
      continue;
    }
    const value = text ?? OPTIONS[key].bare;
    if (value !== undefined) {
      const before = sources.get(key);
      const items = before?.origin === 'flag' ? [...(before.items ?? []), value] : [value];
      sources.set(key, { name: flag, origin: 'flag', text: value, items });
    } else {
      unread.add(key);
      problems.push(needsValue(flag));
    }
  }
}

/** Adds what the file says to what flags and environment leave open. */
function readFile({ sources, unread, problems }: Reading): void {
  const given = sources.get('config');
  if (given === undefined || given.text === '') return;
  const read = readConfigFile(given.text);
  if ('problem' in read) {
    problems.push(`${given.name} ${read.problem}`);
    return;
  }
  const file = parseConfigFile(read.text, given.text);
  problems.push(...file.problems);
  for (const [key, source] of file.sources) if (!sources.has(key)) sources.set(key, source);
  for (const key of file.unread) if (!sources.has(key)) unread.add(key);
}

/** The value of every option; the default stands in for one that failed to parse. */
function readValues({ sources, unread, problems }: Reading): Config {
  const values: Partial<Record<Key, unknown>> = {};
  for (const key of KEYS) {
    const option: Option<unknown> = OPTIONS[key];
    const source = sources.get(key);
    const { items, text = option.default } = source ?? {};
    const read = (items && option.readItems?.(items)) ?? option.read(text);
    const standard = 'value' in read ? read : option.read(option.default);
    if ('value' in standard) values[key] = standard.value;
    if ('value' in read) continue;
    unread.add(key);
    // a list names the item that is wrong itself
    const isNamed = source === undefined || option.isSecret || option.readItems !== undefined;
    const offending = isNamed ? '' : `, not ${quote(source.text)}`;
    problems.push(`${source?.name ?? `--${option.flag}`} ${read.problem}${offending}`);
  }
  return values as Config;
}

/** The options from flags, environment and file; throws ConfigError with every problem, those in `problems` first. */
export function loadSettings(
  flags: readonly Flag[],
  environment: Environment,
  problems: readonly string[],
): Settings {
  const reading: Reading = { sources: new Map(), unread: new Set(), problems: [...problems] };
  readEnvironment(environment, reading);
  readFlags(flags, reading);
  return settle(reading, environment);
}

/**
 * The options that a program gives, by key, and those of the file that it names; throws as `loadSettings`. Of the
 * environment only the variables count that replicas are given by name.
 */
export function settingsOf(
  sources: Sources,
  environment: Environment,
  problems: readonly string[],
): Settings {
  return settle({ sources: new Map(sources), unread: new Set(), problems: [...problems] }, environment);
}

function settle(reading: Reading, environment: Environment): Settings {
  readFile(reading);
  const values = readValues(reading);
  const config = resolve(values, reading.sources);
  reading.problems.push(...crossCheck(config, reading.sources, reading.unread));
  const adminToken = secretOf(config, ['adminToken', 'adminTokenFile'], reading);
  const stickySecret = secretOf(config, ['stickySecret', 'stickySecretFile'], reading);
  const env = variablesOf(config, environment, reading);
  if (reading.problems.length > 0) throw new ConfigError(reading.problems);
  return { config: { ...config, adminToken, stickySecret, env }, sources: reading.sources };
}

/**
 * The variables of a replica: those of files, then those of the option itself, which win. One without a value has that
 * of the balancer's own environment; a problem with a file is recorded.
 */
function variablesOf(
  { env, envFile }: Config,
  environment: Environment,
  { sources, problems }: Reading,
): readonly Variable[] {
  const fromFiles = envFile.flatMap((path) => {
    const read = readEnvFile(path);
    if ('value' in read) return read.value;
    problems.push(`${sources.get('envFile')?.name} ${read.problem}`);
    return [];
  });
  return [...fromFiles, ...env].map(({ name, value = environment[name] }) => ({ name, value }));
}

type SecretKey = 'adminToken' | 'stickySecret';

/** A secret, read from its file where one is given; a problem with the file is recorded. */
function secretOf(
  config: Config,
  [key, fileKey]: readonly [SecretKey, `${SecretKey}File`],
  { sources, problems }: Reading,
): string {
  const file = config[fileKey];
  if (file === '') return config[key];
  const read = readSecretFile(file, OPTIONS[key]);
  if ('value' in read) return read.value;
  problems.push(`${sources.get(fileKey)?.name} ${read.problem}`);
  return '';
}
