/**
 * Parsers for the values of options, one for each kind of value. Durations become milliseconds, percentages shares.
 * Invariant: a parser is pure and never throws; it says what the text should have been.
 */

import { type HashKeySource, parseHashKey } from '../../core/hashing/hash-key.ts';
import { TOKEN_CHAR } from '../../core/http-token.ts';
import { isReplicaName } from '../../core/replica.ts';
import { orList, quote } from '../suggest.ts';

/** The parsed value, or what the text should have been (`must be …`). */
export type ParseResult<T> = { readonly value: T } | { readonly problem: string };

export interface ValueParser<T> {
  /** Its name in `--help`. */
  readonly unit: string;
  /** True if messages must not repeat the text. */
  readonly isSecret?: boolean;
  /** What separates the items of a list in one text; undefined where the value is no list. */
  readonly separator?: string;
  /** True if an item is `NAME=VALUE`, so that a file may give them as a map. */
  readonly isPairs?: boolean;
  /** The value that is implied where none follows; a flag without this needs one. */
  readonly bare?: string;
  read(text: string): ParseResult<T>;
  /** For an option that may be given several times, one item for each time; `read` takes an item from each line. */
  readItems?(items: readonly string[]): ParseResult<T>;
}

export const ok = <T>(value: T): ParseResult<T> => ({ value });
export const bad = (problem: string): { readonly problem: string } => ({ problem });

/** A whole number from `min` to `max`, in decimal digits. */
export function whole(min: number, max: number): ValueParser<number> {
  return {
    unit: `${min} to ${max}`,
    read(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? ok(value) : bad(`must be a whole number from ${min} to ${max}`);
    },
  };
}

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** The maximum delay of a timer: 2^31 − 1 ms. */
const MAX_DURATION_MS = 2_147_483_647;

/** `500ms`, `1.5s` or `1h30m` as whole milliseconds; a bare `0` where zero is allowed. */
export function duration(min: 'from zero' | 'above zero'): ValueParser<number> {
  return {
    unit: 'duration',
    read(text) {
      if (text === '0' && min === 'from zero') return ok(0);
      const parts = [...text.matchAll(/(\d{1,10}(?:\.\d{1,3})?)(ms|s|m|h)/g)];
      const units = parts.map(([, , unit]) => MS_PER_UNIT[unit!]!);
      // from the largest unit to the smallest, each at most once
      const isOrdered = units.every((unitMs, index) => index === 0 || unitMs < units[index - 1]!);
      if (text === '' || parts.map(([part]) => part).join('') !== text || !isOrdered) {
        return bad('must be a duration such as 500ms, 2s or 1m');
      }
      const valueMs = Math.round(
        parts.reduce((sum, [, count], index) => sum + Number(count) * units[index]!, 0),
      );
      if (valueMs > MAX_DURATION_MS) return bad('must be at most 24 days');
      if (valueMs === 0 && min === 'above zero') return bad('must be above zero');
      return ok(valueMs);
    },
  };
}

/** Sizes are binary, as in Docker and nginx: `1k` and `1kB` are 1024 bytes. */
const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** `65536`, `64k`, `1.5MB` or `2GiB` as whole bytes, at least `min` and at most `max`. */
export function size(min: number, max: number): ValueParser<number> {
  return {
    unit: 'size',
    read(text) {
      const parts = /^(\d{1,15}(?:\.\d{1,3})?)(?:([kmgt])(?:i?b)?|b)?$/i.exec(text);
      if (!parts) return bad('must be a size such as 65536, 64k or 1MB');
      const value = Math.floor(Number(parts[1]) * BYTES_PER_UNIT[parts[2]?.toLowerCase() ?? 'b']!);
      return value >= min && value <= max ? ok(value) : bad(`must be from ${min} to ${max} bytes`);
    },
  };
}

/** A list whose flag is given once for each item; a variable has one item a line, since an item may contain commas. */
export function listOf<T>(item: ValueParser<T>): ValueParser<readonly T[]> {
  const readItems = (items: readonly string[]): ParseResult<readonly T[]> => {
    const values: T[] = [];
    for (const text of items.filter((text) => text !== '')) {
      const result = item.read(text);
      if ('problem' in result)
        return bad(item.isSecret ? result.problem : `${result.problem}, not ${quote(text)}`);
      values.push(result.value);
    }
    return ok(values);
  };
  const { unit, isSecret, isPairs } = item;
  return {
    unit,
    separator: '\n',
    ...(isSecret && { isSecret }),
    ...(isPairs && { isPairs }),
    readItems,
    read: (text) => readItems(text.split(/\r?\n/)),
  };
}

/** One of a few words. */
export function oneOf<T extends string>(...values: readonly T[]): ValueParser<T> {
  return {
    unit: orList(values),
    read(text) {
      const value = values.find((known) => known === text);
      return value === undefined ? bad(`must be ${orList(values)}`) : ok(value);
    },
  };
}

/** A text that matches a pattern. */
export function text(unit: string, pattern: RegExp, problem: string): ValueParser<string> {
  return { unit, read: (value) => (pattern.test(value) ? ok(value) : bad(problem)) };
}

