/**
 * Where the response to a client is written, and the balancer's own failures as responses.
 * Must not hold: what a response's head says (`request-headers.ts`), where the response comes from.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { failureWith } from '../../api/failure.ts';
import { type BalancerError, safeMessage } from '../../platform/errors.ts';
import { closeOnceWritten, writeHeld, writeTogether } from '../io/write-batcher.ts';

/** What follows the answer on its connection: the next request, its end, or its end once the client has read it. */
export type Ending = 'keep-alive' | 'close' | 'linger';

/** The place of one request's answer on its client's connection. */
export interface ClientResponse {
  /** The client would have the connection kept. */
  readonly clientKeepsAlive: boolean;
  readonly socket: Socket;
  /** Takes the answer's bytes, once it is begun: the first of them are its head's. */
  readonly out: Writable;
  readonly isBegun: boolean;
  /** Chunks are put around the body where the head says so; else whoever writes does that. */
  readonly framesChunks: boolean;
  /** Writes what precedes the response: a 1xx head with its empty line. */
  writeInterim(text: string): void;
  begin(ending: Ending): void;
  /** `text`, latin1, is the last of it, which may wait for others; without one that has been written already. */
  end(text?: string, mayBatch?: boolean): unknown;
  /** Sent behind the body; only where `framesChunks`. */
  addTrailers(trailers: readonly string[]): void;
  /** Calls `onFlushed` when all of it has been taken by the kernel. */
  onFlushed(onFlushed: () => void): void;
}

const NOBODY: readonly (() => void)[] = [];

/** A response that is written to the socket as it is. */
export class SocketResponse implements ClientResponse {
  readonly socket: Socket;
  readonly clientKeepsAlive: boolean;
  readonly framesChunks = false;
  isBegun = false;
  #ending: Ending = 'keep-alive';
  #isEnded = false;
  /** Of those that asked before the end. */
  #deferred: readonly (() => void)[] = NOBODY;

  constructor(socket: Socket, clientKeepsAlive: boolean) {
    this.socket = socket;
    this.clientKeepsAlive = clientKeepsAlive;
  }

  get out(): Socket {
    return this.socket;
  }

  writeInterim(text: string): void {
    writeHeld(this.socket);
    this.socket.write(text, 'latin1');
  }

  begin(ending: Ending): void {
    writeHeld(this.socket);
    this.isBegun = true;
    this.#ending = ending;
  }

  end(text?: string, mayBatch = false): void {
    if (text !== undefined && mayBatch) writeTogether(this.socket, text);
    else if (text !== undefined) this.socket.write(text, 'latin1');
    if (this.#ending === 'close') closeOnceWritten(this.socket);
    this.#isEnded = true;
    for (const onFlushed of this.#deferred) this.onFlushed(onFlushed);
  }

  addTrailers(): void {}

  onFlushed(onFlushed: () => void): void {
    if (!this.#isEnded) {
      this.#deferred = [...this.#deferred, onFlushed];
      return;
    }
    writeHeld(this.socket);
    if (this.socket.writableLength === 0) process.nextTick(onFlushed);
    // nothing, behind what still waits
    else this.socket.write('', (error) => !error && onFlushed());
  }
}

/** Answers a request that is no exchange with the balancer's own failure. */
export function sendFailure(
  response: ClientResponse,
  isHead: boolean,
  error: BalancerError,
  ending: Ending,
): void {
  response.begin(ending);
  response.end(failureResponse(error, ending, { isHead, requestId: '' }));
}

/** The same for a connection on which no request was understood. */
export function rawFailureResponse(error: BalancerError): string {
  return failureResponse(error, 'close', { isHead: false, requestId: '' });
}

/** The answer that tells of it, head and body; `requestId` is '' where the request was not understood, `debug` lines of its head. */
export function failureResponse(
  error: BalancerError,
  ending: Ending,
  {
    isHead,
    requestId,
    debug = '',
  }: { readonly isHead: boolean; readonly requestId: string; readonly debug?: string },
): string {
  const body = JSON.stringify(failureWith(safeMessage(error)));
  const { status } = error;
  let head =
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nDate: ${new Date().toUTCString()}\r\n`;
  if (error.retryAfterS > 0) head += `Retry-After: ${error.retryAfterS}\r\n`;
  if (requestId !== '') head += `X-Request-Id: ${requestId}\r\n`;
  head += debug;
  head += ending === 'keep-alive' ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n';
  return `${head}\r\n${isHead ? '' : body}`;
}
