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
}
