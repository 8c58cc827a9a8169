/** Headers of the PROXY protocol, right or wrong as a test wants them. */
import { isIPv6 } from 'node:net';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** The bytes of an address; of IPv6 only with one `::` or none, and no IPv4 in it. */
function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string): number[] =>
    text
      .split(':')
      .filter(Boolean)
      .map((group) => Number.parseInt(group, 16));
  const [first, last] = [groups(head), groups(tail)];
  const zeros = new Array<number>(8 - first.length - last.length).fill(0);
  return Buffer.from([...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 255]));
}

export interface V2Parts {
  /** 0 is LOCAL, 1 PROXY. */
  readonly command?: number;
  /** Family and transport as they are on the wire. */
  readonly family?: number;
  readonly addresses?: Buffer;
  /** Extensions behind the addresses. */
  readonly extra?: Buffer;
}

/** A header of version 2 for a connection from `source`. */
export function proxyV2(source: string, parts: V2Parts = {}): Buffer {
  const isSix = isIPv6(source);
  const { command = 1, family = isSix ? 0x21 : 0x11, extra = Buffer.alloc(0) } = parts;
  const address = parts.addresses ?? Buffer.concat([bytesOf(source), bytesOf(source), Buffer.of(1, 2, 3, 4)]);
  const size = Buffer.alloc(2);
  size.writeUInt16BE(address.length + extra.length);
  return Buffer.concat([SIGNATURE, Buffer.of(0x20 | command, family), size, address, extra]);
}

/** A header of version 1. */
export function proxyV1(source: string): string {
  return `PROXY ${isIPv6(source) ? 'TCP6' : 'TCP4'} ${source} ${source} 1234 80\r\n`;
}
