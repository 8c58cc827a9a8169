/**
 * All that is used of Node beyond its public API: accepted connections before a socket is made of them, reading a socket
 * into memory of ours, the descriptor and the write queue of a socket's handle, the moment in which a socket has been
 * told to end, and the handles of HTTP/2 sessions and streams.
 * Where a part is missing nothing is changed, and callers do without it.
 */
import { type Server, Socket } from 'node:net';
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

/**
 * Ends the socket, which is destroyed once all that was written has gone out. Calls `onEnded` before that, in the turn in
 * which its handle is told to end.
 */
export function endSocket<S extends Socket>(socket: S, onEnded: (socket: S) => void): void {
  const { _final: end } = Socket.prototype;
  if (typeof end === 'function')
    socket._final = (onDone) => {
      end.call(socket, onDone);
      if (!socket.destroyed) onEnded(socket);
    };
  Socket.prototype.destroySoon.call(socket);
}

/** An accepted connection of which no socket was made: what libuv knows of it. */
export interface BareHandle {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** As Node's sockets note it. */
  reading?: boolean;
  onread: unknown;
  readStart(): number;
  readStop(): number;
  /** 0 once the kernel has taken all of it, a negative error, or what stands for the rest, which libuv holds. */
  writeLatin1String(request: null, text: string): number | object;
  useUserBuffer(buffer: Buffer): void;
  getpeername(into: { address?: string | undefined }): number;
  setNoDelay(isOn: boolean): number;
  close(): void;
  [field: symbol]: unknown;
}

/** What is told of what comes on a bare handle. */
export interface BareReader {
  /** No more is to be told. */
  readonly destroyed: boolean;
  /** The first `bytes` of READ_INTO have come; false where the handle must not be read now. */
  onBytes(bytes: number): boolean;
  onEnd(): void;
  onError(): void;
}

interface ServerHandle {
  onconnection?: (error: number, handle: BareHandle | undefined) => void;
}

/** How a socket is tied to its handle. */
interface Ties {
  readonly owner: symbol;
  readonly updateTimer: symbol;
  readonly onRead: unknown;
}

/** What is called of a handle. */
const CALLS = [
  'readStart',
  'readStop',
  'writeLatin1String',
  'useUserBuffer',
  'getpeername',
  'setNoDelay',
  'close',
] as const;
const ties = findTies();

/** True where connections are accepted without sockets and read into memory of ours with these options. */
export function isFastPath({ parser }: { readonly parser: 'fast' | 'node' }): boolean {
  return parser === 'fast' && fields !== undefined && ties !== undefined;
}

/**
 * Calls `onHandle` for each connection that `server`, which listens, accepts, in place of its event `connection`. False,
 * with nothing changed, where that is not possible.
 * A Node socket, from its constructor to its event `close`, is two thirds of what a short connection costs beyond the
 * kernel: with one response for each connection 62 µs became 39 in a server that did nothing else.
 */
export function acceptBare(server: Server, onHandle: (handle: BareHandle) => void): boolean {
  const listening = (server as unknown as { readonly _handle?: ServerHandle | null })._handle;
  if (fields === undefined || ties === undefined || typeof listening?.onconnection !== 'function')
    return false;
  listening.onconnection = (error, handle) => {
    // what cannot be accepted for lack of descriptors stays in the kernel's queue
    if (error === 0 && handle !== undefined) onHandle(handle);
  };
  return true;
}

/** Finds out how sockets are tied to handles; undefined where anything is missing. */
function findTies(): Ties | undefined {
  const socket = new Socket();
  // a handle is made at once, and nothing is connected before the next tick
  socket.connect({ host: '127.0.0.1', port: 9 });
  const handle = (socket as unknown as { readonly _handle?: BareHandle | null })._handle;
  const find = (object: object, name: string): symbol | undefined =>
    Object.getOwnPropertySymbols(object).find(({ description }) => description === name);
  const owner = handle ? find(handle, 'owner_symbol') : undefined;
  const updateTimer = find(Socket.prototype, 'kUpdateTimer');
  const onRead = handle?.onread;
  const isWhole = CALLS.every((call) => typeof handle?.[call] === 'function') && typeof onRead === 'function';
  socket.destroy();
  if (owner === undefined || updateTimer === undefined || !isWhole) return undefined;
  return writesWithoutRequest() ? { owner, updateTimer, onRead } : undefined;
}

