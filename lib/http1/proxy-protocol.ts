/**
 * Reads the header that a proxy in front puts before everything else on a connection: whose connection it is.
 * Invariants: the result is the same however the bytes are cut; what cannot become a header is refused with its first
 * wrong byte, and nothing behind the header is taken.
 * Source: The PROXY protocol, versions 1 and 2 (W. Tarreau, HAProxy Technologies, doc/proxy-protocol.txt).
 */
import { Buffer } from 'node:buffer';
import { isIPv4, isIPv6 } from 'node:net';
import { canonicalAddress } from '../platform/ip-addresses.ts';

/** What came so far is no header of the PROXY protocol. */
export class ProxyHeaderError extends Error {}

export interface ProxyHeader {
  /** The client's address in canonical form; undefined where the connection is the proxy's own, or the client's is not known. */
  readonly source: string | undefined;
  /** Bytes of the header; what follows is the client's. */
  readonly length: number;
}

const V1_START = Buffer.from('PROXY ', 'latin1');
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** The longest line of version 1 with its line end. */
const V1_MOST_BYTES = 107;
const V1_LINE = /^PROXY (?:(UNKNOWN)(?: [^\r\n]*)?|(TCP4|TCP6) ([^ ]+) ([^ ]+) (\d{1,5}) (\d{1,5}))$/;
const V2_HEAD_BYTES = 16;
const LF = 10;
const COMMAND = { local: 0, proxy: 1 };
/** Family and transport in one byte: any other value must be refused (section 2.2). */
const KIND = {
  unspecified: 0x00,
  tcp4: 0x11,
  udp4: 0x12,
  tcp6: 0x21,
  udp6: 0x22,
  stream: 0x31,
  datagram: 0x32,
};
/** Bytes of an address, 0 of what is no client's, and of all addresses and ports, by kind. */
const SIZES: ReadonlyMap<number, readonly [address: number, all: number]> = new Map([
  [KIND.unspecified, [0, 0]],
  [KIND.tcp4, [4, 12]],
  [KIND.udp4, [4, 12]],
  [KIND.tcp6, [16, 36]],
  [KIND.udp6, [16, 36]],
  [KIND.stream, [0, 216]],
  [KIND.datagram, [0, 216]],
]);

/** The header at the beginning of `bytes`; undefined while more of it must come. Throws ProxyHeaderError. */
export function readProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (startsLike(bytes, V2_START)) return bytes.length < V2_HEAD_BYTES ? undefined : readV2(bytes);
  if (startsLike(bytes, V1_START)) return readV1(bytes);
  throw new ProxyHeaderError('it begins like no PROXY header');
}

/** All that is there of `start` is right; an empty buffer starts like anything. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function readV1(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, V1_MOST_BYTES).indexOf(LF);
  if (end === -1) {
    if (bytes.length >= V1_MOST_BYTES) throw new ProxyHeaderError('its line is too long');
    return undefined;
  }
  const parts = V1_LINE.exec(bytes.toString('latin1', 0, end - 1));
  if (parts === null || bytes[end - 1] !== 13) throw new ProxyHeaderError('its line is not in order');
  const length = end + 1;
  const [, unknown, family, source = '', destination = '', ...ports] = parts;
  if (unknown !== undefined) return { source: undefined, length };
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6;
  // a zone of an IPv6 address means nothing to another machine
  if (!isAddress(source) || !isAddress(destination) || source.includes('%'))
    throw new ProxyHeaderError('its addresses are not in order');
  if (!ports.every((port) => String(Number(port)) === port && Number(port) <= 65_535))
    throw new ProxyHeaderError('its ports are not in order');
  return { source: canonicalAddress(source), length };
}

function readV2(bytes: Buffer): ProxyHeader | undefined {
  const [version, command] = [bytes[12]! >> 4, bytes[12]! & 15];
  if (version !== 2) throw new ProxyHeaderError('its version is not known');
  if (command > COMMAND.proxy) throw new ProxyHeaderError('its command is not known');
  const size = bytes.readUInt16BE(14);
  const length = V2_HEAD_BYTES + size;
  // what else is in a health check's header is to be ignored, its kind of address as well
  const [addressBytes, allBytes] = command === COMMAND.local ? [0, 0] : sizesOf(bytes[13]!);
  if (size < allBytes) throw new ProxyHeaderError('its addresses are cut short');
  if (bytes.length < length) return undefined;
  if (addressBytes === 0) return { source: undefined, length };
  return { source: addressIn(bytes.subarray(V2_HEAD_BYTES, V2_HEAD_BYTES + addressBytes)), length };
}

function sizesOf(kind: number): readonly [address: number, all: number] {
  const sizes = SIZES.get(kind);
  if (sizes === undefined) throw new ProxyHeaderError('its kind of address is not known');
  return sizes;
}

function addressIn(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return canonicalAddress(groups.join(':'));
}
