/**
 * The addresses of host names by DNS, IPv4 and IPv6.
 * Invariants: a name that does not exist, or has no addresses, has none and is no error; a name server that refuses,
 * fails or does not respond is an error, unless it does so for one family alone, whose last addresses then stay.
 */
import { NODATA, NOTFOUND, Resolver } from 'node:dns/promises';
import { errnoOf, messageOf } from '../../platform/errors.ts';

/** A name server that does not respond is asked twice: for this long, and for twice as long. */
const QUERY_TIMEOUT_MS = 1000;
const TRIES = 2;

export interface Addresses {
  readonly addresses: readonly string[];
  /** Undefined where there are none. */
  readonly ttlMs: number | undefined;
}

type Family = 'resolve4' | 'resolve6';

interface Found {
  readonly addresses: readonly string[];
  readonly ttlMs: number;
}

const NONE: Found = { addresses: [], ttlMs: Number.POSITIVE_INFINITY };

/** A resolver that asks `servers`, each `address` or `address:port`; none are those of the system. */
export function createResolver(servers: readonly string[]): Resolver {
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  return resolver;
}

export class AddressBook {
  readonly #resolver: Resolver;
  /** What was found last, by family and name. */
  readonly #last = new Map<string, Found>();

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  /** Sorted, for the order in which a name server gives them changes with every response. */
  async find(host: string): Promise<Addresses> {
    const families: readonly Family[] = ['resolve4', 'resolve6'];
    const results = await Promise.allSettled(families.map((family) => this.#query(family, host)));
    const found = results.map((result, index) =>
      result.status === 'fulfilled' ? result.value : (this.#last.get(`${families[index]} ${host}`) ?? NONE),
    );
    const addresses = found.flatMap((family) => family.addresses).sort();
    const failures = results.filter((result) => result.status === 'rejected');
    const failure = failures[0];
    if (failure !== undefined && (failures.length === 2 || addresses.length === 0)) throw failure.reason;
    const ttlMs = Math.min(...found.map((family) => family.ttlMs));
    return { addresses, ttlMs: Number.isFinite(ttlMs) ? ttlMs : undefined };
  }

  /** Forgets all names but these. */
  keepOnly(hosts: readonly string[]): void {
    for (const key of this.#last.keys()) {
      const host = key.slice(key.indexOf(' ') + 1);
      if (!hosts.includes(host)) this.#last.delete(key);
    }
  }

  async #query(family: Family, host: string): Promise<Found> {
    const records = await orNone(host, this.#resolver[family](host, { ttl: true }));
    const found: Found = {
      addresses: records.map(({ address }) => address),
      ttlMs: Math.min(...records.map(({ ttl }) => ttl * 1000)),
    };
    this.#last.set(`${family} ${host}`, found);
    return found;
  }
}

/** The records, none where there are none. Throws a sentence about the name server for anything else. */
export async function orNone<T>(name: string, query: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await query;
  } catch (error) {
    const code = errnoOf(error);
    if (code === NOTFOUND || code === NODATA) return [];
    throw new Error(`${FAILURES[code] ?? messageOf(error)} (${name})`, { cause: error });
  }
}

const FAILURES: Readonly<Record<string, string>> = {
  ESERVFAIL: 'the name server failed',
  EREFUSED: 'the name server refuses to say',
  ETIMEOUT: 'the name server does not respond',
  ECONNREFUSED: 'no name server responds',
};
