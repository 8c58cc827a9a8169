/**
 * New connections from trusted proxies, until each has said in a header of the PROXY protocol whose it is.
 * Invariants: such a connection must begin with a header, and is closed without a response where it does not, or where
 * the header does not come within `headerTimeoutMs`; what follows the header is left in the socket's own buffer.
 */
import type { Socket } from 'node:net';
import { type ProxyHeader, ProxyHeaderError, readProxyHeader } from '../../http1/proxy-protocol.ts';
import { type Listed, NOT_LISTED, UnorderedList } from '../unordered-list.ts';

export interface ProxyHeaderOwner {
  /** `source` is the client's address; undefined where the connection is the proxy's own. */
  onProxyHeader(socket: Socket, source: string | undefined, isTls: boolean): void;
  /** It is closed. */
  onBadProxyHeader(socket: Socket): void;
}

/** One connection whose header is read. */
interface Reading extends Listed {
  readonly socket: Socket;
  /** What has come, in its first `length` bytes. It doubles as it grows, so a header that comes byte by byte costs no more. */
  memory: Buffer;
  length: number;
  readonly sinceMs: number;
  /** A handshake follows the header. */
  readonly isTls: boolean;
  readonly onReadable: () => void;
  readonly onEnd: () => void;
  readonly onClose: () => void;
}

const NOTHING: Buffer = Buffer.alloc(0);

export class ProxyHeaderReader {
  readonly #owner: ProxyHeaderOwner;
  readonly #readings = new UnorderedList<Reading>();

  constructor(owner: ProxyHeaderOwner) {
    this.#owner = owner;
  }

  /** Connections whose header has not come yet. */
  get size(): number {
    return this.#readings.size;
  }

  /** Reads the header of a connection that nobody reads yet. */
  read(socket: Socket, nowMs: number, isTls: boolean): void {
    const reading: Reading = {
      socket,
      memory: NOTHING,
      length: 0,
      sinceMs: nowMs,
      isTls,
      onReadable: () => this.#look(reading),
      onEnd: () => this.#refuse(socket),
      onClose: () => this.#readings.remove(reading),
      place: NOT_LISTED,
    };
    this.#readings.add(reading);
    socket.on('readable', reading.onReadable);
    // it has sent its last before it said whose it is, as a port scan does
    socket.on('end', reading.onEnd);
    socket.on('error', destroyThis);
    socket.on('close', reading.onClose);
    this.#look(reading);
  }

  tick(nowMs: number, headerTimeoutMs: number): void {
    for (const { socket, sinceMs } of this.#readings)
      if (nowMs - sinceMs >= headerTimeoutMs) this.#refuse(socket);
  }

  /** Closes those whose header has not come. */
  close(): void {
    for (const { socket } of this.#readings) socket.destroy();
  }

  #look(reading: Reading): void {
    const chunk = reading.socket.read() as Buffer | null;
    if (chunk === null) return;
    append(reading, chunk);
    const header = headerIn(reading.memory.subarray(0, reading.length));
    if (header === 'bad') this.#refuse(reading.socket);
    else if (header !== undefined) this.#handOver(reading, header);
  }

  #handOver(reading: Reading, { source, length }: ProxyHeader): void {
    const { socket, memory, length: received, isTls } = reading;
    this.#forget(reading);
    if (received > length) socket.unshift(memory.subarray(length, received));
    this.#owner.onProxyHeader(socket, source, isTls);
    // one that flowed would lose what a handshake waits for
    if (!isTls) socket.resume();
  }

  #forget(reading: Reading): void {
    const { socket } = reading;
    this.#readings.remove(reading);
    socket.off('readable', reading.onReadable);
    socket.off('end', reading.onEnd);
    socket.off('error', destroyThis);
    socket.off('close', reading.onClose);
  }

  #refuse(socket: Socket): void {
    this.#owner.onBadProxyHeader(socket);
    socket.destroy();
  }
}

function append(reading: Reading, chunk: Buffer): void {
  const { memory, length } = reading;
  const needed = length + chunk.length;
  if (length === 0) reading.memory = chunk;
  else if (needed <= memory.length) chunk.copy(memory, length);
  else {
    reading.memory = Buffer.allocUnsafe(2 * needed);
    memory.copy(reading.memory, 0, 0, length);
    chunk.copy(reading.memory, length);
  }
  reading.length = needed;
}

function headerIn(bytes: Buffer): ProxyHeader | 'bad' | undefined {
  try {
    return readProxyHeader(bytes);
  } catch (error) {
    if (error instanceof ProxyHeaderError) return 'bad';
    throw error;
  }
}

function destroyThis(this: Socket): void {
  this.destroy();
}
