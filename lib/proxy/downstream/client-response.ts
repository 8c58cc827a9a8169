/**
 * Where the response to one request is written on its client's connection, and what becomes of the connection after it.
 * What the response says is made elsewhere (`response-writer.ts`).
 */
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { BareSocket } from '../io/bare-socket.ts';
import { resetConnection } from '../io/encrypted.ts';
import { writeBatcher } from '../io/write-batcher.ts';

/** What follows a response on its connection: the next request, its close, or its close once the client has read it. */
export type AfterResponse = 'keep-alive' | 'close' | 'linger';

/** The place of one request's response on its client's connection. */
export interface ClientResponse {
  /** The client would have the connection kept. */
  readonly wantsKeepAlive: boolean;
  readonly socket: Socket;
  /** Takes the bytes of the response once it has started: the first of them are its head's. */
  readonly out: Writable;
  readonly hasStarted: boolean;
  /** Puts chunks around the body itself where the head says so; otherwise its caller has to. */
  readonly framesChunks: boolean;
  /** Writes a 1xx head with its empty line, before `start`. */
  writeInterim(text: string): void;
  start(after: AfterResponse): void;
  /** Ends the response, with `text` (latin1) as its last bytes if given; `mayBatch` lets these wait for the end of the round. */
  end(text?: string, mayBatch?: boolean): unknown;
  /** Sent behind the body; only where `framesChunks`. */
  addTrailers(trailers: readonly string[]): void;
  /** Ends a response that cannot be finished; where not `isDelimited`, so that its client takes it for no whole one. */
  cut(isDelimited: boolean): void;
  /** Calls `callback` when the kernel has taken all of the response. */
  onFlushed(callback: () => void): void;
}

const NO_CALLBACKS: readonly (() => void)[] = [];

/** Where a response is written. */
export interface ResponseTarget {
  /** What takes the bytes as long as nobody needs more than that of it. */
  readonly carrier: Socket | BareSocket;
  readonly socket: Socket;
}

/** A response that is written to the socket as it is. */
export class SocketResponse implements ClientResponse {
  readonly wantsKeepAlive: boolean;
  readonly framesChunks = false;
  hasStarted = false;
  readonly #target: ResponseTarget;
  #after: AfterResponse = 'keep-alive';
  #hasEnded = false;
  /** Those that were registered before the end. */
  #callbacks: readonly (() => void)[] = NO_CALLBACKS;

  constructor(target: ResponseTarget, wantsKeepAlive: boolean) {
    this.#target = target;
    this.wantsKeepAlive = wantsKeepAlive;
  }

  get socket(): Socket {
    return this.#target.socket;
  }

  get out(): Socket {
    return this.#target.socket;
  }

  writeInterim(text: string): void {
    const { carrier } = this.#target;
    writeBatcher.flush(carrier);
    carrier.write(text, 'latin1');
  }

  start(after: AfterResponse): void {
    writeBatcher.flush(this.#target.carrier);
    this.hasStarted = true;
    this.#after = after;
  }

  end(text?: string, mayBatch = false): void {
    const { carrier } = this.#target;
    if (text !== undefined && mayBatch) writeBatcher.write(carrier, text);
    else if (text !== undefined) carrier.write(text, 'latin1');
    if (this.#after === 'close') writeBatcher.closeAfterWrites(carrier);
    this.#hasEnded = true;
    for (const callback of this.#callbacks) this.onFlushed(callback);
  }

  addTrailers(): void {}

  cut(isDelimited: boolean): void {
    if (isDelimited) this.socket.destroySoon();
    else resetConnection(this.socket);
  }

  onFlushed(callback: () => void): void {
    if (!this.#hasEnded) {
      this.#callbacks = [...this.#callbacks, callback];
      return;
    }
    const { carrier } = this.#target;
    writeBatcher.flush(carrier);
    if (carrier.writableLength === 0) process.nextTick(callback);
    // an empty write is called back when all before it have been taken
    else this.socket.write('', (error) => !error && callback());
  }
}
