/**
 * What a reload changes: live options take the values that were loaded, all others keep those of the start and are named.
 * Pure. Invariant: what comes of it has passed every check between options, or is refused whole.
 */
import { isDeepStrictEqual } from 'node:util';
import { ConfigError, type Settings } from './config.ts';
import { crossCheck } from './cross-checks.ts';
import { type Config, KEYS, type Key, OPTIONS } from './options.ts';

/** The options that a reload changes. */
export const LIVE_KEYS: readonly Key[] = KEYS.filter((key) => OPTIONS[key].takes === 'live');

export interface Changes {
  /** What is to run. */
  readonly next: Settings;
  /** Names of live options whose values differ from those that run. */
  readonly changed: readonly string[];
  /** Names of other options whose values differ: they are taken by the next start. */
  readonly needsRestart: readonly string[];
}

/** What is to run instead of `running`. Throws ConfigError with every problem. */
export function changesBetween(running: Settings, loaded: Settings): Changes {
  const isGiven = (key: Key): boolean => running.sources.has(key) || loaded.sources.has(key);
  const differs = (key: Key): boolean => !isDeepStrictEqual(running.config[key], loaded.config[key]);
  // what follows from another option is named by that one
  const different = KEYS.filter((key) => differs(key) && isGiven(nameKeyOf(key, loaded)));
  const namesOf = (takes: 'live' | 'start'): readonly string[] => {
    const keys = different.filter((key) => OPTIONS[key].takes === takes);
    return [...new Set(keys.map((key) => OPTIONS[nameKeyOf(key, loaded)].flag))];
  };
  const next = mixed(running, loaded);
  const needsRestart = namesOf('start');
  const problems = problemsOf(running, next);
  if (problems.length > 0) {
    const hint =
      needsRestart.length > 0 ? `; until a restart these are as before: ${needsRestart.join(', ')}` : '';
    throw new ConfigError(problems.map((problem) => `${problem}${hint}`));
  }
  return { next, changed: namesOf('live'), needsRestart };
}

/** A secret is named by the file that it was read from. */
function nameKeyOf(key: Key, { sources }: Settings): Key {
  if (key === 'adminToken' && sources.has('adminTokenFile')) return 'adminTokenFile';
  return key === 'stickySecret' && sources.has('stickySecretFile') ? 'stickySecretFile' : key;
}

/** Live options as loaded, the others as they run. */
function mixed(running: Settings, loaded: Settings): Settings {
  const values: Partial<Record<Key, unknown>> = { ...running.config };
  const sources = new Map(running.sources);
  for (const key of LIVE_KEYS) {
    values[key] = loaded.config[key];
    const source = loaded.sources.get(key);
    if (source === undefined) sources.delete(key);
    else sources.set(key, source);
  }
  return { config: values as Config, sources };
}

function problemsOf(running: Settings, { config, sources }: Settings): readonly string[] {
  const most = running.config.maxReplicas;
  if (config.upstreams.length <= most) return crossCheck(config, sources, new Set());
  const name = sources.get('upstreams')?.name ?? '--upstreams';
  return [`${name} must name at most ${most} servers until a restart makes room for more`];
}
