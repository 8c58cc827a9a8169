/** Every option with its value and where that came from, for people and programs; a secret is never shown. */

import type { Origin } from './check.ts';
import type { Settings } from './config.ts';
import { KEYS, type Key, OPTIONS, type Option, type Takes } from './options.ts';

/** What stands for a secret. */
const HIDDEN = '•••';

/** One option, as `GET /config` and `ringlb check` show it. */
export interface OptionView {
  /** Its name in a file; the flag is this with two dashes in front. */
  readonly option: string;
  /** As it was written; where the balancer derives the value, such as the number of threads, what it derived. */
  readonly value: string;
  readonly default: string;
  readonly source: Origin | 'default';
  /** The flag, the variable, the place in the file, or the socket that it was given by; null for a default. */
  readonly from: string | null;
  /** When a changed value is taken: by a reload, or by the next start. */
  readonly takes: Takes;
}

/** All options in the order of the table. */
export function describeOptions(settings: Settings): readonly OptionView[] {
  return KEYS.map((key) => describeOption(key, settings));
}

function describeOption(key: Key, { config, sources }: Settings): OptionView {
  const option: Option<unknown> = OPTIONS[key];
  const source = sources.get(key);
  const text = source?.items?.join(option.separator) ?? source?.text ?? option.default;
  return {
    option: option.flag,
    value: shownValue(option, text, config[key]),
    default: option.default,
    source: source?.origin ?? 'default',
    from: source?.name.replace(/: [^:]*$/, '') ?? null,
    takes: option.takes,
  };
}

function shownValue(option: Option<unknown>, text: string, value: unknown): string {
  if (option.isSecret) return text === '' && (value === '' || isEmptyList(value)) ? '' : HIDDEN;
  const read = option.read(text);
  const isDerived = 'value' in read && typeof value !== 'object' && read.value !== value;
  return isDerived ? String(value) : text;
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