/** True where a handle takes text alone: before Node 26 it took an object with each write, and ends the process without one. */
function writesWithoutRequest(): boolean {
  let given: unknown;
  const handle = {
    readStart: () => 0,
    readStop: () => 0,
    close: () => {},
    getAsyncId: () => 1,
    writeLatin1String(request: unknown): number {
      given = request;
      return 0;
    },
  };
  const socket = new Socket({ handle, manualStart: true } as object);
  socket.write('x', 'latin1');
  socket.destroy();
  return given === null;
}

/** Gives the objects of a class, whose prototype it is, what Node's own reading expects of a socket. */
export function makeReader(prototype: BareReader): void {
  if (fields === undefined || ties === undefined) return;
  Object.assign(prototype, {
    [fields.buffer]: READ_INTO,
    [fields.next]: null,
    [fields.callback](this: BareReader, bytes: number): boolean {
      return this.onBytes(bytes);
    },
    [ties.updateTimer]: () => {},
    push(this: BareReader): void {
      this.onEnd();
    },
    read: () => {},
    _readableState: { endEmitted: false },
  });
}

/** Has `reader`, whose class was made a reader, told of what comes on `handle` from now on. */
export function startBare(handle: BareHandle, reader: BareReader): void {
  if (ties === undefined) return;
  handle[ties.owner] = reader;
  handle.onread = ties.onRead;
  handle.useUserBuffer(READ_INTO);
  handle.reading = true;
  handle.readStart();
}

/** Reads no more until `startBare`, or until the socket that is made of the handle does. */
export function stopBare(handle: BareHandle): void {
  handle.reading = false;
  handle.readStop();
}

/** What a bare handle was used for before a socket is made of it. */
export interface BareUse {
  /** `startBare` was called. */
  readonly wasStarted: boolean;
  /** What the write of `text` gave, of which libuv holds a rest. */
  readonly held?: { readonly text: string; readonly rest: object } | undefined;
}

/** Makes a socket of a handle. */
export function openSocket(handle: BareHandle, { wasStarted, held }: BareUse): Socket {
  const socket = new Socket({ handle, allowHalfOpen: true, manualStart: true } as object);
  // the handle goes on reading into memory of ours
  if (wasStarted && fields !== undefined)
    Object.assign(socket, {
      [fields.buffer]: READ_INTO,
      [fields.callback]: pushRead,
      [fields.next]: toScratch,
    });
  if (held === undefined) return socket;
  // the socket counts the write as its own, without making it
  handle.writeLatin1String = () => held.rest;
  socket.write(held.text, 'latin1');
  delete (handle as Partial<BareHandle>).writeLatin1String;
  return socket;
}

function ignore(): void {}

/** Closes the connection, on which nothing is under way. */
export function closeBare(handle: BareHandle): void {
  handle.onread = ignore;
  handle.close();
}

const sessionHandles = new FinalizationRegistry<object>(() => {});

/**
 * Keeps what is left of an HTTP/2 session until nothing is left of its stream. A stream whose head was malformed holds
 * memory that its session accounts for, and Node.js 26 aborts the process where the session is collected first.
 */
export function keepSessionFor(stream: object, session: object): void {
  const [handle, owner] = [handleOf(stream), handleOf(session)];
  if (handle !== undefined && owner !== undefined) sessionHandles.register(handle, owner);
}

function handleOf(object: object): object | undefined {
  const symbol = Object.getOwnPropertySymbols(object).find(({ description }) => description === 'kHandle');
  return symbol && (object as { readonly [field: symbol]: object | undefined })[symbol];
}
