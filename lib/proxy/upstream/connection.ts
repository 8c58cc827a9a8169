/**
 * One keep-alive connection to a replica: writes a request, reads its response, and is then free for the next.
 * Invariants: it is busy with at most one attempt; bytes that come while there is none close it; an attempt is not
 * called any more once it has completed, failed or cancelled. A chunk is only good until its call returns.
 */
import type { OnReadOpts, Socket, TcpNetConnectOpts } from 'node:net';
import type { Endpoint } from '../../core/replica.ts';
import { NO_TIMEOUT } from '../../http1/response-fields.ts';
import {
  type ResponseLimits,
  ResponseParser,
  type ResponseRequest,
  type ResponseSink,
} from '../../http1/response-parser.ts';
import { BalancerError, type ErrorCode, errnoOf, isBalancerError, messageOf } from '../../platform/errors.ts';
import { BulkWriter } from '../io/bulk-writer.ts';
import { LargeReads, largeReadBudget } from '../io/large-reads.ts';
import { writeBatcher } from '../io/write-batcher.ts';
import type { ReplicaSocket } from './early-response.ts';

/** One try of a request on a replica, as the pool and its connections see it. */
export interface Attempt extends ResponseSink {
  readonly request: ResponseRequest;
  /** Only a connection that carried no request yet will do. */
  readonly needsNewConnection: boolean;
  /** Since when it waits for a connection, by the worker's coarse clock; set by the pool. */
  waitsSinceMs: number;
  /** The connection is this attempt's, which writes its request now. */
  onConnection(connection: Connection): void;
  /** The whole request has been written, so that the connection may carry another after the response. */
  readonly isRequestSent: boolean;
  /** What one read of the socket brought has been delivered, and more of the response is to come. */
  onReadEnd(): void;
  /** The connection takes bytes again after `writeBody` said false. */
  onDrain(): void;
  /** The replica takes no more of the body; its response is still read. Only called after `startUpload`. */
  onWriteFailed(): void;
  /** After `onEnd`: the connection is free or closed already. */
  onDone(): void;
  /** The replica switched protocols; the connection is a tunnel from here. */
  onTunnel(socket: Socket, early: Buffer): void;
  /** The attempt failed and the connection is closed. Reused ones may have closed before the request arrived. */
  onUpstreamError(error: BalancerError): void;
}

/** Whose connection it is: a pool, or one client. */
export interface ConnectionOwner {
  onConnected(connection: Connection): void;
  /** The response is complete and the connection can carry another request. */
  onFree(connection: Connection): void;
  /** It has closed. `error` is set where connecting failed. */
  onClosed(connection: Connection, error: BalancerError | undefined): void;
}

/** Opens a TCP connection, as `connect` of `node:net` does. */
export type Connect = (options: TcpNetConnectOpts) => ReplicaSocket;

/** How a connection is opened. */
export interface ConnectOptions {
  /** By the worker's coarse clock. */
  readonly nowMs: number;
  readonly forTunnel: boolean;
  readonly connect: Connect;
  readonly limits: ResponseLimits;
}

/** Enough for most responses, and little to copy of the others. */
const SHARED_BYTES = 81_920;
/** Kept free in front of what is read, for a head that is longer than the one it replaces. */
const HEAD_ROOM_BYTES = 4096;
/** Shared by all connections of this worker: what is read into it is handled before the next read. */
const SHARED: Buffer = Buffer.allocUnsafeSlow(HEAD_ROOM_BYTES + SHARED_BYTES);
const READ_INTO: Buffer = SHARED.subarray(HEAD_ROOM_BYTES);

const CONNECT_CODES: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'connect-refused',
  ETIMEDOUT: 'connect-timeout',
  // the balancer's fault, not the replica's
  EMFILE: 'out-of-sockets',
  ENFILE: 'out-of-sockets',
  ENOBUFS: 'out-of-sockets',
  EADDRNOTAVAIL: 'out-of-sockets',
};

export class Connection {
  // times begin as doubles (`-0`): V8 deoptimizes a class when a field of whole numbers is given its first fraction
  /** When it became free, by the worker's coarse clock; set by its owner. */
  idleSinceMs = -0;
  /** How long the replica keeps it open when idle, as its last response says, or NO_TIMEOUT. */
  keepAliveTimeoutMs = NO_TIMEOUT;
  /** When connecting began, by the worker's coarse clock. */
  readonly startedMs: number;
  /** How long connecting took, once it is connected. */
  connectMs = -0;

  /** Opened for a request that asks for another protocol, for which its socket becomes an ordinary stream. */
  readonly forTunnel: boolean;
  #owner: ConnectionOwner;
  readonly socket: ReplicaSocket;
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
  /** Of the body at hand; undefined while SHARED will do. */
  #largeReads: LargeReads | undefined;
  /** Of the request body at hand; undefined where there is none that is sent in pieces. */
  #uploadWriter: BulkWriter | undefined;

