/**
 * Plain requests, taken from a client's socket without Node's HTTP server.
 * Must not hold: what is plain (`plain-head.ts`), what becomes of a request.
 *
 * For each request Node's parser calls three functions of JavaScript, and makes a string of every part of a head, most
 * of which we join again; for each connection its server sets up a parser, a dozen functions and as many listeners.
 * Most requests come whole in one read, alone: those are read from their bytes, and need nothing of it. With the first
 * that is not plain, or that comes while another is being answered, the connection becomes the server's, and what
 * comes goes on through `direct-requests.ts`.
 * Invariants: the parser has seen every byte of a connection since it has it, and none from before.
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { DirectBody } from './direct-body.ts';
import { DirectResponse } from './direct-requests.ts';
import { fieldPairs } from './field-section.ts';
import type { ClientRequest } from './incoming.ts';
import { type PlainHead, readPlainHead } from './plain-head.ts';
import { type RawSocket, readAsStream, readRaw, SCRATCH, showToParser } from './raw-reads.ts';
import { Turns } from './turns.ts';

export class PlainRequest implements ClientRequest {
  readonly method: string;
  readonly url: string;
  readonly socket: Socket;
  readonly body: DirectBody | undefined;
  readonly #text: string;
  readonly #fieldsAt: number;

  constructor(socket: Socket, { method, target, text, fieldsAt }: PlainHead, body: DirectBody | undefined) {
    this.socket = socket;
    this.method = method;
    this.url = target;
    this.body = body;
    this.#text = text;
    this.#fieldsAt = fieldsAt;
  }

  get httpVersion(): string {
    return '1.1';
  }

  get httpVersionMajor(): number {
    return 1;
  }

  get httpVersionMinor(): number {
    return 1;
  }

  /** Made at each call. */
  get rawHeaders(): string[] {
    return fieldPairs(this.#text, this.#fieldsAt);
  }

  get complete(): boolean {
    return true;
  }
}

/** Who takes requests, for any number of sockets. */
export interface PlainTaker {
  /** Longer heads are the parser's to refuse. */
  readonly maxHeadBytes: number;
  /** The client has sent something; false where a request could not be answered now. */
  hears(socket: Socket): boolean;
  /** `head` is good until the call returns. */
  take(request: PlainRequest, response: DirectResponse, head: PlainHead): void;
  /** Has Node's server take the connection, and its parser read it. */
  leave(socket: Socket): void;
}

/** What is longer does not wait, so that a crowd that waits is no matter of memory. */
const MOST_WAITING_BYTES = 4096;

const [LF, CR] = [10, 13];

const TAKER = Symbol('taker');
/** What came, latin1, while it has to wait. */
const WAITING = Symbol('waiting');
interface PlainSocket extends RawSocket {
  [TAKER]?: PlainTaker | undefined;
  [WAITING]?: string | undefined;
}

/** Has the plain requests on this socket, which nobody reads yet, given to `taker`; false where that is not possible. */
export function takePlainly(socket: Socket, taker: PlainTaker): boolean {
  if (!readRaw(socket as PlainSocket, hear, null)) return false;
  (socket as PlainSocket)[TAKER] = taker;
  return true;
}

/** Nothing that came on the socket so far was the parser's. */
export function isTakenPlainly(socket: Socket): boolean {
  return (socket as PlainSocket)[TAKER] !== undefined;
}

/** What came has not been looked at yet: others are before it. */
export function isWaiting(socket: Socket): boolean {
  return (socket as PlainSocket)[WAITING] !== undefined;
}

function hear(this: PlainSocket, bytes: number): boolean {
  const waiting = this[WAITING];
  if (waiting !== undefined) {
    // it is not plain then, and a client that goes on sending is the parser's to hold back
    this[WAITING] = undefined;
    leaveToParser(this, Buffer.from(waiting + SCRATCH.toString('latin1', 0, bytes), 'latin1'));
  } else if (bytes > MOST_WAITING_BYTES || turns.isNow()) {
    deal(this, bytes);
  } else {
    this[WAITING] = SCRATCH.toString('latin1', 0, bytes);
    turns.wait(this);
  }
  return true;
}

const turns = new Turns<PlainSocket>((socket) => {
  const text = socket[WAITING];
  socket[WAITING] = undefined;
  // it has closed, or has sent its last and gets no answer, or is the parser's
  if (text === undefined || !socket.writable) return;
  deal(socket, SCRATCH.write(text, 'latin1'));
});

/** Takes fewer requests in a round, for those who have no connection yet; or as many as usual again. */
export function giveWay(must: boolean): void {
  turns.giveWay(must);
}

/** Takes what lies in SCRATCH as a request, or leaves it to the parser. */
function deal(socket: PlainSocket, bytes: number): void {
  if (isBlankLines(bytes)) return;
  const taker = socket[TAKER];
  if (taker?.hears(socket) === true && !socket.writableNeedDrain) {
    const head = readPlainHead(SCRATCH, bytes);
    if (head !== undefined && head.text.length <= taker.maxHeadBytes && isAlone(head, bytes)) {
      const body = head.bodyLength === -1 ? undefined : bodyOf(socket, head, bytes);
      taker.take(new PlainRequest(socket, head, body), new DirectResponse(socket, head.keepsAlive), head);
      return;
    }
  }
  // who switches protocols keeps what came behind the head
  leaveToParser(socket, Buffer.from(SCRATCH.subarray(0, bytes)));
}

/** Old clients send an empty line behind a body, which is no request and no part of one (RFC 9112 section 2.2). */
function isBlankLines(bytes: number): boolean {
  let at = 0;
  while (at + 1 < bytes && SCRATCH[at] === CR && SCRATCH[at + 1] === LF) at += 2;
  return at === bytes;
}

/** All of the request has come, and nothing behind it. */
function isAlone({ text, bodyLength }: PlainHead, bytes: number): boolean {
  return text.length + Math.max(0, bodyLength) === bytes;
}

/** The body that came with its head. */
function bodyOf(socket: Socket, { text, bodyLength }: PlainHead, bytes: number): DirectBody {
  const body = new DirectBody(socket, bodyLength);
  if (bodyLength > 0) body.push(Buffer.from(SCRATCH.subarray(text.length, bytes)));
  body.complete = true;
  body.push(null);
  return body;
}

/** What came is the parser's, and all that follows. */
function leaveToParser(socket: PlainSocket, came: Buffer): void {
  const taker = socket[TAKER];
  if (taker === undefined || socket.destroyed) return;
  socket[TAKER] = undefined;
  readAsStream(socket);
  taker.leave(socket);
  showToParser(socket, came);
}
