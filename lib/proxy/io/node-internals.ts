/**
 * All that is used of Node beyond its public API: reading an accepted socket into memory of ours, and the descriptor
 * and the write queue of a socket's handle.
 * Where a part is missing nothing is changed, and callers do without it.
 */
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

interface Handle {
  readonly fd?: number;
  readonly writeQueueSize?: number;
  useUserBuffer?(buffer: Buffer): void;
}

interface RawSocket extends Socket {
  readonly _handle?: Handle | null;
  [field: symbol]: unknown;
}

/** Called with the first `bytes` of `buffer`, which are good until it returns. */
export type OnBytes<S extends Socket> = (this: S, bytes: number, buffer: Buffer) => boolean;

/** Memory for one read of any client, good until the call with what was read returns. */
export const SCRATCH: Buffer = Buffer.allocUnsafeSlow(65_536);
/** The part that is read into: there is always one more byte behind what was read. */
export const READ_INTO: Buffer = SCRATCH.subarray(0, SCRATCH.length - 1);

/** The fields of a socket that its `onread` option sets. */
interface Fields {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly next: symbol;
}

const fields = fieldsOf(new Socket());

const NO_DESCRIPTOR = -1;

function fieldsOf(socket: Socket): Fields | undefined {
  const symbols = Object.getOwnPropertySymbols(socket);
  const find = (name: string) => symbols.find(({ description }) => description === name);
  const [buffer, callback, next] = [find('kBuffer'), find('kBufferCb'), find('kBufferGen')];
  return buffer && callback && next && { buffer, callback, next };
}

/** True where sockets can be read into memory of ours. */
const canReadRaw = fields !== undefined;

/** True where requests are read that way with these options. */
export function isFastPath({ parser }: { readonly parser: 'fast' | 'node' }): boolean {
  return parser === 'fast' && canReadRaw;
}

/**
 * Calls `onBytes` with what comes on `socket`, which nobody reads yet, in READ_INTO. False, with nothing changed,
 * where that is not possible.
 * A socket that we open takes `onread` as an option; one that a server has accepted has no such option, but the same
 * three fields. Read in this way, past the stream machinery, a small request costs a tenth less, a large upload half.
 */
export function readRaw<S extends Socket>(socket: S, onBytes: OnBytes<S>): boolean {
  const raw = socket as unknown as RawSocket;
  const handle = raw._handle;
  if (fields === undefined || typeof handle?.useUserBuffer !== 'function') return false;
  raw[fields.callback] = onBytes;
  raw[fields.next] = null;
  raw[fields.buffer] = READ_INTO;
  handle.useUserBuffer(READ_INTO);
  return true;
}

/** Asks `next` after each read where the one that follows is to go; null leaves it where it is. */
export function readInto(socket: Socket, next: (() => Buffer) | null): void {
  if (fields !== undefined) (socket as unknown as RawSocket)[fields.next] = next;
}

/** Puts what comes into the socket's own stream again. */
export function readAsStream(socket: Socket): void {
  const raw = socket as unknown as RawSocket;
  if (fields === undefined || raw[fields.callback] === null) return;
  raw[fields.callback] = pushRead;
  raw[fields.next] = toScratch;
}

function pushRead(this: Socket, bytes: number, buffer: Buffer): boolean {
  return this.push(Buffer.from(buffer.subarray(0, bytes)));
}

function toScratch(): Buffer {
  return READ_INTO;
}

/** The socket's descriptor, where it has one. */
export function descriptorOf(socket: Socket): number | undefined {
  return (socket as unknown as RawSocket)._handle?.fd;
}

/** The descriptor of a socket whose bytes go out as they are written; below zero for all else that can be written to. */
export function plainDescriptorOf(out: Writable): number {
  const { _handle, encrypted } = out as unknown as RawSocket & { readonly encrypted?: boolean };
  return encrypted === true ? NO_DESCRIPTOR : (_handle?.fd ?? NO_DESCRIPTOR);
}

/** Bytes that were written and that the kernel has not taken. */
export function queuedBytesOf(socket: Socket): number {
  return (socket as unknown as RawSocket)._handle?.writeQueueSize ?? 0;
}