  constructor(
    owner: ConnectionOwner,
    { host, port, tls }: Endpoint,
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
    socket.on(tls === true ? 'secureConnect' : 'connect', () => {
      this.#isConnected = true;
      this.connectMs = performance.now() - begunMs;
      this.#owner.onConnected(this);
    });
    socket.on('end', () => this.#onSocketEnd());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.#onSocketClose());
  }

  /** From now on `owner` is called, and nobody else. */
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
    this.#parser.start(attempt.request, attempt);
    try {
      attempt.onConnection(this);
    } catch (error) {
      this.destroy(internal(error));
    }
  }

  /** Writes text, latin1. */
  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /**
   * Writes the head of a request whose body follows, which goes out with what is written until the next tick. The replica
   * may refuse the body while it is being sent: its response is read all the same.
   */
  startUpload(head: string): void {
    const { socket } = this;
    // kept, since it goes on when the connection has become the attempt's tunnel
    const attempt = this.#attempt;
    const writer = new BulkWriter(socket, () => {
      if (!this.#hasWriteFailed && this.#uploadWriter === writer) attempt?.onDrain();
    });
    this.#uploadWriter = writer;
    socket.onWriteFailed = this.#onWriteFailed;
    // the first piece has usually come with the head
    writer.writeAhead(head);
  }

  /**
   * Writes a piece of the body behind `startUpload`, which may be overwritten afterwards; false when the attempt should wait
   * for `onDrain`.
   */
  writeBody(piece: Buffer): boolean {
    return this.#uploadWriter?.write(piece) ?? true;
  }

  /** Writes a whole request, latin1, together with the small writes to other sockets. */
  writeBatched(text: string): void {
    writeBatcher.write(this.socket, text);
  }

  pause(): void {
    this.#isPaused = true;
    this.socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.socket.resume();
  }

  /** More of the response's body is to come than one read brings: further reads may be larger. */
  useLargeReads(): void {
    this.#largeReads ??= new LargeReads(() => {
      if (!this.#isPaused && !this.#isClosed) this.socket.resume();
    });
  }

  /**
   * `text`, latin1, with `chunk` behind it in one piece, in the memory that the chunk was read into; undefined where it
   * has no room there. What was read before the chunk has been parsed and may be overwritten.
   */
  putInFront(text: string, chunk: Buffer): Buffer | undefined {
    const start = chunk.byteOffset - text.length;
    if (chunk.buffer !== SHARED.buffer || start < 0) return undefined;
    SHARED.write(text, start, 'latin1');
    return SHARED.subarray(start, chunk.byteOffset + chunk.length);
  }

  /** The attempt wants no more of this connection. */
  cancel(): void {
    this.#attempt = undefined;
    this.destroy();
  }

  /** Closes at once; `error` goes to the attempt, if there is one, and to the owner if there was no connection yet. */
  destroy(error?: BalancerError): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#uploadWriter = undefined;
    this.#parser.stop();
    this.socket.destroy();
    this.#reportClosed(this.#isConnected ? undefined : error);
    if (error !== undefined) attempt?.onUpstreamError(error);
  }

  /** Reads go straight into a buffer of ours, past the stream machinery: 1.5 µs less for a small response. */
  #onRead(): OnReadOpts {
    return {
      // asked for after every read
      buffer: () => (this.#largeReads === undefined ? READ_INTO : largeReadBudget.next()),
      callback: (bytes, buffer) => {
        this.#read((buffer as Buffer).subarray(0, bytes));
        return this.#largeReads?.mayContinue(bytes, bytes === buffer.length) ?? true;
      },
    };
  }

  #read(chunk: Buffer): void {
    const attempt = this.#attempt;
    // bytes that belong to no request
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
    // the client of this response may be slow, the next one need not be
    if (this.#isPaused) this.resume();
    this.#largeReads = undefined;
    this.#uploadWriter = undefined;
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

  /** The replica has ended its side: that ends the response, or there will be none. */
  #onSocketEnd(): void {
    const attempt = this.#attempt;
    if (attempt !== undefined && this.#parser.finish()) this.#complete(attempt);
    else this.#fail();
  }

  #onSocketClose(): void {
    if (this.#isClosed) return;
    if (!this.#isConnected) return this.destroy(connectFailure(this.#error));
    this.#fail();
  }

  #fail(): void {
    const error = this.#error;
    if (isBalancerError(error)) return this.destroy(error);
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

/** A failure of our own while a response was read must not look like the replica's. */
function internal(error: unknown): BalancerError {
  return new BalancerError('internal', messageOf(error), { cause: error });
}
