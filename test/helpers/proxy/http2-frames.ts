/** Frames of HTTP/2, byte by byte, for clients that do what no library would. Source: RFC 9113 sections 4 and 6, RFC 7541. */
import { Peer } from './peer.ts';

export const TYPE = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const FLAG = { none: 0, endStream: 1, ack: 1, endHeaders: 4 } as const;
export const NO_PAYLOAD: Buffer = Buffer.alloc(0);
/** Identifier of a setting. */
export const SETTING = { initialWindow: 4 } as const;

export function frame(type: number, flags: number, stream: number, payload: Buffer = NO_PAYLOAD): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Four bytes, as a window's increment and the code of a reset are. */
export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function settings(pairs: readonly (readonly [id: number, value: number])[] = []): Buffer {
  const payload = pairs.map(([id, value]) => Buffer.concat([Buffer.of(id >> 8, id & 255), word(value)]));
  return frame(TYPE.settings, FLAG.none, 0, Buffer.concat(payload));
}

/** A string as HPACK has it, without Huffman's code; shorter than 16 KiB. */
function text(value: string): Buffer {
  const { length } = value;
  const size =
    length < 127 ? Buffer.of(length) : Buffer.of(127, ((length - 127) & 127) | 128, (length - 127) >> 7);
  return Buffer.concat([size, Buffer.from(value, 'latin1')]);
}

/** A field that is not put into the table. */
export function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

/** A field that is: the first reference to it is the byte INDEXED. */
export function indexedField(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0x40), text(name), text(value)]);
}

/** The newest entry of the dynamic table. */
export const INDEXED = 0x80 | 62;

/** The pseudo-header fields of a request for `path`. */
export function request(path: string, method: 'GET' | 'POST' = 'GET'): Buffer {
  const target = Buffer.concat([Buffer.of(0x04), text(path)]);
  const authority = Buffer.concat([Buffer.of(0x01), text('localhost')]);
  return Buffer.concat([Buffer.of(method === 'GET' ? 0x82 : 0x83, 0x87), target, authority]);
}

/** A whole request without a body. */
export function get(stream: number, path: string): Buffer {
  return frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, stream, request(path));
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** A connection that has sent its preface and these settings, and nothing else. */
export async function connectRaw(port: number, own: Buffer = settings()): Promise<Peer> {
  const peer = await Peer.connectTls(port, { ALPNProtocols: ['h2'] });
  peer.send(Buffer.concat([PREFACE, own]));
  return peer;
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** The whole frames that have come. */
export function framesOf({ received }: Peer): Frame[] {
  const bytes = Buffer.from(received, 'latin1');
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    const stream = bytes.readUInt32BE(at + 5);
    frames.push({
      type: bytes[at + 3]!,
      flags: bytes[at + 4]!,
      stream,
      payload: bytes.subarray(at + 9, end),
    });
    at = end;
  }
  return frames;
}
