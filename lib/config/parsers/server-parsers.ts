/**
 * Parsers for options that name servers, addresses and hosts.
 * Invariant: a parser is pure and never throws; it says what the text should have been.
 */
import { isIP } from 'node:net';
import { type Endpoint, formatEndpoint, MAX_WEIGHT, parseEndpoint } from '../../core/replica.ts';
import { quote } from '../suggest.ts';
import { bad, ok, type ValueParser } from './value-parsers.ts';

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
      return { name, weight: parseWeight(text) ?? Number.NaN };
    });
    const wrong = found.findIndex(({ name, weight }) => name === '' || Number.isNaN(weight));
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
