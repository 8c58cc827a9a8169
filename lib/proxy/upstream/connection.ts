/**
 * One keep-alive connection to a replica: writes a request, reads its answer, and is then free for the next.
 * Must not hold: pooling (`connection-pool.ts`), what happens to the request when it fails.
 * Invariants: busy with at most one attempt; what comes while there is none closes it; an attempt hears nothing
 * more once it has completed, failed or cancelled.
 *
 * Reads go straight into a buffer of ours (`onread`), past the stream machinery: 1.5 µs less for a small answer.
 * All connections share one buffer while answers are small, so a chunk is only good until its call returns, unless
 * `useLargeReads` was said: then reads go into blocks, which can be held, and nothing is copied.
 */
import type { OnReadOpts, Socket, TcpNetConnectOpts } from 'node:net';
import type { Endpoint } from '../../core/replica.ts';
import {
  type ResponseLimits,
  ResponseParser,
  type ResponseRequest,
  type ResponseSink,
} from '../../http1/response-parser.ts';
import { BalancerError, type ErrorCode, errnoOf, isBalancerError, messageOf } from '../../platform/errors.ts';
import { acquireBuffer, type PooledBuffer } from '../io/buffer-pool.ts';
import { writeTogether } from '../io/write-batcher.ts';
import type { UpstreamSocket } from './early-response.ts';

/** One try of a request on a replica, as the pool and its connections see it. */
export interface Attempt extends ResponseRequest, ResponseSink {
  /** Only a connection that carried no request yet will do. */
  readonly needsNewConnection: boolean;
  /** Since when it waits for a connection, by the thread's coarse clock; the pool's to set. */
  waitsSinceMs: number;
  /** The connection is this attempt's: it writes its request now. */
  onConnection(connection: Connection): void;
  /** The whole request has been written, so that the connection may carry another after the answer. */
  readonly isRequestSent: boolean;
  /** One read of the socket has been told, and the answer goes on. */
  onReadEnd(): void;
  /** The connection takes bytes again after `write` said false. */
  onDrain(): void;
  /** The replica takes no more of the body; what it has answered is still read. Called after `expectUpload` alone. */
  onWriteFailed(): void;
  /** After `onEnd`: the connection is free or closed already. */
  onDone(): void;
  /** The replica switched protocols; the connection is a tunnel from here. */
  onTunnel(socket: Socket, early: Buffer): void;
  /** The attempt failed and the connection is closed. Reused ones may have closed before the request arrived. */
  onUpstreamError(error: BalancerError): void;
}

/** What a connection tells its pool. */
export interface ConnectionOwner {
  onConnected(connection: Connection): void;
  /** The answer is complete and the connection can carry another request. */
  onFree(connection: Connection): void;
  /** It is gone. `error` is set where connecting failed. */
  onClosed(connection: Connection, error: BalancerError | undefined): void;
}

/** Opens a TCP connection, as `connect` of `node:net` does. */
export type Connect = (options: TcpNetConnectOpts) => UpstreamSocket;

/** How a connection is opened. */
export interface ConnectOptions {
  /** By the thread's coarse clock. */
  readonly nowMs: number;
  readonly forTunnel: boolean;
  readonly connect: Connect;
  readonly limits: ResponseLimits;
}

/** Enough for most answers, and little to copy of the others. */
const SHARED_BYTES = 81_920;
/** Less than this at the end of a block is not worth reading into. */
const LEAST_READ_BYTES = 32_768;
/** Used by every connection of this thread: read into, parsed and left before the next read. */
const SHARED: Buffer = Buffer.allocUnsafeSlow(SHARED_BYTES);

const CONNECT_CODES: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'connect-refused',
  ETIMEDOUT: 'connect-timeout',
  // ours to answer for, not the replica's
  EMFILE: 'out-of-sockets',
  ENFILE: 'out-of-sockets',
  ENOBUFS: 'out-of-sockets',
  EADDRNOTAVAIL: 'out-of-sockets',
};