export const port: ValueParser<number> = whole(0, 65535);
export const host = text('address', /^[A-Za-z0-9_.:%-]*$/, 'must be an IP address or a host name');
export const hostHeader = text(
  'host',
  /^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])?(:\d{1,5})?$/,
  'must be a host name or address, with a port if any',
);
export const path = text('path', /^\/[\x21-\x7e]*$/, 'must be a path that begins with /');
export const directory = text('directory', /^[^\0]*$/, 'must be a directory');
export const image = text('image', /^[A-Za-z0-9][\w./:@-]*$/, 'must be an image reference such as name:tag');
export const shellCommand: ValueParser<string> = { unit: 'shell command', read: ok };

/** Minimum length of a token; guesses are rate-limited, and then eight suffice (NIST SP 800-63B section 3.1.1). */
const MIN_TOKEN = 8;

/** The syntax of `Authorization: Bearer` (RFC 6750 section 2.1). */
export const token: ValueParser<string> = {
  unit: 'token',
  isSecret: true,
  read(value) {
    if (!/^([\w.~+/-]+=*)?$/.test(value)) {
      return bad('must be letters, digits and - . _ ~ + / only, then = if any');
    }
    if (value !== '' && value.length < MIN_TOKEN) return bad(`must have ${MIN_TOKEN} characters or more`);
    return ok(value);
  },
};

export const file: ValueParser<string> = { unit: 'file', read: ok };

export const name: ValueParser<string> = {
  unit: 'name',
  read(value) {
    return isReplicaName(value) ? ok(value) : bad('must be a name of up to 63 letters, digits, _ . and -');
  },
};

/** A prefix of container names, or '' for none. */
export const namePrefix: ValueParser<string> = {
  unit: 'name prefix',
  read(value) {
    if (value === '' || isReplicaName(value)) return ok(value);
    return bad('must be empty, or up to 63 letters, digits, _ . and - that begin with a letter or a digit');
  },
};

/** A path of the machine, or `-` for standard output. */
export const outputFile = text('file or -', /^[^\0]+$/, 'must be a file, or - for standard output');

/** `5xx,404,none`: statuses, classes of statuses, and none for no response. */
export const statuses: ValueParser<readonly string[]> = {
  unit: 'list of 404, 5xx, none',
  separator: ',',
  read(value) {
    const words = value === '' ? [] : value.split(',').map((word) => word.trim());
    const wrong = words.find((word) => !/^([1-5]xx|[1-5]\d\d|none)$/.test(word));
    return wrong === undefined
      ? ok(words)
      : bad(`must be statuses such as 404, 5xx or none (see ${quote(wrong)})`);
  },
};

/** `200-399`, `200,204,301-308`: statuses and ranges of statuses. */
export const statusRanges: ValueParser<readonly (readonly [from: number, to: number])[]> = {
  unit: 'list of 200, 200-399',
  separator: ',',
  read(value) {
    const words = value.split(',').map((word) => word.trim());
    const ranges = words.map((word) => {
      const parts = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(word);
      return [Number(parts?.[1]), Number(parts?.[2] ?? parts?.[1])] as const;
    });
    const wrong = ranges.findIndex(([from, to]) => !(from >= 200 && from <= to));
    return wrong === -1
      ? ok(ranges)
      : bad(`must be statuses from 200 on such as 200 or 200-399 (see ${quote(words[wrong] ?? '')})`);
  },
};

/** A header line: name, colon, and a value of permitted bytes. */
const HEADER_LINE = new RegExp(String.raw`^(${TOKEN_CHAR}+):[ \t]*([\x20-\x7e\x80-\xff\t]*)$`);

/** Headers that the probe sets itself. */
const PROBE_OWN = /^(host|connection|content-length|transfer-encoding|upgrade|expect)$/i;

const headerLine: ValueParser<string> = {
  unit: 'Name: value',
  isSecret: true,
  read(line) {
    const [, name = '', value = ''] = HEADER_LINE.exec(line) ?? [];
    if (name === '') return bad('must be a header such as "Authorization: Basic dXNlcg=="');
    if (name.toLowerCase() === 'host') return bad('must not be Host: give that as --probe-host');
    if (PROBE_OWN.test(name)) return bad(`must not be ${name}, which frames the request`);
    return ok(`${name}: ${value.trim()}`);
  },
};

/** Headers of probes. */
export const headerLines = listOf(headerLine);

export const onOff: ValueParser<boolean> = {
  unit: 'on or off',
  bare: 'on',
  read(value) {
    if (['on', 'true', '1', 'yes'].includes(value)) return ok(true);
    if (['off', 'false', '0', 'no'].includes(value)) return ok(false);
    return bad('must be on or off');
  },
};

export const loadFactor: ValueParser<number> = {
  unit: '0, or a number from 1',
  read(value) {
    const number = /^\d{1,6}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN;
    return number === 0 || number >= 1 ? ok(number) : bad('must be 0 (off) or a number from 1, such as 1.25');
  },
};

/** `20%` or `20` as the share 0.2. A bare fraction such as 0.2 could mean either of two things, so it is refused. */
export const percent: ValueParser<number> = {
  unit: 'percentage',
  read(value) {
    const parts = /^(\d{1,3}(?:\.\d{1,3})?)%?$/.exec(value);
    const share = parts ? Number(parts[1]) / 100 : Number.NaN;
    if (share > 0 && share < 0.01 && !value.endsWith('%'))
      return bad(`must say its unit: ${Number((Number(value) * 100).toFixed(3))}% or ${Number(value)}%`);
    return share >= 0 && share <= 1 ? ok(share) : bad('must be a percentage from 0% to 100%');
  },
};

export const hashKey: ValueParser<readonly HashKeySource[]> = {
  unit: 'list',
  separator: ',',
  read: parseHashKey,
};
