/**
 * Reads the body of a request from a socket that Node's parser has let go: chunks, which are taken as RFC 9112 section
 * 7.1 has them (Node's parser takes no blanks in their size lines), or as many bytes as were announced.
 * Must not hold: where the body goes (`direct-body.ts`), what becomes of the connection.
 * Invariants: what follows the body is given back, all of it, once; after a fault nothing more is read.
 */
import type { Socket } from 'node:net';
import { BalancerError, isBalancerError } from '../errors.ts';
import { ChunkedBody } from './chunked-body.ts';
import type { DirectBody } from './direct-body.ts';

/** Of a body's trailers, as of a response's. */
const TRAILER_LIMITS = { maxBytes: 16_384, maxFields: 256, tooLong: 'trailer-too-large' } as const;

export interface BodyReadsOwner {
  /** The body is complete; `rest` came behind it. */
  onBodyEnd(rest: Buffer): void;
  /** The body is not HTTP, or its client has ended in the middle of it. */
  onBodyFault(error: BalancerError): void;
}

export class BodyReads {
  readonly #socket: Socket;
  readonly #body: DirectBody;
  readonly #owner: BodyReadsOwner;
  readonly #chunked: ChunkedBody | undefined;
  /** Bytes to come of a body without chunks. */
  #left: number;
  readonly #onData = (chunk: Buffer): void => this.#read(chunk);
  readonly #onEnd = (): void =>
    this.#fail(new BalancerError('bad-request', 'The connection ended in the middle of the request body'));

  /** `body` is filled, once `begin` is called. */
  constructor(socket: Socket, body: DirectBody, owner: BodyReadsOwner) {
    this.#socket = socket;
    this.#body = body;
    this.#owner = owner;
    this.#left = body.length;
    if (!Number.isNaN(body.length)) return;
    this.#chunked = new ChunkedBody(TRAILER_LIMITS);
    this.#chunked.start({ onBody: (piece) => this.#push(piece) }, false);
  }

  /** Reads from now on; `first` came with the head. */
  begin(first: Buffer): void {
    this.#socket.on('data', this.#onData);
    this.#socket.on('end', this.#onEnd);
    this.#read(first);
  }

  #read(chunk: Buffer): void {
    try {
      const end = this.#chunked === undefined ? this.#readLength(chunk) : this.#chunked.read(chunk, 0);
      if (end !== -1) this.#complete(chunk.subarray(end));
    } catch (error) {
      if (!isBalancerError(error, 'bad-response')) throw error;
      this.#fail(requestFault(error));
    }
  }

  #readLength(chunk: Buffer): number {
    const piece = chunk.subarray(0, this.#left);
    this.#left -= piece.length;
    if (piece.length > 0) this.#push(piece);
    return this.#left === 0 ? piece.length : -1;
  }

  #push(piece: Buffer): void {
    if (!this.#body.push(piece)) this.#socket.pause();
  }

  #complete(rest: Buffer): void {
    this.#stop();
    // what the stream holds back has left the kernel, and nobody else would find it
    this.#socket.pause();
    const held = this.#socket.read() as Buffer | null;
    const { trailers } = this.#chunked ?? { trailers: [] };
    this.#body.complete = true;
    this.#body._addHeaderLines(trailers, trailers.length);
    this.#body.push(null);
    this.#owner.onBodyEnd(held === null ? rest : Buffer.concat([rest, held]));
  }

  #fail(error: BalancerError): void {
    this.#stop();
    this.#owner.onBodyFault(error);
  }

  #stop(): void {
    this.#chunked?.stop();
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
  }
}

/** The decoder speaks of responses; what it found wrong is the client's here. */
function requestFault(error: BalancerError): BalancerError {
  const isTooLong = /^(trailer-too-large|too-many-headers):/.test(error.message);
  const what = error.message.slice(error.message.indexOf(':') + 2);
  return isTooLong
    ? new BalancerError('head-too-large')
    : new BalancerError('bad-request', `The request is not HTTP/1.1: ${what}`);
}
