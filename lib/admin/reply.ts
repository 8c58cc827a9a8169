/**
 * The responses of the control plane: their shape, and how they are sent so that the client can read them.
 * Invariant: a connection on which bytes of a request may still arrive is closed after the response, never used again.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { failureWith } from '../api/failure.ts';
import type { Clock } from '../platform/clock.ts';
import { BalancerError, isBalancerError, safeMessage } from '../platform/errors.ts';
import { STATUS_CODES } from '../platform/node/http.ts';
import { hasUnreadBody } from './body.ts';

type Headers = Readonly<Record<string, string>>;

interface ReplyHead {
  readonly status: number;
  /** Beside the framing and `connection`, which belong to `sendReply`. */
  readonly headers: Headers;
}

/** A response with a whole body. */
export interface WholeReply extends ReplyHead {
  readonly body: string | Buffer;
}

/** A stream that goes on until its client disconnects or the server closes. */
export interface StreamReply extends ReplyHead {
  /** Called once with a function that writes; returns what to call when nothing can be written any more. */
  begin(write: (text: string) => void): () => void;
}

export type Reply = WholeReply | StreamReply;

function jsonReply(status: number, content: unknown, headers: Headers): WholeReply {
  const own = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  return { status, headers: { ...own, ...headers }, body: JSON.stringify(content) };
}

/** 200 with `message`, which may be any JSON value. */
export function succeeded(message: unknown): WholeReply {
  return jsonReply(200, { message, status: 'successful' }, {});
}

/** 202 with `message`: what it says has begun. */
export function accepted(message: unknown): WholeReply {
  return jsonReply(202, { message, status: 'successful' }, {});
}

/** A failure in words that are safe to send. */
export function failed(status: number, message: string, headers: Headers = {}): WholeReply {
  const retry: Headers = status === 503 ? { 'retry-after': '1' } : {};
  return jsonReply(status, failureWith(message), { ...retry, ...headers });
}

/** The failure that an error stands for; what is not a BalancerError is `internal`, and tells nothing of itself. */
export function failureOf(error: unknown, headers: Headers = {}): WholeReply {
  const known = isBalancerError(error) ? error : new BalancerError('internal');
  return failed(known.status, safeMessage(known), headers);
}

export interface SendOptions {
  /** True where the connection is to be closed after this response. */
  readonly isLast: boolean;
  readonly clock: Clock;
}

/** Sends the response, unless the client has disconnected. */
export function sendReply(
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  { isLast, clock }: SendOptions,
): void {
  if (request.socket.destroyed) return;
  const isCut = hasUnreadBody(request);
  if ('begin' in reply) {
    response.writeHead(reply.status, { ...reply.headers, connection: 'close' });
    stream(response, reply);
    return;
  }
  response.writeHead(reply.status, {
    ...reply.headers,
    // of a 304 it would be the length of what is not sent (RFC 9110 section 8.6)
    ...(reply.status !== 304 && { 'content-length': Buffer.byteLength(reply.body) }),
    ...((isLast || isCut) && { connection: 'close' }),
  });
  // without a socket the response waits behind an earlier one, and Node closes the connection in its turn
  if (!isCut || response.socket === null) {
    response.end(reply.body);
    return;
  }
  response.flushHeaders();
  response.write(reply.body);
  request.resume();
  closeGently(request.socket, clock);
}

/** The most that is kept for a client which does not read; it reconnects and requests what it missed. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** Writes the head at once and then what comes, for as long as the client reads. */
function stream(response: ServerResponse, reply: StreamReply): void {
  if (response.req.method === 'HEAD') {
    response.end();
    return;
  }
  response.flushHeaders();
  const end = reply.begin((text) => {
    response.write(text);
    if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  });
  response.once('close', end);
}

/** How long what a client still sends is discarded once the response is sent. */
const LINGER_MS = 1000;

/**
 * Ends our side and goes on reading for a while: a socket closed on unread bytes is reset, and the reset can
 * overtake the response (RFC 9112 section 9.6).
 */
function closeGently(socket: Socket, clock: Clock): void {
  socket.end();
  const timer = clock.after(LINGER_MS, () => socket.destroy());
  socket.once('close', () => timer.cancel());
}

/** The response as text, for a connection whose request could not be parsed; it ends the connection. */
export function rawReply(reply: WholeReply, clock: Clock): string {
  const headers = {
    ...reply.headers,
    'content-length': Buffer.byteLength(reply.body),
    date: new Date(clock.wallMs()).toUTCString(),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status]}\r\n${lines.join('')}\r\n${reply.body}`;
}
