/**
 * A client's socket read into memory of ours, and the part that Node's HTTP parser has in that.
 * Must not hold: what is made of the bytes.
 *
 * Two things are Node's own: the fields by which `onread` is told to a socket, which a server's sockets have no option
 * for, and that a parser is told to leave a socket (what the server does for an upgrade). Where they are missing
 * nothing is changed and the caller is told; the tests of those who use it notice.
 */
import type { Socket } from 'node:net';

export interface Handle {
  reading: boolean;
  _consumed?: boolean;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Buffer): void;
}

export interface Parser {
  readonly constructor: { readonly kOnBody?: number };
  consume(handle: Handle): void;
  unconsume(): void;
  _consumed?: boolean;
  [listener: number]: unknown;
}

/** A socket of Node's HTTP server. */
export interface RawSocket extends Socket {
  _handle?: Handle | null;
  _paused?: boolean;
  parser?: Parser | null;
  [field: symbol]: unknown;
}

/** Hears of so many bytes at the beginning of `buffer`; false to be held back. */
export type HearRead = (this: RawSocket, bytes: number, buffer: Buffer) => boolean;

/** Memory for one read of any client, good until the call that hears of it returns. */
export const SCRATCH: Buffer = Buffer.allocUnsafeSlow(65_536);
/** The part that is read into: there is always a byte behind what came. */
export const READ_INTO: Buffer = SCRATCH.subarray(0, SCRATCH.length - 1);

/** The fields of a socket that its `onread` option sets. */
interface Fields {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly next: symbol;
}

let fields: Fields | undefined;

function fieldsOf(socket: Socket): Fields | undefined {
  const symbols = Object.getOwnPropertySymbols(socket);
  const find = (name: string) => symbols.find(({ description }) => description === name);
  const [buffer, callback, next] = [find('kBuffer'), find('kBufferCb'), find('kBufferGen')];
  return buffer && callback && next && { buffer, callback, next };
}

/**
 * Has what comes on `socket` from now on told to `hear`, in SCRATCH at first, and from then on where `next` says.
 * False, with nothing changed, where that is not possible.
 */
export function readRaw(socket: RawSocket, hear: HearRead, next: (() => Buffer) | null): boolean {
  const { _handle: handle } = socket;
  fields ??= fieldsOf(socket);
  if (fields === undefined || !handle) return false;
  const isFirst = !(socket[fields.buffer] instanceof Uint8Array);
  socket[fields.callback] = hear;
  socket[fields.next] = next;
  if (!isFirst) return true;
  socket[fields.buffer] = READ_INTO;
  handle.useUserBuffer(READ_INTO);
  return true;
}

/** Has what comes go into the socket's own stream again, for whoever reads that. */
export function readAsStream(socket: RawSocket): void {
  if (fields === undefined) return;
  socket[fields.callback] = pushRead;
  socket[fields.next] = toScratch;
}

/** Node's HTTP parser reads the socket no more; false where it did not. */
export function takeFromParser({ parser }: RawSocket): boolean {
  if (parser?._consumed !== true) return false;
  parser.unconsume();
  parser._consumed = false;
  return true;
}

/** Has the parser read the socket again, if both are still there. */
export function giveToParser(socket: RawSocket, parser: Parser, handle: Handle): boolean {
  if (socket.parser !== parser || socket._handle !== handle) return false;
  parser.consume(handle);
  parser._consumed = true;
  // whoever takes the socket from the parser, for another protocol, reads a stream
  readAsStream(socket);
  return true;
}

/** The socket has no parser any more, and the next that is given to it may read it. */
export function letGoByParser(socket: Socket): void {
  const { _handle: handle } = socket as RawSocket;
  // the server sets it for good
  if (handle) handle._consumed = false;
}

/** The parser takes these bytes as if Node had read them. */
export function showToParser(socket: Socket, bytes: Buffer): void {
  socket.emit('data', bytes);
}

function pushRead(this: RawSocket, bytes: number, buffer: Buffer): boolean {
  return this.push(Buffer.from(buffer.subarray(0, bytes)));
}

function toScratch(): Buffer {
  return READ_INTO;
}
