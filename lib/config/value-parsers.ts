/**
 * Parsers for the values of options, one for each kind of value. Durations become milliseconds, percentages shares.
 * Invariant: a parser is pure and never throws; it says what the text should have been.
 */

import { isIP } from 'node:net';
import { type HashKeySource, parseHashKey } from '../core/hashing/hash-key.ts';
import { TOKEN_CHAR } from '../core/http-token.ts';
import { type Endpoint, formatEndpoint, isReplicaName, MAX_WEIGHT, parseEndpoint } from '../core/replica.ts';
import { orList, quote } from './suggest.ts';

/** The parsed value, or what the text should have been (`must be …`). */
export type ParseResult<T> = { readonly value: T } | { readonly problem: string };

export interface ValueParser<T> {
  /** Its name in `--help`. */
  readonly unit: string;
  /** True if messages must not repeat the text. */
  readonly isSecret?: boolean;
  /** True if the flag may be given several times; the texts are then joined with line ends. */
  readonly isList?: boolean;
  /** What separates the items of a list in one text; undefined where the value is no list. */
  readonly separator?: string;
  /** The value that is implied where none follows; a flag without this needs one. */
  readonly bare?: string;
  read(text: string): ParseResult<T>;
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

/** `500ms`, `1.5s`, `2m` or `1h` as whole milliseconds; a bare `0` where zero is allowed. */
export function duration(min: 'from zero' | 'above zero'): ValueParser<number> {
  return {
    unit: 'duration',
    read(text) {
      if (text === '0' && min === 'from zero') return ok(0);
      const parts = /^(\d{1,10}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text);
      if (!parts) return bad('must be a duration such as 500ms, 2s or 1m');
      const valueMs = Math.round(Number(parts[1]) * MS_PER_UNIT[parts[2]!]!);
      if (valueMs > MAX_DURATION_MS) return bad('must be at most 24 days');
      if (valueMs === 0 && min === 'above zero') return bad('must be above zero');
      return ok(valueMs);
    },
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

/** Header lines, `Name: value`: one for each flag, or for each line of the variable. */
export const headerLines: ValueParser<readonly string[]> = {
  unit: 'Name: value',
  isSecret: true,
  isList: true,
  separator: '\n',
  read(value) {
    const lines = value.split(/\r?\n/).filter((line) => line !== '');
    const fields = lines.map((line) => HEADER_LINE.exec(line));
    if (fields.includes(null)) return bad('must be a header such as "Authorization: Basic dXNlcg=="');
    const own = fields.find((field) => PROBE_OWN.test(field?.[1] ?? ''));
    if (own?.[1]?.toLowerCase() === 'host') return bad('must not be Host: give that as --probe-host');
    if (own) return bad(`must not be ${own[1]}, which frames the request`);
    return ok(fields.map((field) => `${field?.[1]}: ${field?.[2]?.trim()}`));
  },
};

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

/** `20%` or `20` as the share 0.2. */
export const percent: ValueParser<number> = {
  unit: 'percentage',
  read(value) {
    const parts = /^(\d{1,3}(?:\.\d{1,3})?)%?$/.exec(value);
    const share = parts ? Number(parts[1]) / 100 : Number.NaN;
    return share >= 0 && share <= 1 ? ok(share) : bad('must be a percentage from 0% to 100%');
  },
};

export const hashKey: ValueParser<readonly HashKeySource[]> = {
  unit: 'list',
  separator: ',',
  read: parseHashKey,
};

/** Maximum of servers in a fixed list, the same as of `replicas`. */
const MAX_UPSTREAMS = 1024;

/** A replica's name with its weight. */
export interface NamedWeight {
  readonly name: string;
  readonly weight: number;
}

/** A weight in decimal digits, or undefined where it is none. */
function parseWeight(text: string | undefined): number | undefined {
  const weight = /^\d{1,3}$/.test(text ?? '') ? Number(text) : Number.NaN;
  return weight <= MAX_WEIGHT ? weight : undefined;
}

/** `S1=2,10.0.0.7:80=1`: names of replicas, or addresses of fixed servers; no name twice. */
export const weights: ValueParser<readonly NamedWeight[]> = {
  unit: 'list of NAME=WEIGHT',
  read(value) {
    const items = value === '' ? [] : value.split(',').map((item) => item.trim());
    const found = items.map((item) => {
      const [, name = '', text] = /^([^=\s]{1,100})=(\d+)$/.exec(item) ?? [];
      return { name, weight: parseWeight(text) ?? -1 };
    });
    const wrong = found.findIndex(({ name, weight }) => name === '' || weight < 0);
    if (wrong !== -1)
      return bad(
        `must be NAME=WEIGHT with whole weights from 0 to ${MAX_WEIGHT} (see ${quote(items[wrong] ?? '')})`,
      );
    if (new Set(found.map(({ name }) => name)).size < found.length)
      return bad('must not name a replica twice');
    return ok(found);
  },
};

/** A server of the fixed list, with the weight that stands behind it, if any does. */
export type Upstream = Endpoint & { readonly weight?: number };

/** One `http://host:port weight=3`; undefined for anything else. */
function parseUpstream(item: string): Upstream | undefined {
  const [, address = '', , text] = /^(\S+)(\s+weight=(\d+))?$/.exec(item) ?? [];
  const endpoint = parseEndpoint(address);
  if (endpoint === undefined || text === undefined) return endpoint;
  const weight = parseWeight(text);
  return weight === undefined ? undefined : { ...endpoint, weight };
}

/** `http://a:1,http://[::1]:2 weight=3`; no server twice. */
export const upstreams: ValueParser<readonly Upstream[]> = {
  unit: 'list of http://host:port',
  separator: ',',
  read(value) {
    const items = value === '' ? [] : value.split(',').map((item) => item.trim());
    const endpoints = items.map(parseUpstream);
    const found = endpoints.filter((endpoint) => endpoint !== undefined);
    if (found.length < items.length) {
      const item = items[endpoints.indexOf(undefined)] ?? '';
      const more = item.includes('weight') ? `, each with weight=0 to ${MAX_WEIGHT} behind it if any` : '';
      return bad(`must be a comma-separated list of http://host:port${more} (see ${quote(item)})`);
    }
    if (found.length > MAX_UPSTREAMS) return bad(`must name at most ${MAX_UPSTREAMS} servers`);
    if (new Set(found.map(formatEndpoint)).size < found.length) return bad('must not name a server twice');
    return ok(found);
  },
};

/** `10.0.0.0/8,::1`: addresses and CIDR blocks. */
export const addressRanges: ValueParser<readonly string[]> = {
  unit: 'list of addresses and CIDR blocks',
  separator: ',',
  read(value) {
    const ranges = value === '' ? [] : value.split(',').map((item) => item.trim());
    const wrong = ranges.find((range) => !isAddressRange(range));
    return wrong === undefined ? ok(ranges) : bad(`must be addresses and CIDR blocks (see ${quote(wrong)})`);
  },
};

/** `admin.example.org,lb`: host names without ports, in lower case. */
export const hostNames: ValueParser<readonly string[]> = {
  unit: 'list of host names',
  separator: ',',
  read(value) {
    const names = value === '' ? [] : value.split(',').map((item) => item.trim().toLowerCase());
    const wrong = names.find((item) => !/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(item));
    return wrong === undefined ? ok(names) : bad(`must be host names without ports (see ${quote(wrong)})`);
  },
};

function isAddressRange(range: string): boolean {
  const [address = '', bits, ...rest] = range.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}
