/**
 * Whose forwarded headers are believed, by address. Must not hold: the headers themselves.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { ClientFacts } from './headers.ts';

export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  /** `ranges` are addresses and CIDR blocks; throws RangeError for anything else. */
  constructor(ranges: readonly string[]) {
    this.#isEmpty = ranges.length === 0;
    for (const range of ranges) {
      const [address = '', bits] = range.split('/');
      if (isIP(address) === 0) throw new RangeError(`"${range}" is no address or CIDR block`);
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(bits), family);
    }
  }

  /** What is to be known of a client at `address`, as `socket.remoteAddress` gives it. */
  factsOf(address: string): ClientFacts {
    const ip = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
    return { ip, trusted: !this.#isEmpty && this.#list.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4') };
  }

  /** The address of who asked first, as far as trusted proxies tell: the last in X-Forwarded-For that is no proxy. */
  originOf({ ip, trusted }: ClientFacts, rawHeaders: readonly string[]): string {
    if (!trusted) return ip;
    const chain: string[] = [];
    for (let at = 0; at < rawHeaders.length; at += 2) {
      if (rawHeaders[at]!.toLowerCase() === 'x-forwarded-for') chain.push(...rawHeaders[at + 1]!.split(','));
    }
    let origin = ip;
    for (const hop of chain.reverse().map((text) => text.trim())) {
      if (isIP(hop) === 0) break;
      origin = hop;
      if (!this.factsOf(hop).trusted) break;
    }
    return origin;
  }
}
