/**
 * The canonical form of IP addresses, and whether one is loopback, private or public.
 * Invariant: addresses are compared, hashed and logged in the canonical form, which is produced here alone.
 * Source: RFC 5952 (canonical form), RFC 4291 section 2.5.5.2 (mapped), RFC 7239 section 6 (nodes), RFC 1122 and 4291
 * (loopback), RFC 1918 and 4193 (private), RFC 3927 and 4291 (link-local).
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

/** What stands before an IPv4 address that is written as IPv6. */
const MAPPED = '::ffff:';
const PRIVATE = new BlockList();
PRIVATE.addSubnet('127.0.0.0', 8, 'ipv4');
PRIVATE.addSubnet('10.0.0.0', 8, 'ipv4');
PRIVATE.addSubnet('172.16.0.0', 12, 'ipv4');
PRIVATE.addSubnet('192.168.0.0', 16, 'ipv4');
PRIVATE.addSubnet('169.254.0.0', 16, 'ipv4');
PRIVATE.addAddress('::1', 'ipv6');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addSubnet('fe80::', 10, 'ipv6');

/**
 * The canonical form of an address: that of RFC 5952, without a zone, and dotted IPv4 also for an IPv4-mapped IPv6
 * address. Anything that is not an address is returned unchanged.
 */
export function canonicalAddress(address: string): string {
  if (!address.includes(':')) return address;
  // how a socket for both families names every IPv4 client
  if (address.startsWith(MAPPED) && isIPv4(address.slice(MAPPED.length))) return address.slice(MAPPED.length);
  const bare = address.split('%', 1)[0]!;
  if (!isIPv6(bare)) return address;
  const groups = groupsOf(bare);
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  return isMapped ? groups.slice(6).flatMap(bytesOf).join('.') : compressed(groups);
}

/**
 * The canonical address of a node in X-Forwarded-For or `Forwarded: for=`, without port, brackets and quotes. '' for a
 * node that hides its address: empty, `unknown`, `_name` (RFC 7239 section 6), or anything else.
 */
export function nodeAddress(node: string): string {
  const text = /^"(.*)"$/.exec(node)?.[1] ?? node;
  const parts = /^\[([^\]]*)\](?::[\w.-]*)?$/.exec(text) ?? /^(\d+\.\d+\.\d+\.\d+):[\w.-]*$/.exec(text);
  const address = parts?.[1] ?? text;
  return isIP(address) === 0 ? '' : canonicalAddress(address);
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): readonly number[] {
  const [head = '', tail] = address.split('::');
  const first = groupsIn(head);
  if (tail === undefined) return first;
  const last = groupsIn(tail);
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

function groupsIn(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return Number.parseInt(group, 16);
    const [a, b, c, d] = group.split('.').map(Number) as [number, number, number, number];
    return [a * 256 + b, c * 256 + d];
  });
}

function bytesOf(group: number): readonly number[] {
  return [group >> 8, group & 255];
}

/** RFC 5952 section 4: the first of the longest runs of two or more zero groups is omitted. */
function compressed(groups: readonly number[]): string {
  let [from, length] = [0, 1];
  for (let start = 0, end = 0; start < 8; start = end + 1) {
    for (end = start; groups[end] === 0; ) end++;
    if (end - start > length) [from, length] = [start, end - start];
  }
  const texts = groups.map((group) => group.toString(16));
  if (length === 1) return texts.join(':');
  return `${texts.slice(0, from).join(':')}::${texts.slice(from + length).join(':')}`;
}

/** True for loopback, private and link-local addresses; false for all others and for anything else. */
export function isPrivateAddress(address: string): boolean {
  const plain = canonicalAddress(address);
  return isIP(plain) !== 0 && PRIVATE.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
}

/** True for a loopback address or `localhost`. */
export function isLoopback(host: string): boolean {
  const address = canonicalAddress(host);
  return address === 'localhost' || address === '::1' || /^127(\.\d{1,3}){3}$/.test(address);
}

/** The host by which this machine reaches what listens on `host`, which may stand for all interfaces. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

/** The network that one client controls: the /64 of an IPv6 address; an IPv4 address itself. */
export function networkOf(address: string): string {
  const plain = canonicalAddress(address);
  if (!isIPv6(plain)) return plain;
  const groups = groupsOf(plain).slice(0, 4);
  return `${groups.map((group) => group.toString(16)).join(':')}::/64`;
}
