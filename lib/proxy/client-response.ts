/**
 * Where an answer to a client is written, and the one that writes through Node's ServerResponse, but with a head that
 * is ready-made text. Must not hold: what the head says (`headers.ts`), where the answer comes from.
 *
 * `writeHead` would take the head apart, check and put it together again: 5 of the 25 µs that a small request may
 * cost. Setting `_header` is what `writeHead` itself does last; `_last` is how it says that the connection closes.
 * All of `test/proxy` notices when a release of Node changes them.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { type BalancerError, safeMessage } from '../errors.ts';
import { closeOnceWritten, writeHeld } from './batched-writes.ts';

interface RawResponse {
  _header: string | null;
  _headerSent: boolean;
  _hasBody: boolean;
  _last: boolean;
  shouldKeepAlive: boolean;
}

/** What follows the answer on its connection: the next request, its end, or its end once the client has read it. */
export type Ending = 'keep-alive' | 'close' | 'linger';

/** The place of one request's answer on its client's connection. */
export interface ClientResponse {
  /** The client would have the connection kept. */
  readonly keepsAlive: boolean;
  /** Null while an answer before it is still being written. */
  readonly socket: Socket | null;
  /** Takes the answer's bytes, once it is begun: the first of them are its head's. */
  readonly out: Writable;
  readonly isBegun: boolean;
  begin(ending: Ending): void;
  /** `text`, latin1, is the last of it, which may wait for others; without one that has been written already. */
  end(text?: string, mayWait?: boolean): void;
  /** Calls `hear` when all of it has been taken by the kernel. */
  whenOut(hear: () => void): void;
  /** The connection is no HTTP any more. */
  detach(): void;
}

/** An answer through Node's own response object. */
export class NodeResponse implements ClientResponse {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get keepsAlive(): boolean {
    return this.#response.shouldKeepAlive;
  }

  get socket(): Socket | null {
    return this.#response.socket;
  }

  get out(): Writable {
    return this.#response.socket ?? this.#response;
  }

  get isBegun(): boolean {
    return this.#response.headersSent;
  }

  begin(ending: Ending): void {
    if (this.socket !== null) writeHeld(this.socket);
    const raw = this.#response as unknown as RawResponse;
    raw._header = ' ';
    raw._headerSent = true;
    raw._hasBody = true;
    raw._last = ending === 'close';
    raw.shouldKeepAlive = ending === 'keep-alive';
    const { socket } = this;
    if (ending === 'close' && socket !== null) socket.destroySoon = () => closeOnceWritten(socket);
  }

  /** Nothing waits. */
  end(text?: string): void {
    if (text !== undefined) this.out.write(text, 'latin1');
    this.#response.end();
  }

  whenOut(hear: () => void): void {
    this.#response.once('finish', hear);
  }

  detach(): void {
    if (this.socket !== null) this.#response.detachSocket(this.socket);
  }
}

/** The JSON that tells a client of a failure of the balancer's own. */
function failureBody(error: BalancerError): string {
  return JSON.stringify({ message: `<Error> ${safeMessage(error)}`, status: 'failure' });
}

/** Answers a request that is no exchange with the balancer's own failure. */
export function sendFailure(
  response: ClientResponse,
  isHead: boolean,
  error: BalancerError,
  ending: Ending,
): void {
  response.begin(ending);
  response.end(failureText(error, ending, { isHead, requestId: '' }));
}

/** The same for a connection on which no request was understood. */
export function rawFailure(error: BalancerError): string {
  return failureText(error, 'close', { isHead: false, requestId: '' });
}

/** The answer that tells of it, head and body; `requestId` is '' where the request was not understood, `debug` lines of its head. */
export function failureText(
  error: BalancerError,
  ending: Ending,
  {
    isHead,
    requestId,
    debug = '',
  }: { readonly isHead: boolean; readonly requestId: string; readonly debug?: string },
): string {
  const body = failureBody(error);
  const { status } = error;
  let head =
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nDate: ${new Date().toUTCString()}\r\n`;
  if (status === 503) head += 'Retry-After: 1\r\n';
  if (requestId !== '') head += `X-Request-Id: ${requestId}\r\n`;
  head += debug;
  head += ending === 'keep-alive' ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n';
  return `${head}\r\n${isHead ? '' : body}`;
}
