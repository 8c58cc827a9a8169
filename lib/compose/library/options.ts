/** Reads the options that a program gives to `startBalancer`: the names of the flags in camel case, and plain values. */
import type { BalancerOptions } from '../../api/balancer-options.ts';
import type { Source } from '../../config/check.ts';
import { ConfigError, type Environment, type Settings, settingsOf } from '../../config/config.ts';
import { KEYS, type Key, OPTIONS, type Option } from '../../config/options.ts';
import { didYouMean, quoteIfOdd } from '../../config/suggest.ts';

/** `probeInterval` for `probe-interval`. */
export function libraryName(flag: string): string {
  return flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

const KEY_OF_NAME: ReadonlyMap<string, Key> = new Map(
  KEYS.map((key) => [libraryName(OPTIONS[key].flag), key]),
);

/**
 * What a program gives, and the defaults for the rest. `LB_…` variables do not count: they are meant for a process of
 * the balancer's own. For the same reason nothing is logged unless a level is given. Throws ConfigError.
 */
export function readLibraryOptions(options: BalancerOptions, environment: Environment): Settings {
  const sources = new Map<Key, Source>();
  const problems: string[] = [];
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new ConfigError(['the options must be an object, such as { port: 8080 }']);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const key = KEY_OF_NAME.get(name);
    if (key === undefined) {
      problems.push(`${quoteIfOdd(name)} is not an option${didYouMean(name, KEY_OF_NAME.keys())}`);
      continue;
    }
    const texts = textsOf(OPTIONS[key], value);
    if (typeof texts === 'string') problems.push(`${name} ${texts}`);
    else sources.set(key, sourceOf(OPTIONS[key], name, texts));
  }
  const settings = settingsOf(sources, environment, problems);
  if (settings.sources.has('logLevel')) return settings;
  return { ...settings, config: { ...settings.config, logLevel: 'silent' } };
}

function sourceOf({ separator = ' ', readItems }: Option<unknown>, name: string, texts: readonly string[]) {
  const source: Source = { name, origin: 'program', text: texts.join(separator) };
  return readItems === undefined ? source : { ...source, items: texts };
}

/** The items of a value, one where it is no list; or what is wrong with it, to follow the name. */
function textsOf({ separator, isPairs }: Option<unknown>, value: unknown): readonly string[] | string {
  const text = textOf(value);
  if (text !== undefined) return [text];
  if (Array.isArray(value)) {
    if (separator === undefined) return 'must be one value, not a list';
    const texts = value.map(textOf);
    return texts.every((item) => item !== undefined) ? texts : 'must be a list of texts';
  }
  if (typeof value !== 'object' || value === null) return `must be a text, not ${value}`;
  if (!isPairs) return 'must be a value, not an object';
  const pairs = Object.entries(value).map(([name, of]) => [name, textOf(of)]);
  return pairs.every(([, of]) => of !== undefined)
    ? pairs.map((pair) => pair.join('='))
    : 'must have a text for each name';
}

/** Undefined for what is neither text, number nor boolean. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
