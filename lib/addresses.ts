/**
 * What an address says of who is behind it: this machine, a private network, or anyone.
 * Must not hold: who may do what. Everything here takes addresses as `socket.remoteAddress` gives them.
 * Source: RFC 1122 and 4291 (loopback), RFC 1918, RFC 4193, RFC 3927 and 4291 (link-local), RFC 4291 section 2.5.5.2.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';

const PRIVATE = new BlockList();
PRIVATE.addSubnet('127.0.0.0', 8, 'ipv4');
PRIVATE.addSubnet('10.0.0.0', 8, 'ipv4');
PRIVATE.addSubnet('172.16.0.0', 12, 'ipv4');
PRIVATE.addSubnet('192.168.0.0', 16, 'ipv4');
PRIVATE.addSubnet('169.254.0.0', 16, 'ipv4');
PRIVATE.addAddress('::1', 'ipv6');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addSubnet('fe80::', 10, 'ipv6');

/** Without a zone, and IPv4 in its own notation even from a dual-stack socket. */
export function plainAddress(address: string): string {
  const bare = address.split('%', 1)[0]!;
  return /^::ffff:\d/i.test(bare) && bare.includes('.') ? bare.slice('::ffff:'.length) : bare;
}

/** True for loopback, private and link-local addresses; false for all others and for what is none. */
export function isPrivateAddress(address: string): boolean {
  const plain = plainAddress(address);
  return isIP(plain) !== 0 && PRIVATE.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
}

/** True for an address, or the name, that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/i.test(host);
}

/** What one person has many addresses of, as one text: an IPv6 network of 64 bits; an IPv4 address is itself. */
export function networkOf(address: string): string {
  const plain = plainAddress(address).toLowerCase();
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...new Array<string>(gap).fill('0'), ...last].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`;
}
