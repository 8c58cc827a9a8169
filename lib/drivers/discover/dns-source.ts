/**
 * Servers out of DNS: every address of a name on one port, or the targets of an SRV record (RFC 2782), of which only
 * those of the lowest priority are listed.
 */
import type { Resolver } from 'node:dns/promises';
import type { DnsSpec, SrvSpec } from '../../core/discovery/source-spec.ts';
import { formatEndpoint } from '../../core/replica.ts';
import { AddressBook, createResolver, orNone } from './addresses.ts';
import type { Look, Server, Source } from './source.ts';

/** Lists `spec.host`'s addresses; each server is called by its own. */
export function createDnsSource({ text, host, port }: DnsSpec, nameServers: readonly string[]): Source {
  const resolver = createResolver(nameServers);
  const book = new AddressBook(resolver);
  return {
    text,
    async look() {
      const { addresses, ttlMs } = await book.find(host);
      const servers = addresses.map((address) => {
        const endpoint = { host: address, port };
        return { name: formatEndpoint(endpoint), endpoint };
      });
      return { servers, ...(ttlMs !== undefined && { validMs: ttlMs }) };
    },
    close: () => resolver.cancel(),
  };
}

/** Lists `spec.name`'s targets, each as `target:port`; a target with several addresses is one server. */
export function createSrvSource({ text, name }: SrvSpec, nameServers: readonly string[]): Source {
  const resolver = createResolver(nameServers);
  const targets = new Targets(resolver);
  return {
    text,
    async look(): Promise<Look> {
      const records = await orNone(name, resolver.resolveSrv(name));
      const lowest = Math.min(...records.map(({ priority }) => priority));
      // a target of "." says that there is no such service, and nothing listens on port 0
      const wanted = records.filter(
        ({ priority, name: target, port }) => priority === lowest && target !== '' && port !== 0,
      );
      wanted.sort((a, b) => compare(a.name, b.name) || a.port - b.port);
      return { servers: await targets.find(wanted) };
    },
    close: () => resolver.cancel(),
  };
}

interface Target {
  readonly name: string;
  readonly port: number;
}

/** Where the targets of an SRV record are. A target stays at its address for as long as that is one of its own. */
class Targets {
  readonly #book: AddressBook;
  #addresses = new Map<string, string>();

  constructor(resolver: Resolver) {
    this.#book = new AddressBook(resolver);
  }

  async find(targets: readonly Target[]): Promise<readonly Server[]> {
    const hosts = [...new Set(targets.map(({ name }) => name))];
    const found = await Promise.all(hosts.map(async (host) => [host, await this.#addressOf(host)] as const));
    this.#book.keepOnly(hosts);
    this.#addresses = new Map(found.filter((entry): entry is [string, string] => entry[1] !== undefined));
    return targets.flatMap(({ name, port }) => {
      const host = this.#addresses.get(name);
      return host === undefined ? [] : [{ name: `${name}:${port}`, endpoint: { host, port } }];
    });
  }

  /** Undefined where the target has no address; the last one where the name server does not say. */
  async #addressOf(host: string): Promise<string | undefined> {
    const last = this.#addresses.get(host);
    try {
      const { addresses } = await this.#book.find(host);
      return last !== undefined && addresses.includes(last) ? last : addresses[0];
    } catch (error) {
      if (last !== undefined) return last;
      throw error;
    }
  }
}

/** By code units, so that no locale has a say. */
function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
