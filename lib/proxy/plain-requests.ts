/**
 * Plain requests, taken from a client's socket before Node's HTTP parser sees them.
 * Must not hold: what is plain (`plain-head.ts`), what becomes of a request.
 *
 * For each request Node's parser calls three functions of JavaScript, and makes a string of every part of a head, most
 * of which we join again. Most requests come whole in one read, alone: those are read from their bytes. The first
 * that is not, or that comes while another is being answered, is shown to Node's parser, which has its connection
 * from then on; what comes goes on through `direct-requests.ts`.
 * Invariants: the parser has seen every byte of a connection since it has it, and none from before.
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { DirectBody } from './direct-body.ts';
import { DirectResponse } from './direct-requests.ts';
import { fieldPairs } from './field-section.ts';
import type { ClientRequest } from './incoming.ts';
import { type PlainHead, readPlainHead } from './plain-head.ts';
import { giveReadsBack, type RawSocket, SCRATCH, showToParser, takeReads } from './raw-reads.ts';

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
}

const TAKER = Symbol('taker');
interface PlainSocket extends RawSocket {
  [TAKER]?: PlainTaker | undefined;
}

/** Has the plain requests on this socket, which Node's server has just accepted, given to `taker`, where that is possible. */
export function takePlainly(socket: Socket, taker: PlainTaker): void {
  if (takeReads(socket as PlainSocket, hear, null)) (socket as PlainSocket)[TAKER] = taker;
}

/** Nothing that came on the socket so far was the parser's. */
export function isTakenPlainly(socket: Socket): boolean {
  return (socket as PlainSocket)[TAKER] !== undefined;
}

function hear(this: PlainSocket, bytes: number): boolean {
  const taker = this[TAKER]!;
  if (taker.hears(this) && !this.writableNeedDrain) {
    const head = readPlainHead(SCRATCH, bytes);
    if (head !== undefined && head.text.length <= taker.maxHeadBytes && isAlone(head, bytes)) {
      const body = head.bodyLength === -1 ? undefined : bodyOf(this, head, bytes);
      taker.take(new PlainRequest(this, head, body), new DirectResponse(this, head.keepsAlive), head);
      return true;
    }
  }
  leaveToParser(this, bytes);
  return true;
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
function leaveToParser(socket: PlainSocket, bytes: number): void {
  const { parser, _handle: handle } = socket;
  socket[TAKER] = undefined;
  if (!parser || !handle) return;
  // who switches protocols keeps what came behind the head
  const came = Buffer.from(SCRATCH.subarray(0, bytes));
  if (giveReadsBack(socket, parser, handle)) showToParser(socket, came);
}
