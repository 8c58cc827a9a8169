/**
 * A client's socket read into memory of ours, past Node's HTTP parser, and given back to it.
 * Must not hold: what is made of the bytes.
 *
 * Two things are Node's own: that a parser is told to leave a socket (what the server does for an upgrade), and the
 * fields by which `onread` is told to a socket, which a server's sockets have no option for. Where they are missing,
 * `takeReads` changes nothing and says so; tests of those who use it notice.
 * Invariants: the server's own listener runs the parser, so what it is given here it takes as if Node had read it.
 */
import type { Socket } from 'node:net';

export interface Handle {
  reading: boolean;
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
 * Has what comes on `socket` from now on told to `hear`, in SCRATCH or, from the second read on, where `next` says.
 * False, with nothing changed, where that is not possible.
 */
export function takeReads(socket: RawSocket, hear: HearRead, next: (() => Buffer) | null): boolean {
  const { _handle: handle, parser } = socket;
  fields ??= fieldsOf(socket);
  if (fields === undefined || !handle || parser?._consumed !== true) return false;
  parser.unconsume();
  parser._consumed = false;
  const isFirst = !(socket[fields.buffer] instanceof Uint8Array);
  socket[fields.callback] = hear;
  socket[fields.next] = next;
  if (isFirst) {
    socket[fields.buffer] = READ_INTO;
    handle.useUserBuffer(READ_INTO);
  }
  return true;
}

/** Has the parser read the socket again, if both are still there. */
export function giveReadsBack(socket: RawSocket, parser: Parser, handle: Handle): boolean {
  if (socket.parser !== parser || socket._handle !== handle) return false;
  parser.consume(handle);
  parser._consumed = true;
  // whoever takes the socket from the parser, for another protocol, reads a stream
  socket[fields!.callback] = pushRead;
  socket[fields!.next] = toScratch;
  return true;
}

/** The parser takes these bytes as if Node had read them. */
export function showToParser(socket: RawSocket, bytes: Buffer): void {
  socket.emit('data', bytes);
}

function pushRead(this: RawSocket, bytes: number, buffer: Buffer): boolean {
  return this.push(Buffer.from(buffer.subarray(0, bytes)));
}

function toScratch(): Buffer {
  return READ_INTO;
}