export class Connection {
  // times begin as doubles (`-0`): V8 deoptimizes a class when a field of whole numbers is given its first fraction
  /** When it became free, by the thread's coarse clock; the pool keeps it. */
  idleSinceMs = -0;
  /** How long the replica keeps it open when idle, or -1; from the last answer. */
  keepAliveTimeoutMs = -1;
  /** When connecting began, by the thread's coarse clock. */
  readonly startedMs: number;
  /** How long connecting took, once it is connected. */
  connectMs = -0;

  /** Opened for a request that asks for another protocol: its socket becomes an ordinary stream once that is spoken. */
  readonly forTunnel: boolean;
  #owner: ConnectionOwner;
  readonly socket: UpstreamSocket;
  readonly #parser: ResponseParser;
  #attempt: Attempt | undefined;
  #requests = 0;
  #isConnected = false;
  #isPaused = false;
  #isClosed = false;
  #hasWriteFailed = false;
  #error: Error | undefined;
  readonly #onWriteFailed = (error: Error): void => {
    this.#hasWriteFailed = true;
    this.#error = error;
    this.#attempt?.onWriteFailed();
  };
  /** Memory for the reads of a large body, and how much of it is used; undefined while SHARED will do. */
  #block: PooledBuffer | undefined;
  #filled = 0;

  constructor(
    owner: ConnectionOwner,
    { host, port }: Endpoint,
    { nowMs, forTunnel, connect, limits }: ConnectOptions,
  ) {
    this.#owner = owner;
    this.#parser = new ResponseParser(limits);
    this.forTunnel = forTunnel;
    this.startedMs = nowMs;
    const begunMs = performance.now();
    const socket = forTunnel
      ? connect({ host, port, noDelay: true, allowHalfOpen: true })
      : connect({ host, port, noDelay: true, onread: this.#onRead() });
    this.socket = socket;
    if (forTunnel) socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('connect', () => {
      this.#isConnected = true;
      this.connectMs = performance.now() - begunMs;
      this.#owner.onConnected(this);
    });
    socket.on('drain', () => {
      if (!this.#hasWriteFailed) this.#attempt?.onDrain();
    });
    socket.on('end', () => this.#ended());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.#closed());
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** From now on `owner` hears of it, and nobody else. */
  setOwner(owner: ConnectionOwner): void {
    this.#owner = owner;
  }

  /** It carried another request before the one at hand, so the replica may have been closing it meanwhile. */
  get isReused(): boolean {
    return this.#requests > 1;
  }

  /** Gives the connection to an attempt, which writes its request in the same call. */
  assign(attempt: Attempt): void {
    this.#requests++;
    this.#attempt = attempt;
    this.#parser.start(attempt, attempt);
    try {
      attempt.onConnection(this);
    } catch (error) {
      this.destroy(internal(error));
    }
  }

  /** Sends; false when the attempt should wait for `onDrain`. Strings are latin1; `onSent` hears that a buffer is free. */
  write(data: string | Buffer, onSent?: () => void): boolean {
    return typeof data === 'string' ? this.socket.write(data, 'latin1') : this.socket.write(data, onSent);
  }

  /** A body is written next, which the replica may refuse while it is on its way: its response is read all the same. */
  expectUpload(): void {
    this.socket.onWriteFailed = this.#onWriteFailed;
  }

  /** The kernel has taken everything that was written. */
  get isWritten(): boolean {
    return this.socket.writableLength === 0;
  }

  /** Sends `text`, latin1, with what others write: all there is of the request. */
  writeTogether(text: string): void {
    writeTogether(this.socket, text);
  }

  cork(): void {
    this.socket.cork();
  }

  uncork(): void {
    this.socket.uncork();
  }

  pause(): void {
    this.#isPaused = true;
    this.socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.socket.resume();
  }

  /** More of this answer's body is to come than one read brings: the reads that follow go into blocks. */
  useLargeReads(): void {
    this.#block ??= acquireBuffer();
  }

  /**
   * The block in which the chunk of the call at hand lies, held once more; undefined for one in shared memory, which
   * must be copied to outlive the call.
   */
  retainBuffer(chunk: Buffer): PooledBuffer | undefined {
    return this.#block?.bytes.buffer === chunk.buffer ? this.#block.hold() : undefined;
  }

  /** The attempt wants no more of this connection. */
  cancel(): void {
    this.#attempt = undefined;
    this.destroy();
  }

  /** Closes at once; a busy attempt hears `error`, and so does the pool while there was no connection yet. */
  destroy(error?: BalancerError): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#parser.stop();
    this.#releaseBuffer();
    this.socket.destroy();
    this.#reportClosed(this.#isConnected ? undefined : error);
    if (error !== undefined) attempt?.onUpstreamError(error);
  }

  #onRead(): OnReadOpts {
    return {
      buffer: () => this.#nextBuffer(),
      callback: (bytes, buffer) => {
        const chunk = buffer as Buffer;
        if (this.#block?.bytes.buffer === chunk.buffer) this.#filled += bytes;
        this.#read(chunk.subarray(0, bytes));
        return true;
      },
    };
  }

  /** Asked for after every read. */
  #nextBuffer(): Buffer {
    if (this.#block === undefined) return SHARED;
    if (this.#block.bytes.length - this.#filled < LEAST_READ_BYTES) {
      this.#releaseBuffer();
      this.#block = acquireBuffer();
    }
    return this.#block?.bytes.subarray(this.#filled) ?? SHARED;
  }

  #releaseBuffer(): void {
    this.#block?.release();
    this.#block = undefined;
    this.#filled = 0;
  }

  #read(chunk: Buffer): void {
    const attempt = this.#attempt;
    // bytes that no request asked for
    if (attempt === undefined) return this.destroy();
    let result: ReturnType<ResponseParser['push']>;
    try {
      result = this.#parser.push(chunk);
    } catch (error) {
      if (this.#attempt === attempt) this.destroy(isBalancerError(error) ? error : internal(error));
      return;
    }
    if (this.#attempt !== attempt) return;
    if (result === 'more') attempt.onReadEnd();
    else if (result === 'done') this.#complete(attempt);
    else this.#becomeTunnel(attempt);
  }

  #complete(attempt: Attempt): void {
    this.#attempt = undefined;
    // the client of the answer that ends here may be slow, the next one need not be
    if (this.#isPaused) this.resume();
    this.#releaseBuffer();
    this.socket.onWriteFailed = undefined;
    if (this.#parser.phase === 'idle' && attempt.isRequestSent && !this.#isClosed) this.#owner.onFree(this);
    else this.destroy();
    attempt.onDone();
  }

  #becomeTunnel(attempt: Attempt): void {
    const early = Buffer.from(this.#parser.rest);
    this.#attempt = undefined;
    this.#parser.stop();
    this.socket.onWriteFailed = undefined;
    this.socket.removeAllListeners();
    this.#reportClosed(undefined);
    attempt.onTunnel(this.socket, early);
  }

  /** The replica has said its last: the end of the answer, or of the hope for one. */
  #ended(): void {
    const attempt = this.#attempt;
    if (attempt !== undefined && this.#parser.finish()) this.#complete(attempt);
    else this.#fail();
  }

  #closed(): void {
    if (this.#isClosed) return;
    if (!this.#isConnected) return this.destroy(connectFailure(this.#error));
    this.#fail();
  }

  #fail(): void {
    const error = this.#error;
    const isReset = errnoOf(error) === 'ECONNRESET';
    this.destroy(
      new BalancerError(isReset ? 'upstream-reset' : 'upstream-closed', undefined, { cause: error }),
    );
  }

  #reportClosed(error: BalancerError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#owner.onClosed(this, error);
  }
}

function connectFailure(error: Error | undefined): BalancerError {
  return new BalancerError(CONNECT_CODES[errnoOf(error)] ?? 'connect-failed', undefined, { cause: error });
}

/** A failure of our own while an answer was read must not look like the replica's. */
function internal(error: unknown): BalancerError {
  return new BalancerError('internal', messageOf(error), { cause: error });
}
