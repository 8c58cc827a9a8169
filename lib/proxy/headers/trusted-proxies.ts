/**
 * Which proxies are trusted (`--trusted-proxies`), and the client address that follows from it.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { canonicalAddress, nodeAddress } from '../../platform/ip-addresses.ts';
import { forwardedChain } from './forwarded.ts';
import type { ClientInfo } from './request-headers.ts';

/** Of the prefix that IPv4 addresses have when they are written as IPv6. */
const MAPPED_BITS = 96;

export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  /** `ranges` are addresses and CIDR blocks; throws RangeError for anything else. */
  constructor(ranges: readonly string[]) {
    this.#isEmpty = ranges.length === 0;
    for (const range of ranges) {
      const [address = '', bits] = range.split('/');
      if (isIP(address) === 0) throw new RangeError(`"${range}" is no address or CIDR block`);
      this.#add(address, bits === undefined ? undefined : Number(bits));
    }
  }

  #add(given: string, bits: number | undefined): void {
    const address = canonicalAddress(given);
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    // clients of an IPv4 range that is written as IPv6 have IPv4 addresses here
    const isMapped = family === 'ipv4' && isIPv6(given);
    if (bits === undefined) this.#list.addAddress(address, family);
    else if (!isMapped) this.#list.addSubnet(address, bits, family);
    else if (bits >= MAPPED_BITS) this.#list.addSubnet(address, bits - MAPPED_BITS, family);
    else this.#list.addSubnet(given, bits, 'ipv6');
  }

  /** What is known of a client at `address`, as `socket.remoteAddress` gives it. */
  infoOf(address: string, isTls = false): ClientInfo {
    const ip = canonicalAddress(address);
    const trusted = !this.#isEmpty && this.#list.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
    return { ip, trusted, isTls };
  }

  /** The address of the original client, as far as trusted proxies tell: the last node before us that is no such proxy. */
  originOf({ ip, trusted }: ClientInfo, rawHeaders: readonly string[]): string {
    if (!trusted) return ip;
    const chain = forwardedChain(rawHeaders);
    let origin = ip;
    for (let at = chain.length - 1; at >= 0; at--) {
      const hop = nodeAddress(chain[at]!);
      // a client that hides behind the last proxy cannot be told from its other clients
      if (hop === '') break;
      origin = hop;
      if (!this.infoOf(hop).trusted) break;
    }
    return origin;
  }
}
